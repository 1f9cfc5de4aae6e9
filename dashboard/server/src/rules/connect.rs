//! Connections that could not be established.

use poolscope_wire::Severity;

use super::{Facts, Finding, window};
use crate::words;

/// From this share of failures on, and so many of them, the destination is as good as gone.
const BAD_SHARE: f64 = 0.5;
const BAD_FAILURES: u64 = 3;

pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    if facts.failed == 0 {
        return None;
    }
    let tried = facts.failed.saturating_add(facts.opened);
    let is_bad = facts.failed >= BAD_FAILURES && facts.failed as f64 >= BAD_SHARE * tried as f64;
    let severity = if is_bad { Severity::Bad } else { Severity::Warn };
    Finding::new(
        severity,
        format!("{} of {} failed {}", facts.failed, words::count(tried, "connect"), window(facts)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_and_most_of_them_are_bad() {
        let facts = |failed, opened| Facts { failed, opened, seconds: 14.0, ..Facts::default() };
        assert_eq!(rule(&facts(0, 9)), None);
        let found = rule(&facts(1, 9)).unwrap();
        assert_eq!(
            (found.severity, &*found.sentence),
            (Severity::Warn, "1 of 10 connects failed in the last 14 s")
        );
        assert_eq!(rule(&facts(3, 3)).unwrap().severity, Severity::Bad);
        assert_eq!(rule(&facts(2, 0)).unwrap().severity, Severity::Warn);
    }
}
