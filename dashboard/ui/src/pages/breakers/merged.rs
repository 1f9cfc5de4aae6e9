//! Breakers of one name on several instances as one: their figures summed, and the worst of their states at each time. Pure.

use poolscope_wire::{Breaker, BreakerState, Share, StateSpan};

use super::drawn::{Drawn, unknown};
use crate::{compact::sort_by, time::range::Span, words};

/// How bad a state is, with an order among those that are as bad.
fn rank(state: BreakerState) -> (poolscope_wire::Severity, bool, bool) {
    let is_forced = matches!(state, BreakerState::ForcedOpen | BreakerState::ForcedClosed);
    (words::breaker_severity(state), is_forced, state != BreakerState::Closed)
}

/// The figures of those that report, worst first, as those of one; of those that are all silent, what they told last. Each
/// opens by its own window: a share of the calls of all is told beside their limit only where that is the same for each.
pub fn together(members: &[Breaker]) -> Breaker {
    let stale = members.iter().all(|one| one.stale);
    let told: Vec<&Breaker> = members.iter().filter(|one| stale || !one.stale).collect();
    let sum = |read: fn(&Breaker) -> u64| told.iter().map(|one| read(one)).fold(0, u64::saturating_add);
    let worst = told.first().copied();
    let (failure_ratio, failure_ratio_limit) =
        share_of(&told, |one| (one.failure_ratio, one.failure_ratio_limit));
    Breaker {
        state: worst.map(|worst| worst.state).unwrap_or_default(),
        // Whoever looks wants to know which of them it is.
        sentence: worst
            .filter(|worst| !worst.sentence.is_empty())
            .map(|worst| format!("{}: {}", worst.instance, worst.sentence))
            .unwrap_or_default(),
        failure_ratio,
        failure_ratio_limit,
        slow_calls: judged(&told, |one| one.slow_calls),
        failed_connects: judged(&told, |one| one.failed_connects),
        window_calls: sum(|one| one.window_calls),
        next_try_ms: told.iter().filter_map(|one| one.next_try_ms).min(),
        succeeded_total: sum(|one| one.succeeded_total),
        failed_total: sum(|one| one.failed_total),
        rejected_total: sum(|one| one.rejected_total),
        last_seen_ms: told.iter().map(|one| one.last_seen_ms).max().unwrap_or_default(),
        stale,
        ..Breaker::default()
    }
}

/// A share of the calls in all windows, each weighing as many calls as it has, and the limit that all of them have.
fn share_of(
    members: &[&Breaker],
    read: impl Fn(&Breaker) -> (Option<f32>, Option<f32>),
) -> (Option<f32>, Option<f32>) {
    let (mut part, mut all, mut limits) = (0.0, 0.0, Vec::new());
    for one in members {
        let (ratio, limit) = read(one);
        if let Some(ratio) = ratio {
            part += f64::from(ratio) * one.window_calls as f64;
            all += one.window_calls as f64;
        }
        limits.extend(limit);
    }
    let is_same = limits.iter().all(|limit| Some(limit) == limits.first());
    ((all > 0.0).then(|| (part / all) as f32), limits.first().copied().filter(|_| is_same))
}

/// The same of a share that not every breaker judges.
fn judged(members: &[&Breaker], read: fn(&Breaker) -> Option<Share>) -> Option<Share> {
    let of = |one: &Breaker| read(one).map_or((None, None), |share| (share.ratio, Some(share.limit)));
    let (ratio, limit) = share_of(members, of);
    limit.map(|limit| Share { ratio, limit })
}

/// The worst state of several breakers at each time of which something is known of one of them.
pub fn worst(all: &[Drawn], view: Span) -> Drawn {
    let ends = all.iter().flat_map(|one| &one.states).flat_map(|state| [state.from_ms, state.to_ms]);
    let mut moments: Vec<u64> = ends.collect();
    sort_by(&mut moments, u64::cmp);
    // Where each of them is on its way through its own states.
    let mut places = vec![0; all.len()];
    let mut states: Vec<StateSpan> = Vec::new();
    for (from_ms, to_ms) in moments.iter().copied().zip(moments.iter().copied().skip(1)) {
        let now = all.iter().zip(&mut places).filter_map(|(one, place)| {
            while one.states.get(*place).is_some_and(|state| state.to_ms <= from_ms) {
                *place += 1;
            }
            one.states.get(*place).filter(|state| state.from_ms <= from_ms).map(|state| state.state)
        });
        let Some(state) = now.max_by_key(|state| rank(*state)).filter(|_| to_ms > from_ms) else { continue };
        match states.last_mut() {
            Some(last) if last.state == state && last.to_ms == from_ms => last.to_ms = to_ms,
            _ => states.push(StateSpan { from_ms, to_ms, state }),
        }
    }
    let mut changes: Vec<_> = all.iter().flat_map(|one| one.changes.iter().cloned()).collect();
    sort_by(&mut changes, |a, b| a.at_ms.cmp(&b.at_ms));
    Drawn { unknown: unknown(&states, view), view, states, changes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(instance: &str, calls: u64, ratio: Option<f32>) -> Breaker {
        Breaker {
            instance: instance.to_owned(),
            sentence: "closed".to_owned(),
            window_calls: calls,
            failure_ratio: ratio,
            failure_ratio_limit: Some(0.5),
            rejected_total: 2,
            ..Breaker::default()
        }
    }

    #[test]
    fn figures_add_up_and_shares_weigh_as_many_calls_as_they_have() {
        let open = Breaker {
            state: BreakerState::Open,
            next_try_ms: Some(9),
            sentence: "open: a trial call failed".to_owned(),
            ..breaker("shop-2", 30, Some(1.0))
        };
        let silent = Breaker { stale: true, ..breaker("shop-3", 1_000, Some(1.0)) };
        let few = Breaker { failure_ratio: None, ..breaker("shop-4", 3, None) };
        let all = together(&[open, breaker("shop-1", 10, Some(0.2)), few, silent]);
        assert_eq!((all.state, all.next_try_ms), (BreakerState::Open, Some(9)));
        assert_eq!(all.sentence, "shop-2: open: a trial call failed");
        assert_eq!((all.window_calls, all.rejected_total), (43, 6), "who is silent is not counted");
        assert_eq!((all.failure_ratio, all.failure_ratio_limit), (Some(0.8), Some(0.5)));
        let other = Breaker { failure_ratio_limit: Some(0.3), ..breaker("b", 5, Some(0.1)) };
        let unlike = together(&[breaker("a", 5, Some(0.1)), other]);
        assert_eq!((unlike.failure_ratio, unlike.failure_ratio_limit), (Some(0.1), None));
        let lost = |instance: &str, at_ms| Breaker {
            state: BreakerState::Open,
            stale: true,
            last_seen_ms: at_ms,
            ..breaker(instance, 10, Some(1.0))
        };
        let lost = together(&[lost("a", 7), lost("b", 5)]);
        assert_eq!((lost.state, lost.stale, lost.last_seen_ms), (BreakerState::Open, true, 7));
        assert_eq!((lost.window_calls, lost.rejected_total), (20, 4), "what they told last");
    }

    #[test]
    fn the_strip_has_the_worst_state_at_each_time_and_holes_where_nobody_is_known() {
        use BreakerState::{Closed, HalfOpen, Open};
        let view = Span { from_ms: 0, to_ms: 100 };
        let drawn = |states: &[(u64, u64, BreakerState)]| {
            let span = |&(from_ms, to_ms, state): &_| StateSpan { from_ms, to_ms, state };
            Drawn { states: states.iter().map(span).collect(), view, ..Drawn::default() }
        };
        let one = drawn(&[(10, 30, Closed), (30, 50, Open), (50, 80, Closed)]);
        let other = drawn(&[(20, 40, Closed), (40, 60, HalfOpen), (60, 70, Open), (90, 100, Closed)]);
        let all = worst(&[one, other], view);
        let told: Vec<_> = all.states.iter().map(|state| (state.from_ms, state.to_ms, state.state)).collect();
        let expected = [
            (10, 30, Closed),
            (30, 50, Open),
            (50, 60, HalfOpen),
            (60, 70, Open),
            (70, 80, Closed),
            (90, 100, Closed),
        ];
        assert_eq!(told, expected);
        let holes: Vec<_> = all.unknown.iter().map(|hole| (hole.from_ms, hole.to_ms)).collect();
        assert_eq!((holes, all.known_since()), (vec![(0, 10), (80, 90)], Some(10)));
        assert!(worst(&[], view).states.is_empty());
    }
}
