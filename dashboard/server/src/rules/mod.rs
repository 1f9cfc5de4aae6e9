//! Health in words: rules look at what a pool did and say what is wrong, each with the figure that crossed the line.
//!
//! A rule is a pure function of [`Facts`], with limits that the user may set. What the rules find becomes warnings, and
//! the worst of these is the pool's condition; among equals the rule that comes first in [`Rule`], which is sorted by how
//! close it is to what callers feel.

mod breaker;
mod churn;
mod condition;
mod connect;
mod errors;
mod fine;
mod leak;
mod levels;
mod limit;
mod peer;
mod protection;
mod serving;
mod session;
mod slow;
mod stale;
mod telemetry;
mod waiting;
mod wasted;

pub(crate) use breaker::{
    BreakerFacts, FLAPPING_MS, findings as breaker_findings, sentence as breaker_sentence,
};
pub(crate) use condition::{About, Condition};
pub(crate) use connect::{Cause, Failures};
pub(crate) use fine::sentence as fine_sentence;
pub(crate) use leak::LongestLeak;
pub(crate) use levels::Levels;
pub use levels::RuleArg;
pub(crate) use protection::finding as protection_finding;
pub(crate) use session::{SessionFacts, findings as session_findings, fine as session_fine};
pub(crate) use telemetry::{InstanceFacts, instance_findings};

use poolscope_wire::{BreakerState, Figure, PoolPoint, Rule, Severity};

/// What the rules know about a pool. The counts are those of the recent window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts<'a> {
    /// The limits of the rules.
    pub(crate) levels: &'a Levels,
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
    /// Of those that were closed, by the peer while no request used them.
    pub(crate) closed_idle_by_peer: u64,
    /// How long names took to resolve.
    pub(crate) dns: Slowness,
    /// How long TLS handshakes took.
    pub(crate) tls: Slowness,
    pub(crate) stale_reuse: u64,
    /// By the limit.
    pub(crate) refused: u64,
    /// Waits for a connection that were given up.
    pub(crate) timeouts: u64,
    /// Of the leaks that there are now.
    pub(crate) leak: Option<LongestLeak<'a>>,
    /// The breaker of the same destination.
    pub(crate) breaker: Option<&'a (String, BreakerState)>,
    /// Closes are concluded.
    pub(crate) estimated: bool,
}

/// How long a part of connects took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slowness {
    pub(crate) p95_s: Option<f64>,
    /// Connects that the percentile stands on.
    pub(crate) count: u64,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    pub(crate) severity: Severity,
    /// The figure that crossed the line.
    pub(crate) figure: Option<Figure>,
    pub(crate) sentence: String,
}

impl Finding {
    /// What is found if a value has crossed a limit of the rule, as bad as that limit says.
    fn judged(facts: &Facts<'_>, rule: Rule, value: f64, sentence: impl FnOnce() -> String) -> Option<Self> {
        let (severity, figure) = facts.levels.judge(rule, value)?;
        Some(Self { rule, severity, figure: Some(figure), sentence: sentence() })
    }

    /// The same finding, at least so bad.
    fn at_least(self, severity: Severity) -> Self {
        Self { severity: self.severity.max(severity), ..self }
    }
}

/// What looks at a pool: what is wrong, if it is. Several may speak for one rule.
type Look = fn(&Facts<'_>) -> Option<Finding>;

const LOOKS: &[Look] = &[
    limit::rule,
    waiting::timed_out,
    waiting::pending,
    breaker::rule,
    errors::rule,
    connect::rule,
    leak::rule,
    waiting::slow,
    stale::rule,
    peer::rule,
    wasted::rule,
    churn::rule,
    slow::dns,
    slow::tls,
    telemetry::estimated,
];

/// What the rules find, the worst of each.
pub(crate) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for finding in LOOKS.iter().filter_map(|look| look(facts)) {
        match found.iter_mut().find(|known| known.rule == finding.rule) {
            Some(known) if known.severity >= finding.severity => {}
            Some(known) => *known = finding,
            None => found.push(finding),
        }
    }
    found.sort_by_key(|finding| finding.rule);
    found
}

/// The window in words.
fn window(facts: &Facts<'_>) -> String {
    format!("in the last {}", crate::words::duration(facts.seconds.round().max(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_wire::PoolLimit;

    #[test]
    fn each_rule_is_found_once_by_its_worst() {
        let limit = PoolLimit { max: 2, in_use: 2, queued: 1, oldest_wait_s: 0.0 };
        let now = PoolPoint { pending: Some(1), limit: Some(limit), ..PoolPoint::default() };
        let facts = Facts { now, before: Some(now), timeouts: 1, seconds: 15.0, ..Facts::default() };
        let found = check(&facts);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].rule, found[0].severity), (Rule::Exhausted, Severity::Bad));
        assert!(found[0].sentence.contains("got no connection in time"), "{}", found[0].sentence);
    }

    #[test]
    fn findings_come_in_the_order_of_the_rules_and_those_that_are_off_do_not_come() {
        let open = ("pay:443".to_owned(), BreakerState::Open);
        let mut failed = Failures::default();
        failed.add(Cause::Name, 1);
        let facts = Facts { breaker: Some(&open), failed, opened: 9, seconds: 15.0, ..Facts::default() };
        let rules = |facts: &Facts<'_>| check(facts).iter().map(|one| one.rule).collect::<Vec<_>>();
        assert_eq!(rules(&facts), [Rule::BreakerOpen, Rule::FailedConnects]);
        let levels = Levels::new(&["breaker_open=off".parse().unwrap()]);
        assert_eq!(rules(&Facts { levels: &levels, ..facts }), [Rule::FailedConnects]);
    }

    #[test]
    fn nothing_wrong_is_said_as_well() {
        let now = PoolPoint { active: Some(4), idle: Some(0), ..PoolPoint::default() };
        let facts = Facts { now, reuse: Some(0.984), acquires: 500, ..Facts::default() };
        assert_eq!(check(&facts), []);
        assert_eq!(fine::sentence(&facts), "fine: 98 % reused, 4 active");
    }
}
