//! Health in words: rules look at what a pool did and say what is wrong, each with the figure that crossed the line.
//!
//! A rule is a pure function of [`Facts`]. The worst finding is the pool's condition; among equals the rule that comes
//! first in [`RULES`], which is sorted by how close it is to what callers feel.

mod breaker;
mod churn;
mod condition;
mod connect;
mod errors;
mod fine;
mod leak;
mod limit;
mod protection;
mod stale;
mod waiting;
mod wasted;

pub(crate) use breaker::{BreakerFacts, sentence as breaker_sentence};
pub(crate) use condition::Condition;
pub(crate) use connect::{Cause, Failures};
pub(crate) use leak::LongestLeak;
pub(crate) use protection::finding as protection_finding;

use poolscope_wire::{BreakerState, PoolPoint, Severity};

/// What the rules know about a pool. The counts are those of the recent window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts<'a> {
    /// The newest point.
    pub(crate) now: PoolPoint,
    /// The point before it.
    pub(crate) before: Option<PoolPoint>,
    /// Length of the window; 0 while nothing is known about rates.
    pub(crate) seconds: f64,
    pub(crate) reuse: Option<f64>,
    /// Acquires that got a connection.
    pub(crate) acquires: u64,
    pub(crate) wait_p50_s: Option<f64>,
    pub(crate) wait_p99_s: Option<f64>,
    /// Waits that the percentiles stand on.
    pub(crate) waits: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) opened: u64,
    pub(crate) failed: Failures,
    pub(crate) closed: u64,
    /// Of those that were closed.
    pub(crate) wasted: u64,
    pub(crate) stale_reuse: u64,
    /// By the limit.
    pub(crate) refused: u64,
    /// Waits for a connection that were given up.
    pub(crate) timeouts: u64,
    /// Of the leaks that there are now.
    pub(crate) leak: Option<LongestLeak<'a>>,
    /// The breaker of the same destination.
    pub(crate) breaker: Option<&'a (String, BreakerState)>,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) sentence: String,
}

impl Finding {
    fn new(severity: Severity, sentence: String) -> Option<Self> {
        Some(Self { severity, sentence })
    }
}

/// A rule: what is wrong, if it is.
type Rule = fn(&Facts<'_>) -> Option<Finding>;

const RULES: &[Rule] = &[
    limit::rule,
    waiting::timed_out,
    waiting::pending,
    breaker::rule,
    errors::rule,
    connect::rule,
    leak::rule,
    waiting::slow,
    stale::rule,
    wasted::rule,
    churn::rule,
];

/// The worst of what the rules find; how the pool is doing if they find nothing.
fn check(facts: &Facts<'_>) -> Finding {
    let mut worst: Option<Finding> = None;
    for finding in RULES.iter().filter_map(|rule| rule(facts)) {
        if worst.as_ref().is_none_or(|worst| finding.severity > worst.severity) {
            worst = Some(finding);
        }
    }
    worst.unwrap_or_else(|| Finding { severity: Severity::Ok, sentence: fine::sentence(facts) })
}

/// The window in words.
fn window(facts: &Facts<'_>) -> String {
    format!("in the last {}", crate::words::duration(facts.seconds.round().max(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_wins() {
        let open = ("pay:443".to_owned(), BreakerState::Open);
        let mut failed = Failures::default();
        failed.add(Cause::Name, 1);
        let facts = Facts { breaker: Some(&open), failed, opened: 9, seconds: 15.0, ..Facts::default() };
        let finding = check(&facts);
        assert_eq!(finding.severity, Severity::Bad);
        assert!(finding.sentence.contains("breaker"), "{}", finding.sentence);
    }

    #[test]
    fn nothing_wrong_is_said_as_well() {
        let now = PoolPoint { active: Some(4), idle: Some(0), ..PoolPoint::default() };
        let facts = Facts { now, reuse: Some(0.984), acquires: 500, ..Facts::default() };
        assert_eq!(
            check(&facts),
            Finding { severity: Severity::Ok, sentence: "fine: 98 % reused, 4 active".into() }
        );
    }
}
