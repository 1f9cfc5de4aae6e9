//! One breaker.

use leptos::{html::Article, prelude::*};
use poolscope_wire::{Breaker, BreakerState, Subject, Transition};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, ScrollIntoViewOptions, ScrollLogicalPosition};

use super::{
    axis::Axis,
    changes::{Transitions, seen},
    control::panel::Panel,
    drawn::Drawn,
    figures::{Counted, Ratios},
    past::{Past, use_past},
    shelf::Shelf,
    strip::Strip,
};
use crate::{
    components::{save::sheet_menu, shape::BreakerBadge, warnings::WarningsAbout},
    derived::{Derived, effect},
    export::sheet::{Cell, Sheet},
    format,
    navigation::Navigation,
    route::Route,
    state::live::Live,
    time::Time,
    words,
};

/// One breaker.
#[component]
pub fn Card(
    /// Its id.
    id: String,
    /// True if a link led to it.
    marked: bool,
    /// Where it is found.
    shelf: Shelf,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let card = NodeRef::<Article>::new();
    let time = expect_context::<Time>();
    let past = use_past(live, time, id.clone());
    let own = Derived::from(vec![id.clone()]);
    let told = Derived::after(move |before: Option<&Breaker>| {
        let found = own.with(|own| shelf.of(live, own).pop());
        found.or_else(|| before.cloned()).unwrap_or_default()
    });
    let breaker = shelf.shown(told, past);
    let state = Derived::new(move || breaker.with(|breaker| breaker.state));
    let text = move |read: fn(&Breaker) -> String| move || breaker.with(read);
    let class = move || {
        let severity = words::severity_key(words::breaker_severity(state.get()));
        let stale = if breaker.with(|breaker| breaker.stale) { " is-stale" } else { "" };
        format!("card v-{severity}{stale}{}", if marked { " is-marked" } else { "" })
    };
    let old = move || breaker.with(|breaker| last_reported(breaker, live.now_ms()));
    let view = expect_context::<Axis>().view;
    let drawn = Derived::new(move || {
        let (view, is_live) = (view.get(), time.range().is_live());
        breaker.with(|breaker| past.with(|past| Drawn::new(breaker, past, view, is_live)))
    });
    let warned = Derived::new(move || vec![(Subject::Breaker, own.get())]);
    // Of a time that has passed there are none before its history is here.
    let has_figures = move || !shelf.is_then() || past.with(|past| past.detail.is_some());
    if marked {
        effect(move || {
            if let Some(card) = card.get() {
                show(card.unchecked_ref());
            }
        });
    }
    view! {
        <article class=class node_ref=card tabindex="-1" data-stop data-breaker-id=id
            data-testid=if shelf.is_then() { "gone-breaker" } else { "breaker-card" }
            data-breaker-name=text(|b| b.name.clone()) data-state=move || words::breaker_key(state.get())>
            <Top breaker shelf />
            <h2 dir="auto" title=text(|b| b.name.clone())>{text(|b| b.name.clone())}</h2>
            <p class="soft two" dir="auto">{text(|b| words::place(&[&b.service, &b.instance]))}</p>
            <p class="sentence">{text(|b| b.sentence.clone())}</p>
            {move || old().map(|text| view! { <p class="is-warn">{text}</p> })}
            {(!shelf.is_then()).then(|| view! { <Panel breaker /> })}
            <Show when=has_figures><Ratios breaker most=shelf.is_then() /><Counted breaker most=shelf.is_then() /></Show>
            {(!shelf.is_then()).then(|| view! { <WarningsAbout about=warned /> })}
            <Strip drawn untold=Derived::new(move || past.with(Past::untold)) />
            <Transitions breaker past />
            <Foot breaker past shelf />
        </article>
    }
}

/// Its state, since when, and when the next call tries.
#[component]
fn Top(breaker: Derived<Breaker>, shelf: Shelf) -> impl IntoView {
    let live = expect_context::<Live>();
    let state = Derived::new(move || breaker.with(|breaker| breaker.state));
    let since = move || {
        if shelf.is_then() {
            return Some(breaker.with(|breaker| last_heard(breaker, live.now_ms())));
        }
        let since = breaker.with(|breaker| breaker.since_ms)?;
        Some(format!("for {}", format::span(live.now_ms().saturating_sub(since) / 1_000)))
    };
    view! {
        <header>
            <span class="state" data-testid="breaker-state"><BreakerBadge state /></span>
            {move || since().map(|since| view! { <span class="soft">{since}</span> })}
            <span class="grow"></span>
            {move || breaker.with(|breaker| next_try(breaker, live.now_ms())).map(|text| view! { <strong data-testid="next-try">{text}</strong> })}
        </header>
    }
}

/// Where to go on from it.
#[component]
fn Foot(breaker: Derived<Breaker>, past: Derived<Past>, shelf: Shelf) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let traces = move || {
        let id = breaker.with(|breaker| breaker.id.clone());
        navigation.link_to(&Route::Traces.path(), &[("breaker", id)])
    };
    let save = sheet_menu(
        "changes of state",
        move || breaker.with(|breaker| past.with(|past| sheet(breaker, shelf, &seen(breaker, past, time)))),
        move || {
            let name = breaker.with(|breaker| breaker.name.clone());
            vec!["breaker".to_owned(), name, format::iso_time(live.now_ms())]
        },
    );
    view! {
        <p class="soft foot">
            <a data-testid="breaker-traces" href=traces>"traces of its calls"</a>
            <span class="grow"></span>
            {save}
        </p>
    }
}

/// The changes as rows, and how the breaker is now or was at the end.
fn sheet(breaker: &Breaker, shelf: Shelf, changes: &[Transition]) -> Sheet {
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
            (
                if shelf.is_then() { "state_at_end" } else { "state_now" },
                words::breaker_key(breaker.state).to_owned(),
            ),
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

/// When a breaker that is silent was heard last.
pub fn last_reported(breaker: &Breaker, now_ms: u64) -> Option<String> {
    breaker.stale.then(|| format!("last reported {}", format::ago(now_ms, breaker.last_seen_ms)))
}

/// When a breaker that is gone was heard last.
pub fn last_heard(breaker: &Breaker, now_ms: u64) -> String {
    format!("last heard {}", format::dated_time(breaker.last_seen_ms, now_ms))
}

/// When an open breaker lets a call try.
pub fn next_try(breaker: &Breaker, now_ms: u64) -> Option<String> {
    let at = breaker.next_try_ms.filter(|_| breaker.state == BreakerState::Open)?;
    match at.saturating_sub(now_ms).div_ceil(1_000) {
        0 => Some("next call tries".to_owned()),
        seconds => Some(format!("next try in {}", format::span(seconds))),
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
    fn a_sheet_has_a_cell_for_each_column() {
        let change = Transition {
            at_ms: 1,
            from: BreakerState::Closed,
            to: BreakerState::Open,
            reason: "failure_ratio".to_owned(),
            failure_ratio: Some(0.52),
            slow_call_ratio: None,
            connect_failure_ratio: None,
            window_calls: Some(200),
            forced: None,
        };
        let sheet = sheet(&Breaker::default(), Shelf::Now, &[change]);
        assert_eq!(sheet.rows[0].len(), sheet.columns.len());
        assert_eq!(sheet.rows[0][4], Cell::Number(f64::from(0.52_f32)));
    }
}
