//! Breakers: what a breaker's state means for its pool, and the breaker's own sentence.

use poolscope_semconv::value::BreakerReason;
use poolscope_wire::{BreakerState, Rule, Severity};

use super::{Facts, Finding, Levels};
use crate::words;

/// In which time openings are counted.
pub(crate) const FLAPPING_MS: u64 = 600_000;

/// The breaker of the destination does not let requests through.
pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    let (_, state) = facts.breaker?;
    let (severity, what) = match state {
        BreakerState::Open => (Severity::Bad, "breaker open: calls are rejected"),
        BreakerState::ForcedOpen => (Severity::Bad, "breaker held open: calls are rejected"),
        BreakerState::HalfOpen => (Severity::Warn, "breaker half-open: trial calls decide whether it closes"),
        BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => return None,
    };
    facts.levels.get(Rule::BreakerOpen)?;
    Some(Finding { rule: Rule::BreakerOpen, severity, figure: None, sentence: what.to_owned() })
}

/// What is wrong with a breaker that was opened so many times within [`FLAPPING_MS`].
pub(crate) fn findings(facts: &BreakerFacts, opened: u64, levels: &Levels) -> Vec<Finding> {
    let severity = match facts.state {
        BreakerState::Open | BreakerState::ForcedOpen => Some(Severity::Bad),
        BreakerState::HalfOpen => Some(Severity::Warn),
        BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => None,
    };
    let open = severity.filter(|_| levels.get(Rule::BreakerOpen).is_some()).map(|severity| Finding {
        rule: Rule::BreakerOpen,
        severity,
        figure: None,
        sentence: sentence(facts),
    });
    let flapping = levels.judge(Rule::BreakerFlapping, opened as f64).map(|(severity, figure)| Finding {
        rule: Rule::BreakerFlapping,
        severity,
        figure: Some(figure),
        sentence: format!(
            "opened {} in the last {}",
            words::count(opened, "time"),
            words::duration(FLAPPING_MS as f64 / 1e3)
        ),
    });
    open.into_iter().chain(flapping).collect()
}

/// What a breaker's sentence stands on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BreakerFacts {
    pub(crate) state: BreakerState,
    /// Why it is in this state.
    pub(crate) reason: Option<BreakerReason>,
    /// Shares of calls in the window that failed, were slow, or found no connection, each with its limit.
    pub(crate) failed: (Option<f64>, Option<f64>),
    pub(crate) slow: (Option<f64>, Option<f64>),
    pub(crate) unconnected: (Option<f64>, Option<f64>),
    pub(crate) window_calls: u64,
}

/// The condition of a breaker in one sentence.
pub(crate) fn sentence(facts: &BreakerFacts) -> String {
    match facts.state {
        BreakerState::Closed => format!("closed: {}", judged(facts)),
        BreakerState::MetricsOnly => format!("never opens: {}", judged(facts)),
        BreakerState::ForcedOpen => format!("held open {}: every call is rejected", by_whom(facts)),
        BreakerState::ForcedClosed => format!("held closed {}: {}", by_whom(facts), judged(facts)),
        BreakerState::HalfOpen => "half-open: trial calls decide whether it closes".to_owned(),
        BreakerState::Open => match facts.reason {
            Some(BreakerReason::TrialFailed) => "open: a trial call failed".to_owned(),
            Some(BreakerReason::ConsecutiveFailures) => "open: too many calls in a row failed".to_owned(),
            Some(BreakerReason::ConnectFailureRatio) => {
                let share = share(facts, facts.unconnected, "found no connection");
                format!("open: {}", share.as_deref().unwrap_or("too many calls found no connection"))
            }
            Some(BreakerReason::SlowCallRatio) => {
                let share = share(facts, facts.slow, "were slow");
                format!("open: {}", share.as_deref().unwrap_or("too many calls were slow"))
            }
            Some(BreakerReason::Restored) => "open: as it was before a restart".to_owned(),
            Some(BreakerReason::Manual) => "open: opened by hand".to_owned(),
            Some(BreakerReason::Resources) => "open: a resource of the process is used up".to_owned(),
            Some(BreakerReason::External) => "open: its own rules decided".to_owned(),
            _ if facts.failed.0.is_some() => format!("open: {}", judged(facts)),
            _ => "open: calls are rejected".to_owned(),
        },
    }
}

fn by_whom(facts: &BreakerFacts) -> &'static str {
    if facts.reason == Some(BreakerReason::Forced) { "from a dashboard" } else { "by hand" }
}

fn judged(facts: &BreakerFacts) -> String {
    match share(facts, facts.failed, "failed") {
        Some(share) => share,
        None if facts.window_calls > 0 => {
            format!("{} so far, too few to judge", words::count(facts.window_calls, "call"))
        }
        None => "no calls to judge".to_owned(),
    }
}

/// A share of the calls in the window, what was wrong with them, and how many are too many.
fn share(facts: &BreakerFacts, (ratio, limit): (Option<f64>, Option<f64>), what: &str) -> Option<String> {
    let calls = match facts.window_calls {
        0 => "calls".to_owned(),
        count => words::count(count, "call"),
    };
    let limit = limit.map(|limit| format!(" (limit {})", words::percent(limit))).unwrap_or_default();
    Some(format!("{} of {calls} {what}{limit}", words::percent(ratio?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_share_calls_and_limit() {
        let facts = BreakerFacts {
            state: BreakerState::Open,
            reason: Some(BreakerReason::FailureRatio),
            failed: (Some(0.52), Some(0.5)),
            slow: (Some(0.31), Some(0.3)),
            window_calls: 200,
            ..BreakerFacts::default()
        };
        assert_eq!(sentence(&facts), "open: 52 % of 200 calls failed (limit 50 %)");
        let closed = BreakerFacts { state: BreakerState::Closed, reason: None, ..facts };
        assert_eq!(sentence(&closed), "closed: 52 % of 200 calls failed (limit 50 %)");
        assert_eq!(
            sentence(&BreakerFacts { failed: (None, Some(0.5)), window_calls: 1, ..closed }),
            "closed: 1 call so far, too few to judge"
        );
        let slow = BreakerFacts { reason: Some(BreakerReason::SlowCallRatio), ..facts };
        assert_eq!(sentence(&slow), "open: 31 % of 200 calls were slow (limit 30 %)");
        let unconnected = BreakerFacts { reason: Some(BreakerReason::ConnectFailureRatio), ..facts };
        assert_eq!(sentence(&unconnected), "open: too many calls found no connection");
    }

    #[test]
    fn only_a_breaker_that_rejects_is_a_finding() {
        for state in [BreakerState::Closed, BreakerState::ForcedClosed, BreakerState::MetricsOnly] {
            assert_eq!(rule(&Facts { breaker: Some(&("a".into(), state)), ..Facts::default() }), None);
        }
        let open = ("a".to_owned(), BreakerState::Open);
        assert_eq!(
            rule(&Facts { breaker: Some(&open), ..Facts::default() }).unwrap().severity,
            Severity::Bad
        );
    }

    #[test]
    fn a_breaker_that_is_open_or_flaps_is_found_with_its_sentence() {
        let facts = |state| BreakerFacts { state, ..BreakerFacts::default() };
        let found = |state, opened| -> Vec<_> {
            let found = findings(&facts(state), opened, <&Levels>::default());
            found.into_iter().map(|one| (one.rule, one.severity, one.sentence)).collect()
        };
        assert_eq!(found(BreakerState::Closed, 2), []);
        let open = (Rule::BreakerOpen, Severity::Bad, "open: calls are rejected".to_owned());
        assert_eq!(found(BreakerState::Open, 0), [open]);
        let flaps = (Rule::BreakerFlapping, Severity::Warn, "opened 3 times in the last 10 min".to_owned());
        assert_eq!(found(BreakerState::Closed, 3), [flaps]);
        assert_eq!(found(BreakerState::MetricsOnly, 6)[0].1, Severity::Bad);
    }
}
