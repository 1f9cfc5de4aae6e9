//! Connections that were set up and served nobody.

use poolscope_wire::Rule;

use super::{Facts, Finding, window};
use crate::words;

/// Fewer are what a pool has in reserve.
const MIN_WASTED: u64 = 5;

/// That a connection was wasted is known when it closes, so the share is one of those that were closed.
pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    let closed = facts.closed.max(facts.wasted);
    if facts.wasted < MIN_WASTED {
        return None;
    }
    Finding::judged(facts, Rule::WastedConnects, facts.wasted as f64 / closed as f64, || {
        format!(
            "{} of {} that closed {} had never been used",
            facts.wasted,
            words::count(closed, "connection"),
            window(facts)
        )
    })
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Severity;

    use super::*;

    #[test]
    fn waste_needs_a_share_and_a_number() {
        let facts = |wasted, closed| Facts { wasted, closed, seconds: 15.0, ..Facts::default() };
        assert_eq!(rule(&facts(4, 4)), None);
        assert_eq!(rule(&facts(5, 26)), None);
        let found = rule(&facts(49, 50)).unwrap();
        assert_eq!(
            (found.severity, &*found.sentence),
            (Severity::Warn, "49 of 50 connections that closed in the last 15 s had never been used")
        );
    }
}
