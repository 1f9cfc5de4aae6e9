//! Connections that are opened, used once and lost.

use poolscope_wire::Rule;

use super::{Facts, Finding};
use crate::words;

/// Fewer acquires are a pool that is just filling.
const MIN_ACQUIRES: u64 = 20;
/// Fewer new connections hurt nobody.
const MIN_OPENED_PER_S: f64 = 1.0;

pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    let reuse = facts.reuse.filter(|_| facts.acquires >= MIN_ACQUIRES)?;
    let opened_per_s = facts.opened as f64 / facts.seconds;
    if !opened_per_s.is_finite() || opened_per_s < MIN_OPENED_PER_S {
        return None;
    }
    Finding::judged(facts, Rule::LowReuse, reuse, || {
        format!(
            "only {} of acquires reused a connection; {} connections opened a second",
            words::percent(reuse),
            words::number(opened_per_s)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_reuse_matters_when_connections_are_opened_all_the_time() {
        let facts =
            Facts { reuse: Some(0.31), acquires: 500, opened: 360, seconds: 15.0, ..Facts::default() };
        let found = rule(&facts).unwrap();
        assert_eq!(
            found.sentence,
            "only 31 % of acquires reused a connection; 24 connections opened a second"
        );
        assert_eq!(rule(&Facts { opened: 10, ..facts }), None);
        assert_eq!(rule(&Facts { acquires: 19, ..facts }), None);
        assert_eq!(rule(&Facts { reuse: Some(0.9), ..facts }), None);
        assert_eq!(rule(&Facts { seconds: 0.0, ..facts }), None);
    }
}
