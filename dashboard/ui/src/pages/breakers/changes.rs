//! The changes of state of a breaker and their reasons.

use leptos::prelude::*;
use poolscope_semconv::value::BreakerReason;
use poolscope_wire::{Breaker, Transition};

use super::past::Past;
use crate::{derived::Derived, format, time::Time, words};

/// The most changes that a card lists before somebody asks for all.
const MAX_LISTED: usize = 4;

/// The changes that are seen: those of a time that stands still, or all that are known.
pub fn seen(breaker: &Breaker, past: &Past, time: Time) -> Vec<Transition> {
    let mut all = past.changes(breaker);
    if let Some(span) = time.fixed() {
        all.retain(|change| span.contains(change.at_ms));
    }
    all
}

/// The newest changes of state and their reasons, or all of them.
#[component]
pub fn Transitions(
    /// The breaker.
    breaker: Derived<Breaker>,
    /// Its history.
    past: Derived<Past>,
) -> impl IntoView {
    let time = expect_context::<Time>();
    let all = Derived::new(move || breaker.with(|breaker| past.with(|past| seen(breaker, past, time))));
    let is_whole = RwSignal::new(false);
    let listed = Derived::new(move || {
        let most = if is_whole.get() { usize::MAX } else { MAX_LISTED };
        all.with(|all| all.iter().rev().take(most).cloned().collect::<Vec<_>>())
    });
    let more = move || all.with(|all| all.len().saturating_sub(MAX_LISTED)) as u64;
    let label = move || match is_whole.get() {
        true => "show the newest alone".to_owned(),
        false => format!("show {} before", format::count(more())),
    };
    let none = move || match time.fixed() {
        Some(_) if past.with(|past| past.detail.is_none()) => "",
        Some(_) => "No change of state in this time.",
        None => "No change of state seen so far.",
    };
    view! {
        <ol class="transitions" aria-label="Changes of state, newest first">
            <For each=move || listed.get() key=|transition| (transition.at_ms, words::breaker_key(transition.to)) let:transition>
                <li data-testid="transition-row">
                    <time class="soft" title=format::exact_time(transition.at_ms)>
                        {move || time.when(transition.at_ms)}
                    </time>
                    <span class="change">
                        {words::breaker_state(transition.from)} " \u{2192} " <b>{words::breaker_state(transition.to)}</b>
                    </span>
                    <span class="reason">{reason(&transition)}</span>
                </li>
            </For>
        </ol>
        <button type="button" class="quiet" data-testid="all-transitions" hidden=move || more() == 0
            aria-expanded=move || if is_whole.get() { "true" } else { "false" }
            on:click=move |_| is_whole.update(|whole| *whole = !*whole)>{label}</button>
        {move || listed.with(Vec::is_empty).then(|| view! { <p class="soft">{none()}</p> })}
    }
}

/// A change in one line, as it is told where it is pointed at.
pub fn line(change: &Transition) -> String {
    let (at, from, to) = (
        format::exact_time(change.at_ms),
        words::breaker_state(change.from),
        words::breaker_state(change.to),
    );
    format!("{at}: {from} \u{2192} {to}: {}", reason(change))
}

/// Why a breaker changed its state, with the figures of that moment.
pub fn reason(transition: &Transition) -> String {
    if let Some(forced) = &transition.forced {
        return format!("by {}: {}", forced.by, forced.why);
    }
    let why = words::breaker_reason(&transition.reason);
    let (share, what) = match BreakerReason::parse(&transition.reason) {
        Some(BreakerReason::SlowCallRatio) => (transition.slow_call_ratio, "were slow"),
        Some(BreakerReason::ConnectFailureRatio) => (transition.connect_failure_ratio, "found no connection"),
        _ => (transition.failure_ratio, "failed"),
    };
    match (share.map(|share| format::percent(f64::from(share))), transition.window_calls) {
        (Some(share), Some(calls)) => {
            format!("{why}: {share} of {} {what}", format::counted(calls, "call", "calls"))
        }
        (Some(share), None) => format!("{why}: {share} {what}"),
        (None, _) => why,
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::BreakerState;

    use super::*;

    #[test]
    fn reasons_carry_their_figures() {
        let of = |reason: &str| Transition {
            at_ms: 1,
            from: BreakerState::Closed,
            to: BreakerState::Open,
            reason: reason.to_owned(),
            failure_ratio: Some(0.52),
            slow_call_ratio: Some(0.8),
            connect_failure_ratio: None,
            window_calls: Some(200),
            forced: None,
        };
        let failed = of("failure_ratio");
        assert_eq!(reason(&failed), "too many calls failed: 52 % of 200 calls failed");
        assert!(
            line(&failed).ends_with("closed \u{2192} open: too many calls failed: 52 % of 200 calls failed")
        );
        assert_eq!(reason(&of("slow_call_ratio")), "too many calls were slow: 80 % of 200 calls were slow");
        assert_eq!(reason(&of("connect_failure_ratio")), "too many calls found no connection");
    }
}
