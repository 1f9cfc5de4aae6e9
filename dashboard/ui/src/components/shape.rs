//! Shapes that repeat in form what a word says, so that nothing hangs on colour alone.

use leptos::prelude::*;
use poolscope_wire::{BreakerState, Severity};

use crate::derived::Derived;
use crate::words;

/// The path of a severity's shape.
#[must_use]
pub fn outline(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "M8 5a3 3 0 1 0 .01 0Z",
        Severity::Warn => "M8 2L14.5 13.5H1.5Z",
        Severity::Bad => "M2.5 2.5H13.5V13.5H2.5Z",
    }
}

/// The path of a switch's arm.
#[must_use]
pub fn arm(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => "M6 8H16",
        BreakerState::Open | BreakerState::ForcedOpen => "M6 8L14 1.5",
        BreakerState::HalfOpen => "M6 8L15 5.2",
    }
}

/// Dot, triangle or square of a severity.
#[component]
pub fn SeverityShape(
    /// How bad it is.
    #[prop(into)]
    severity: Derived<Severity>,
) -> impl IntoView {
    let path = move || outline(severity.get());
    view! {
        <svg class=move || format!("shape s-{}", words::severity_key(severity.get()))
            viewBox="0 0 16 16" width="16" height="16" role="img"
            aria-label=move || words::severity(severity.get())
        >
            <path d=path />
        </svg>
    }
}

/// The sign of a switch: a closed breaker is a closed circuit.
#[component]
pub fn BreakerShape(
    /// The state.
    #[prop(into)]
    state: Derived<BreakerState>,
) -> impl IntoView {
    let arm = move || arm(state.get());
    view! {
        <svg class=move || format!("switch b-{}", words::breaker_key(state.get()))
            viewBox="0 0 22 12" width="22" height="12" aria-hidden="true"
        >
            <path d="M0 8H5M17 8H22" />
            <path d=arm />
            <circle cx="5" cy="8" r="1.6" />
            <circle cx="17" cy="8" r="1.6" />
        </svg>
    }
}

/// A breaker's state as a shape and a word.
#[component]
pub fn BreakerBadge(
    /// The state.
    #[prop(into)]
    state: Derived<BreakerState>,
) -> impl IntoView {
    view! {
        <span class=move || format!("badge b-{}", words::breaker_key(state.get()))
            title=move || words::breaker_meaning(state.get())
        >
            <BreakerShape state />
            <span>{move || words::breaker_state(state.get())}</span>
        </span>
    }
}
