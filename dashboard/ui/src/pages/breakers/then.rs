//! How a breaker that is gone was in a time that has passed. Pure.

use poolscope_wire::{Breaker, BreakerPoint, BreakerState, Share};

use super::{changes::reason, past::Past};
use crate::{time::range::Span, words};

/// The states that a breaker was in, in a time, as far as its newest changes tell; the last is that at the end.
pub fn states_in(breaker: &Breaker, span: Span) -> Vec<BreakerState> {
    let changes = &breaker.transitions;
    let before = changes.iter().rfind(|change| change.at_ms <= span.from_ms).map(|change| change.to);
    // What was before the first change that is known is what it changed from.
    let first = before.or_else(|| changes.first().map(|change| change.from)).unwrap_or(breaker.state);
    let within = changes.iter().filter(|change| change.at_ms > span.from_ms && change.at_ms <= span.to_ms);
    [first].into_iter().chain(within.map(|change| change.to)).collect()
}

/// A breaker as it was at the end of a time, before its history is here.
pub fn at_end(breaker: &Breaker, span: Span) -> Breaker {
    Breaker {
        state: states_in(breaker, span).last().copied().unwrap_or(breaker.state),
        sentence: if breaker.last_seen_ms <= span.to_ms { breaker.sentence.clone() } else { String::new() },
        since_ms: None,
        next_try_ms: None,
        stale: false,
        ..breaker.clone()
    }
}

/// A breaker as its history tells it: in the state at the end of the time, with the greatest of its shares, and with what it
/// counted in that time alone.
pub fn in_time(breaker: &Breaker, past: &Past) -> Breaker {
    let Some(detail) = &past.detail else { return breaker.clone() };
    let greatest =
        |read: fn(&BreakerPoint) -> Option<f32>| detail.points.iter().filter_map(read).reduce(f32::max);
    let share = |of: Option<Share>, read: fn(&BreakerPoint) -> Option<f32>| {
        of.map(|of| Share { ratio: greatest(read), ..of })
    };
    let state = detail.states.last().map_or(breaker.state, |last| last.state);
    let change = detail.transitions.iter().rfind(|change| change.to == state);
    Breaker {
        state,
        sentence: match change {
            Some(change) if breaker.sentence.is_empty() => {
                format!("{}: {}", words::breaker_state(state), reason(change))
            }
            _ => breaker.sentence.clone(),
        },
        failure_ratio: greatest(|point| point.failure_ratio),
        slow_calls: share(breaker.slow_calls, |point| point.slow_call_ratio),
        failed_connects: share(breaker.failed_connects, |point| point.connect_failure_ratio),
        window_calls: detail.points.iter().map(|point| point.window_calls).max().unwrap_or_default(),
        succeeded_total: detail.counted.succeeded,
        failed_total: detail.counted.failed,
        rejected_total: detail.counted.rejected,
        ..breaker.clone()
    }
}

#[cfg(test)]
mod tests {
    use BreakerState::{Closed, HalfOpen, Open};
    use poolscope_wire::{BreakerCounts, BreakerDetail, StateSpan, Transition};

    use super::*;

    fn change(at_ms: u64, from: BreakerState, to: BreakerState) -> Transition {
        Transition {
            at_ms,
            from,
            to,
            reason: "failure_ratio".to_owned(),
            failure_ratio: Some(0.6),
            slow_call_ratio: None,
            connect_failure_ratio: None,
            window_calls: Some(20),
            forced: None,
        }
    }

    fn breaker() -> Breaker {
        Breaker {
            state: HalfOpen,
            sentence: "half open: it tries".to_owned(),
            transitions: vec![change(20, Closed, Open), change(40, Open, HalfOpen)],
            failure_ratio_limit: Some(0.5),
            slow_calls: Some(Share { ratio: None, limit: 0.3 }),
            rejected_total: 900,
            last_seen_ms: 100,
            stale: true,
            ..Breaker::default()
        }
    }

    #[test]
    fn states_are_those_of_the_time_and_not_the_last_of_all() {
        let states = |from_ms, to_ms| states_in(&breaker(), Span { from_ms, to_ms });
        assert_eq!(states(0, 10), [Closed], "what it changed from later");
        assert_eq!(states(10, 30), [Closed, Open]);
        assert_eq!(states(20, 30), [Open], "it was open from the begin");
        assert_eq!(states(50, 60), [HalfOpen]);
        let calm = Breaker { state: Open, ..Breaker::default() };
        assert_eq!(states_in(&calm, Span { from_ms: 0, to_ms: 9 }), [Open], "it never changed");
        let end = |to_ms| at_end(&breaker(), Span { from_ms: 0, to_ms });
        assert_eq!((end(30).state, &*end(30).sentence, end(30).stale), (Open, "", false));
        assert_eq!(end(100).sentence, "half open: it tries", "the last that it told is of this time");
    }

    #[test]
    fn figures_are_those_of_the_time() {
        let point = |ratio, window_calls| BreakerPoint {
            failure_ratio: Some(ratio),
            slow_call_ratio: Some(ratio / 2.0),
            window_calls,
            ..BreakerPoint::default()
        };
        let detail = BreakerDetail {
            states: vec![StateSpan { from_ms: 20, to_ms: 30, state: Open }],
            transitions: vec![change(20, Closed, Open)],
            points: vec![point(0.2, 20), point(0.8, 30), point(0.4, 10)],
            counted: BreakerCounts { succeeded: 5, failed: 7, rejected: 3 },
            ..BreakerDetail::default()
        };
        let past = Past { detail: Some(Box::new(detail)), failure: None };
        let gone = at_end(&breaker(), Span { from_ms: 10, to_ms: 30 });
        let shown = in_time(&gone, &past);
        assert_eq!((shown.state, shown.window_calls, shown.failure_ratio), (Open, 30, Some(0.8)));
        assert_eq!(shown.slow_calls, Some(Share { ratio: Some(0.4), limit: 0.3 }));
        assert_eq!(shown.failed_connects, None, "it does not judge them");
        assert_eq!((shown.succeeded_total, shown.failed_total, shown.rejected_total), (5, 7, 3));
        assert_eq!(shown.sentence, "open: too many calls failed: 60 % of 20 calls failed");
        assert_eq!(in_time(&gone, &Past::default()), gone, "nothing more is known yet");
    }
}
