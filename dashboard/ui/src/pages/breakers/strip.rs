//! The states of a breaker over time.

use leptos::prelude::*;
use poolscope_wire::{BreakerState, StateSpan, Transition};

use super::{axis::Axis, changes::line, drawn::Drawn};
use crate::{
    derived::Derived,
    format,
    time::{Time, range::Span},
    words,
};

/// Width of the drawing, which is stretched to the card.
const WIDTH: f64 = 1_000.0;

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

/// The states of a breaker over time, or the worst of several.
#[component]
pub fn Strip(
    /// What is drawn.
    drawn: Derived<Drawn>,
    /// Why its history is not here; empty while it is read.
    untold: Derived<Option<String>>,
) -> impl IntoView {
    let time = expect_context::<Time>();
    let Axis { view, ticks } = expect_context::<Axis>();
    let parts = move || (lines(&ticks.get()), drawn.with(shapes));
    let changes =
        move || format::counted(drawn.with(|drawn| drawn.changes.len()) as u64, "change", "changes");
    let since = move || drawn.with(Drawn::known_since).map(not_known_before).unwrap_or_default();
    let since_when = move || {
        let known_since = drawn.with(Drawn::known_since);
        known_since.map(|at_ms| format!("not known before {}", format::clock_time(at_ms)))
    };
    let about = move || {
        let known = since();
        format!("{} of state in {}. {known}", changes(), format::span(view.get().width_ms() / 1_000))
    };
    let says = move || {
        let is_fixed = time.fixed().is_some();
        let is_unknown = drawn.with(|drawn| drawn.states.is_empty());
        match untold.get() {
            Some(why) if !why.is_empty() => Some(why),
            Some(_) if is_fixed => Some("Reading its history \u{2026}".to_owned()),
            _ => is_unknown.then(|| "Nothing is known of it in this time.".to_owned()),
        }
    };
    view! {
        <div class="strip" data-testid="breaker-strip">
            <svg viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label=about>{parts}</svg>
            <span class="soft">{changes}</span>
            <span class="soft">{since_when}</span>
        </div>
        {move || says().map(|text| view! { <p class="soft" role="status">{text}</p> })}
    }
}

fn not_known_before(at_ms: u64) -> String {
    format!("Not known before {}", format::exact_time(at_ms))
}

/// A hairline at each tick of the axis.
fn lines(ticks: &[(u64, f64)]) -> impl IntoView + use<> {
    let line = |(_, place): &(u64, f64)| {
        view! { <path class="tick" d=format!("M{:.1} 0V20", place * WIDTH) /> }
    };
    ticks.iter().map(line).collect_view()
}

/// States as bars, what is not known hatched, and over each change a place to point at.
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
            <path class="unknown" d=format!("M{from:.1} 10H{to:.1}")><title>{why}</title></path>
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
