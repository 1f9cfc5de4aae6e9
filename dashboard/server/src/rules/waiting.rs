//! Requests that wait for a connection: now, and by how long they had to.

use poolscope_wire::{Rule, Severity};

use super::{Facts, Finding, leak, limit, window};
use crate::words;

/// Fewer waits say nothing about a 99th percentile.
const MIN_WAITS: u64 = 20;

/// Requests wait, and not just for a connection that is being opened: in two reports one after the other, or by what one
/// alone tells.
pub(super) fn pending(facts: &Facts<'_>) -> Option<Finding> {
    let pending = u64::from(facts.now.pending.unwrap_or(0));
    let p99 = facts.wait_p99_s;
    // Those who wait now are in no percentile yet.
    let oldest = facts.now.limit.map(|limit| f64::from(limit.oldest_wait_s)).filter(|oldest| *oldest > 0.0);
    let long = facts.levels.get(Rule::LongWaits).unwrap_or(Rule::LongWaits.default_level());
    let limit = limit::reached(facts);
    let is_proven = match facts.before {
        Some(before) => before.pending.unwrap_or(0) > 0,
        // Reports may be a minute apart, which is too long to wait for a second one.
        None => limit.is_some() || p99.is_some_and(|wait| wait >= long.warn),
    };
    if pending == 0 || !is_proven && oldest.is_none_or(|oldest| oldest < long.warn) {
        return None;
    }
    let is_bad = [p99, oldest].into_iter().flatten().any(|wait| long.bad.is_some_and(|bad| wait >= bad));
    let severity = if is_bad { Severity::Bad } else { Severity::Warn };
    let who = if pending == 1 { "1 request waits".to_owned() } else { format!("{pending} requests wait") };
    let how_long = p99.map(|wait| format!(", p99 wait {}", words::duration(wait))).unwrap_or_default();
    // Not the pool is too small, but somebody keeps its connections.
    let leaks = leak::held(facts).map(|held| format!("; {held}")).unwrap_or_default();
    let oldest = oldest.map(|oldest| format!(", oldest {}", words::duration(oldest))).unwrap_or_default();
    let limit = limit.map(|limit| format!("; {limit}")).unwrap_or_default();
    let found = Finding::judged(facts, Rule::Exhausted, pending as f64, || {
        format!("{who} for a connection{oldest}{how_long}{limit}{leaks}")
    });
    found.map(|found| found.at_least(severity))
}

/// Requests gave up waiting.
pub(super) fn timed_out(facts: &Facts<'_>) -> Option<Finding> {
    if facts.timeouts == 0 {
        return None;
    }
    let who = words::count(facts.timeouts, "request");
    let limit = limit::reached(facts).map(|limit| format!("; {limit}")).unwrap_or_default();
    let found = Finding::judged(facts, Rule::Exhausted, facts.timeouts as f64, || {
        format!("{who} got no connection in time {}{limit}", window(facts))
    });
    found.map(|found| found.at_least(Severity::Bad))
}

/// Requests got their connection late.
pub(super) fn slow(facts: &Facts<'_>) -> Option<Finding> {
    let p99 = facts.wait_p99_s.filter(|_| facts.waits >= MIN_WAITS)?;
    let median =
        facts.wait_p50_s.map(|wait| format!(", median {}", words::duration(wait))).unwrap_or_default();
    Finding::judged(facts, Rule::LongWaits, p99, || {
        format!(
            "requests got their connection late {}: p99 wait {}{median}",
            window(facts),
            words::duration(p99)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_wire::{PoolLimit, PoolPoint};

    fn waiting(now: u32, before: Option<u32>, wait_p99_s: Option<f64>) -> Option<Finding> {
        let point = |pending| PoolPoint { pending: Some(pending), ..PoolPoint::default() };
        pending(&Facts { now: point(now), before: before.map(point), wait_p99_s, ..Facts::default() })
    }

    #[test]
    fn waiting_once_is_not_waiting() {
        assert_eq!(waiting(12, None, None), None);
        assert_eq!(waiting(12, Some(0), None), None);
        assert_eq!(waiting(0, Some(3), None), None);
    }

    #[test]
    fn waiting_once_is_told_where_the_figures_alone_prove_it() {
        let limited = |in_use, oldest_wait_s| {
            let limit = PoolLimit { max: 20, in_use, queued: 12, oldest_wait_s };
            PoolPoint { pending: Some(12), limit: Some(limit), ..PoolPoint::default() }
        };
        let once = |now, before| pending(&Facts { now, before, ..Facts::default() });
        let full = PoolPoint { pending: Some(3), active: Some(8), max_open: Some(8), ..PoolPoint::default() };
        let sentence = "3 requests wait for a connection; all 8 connections in use";
        assert_eq!(once(full, None).unwrap().sentence, sentence);
        assert_eq!(once(PoolPoint { active: Some(7), ..full }, None), None, "there is room");
        assert_eq!(once(PoolPoint { pending: Some(0), ..full }, None), None);
        let before = Some(PoolPoint::default());
        assert_eq!(once(full, before), None, "it was not full before, so it may pass");
        for before in [None, before] {
            let found = once(limited(20, 0.5), before).unwrap();
            let sentence = "12 requests wait for a connection, oldest 500 ms; limit 20 reached";
            assert_eq!((&*found.sentence, found.severity), (sentence, Severity::Warn));
        }
        assert_eq!(once(limited(20, 0.05), before), None);
    }

    #[test]
    fn waiting_once_is_told_where_others_waited_long() {
        let point =
            PoolPoint { pending: Some(7), active: Some(4), max_open: Some(5), ..PoolPoint::default() };
        let first = |wait| pending(&Facts { now: point, wait_p99_s: Some(wait), ..Facts::default() });
        let found = first(0.988).unwrap();
        let sentence = "7 requests wait for a connection, p99 wait 988 ms";
        assert_eq!((&*found.sentence, found.severity), (sentence, Severity::Warn));
        assert!(first(Rule::LongWaits.default_level().warn).is_some(), "at the limit");
        assert_eq!(first(0.05), None, "a short wait may be for a connection that is being opened");
        assert_eq!(waiting(0, None, Some(2.3)), None, "nobody waits");
        assert_eq!(waiting(7, Some(0), Some(2.3)), None, "the report before shows that it passes");
    }

    #[test]
    fn waiting_twice_is_told_with_its_figures() {
        let found = waiting(12, Some(3), Some(2.3)).unwrap();
        assert_eq!(found.sentence, "12 requests wait for a connection, p99 wait 2.3 s");
        assert_eq!(found.severity, Severity::Bad);
        let found = waiting(1, Some(1), Some(0.01)).unwrap();
        assert_eq!(found.sentence, "1 request waits for a connection, p99 wait 10 ms");
        assert_eq!(found.severity, Severity::Warn);
    }

    #[test]
    fn waiting_for_what_is_leaked_says_so() {
        let point = PoolPoint { pending: Some(4), leaked: Some(2), ..PoolPoint::default() };
        let found = pending(&Facts { now: point, before: Some(point), ..Facts::default() }).unwrap();
        assert_eq!(found.sentence, "4 requests wait for a connection; 2 responses are held and not read");
    }

    #[test]
    fn waiting_for_a_limit_names_it_and_how_long_the_oldest_waits() {
        let limit = PoolLimit { max: 20, in_use: 20, queued: 12, oldest_wait_s: 2.3 };
        let point = PoolPoint { pending: Some(12), limit: Some(limit), ..PoolPoint::default() };
        let found = pending(&Facts { now: point, before: Some(point), ..Facts::default() }).unwrap();
        assert_eq!(found.sentence, "12 requests wait for a connection, oldest 2.3 s; limit 20 reached");
        assert_eq!(found.severity, Severity::Bad);
    }

    #[test]
    fn waits_that_were_given_up_are_told_with_what_holds_the_pool() {
        let now = PoolPoint { active: Some(20), max_open: Some(20), ..PoolPoint::default() };
        let facts = Facts { now, timeouts: 3, seconds: 15.0, ..Facts::default() };
        let expected = "3 requests got no connection in time in the last 15 s; all 20 connections in use";
        assert_eq!(timed_out(&facts).unwrap().sentence, expected);
        assert_eq!(timed_out(&Facts { timeouts: 0, ..facts }), None);
    }

    #[test]
    fn a_slow_wait_needs_enough_waits() {
        let facts = Facts { wait_p99_s: Some(0.31), waits: 19, seconds: 15.0, ..Facts::default() };
        assert_eq!(slow(&facts), None);
        let found = slow(&Facts { waits: 20, wait_p50_s: Some(0.002), ..facts }).unwrap();
        assert_eq!(
            found.sentence,
            "requests got their connection late in the last 15 s: p99 wait 310 ms, median 2 ms"
        );
    }
}
