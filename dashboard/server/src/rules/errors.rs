//! Requests that fail.

use poolscope_wire::Rule;

use super::{Facts, Finding, window};
use crate::words;

/// Fewer failures are bad luck.
const MIN_ERRORS: u64 = 3;

pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    let share = facts.errors as f64 / facts.requests.max(1) as f64;
    if facts.errors < MIN_ERRORS {
        return None;
    }
    Finding::judged(facts, Rule::RequestsFail, share, || {
        format!(
            "{} of requests failed {}: {} of {}",
            words::percent(share),
            window(facts),
            facts.errors,
            facts.requests
        )
    })
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Severity;

    use super::*;

    #[test]
    fn a_share_needs_enough_failures_behind_it() {
        let facts = |errors, requests| Facts { errors, requests, seconds: 15.0, ..Facts::default() };
        assert_eq!(rule(&facts(2, 2)), None);
        assert_eq!(rule(&facts(3, 1_000)), None);
        let found = rule(&facts(62, 200)).unwrap();
        assert_eq!(found.severity, Severity::Bad);
        assert_eq!(found.sentence, "31 % of requests failed in the last 15 s: 62 of 200");
        assert_eq!(rule(&facts(10, 200)).unwrap().severity, Severity::Warn);
    }
}
