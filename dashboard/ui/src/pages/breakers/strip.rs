//! The states of a breaker over time.

use leptos::prelude::*;
use poolscope_wire::{Breaker, BreakerState, StateSpan, Transition};

use super::{changes::line, drawn::Drawn, past::Past};
use crate::{
    derived::Derived,
    format,
    state::live::Live,
    time::{
        Time,
        range::{Range, Span},
    },
    words,
};

/// The shortest time that a strip shows.
const MIN_SPAN_MS: u64 = 300_000;

/// The longest: transitions further back are in the list only.
pub const MAX_SPAN_MS: u64 = 3_600_000;

/// Width of the drawing, which is stretched to the card.
const WIDTH: f64 = 1_000.0;

/// First moment of a strip that ends at `now_ms`: a little before the oldest transition, within bounds.
fn strip_start(breaker: &Breaker, now_ms: u64) -> u64 {
    let oldest = breaker.transitions.first().map_or(now_ms, |transition| transition.at_ms);
    let span = (now_ms.saturating_sub(oldest) * 11 / 10).clamp(MIN_SPAN_MS, MAX_SPAN_MS);
    now_ms.saturating_sub(span)
}

/// How high a state is drawn: what rejects calls stands out in form too.
fn height(state: BreakerState) -> f64 {
    match state {
        BreakerState::Open | BreakerState::ForcedOpen => 20.0,
        BreakerState::HalfOpen => 12.0,
        BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => 5.0,
    }
}

/// Half the width of what is pointed at to read why a state changed.
const EDGE: f64 = 6.0;

/// The states of a breaker over time.
#[component]
pub fn Strip(
    /// The breaker.
    breaker: Derived<Breaker>,
    /// Its history.
    past: RwSignal<Past>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    // Whole seconds: the strip need not move more often.
    let now = Derived::new(move || live.now_ms() / 1_000 * 1_000);
    let view = Derived::new(move || match time.range() {
        Range::Fixed(span) => span,
        range if range == Range::default() => {
            Span { from_ms: breaker.with(|breaker| strip_start(breaker, now.get())), to_ms: now.get() }
        }
        Range::Live(window_ms) => Span::ending_at(now.get(), window_ms),
    });
    let drawn = Derived::new(move || {
        let (view, is_live) = (view.get(), time.range().is_live());
        breaker.with(|breaker| past.with(|past| Drawn::new(breaker, past, view, is_live)))
    });
    let parts = move || drawn.with(shapes);
    let changes =
        move || format::counted(drawn.with(|drawn| drawn.changes.len()) as u64, "change", "changes");
    let begin = move || match time.fixed() {
        Some(span) => format::span_between(span.from_ms, span.to_ms, now.get()),
        None => format::ago(now.get(), view.get().from_ms),
    };
    let about = move || {
        let known = drawn.with(Drawn::known_since).map(not_known_before).unwrap_or_default();
        format!("{} of state in {}. {known}", changes(), format::span(view.get().width_ms() / 1_000))
    };
    let says = move || {
        let is_fixed = time.fixed().is_some();
        past.with(|past| match (&past.detail, &past.failure) {
            (None, Some(failure)) => Some(format!("Its history can't be read: {failure}")),
            (None, None) if is_fixed => Some("Reading its history \u{2026}".to_owned()),
            _ => None,
        })
        .or_else(|| {
            let is_unknown = drawn.with(|drawn| drawn.states.is_empty());
            is_unknown.then(|| "Nothing is known of it in this time.".to_owned())
        })
    };
    view! {
        <div class="strip" data-testid="breaker-strip">
            <svg viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label=about>{parts}</svg>
            <span class="soft">{begin}</span>
            <span class="soft">{changes}</span>
            <span class="soft" hidden=move || time.fixed().is_some()>"now"</span>
        </div>
        {move || says().map(|text| view! { <p class="soft" role="status">{text}</p> })}
    }
}

fn not_known_before(at_ms: u64) -> String {
    format!("Not known before {}", format::exact_time(at_ms))
}

/// States as bars, what is not known as a dashed line, and over each change a place to point at.
fn shapes(drawn: &Drawn) -> impl IntoView + use<> {
    let view = drawn.view;
    let scale = WIDTH / view.width_ms().max(1) as f64;
    let place = |at_ms: u64| at_ms.saturating_sub(view.from_ms) as f64 * scale;
    let bar = |state: &StateSpan| {
        let height = height(state.state);
        // A state that lasted a moment must still be seen.
        let width = (place(state.to_ms) - place(state.from_ms)).max(3.0);
        view! {
            <rect class=format!("b-{}", words::breaker_key(state.state))
                x=format!("{:.1}", place(state.from_ms)) width=format!("{width:.1}")
                y=(20.0 - height).to_string() height=height.to_string()>
                <title>{words::breaker_state(state.state)}</title>
            </rect>
        }
    };
    let hole = |hole: &Span| {
        let why = match hole.from_ms == view.from_ms {
            true => not_known_before(hole.to_ms),
            false => "Not known".to_owned(),
        };
        let (from, to) = (place(hole.from_ms), place(hole.to_ms));
        view! {
            <path class="unknown" d=format!("M{from:.1} 17.5H{to:.1}")><title>{why}</title></path>
        }
    };
    let edge = |change: &Transition| {
        view! {
            <rect class="edge" x=format!("{:.1}", place(change.at_ms) - EDGE) width=(2.0 * EDGE).to_string() y="0" height="20">
                <title>{line(change)}</title>
            </rect>
        }
    };
    let holes = drawn.unknown.iter().map(hole).collect_view();
    let bars = drawn.states.iter().map(bar).collect_view();
    let edges = drawn.changes.iter().map(edge).collect_view();
    (holes, bars, edges)
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Transition;

    use super::*;

    fn transition(at_ms: u64, from: BreakerState, to: BreakerState) -> Transition {
        Transition {
            at_ms,
            from,
            to,
            reason: String::new(),
            failure_ratio: None,
            slow_call_ratio: None,
            connect_failure_ratio: None,
            window_calls: None,
            forced: None,
        }
    }

    #[test]
    fn the_strip_reaches_back_as_far_as_there_is_something_within_bounds() {
        let at = |at_ms| Breaker {
            transitions: vec![transition(at_ms, BreakerState::Closed, BreakerState::Open)],
            ..Breaker::default()
        };
        let now = 10 * MAX_SPAN_MS;
        assert_eq!(strip_start(&at(now), now), now - MIN_SPAN_MS);
        assert_eq!(strip_start(&at(0), now), now - MAX_SPAN_MS);
        assert_eq!(strip_start(&at(now - 1_000_000), now), now - 1_100_000);
    }
}
