//! One breaker.

use leptos::{html::Article, prelude::*};
use poolscope_semconv::value::BreakerReason;
use poolscope_wire::{Breaker, BreakerState, Share, Subject, Transition};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, ScrollIntoViewOptions, ScrollLogicalPosition};

use super::{
    control::panel::Panel,
    past::{Past, use_past},
    strip::{Strip, transitions_in},
};
use crate::{
    components::{bar::Bar, save::sheet_menu, shape::BreakerBadge, warnings::WarningsAbout},
    derived::Derived,
    export::sheet::{Cell, Sheet},
    format,
    navigation::Navigation,
    route::Route,
    state::live::Live,
    time::Time,
    words,
};

/// The most transitions that a card lists.
const MAX_LISTED: usize = 4;

/// One breaker.
#[component]
pub fn Card(
    /// Its id.
    id: String,
    /// True if a link led to it.
    marked: bool,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let card = NodeRef::<Article>::new();
    let time = expect_context::<Time>();
    let past = use_past(time, id.clone());
    let breaker = Derived::after({
        let id = id.clone();
        move |before: Option<&Breaker>| live.breaker(&id).or_else(|| before.cloned()).unwrap_or_default()
    });
    let state = Derived::new(move || breaker.with(|breaker| breaker.state));
    let text = move |read: fn(&Breaker) -> String| move || breaker.with(read);
    let since = move || {
        let since = breaker.with(|breaker| breaker.since_ms)?;
        Some(format::span(live.now_ms().saturating_sub(since) / 1_000))
    };
    let own = Derived::from(vec![id.clone()]);
    let class = move || {
        let severity = words::severity_key(words::breaker_severity(state.get()));
        let stale = if breaker.with(|breaker| breaker.stale) { " is-stale" } else { "" };
        format!("card v-{severity}{stale}{}", if marked { " is-marked" } else { "" })
    };
    let old = move || {
        breaker
            .with(|breaker| breaker.stale.then_some(breaker.last_seen_ms))
            .map(|seen| format!("last reported {}", format::ago(live.now_ms(), seen)))
    };
    let figure = move |label: &'static str, read: fn(&Breaker) -> u64| {
        view! { <div><dd>{move || format::count(breaker.with(read))}</dd><dt>{label}</dt></div> }
    };
    let traces = {
        let navigation = expect_context::<Navigation>();
        let id = id.clone();
        move || navigation.link_to(&Route::Traces.path(), &[("breaker", id.clone())])
    };
    let save = sheet_menu(
        "changes of state",
        move || breaker.with(|breaker| past.with(|past| sheet(breaker, &seen(breaker, past, time)))),
        move || {
            vec![
                "breaker".to_owned(),
                breaker.with(|breaker| breaker.name.clone()),
                format::iso_time(live.now_ms()),
            ]
        },
    );
    if marked {
        Effect::new(move |_| {
            if let Some(card) = card.get() {
                show(card.unchecked_ref());
            }
        });
    }
    view! {
        <article class=class node_ref=card tabindex="-1" data-stop data-testid="breaker-card" data-breaker-id=id
            data-breaker-name=text(|b| b.name.clone()) data-state=move || words::breaker_key(state.get())>
            <header>
                <span class="state" data-testid="breaker-state"><BreakerBadge state /></span>
                {move || since().map(|since| view! { <span class="soft">{format!("for {since}")}</span> })}
                <span class="grow"></span>
                {move || next_try(&breaker.get(), live.now_ms()).map(|text| view! { <strong data-testid="next-try">{text}</strong> })}
            </header>
            <h2 dir="auto" title=text(|b| b.name.clone())>{text(|b| b.name.clone())}</h2>
            <p class="soft clip" dir="auto">{text(|b| format!("{} \u{b7} {}", b.service, b.instance))}</p>
            <p class="sentence">{text(|b| b.sentence.clone())}</p>
            {move || old().map(|text| view! { <p class="is-warn">{text}</p> })}
            <Panel breaker />
            <Ratios breaker />
            <dl class="figures">
                {figure("calls in the window", |b| b.window_calls)}
                {figure("succeeded", |b| b.succeeded_total)}
                {figure("failed", |b| b.failed_total)}
                {figure("rejected", |b| b.rejected_total)}
            </dl>
            <WarningsAbout what=Subject::Breaker ids=own />
            <Strip breaker past />
            <Transitions breaker past />
            <p class="soft foot">
                <a data-testid="breaker-traces" href=traces>"traces of its calls"</a>
                <span class="grow"></span>
                {save}
            </p>
        </article>
    }
}

/// The changes of state that are seen: those of a time that stands still, or the newest.
fn seen(breaker: &Breaker, past: &Past, time: Time) -> Vec<Transition> {
    time.fixed().map_or_else(|| breaker.transitions.clone(), |span| transitions_in(breaker, past, span))
}

/// The changes as rows, and how the breaker is now.
fn sheet(breaker: &Breaker, changes: &[Transition]) -> Sheet {
    let columns = [
        "time",
        "from",
        "to",
        "reason",
        "failed (0 to 1)",
        "slow (0 to 1)",
        "without a connection (0 to 1)",
        "calls in the window",
    ];
    let row = |change: &Transition| {
        let text = |text: &str| Cell::Text(text.to_owned());
        let share = |share: Option<f32>| Cell::from(share.map(f64::from));
        vec![
            Cell::Moment(change.at_ms),
            text(words::breaker_key(change.from)),
            text(words::breaker_key(change.to)),
            text(&change.reason),
            share(change.failure_ratio),
            share(change.slow_call_ratio),
            share(change.connect_failure_ratio),
            change.window_calls.map(|calls| calls as f64).into(),
        ]
    };
    Sheet {
        facts: vec![
            ("breaker", breaker.name.clone()),
            ("service", breaker.service.clone()),
            ("instance", breaker.instance.clone()),
            ("state_now", words::breaker_key(breaker.state).to_owned()),
            ("succeeded", breaker.succeeded_total.to_string()),
            ("failed", breaker.failed_total.to_string()),
            ("rejected", breaker.rejected_total.to_string()),
        ],
        columns: columns.map(str::to_owned).to_vec(),
        rows: changes.iter().map(row).collect(),
    }
}

/// Brings a card into view and focuses it.
fn show(card: &HtmlElement) {
    let options = ScrollIntoViewOptions::new();
    options.set_block(ScrollLogicalPosition::Center);
    card.scroll_into_view_with_scroll_into_view_options(&options);
    drop(card.focus());
}

/// When an open breaker lets a call try.
fn next_try(breaker: &Breaker, now_ms: u64) -> Option<String> {
    let at = breaker.next_try_ms.filter(|_| breaker.state == BreakerState::Open)?;
    match at.saturating_sub(now_ms).div_ceil(1_000) {
        0 => Some("next call tries".to_owned()),
        seconds => Some(format!("next try in {}", format::span(seconds))),
    }
}

/// The shares of calls that the breaker judges, each against its limit.
#[component]
fn Ratios(breaker: Derived<Breaker>) -> impl IntoView {
    let failed =
        Derived::new(move || breaker.with(|breaker| (breaker.failure_ratio, breaker.failure_ratio_limit)));
    let slow = Derived::new(move || breaker.with(|breaker| breaker.slow_calls));
    let unconnected = Derived::new(move || breaker.with(|breaker| breaker.failed_connects));
    let judged = |share: Derived<Option<Share>>, words: fn(Option<f64>) -> String| {
        let of = Derived::new(move || share.get().map_or((None, None), |of| (of.ratio, Some(of.limit))));
        view! { <Show when=move || share.get().is_some()><Ratio of words /></Show> }
    };
    view! {
        <Ratio of=failed words=failed_calls />
        {judged(slow, slow_calls)}
        {judged(unconnected, failed_connects)}
    }
}

/// One share against its limit.
#[component]
fn Ratio(
    /// Share and limit.
    of: Derived<(Option<f32>, Option<f32>)>,
    /// What the share means.
    words: fn(Option<f64>) -> String,
) -> impl IntoView {
    let share = Derived::new(move || f64::from(of.get().0.unwrap_or(0.0)));
    let limit = Derived::new(move || of.get().1.map(f64::from));
    let class = Derived::new(move || match limit.get() {
        Some(limit) if share.get() >= limit => "c-bad",
        Some(limit) if share.get() >= limit / 2.0 => "c-warn",
        _ => "c-soft",
    });
    let text = move || {
        let judged = words(of.get().0.map(f64::from));
        match limit.get() {
            Some(limit) => format!("{judged}, opens at {}", format::percent(limit)),
            None => judged,
        }
    };
    view! { <div class="ratio" data-testid="breaker-ratio"><Bar share limit class /><span class="under">{text}</span></div> }
}

fn failed_calls(share: Option<f64>) -> String {
    share.map_or("too few calls to judge".to_owned(), |share| {
        format!("{} of calls failed", format::percent(share))
    })
}

fn slow_calls(share: Option<f64>) -> String {
    share.map_or("too few calls to judge how slow they are".to_owned(), |share| {
        format!("{} of calls were slow", format::percent(share))
    })
}

fn failed_connects(share: Option<f64>) -> String {
    share.map_or("too few calls to judge their connects".to_owned(), |share| {
        format!("{} of calls found no connection", format::percent(share))
    })
}

/// The newest changes of state and their reasons.
#[component]
fn Transitions(breaker: Derived<Breaker>, past: RwSignal<Past>) -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let all = Derived::new(move || breaker.with(|breaker| past.with(|past| seen(breaker, past, time))));
    let listed =
        Derived::new(move || all.with(|all| all.iter().rev().take(MAX_LISTED).cloned().collect::<Vec<_>>()));
    let more = move || all.with(|all| all.len().saturating_sub(MAX_LISTED));
    let none = move || match time.fixed() {
        Some(_) => "No change of state in this time.",
        None => "No change of state seen so far.",
    };
    view! {
        <ol class="transitions" aria-label="Changes of state, newest first">
            <For each=move || listed.get() key=|transition| (transition.at_ms, words::breaker_key(transition.to)) let:transition>
                <li data-testid="transition-row">
                    <time class="soft" title=format::exact_time(transition.at_ms)>
                        {move || format::ago(live.now_ms(), transition.at_ms)}
                    </time>
                    <span class="change">
                        {words::breaker_state(transition.from)} " \u{2192} " <b>{words::breaker_state(transition.to)}</b>
                    </span>
                    <span class="reason">{reason(&transition)}</span>
                </li>
            </For>
        </ol>
        {move || (more() > 0).then(|| view! { <p class="soft">{format!("and {} before", more())}</p> })}
        {move || listed.with(Vec::is_empty).then(|| view! { <p class="soft">{none()}</p> })}
    }
}

/// Why a breaker changed its state, with the figures of that moment.
fn reason(transition: &Transition) -> String {
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
    use super::*;

    #[test]
    fn only_an_open_breaker_counts_down() {
        let mut breaker =
            Breaker { state: BreakerState::Open, next_try_ms: Some(26_000), ..Breaker::default() };
        assert_eq!(next_try(&breaker, 200).as_deref(), Some("next try in 26 s"));
        assert_eq!(next_try(&breaker, 99_000).as_deref(), Some("next call tries"));
        breaker.state = BreakerState::Closed;
        assert_eq!(next_try(&breaker, 200), None);
    }

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
        let failed = reason(&of("failure_ratio"));
        assert_eq!(failed, "too many calls failed: 52 % of 200 calls failed");
        assert_eq!(reason(&of("slow_call_ratio")), "too many calls were slow: 80 % of 200 calls were slow");
        assert_eq!(reason(&of("connect_failure_ratio")), "too many calls found no connection");
        let sheet = sheet(&Breaker::default(), &[of("failure_ratio")]);
        assert_eq!(sheet.rows[0].len(), sheet.columns.len());
        assert_eq!(sheet.rows[0][4], Cell::Number(f64::from(0.52_f32)));
    }
}
