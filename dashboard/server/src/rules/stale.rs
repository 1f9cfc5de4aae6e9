//! The race between the pool that hands out an idle connection and the peer that closes it.

use poolscope_wire::Rule;

use super::{Facts, Finding, window};
use crate::words;

pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    if facts.stale_reuse == 0 {
        return None;
    }
    // Now and then the race is lost by chance; the limit is above that.
    Finding::judged(facts, Rule::StaleRace, facts.stale_reuse as f64, || {
        format!(
            "{} failed {} on an idle connection that the peer had closed: \
             it keeps them for a shorter time than the pool",
            words::count(facts.stale_reuse, "request"),
            window(facts)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_races_are_told_with_what_they_mean() {
        let facts = |stale_reuse| Facts { stale_reuse, seconds: 15.0, ..Facts::default() };
        assert_eq!(rule(&facts(2)), None);
        assert_eq!(
            rule(&facts(4)).unwrap().sentence,
            "4 requests failed in the last 15 s on an idle connection that the peer had closed: \
             it keeps them for a shorter time than the pool"
        );
    }
}
