//! Peers that close connections which the pool would have kept.

use poolscope_wire::Rule;

use super::{Facts, Finding, window};
use crate::words;

/// Now and then a peer restarts.
const MIN_CLOSED: u64 = 5;

pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    let (by_peer, closed) = (facts.closed_idle_by_peer, facts.closed.max(facts.closed_idle_by_peer));
    if by_peer < MIN_CLOSED {
        return None;
    }
    Finding::judged(facts, Rule::PeerClosesIdle, by_peer as f64 / closed as f64, || {
        format!(
            "the peer closed {by_peer} of {} that ended {} while they were idle",
            words::count(closed, "connection"),
            window(facts)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_number_and_a_share() {
        let facts = |closed_idle_by_peer, closed| Facts {
            closed_idle_by_peer,
            closed,
            seconds: 15.0,
            ..Facts::default()
        };
        assert_eq!(rule(&facts(4, 4)), None);
        assert_eq!(rule(&facts(5, 11)), None);
        assert_eq!(
            rule(&facts(5, 10)).unwrap().sentence,
            "the peer closed 5 of 10 connections that ended in the last 15 s while they were idle"
        );
    }
}
