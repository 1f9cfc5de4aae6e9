//! What is drawn of a breaker: its states over a time, and when nothing is known of it. Pure.

use poolscope_wire::{Breaker, BreakerState, StateSpan, Transition};

use super::past::Past;
use crate::time::range::Span;

/// What is drawn of a breaker.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Drawn {
    /// The time in view.
    pub view: Span,
    /// The states of which something is known.
    pub states: Vec<StateSpan>,
    /// The times of which nothing is.
    pub unknown: Vec<Span>,
    /// The changes of state.
    pub changes: Vec<Transition>,
}

impl Drawn {
    /// What is known of a breaker in a time; one that ends now goes on with what the stream tells.
    pub fn new(breaker: &Breaker, past: &Past, view: Span, is_live: bool) -> Self {
        let states = match is_live {
            true => states_until_now(breaker, past, view),
            // Of a time that has passed the server alone knows.
            false => past.detail.as_ref().map(|detail| cut(&detail.states, view)).unwrap_or_default(),
        };
        let changes = past.changes(breaker).into_iter().filter(|change| view.contains(change.at_ms));
        Self { unknown: unknown(&states, view), changes: changes.collect(), view, states }
    }

    /// Since when the breaker is known, if that is not all the time in view.
    pub fn known_since(&self) -> Option<u64> {
        let first = self.unknown.first().filter(|span| span.from_ms == self.view.from_ms)?;
        Some(first.to_ms)
    }
}

/// The states that the server told, and after them those of the stream. Of the time before anything was told of the
/// breaker nothing is known: not that it was closed.
fn states_until_now(breaker: &Breaker, past: &Past, view: Span) -> Vec<StateSpan> {
    let mut states = past.detail.as_ref().map(|detail| cut(&detail.states, view)).unwrap_or_default();
    let told_until = past.detail.as_ref().and_then(|detail| detail.states.last()).map(|last| last.to_ms);
    let first_change = breaker.transitions.first().map(|change| change.at_ms);
    let known_since = told_until.or([first_change, breaker.since_ms].into_iter().flatten().min());
    // What is silent may be in any state.
    let to_ms = if breaker.stale { view.to_ms.min(breaker.last_seen_ms) } else { view.to_ms };
    let from_ms = known_since.unwrap_or(to_ms).max(view.from_ms);
    for state in segments(&breaker.transitions, breaker.state, from_ms, to_ms) {
        match states.last_mut() {
            Some(last) if last.state == state.state && last.to_ms == state.from_ms => {
                last.to_ms = state.to_ms;
            }
            _ => states.push(state),
        }
    }
    states
}

/// The times between states.
pub fn unknown(states: &[StateSpan], view: Span) -> Vec<Span> {
    let mut from_ms = view.from_ms;
    let mut holes = Vec::new();
    for state in states {
        if state.from_ms > from_ms {
            holes.push(Span { from_ms, to_ms: state.from_ms });
        }
        from_ms = from_ms.max(state.to_ms);
    }
    if from_ms < view.to_ms {
        holes.push(Span { from_ms, to_ms: view.to_ms });
    }
    holes
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

#[cfg(test)]
mod tests {
    use poolscope_wire::BreakerDetail;

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
    fn states_of_the_server_are_cut_to_the_view_and_keep_their_holes() {
        let state = |from_ms, to_ms| StateSpan { state: BreakerState::Open, from_ms, to_ms };
        let cut = cut(
            &[state(0, 10), state(10, 25), state(40, 60), state(60, 90)],
            Span { from_ms: 20, to_ms: 50 },
        );
        assert_eq!(cut, [state(20, 25), state(40, 50)]);
    }

    fn told(states: &[(BreakerState, u64, u64)], changes: Vec<Transition>, to_ms: u64) -> Past {
        let states = states.iter().map(|(state, from_ms, to_ms)| StateSpan {
            state: *state,
            from_ms: *from_ms,
            to_ms: *to_ms,
        });
        let range = poolscope_wire::Range { to_ms, ..Default::default() };
        let detail = BreakerDetail {
            states: states.collect(),
            transitions: changes,
            range,
            ..BreakerDetail::default()
        };
        Past { detail: Some(Box::new(detail)), failure: None }
    }

    fn spans(drawn: &Drawn) -> Vec<(u64, u64, BreakerState)> {
        drawn.states.iter().map(|state| (state.from_ms, state.to_ms, state.state)).collect()
    }

    #[test]
    fn what_was_before_the_breaker_was_known_is_not_told_as_closed() {
        use BreakerState::{Closed, Open};
        let view = Span { from_ms: 0, to_ms: 100 };
        let breaker = Breaker { state: Closed, ..Breaker::default() };
        let nothing = Drawn::new(&breaker, &Past::default(), view, true);
        assert_eq!((spans(&nothing), nothing.unknown.as_slice()), (vec![], [view].as_slice()));
        let drawn = Drawn::new(&breaker, &told(&[(Closed, 60, 90)], vec![], 90), view, true);
        assert_eq!(spans(&drawn), [(60, 100, Closed)], "the stream goes on from there");
        assert_eq!((drawn.known_since(), drawn.unknown.len()), (Some(60), 1));
        // A silence is a hole, and so is what follows the last word of one that is silent now.
        let past = told(&[(Closed, 0, 20), (Closed, 50, 70)], vec![], 70);
        let silent = Breaker { stale: true, last_seen_ms: 80, ..breaker.clone() };
        let drawn = Drawn::new(&silent, &past, view, true);
        assert_eq!(spans(&drawn), [(0, 20, Closed), (50, 80, Closed)]);
        let holes: Vec<_> = drawn.unknown.iter().map(|hole| (hole.from_ms, hole.to_ms)).collect();
        assert_eq!((holes, drawn.known_since()), (vec![(20, 50), (80, 100)], None));
        // Before the server has answered, its changes alone are known.
        let changed = Breaker { transitions: vec![transition(40, Open, Closed)], ..breaker };
        assert_eq!(spans(&Drawn::new(&changed, &Past::default(), view, true)), [(40, 100, Closed)]);
    }

    #[test]
    fn changes_are_those_of_the_time_and_the_stream_tells_the_newest() {
        use BreakerState::{Closed, Open};
        let breaker = Breaker {
            transitions: vec![transition(5, Closed, Open), transition(15, Open, Closed)],
            ..Breaker::default()
        };
        let count = |past: &Past, from_ms, to_ms| {
            Drawn::new(&breaker, past, Span { from_ms, to_ms }, true).changes.len()
        };
        assert_eq!(count(&Past::default(), 10, 20), 1);
        let past = told(&[(Closed, 0, 5), (Open, 5, 12)], vec![transition(5, Closed, Open)], 12);
        assert_eq!(count(&past, 0, 20), 2, "each once");
        let drawn = Drawn::new(&breaker, &past, Span { from_ms: 0, to_ms: 20 }, true);
        assert_eq!(spans(&drawn), [(0, 5, Closed), (5, 15, Open), (15, 20, Closed)]);
        let of_past = Drawn::new(&breaker, &Past::default(), Span { from_ms: 0, to_ms: 20 }, false);
        assert!(of_past.states.is_empty(), "of a time that has passed the server alone knows");
    }
}
