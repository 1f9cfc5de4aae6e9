//! The states of a breaker over time.

use leptos::prelude::*;
use poolscope_wire::{Breaker, BreakerState, StateSpan, Transition};

use super::past::Past;
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
const MAX_SPAN_MS: u64 = 3_600_000;

/// Width of the drawing, which is stretched to the card.
const WIDTH: f64 = 1_000.0;

/// First moment of a strip that ends at `now_ms`: a little before the oldest transition, within bounds.
fn strip_start(breaker: &Breaker, now_ms: u64) -> u64 {
    let oldest = breaker.transitions.first().map_or(now_ms, |transition| transition.at_ms);
    let span = (now_ms.saturating_sub(oldest) * 11 / 10).clamp(MIN_SPAN_MS, MAX_SPAN_MS);
    now_ms.saturating_sub(span)
}

/// The states between two moments. What was before the first known transition is its `from`.
fn segments(transitions: &[Transition], state: BreakerState, from_ms: u64, to_ms: u64) -> Vec<StateSpan> {
    let mut segments = Vec::with_capacity(transitions.len() + 1);
    let mut start = from_ms;
    for transition in transitions {
        if transition.at_ms <= from_ms {
            continue;
        }
        let end = transition.at_ms.min(to_ms);
        if end > start {
            segments.push(StateSpan { from_ms: start, to_ms: end, state: transition.from });
            start = end;
        }
    }
    if to_ms > start {
        segments.push(StateSpan { from_ms: start, to_ms, state });
    }
    segments
}

/// How high a state is drawn: what rejects calls stands out in form too.
fn height(state: BreakerState) -> f64 {
    match state {
        BreakerState::Open | BreakerState::ForcedOpen => 20.0,
        BreakerState::HalfOpen => 12.0,
        BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => 5.0,
    }
}

/// The states that are in view, cut to the view.
fn cut(states: &[StateSpan], view: Span) -> Vec<StateSpan> {
    let states = states.iter().filter(|state| state.to_ms > view.from_ms && state.from_ms < view.to_ms);
    let cut = |state: &StateSpan| StateSpan {
        from_ms: state.from_ms.max(view.from_ms),
        to_ms: state.to_ms.min(view.to_ms),
        ..*state
    };
    states.map(cut).collect()
}

/// The states of a breaker over time.
#[component]
pub fn Strip(
    /// The breaker.
    breaker: Derived<Breaker>,
    /// Its history, where the server was asked for it.
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
    let parts = move || {
        let view = view.get();
        let scale = WIDTH / view.width_ms().max(1) as f64;
        let states = past.with(|past| match past {
            // What the server tells knows of times of which nothing is known.
            Some(detail) if time.fixed().is_some() => cut(&detail.states, view),
            Some(_) | None => breaker
                .with(|breaker| segments(&breaker.transitions, breaker.state, view.from_ms, view.to_ms)),
        });
        let part = |state: StateSpan| {
            let height = height(state.state);
            // A state that lasted a moment must still be seen.
            let width = ((state.to_ms - state.from_ms) as f64 * scale).max(3.0);
            view! {
                <rect class=format!("b-{}", words::breaker_key(state.state))
                    x=format!("{:.1}", (state.from_ms - view.from_ms) as f64 * scale) width=format!("{width:.1}")
                    y=(20.0 - height).to_string() height=height.to_string() />
            }
        };
        states.into_iter().map(part).collect_view()
    };
    let changes = move || {
        let view = view.get();
        let count = breaker.with(|breaker| past.with(|past| transitions_in(breaker, past, view).len()));
        format::counted(count as u64, "change", "changes")
    };
    let begin = move || match time.fixed() {
        Some(span) => format::span_between(span.from_ms, span.to_ms, now.get()),
        None => format::ago(now.get(), view.get().from_ms),
    };
    let about = move || format!("{} of state in {}", changes(), format::span(view.get().width_ms() / 1_000));
    view! {
        <div class="strip">
            <svg viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label=about>{parts}</svg>
            <span class="soft">{begin}</span>
            <span class="soft">{changes}</span>
            <span class="soft" hidden=move || time.fixed().is_some()>"now"</span>
        </div>
    }
}

/// The changes of state in a time, oldest first.
pub fn transitions_in(breaker: &Breaker, past: &Past, view: Span) -> Vec<Transition> {
    let all = past.as_ref().map_or(&breaker.transitions, |detail| &detail.transitions);
    all.iter().filter(|transition| view.contains(transition.at_ms)).cloned().collect()
}

#[cfg(test)]
mod tests {
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
    fn segments_cover_the_time_without_holes() {
        use BreakerState::{Closed, HalfOpen, Open};
        let transitions =
            [transition(5, HalfOpen, Closed), transition(20, Closed, Open), transition(30, Open, HalfOpen)];
        let segments = segments(&transitions, HalfOpen, 10, 50);
        let got: Vec<_> = segments.iter().map(|s| (s.from_ms, s.to_ms, s.state)).collect();
        assert_eq!(got, [(10, 20, Closed), (20, 30, Open), (30, 50, HalfOpen)]);
    }

    #[test]
    fn a_breaker_that_never_changed_is_one_segment() {
        let segments = segments(&[], BreakerState::Closed, 10, 50);
        assert_eq!(segments, [StateSpan { from_ms: 10, to_ms: 50, state: BreakerState::Closed }]);
    }

    #[test]
    fn transitions_out_of_order_or_ahead_of_the_clock_do_no_harm() {
        use BreakerState::{Closed, Open};
        let transitions = [transition(90, Closed, Open), transition(20, Open, Closed)];
        let segments = segments(&transitions, Closed, 10, 50);
        assert!(segments.iter().all(|s| s.from_ms < s.to_ms && s.to_ms <= 50), "{segments:?}");
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

    #[test]
    fn states_of_the_server_are_cut_to_the_view_and_keep_their_holes() {
        let state = |from_ms, to_ms| StateSpan { state: BreakerState::Open, from_ms, to_ms };
        let cut = cut(
            &[state(0, 10), state(10, 25), state(40, 60), state(60, 90)],
            Span { from_ms: 20, to_ms: 50 },
        );
        assert_eq!(cut, [state(20, 25), state(40, 50)]);
    }

    #[test]
    fn changes_are_those_of_the_time() {
        use BreakerState::{Closed, Open};
        let breaker = Breaker {
            transitions: vec![transition(5, Closed, Open), transition(15, Open, Closed)],
            ..Breaker::default()
        };
        let view = Span { from_ms: 10, to_ms: 20 };
        assert_eq!(transitions_in(&breaker, &None, view).len(), 1);
        let past = Some(Box::new(poolscope_wire::BreakerDetail::default()));
        assert!(transitions_in(&breaker, &past, view).is_empty(), "the server knows better");
    }
}
