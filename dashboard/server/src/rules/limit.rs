//! Requests that the limit of the pool refuses.

use poolscope_wire::{PoolLimit, Rule, Severity};

use super::{Facts, Finding, window};
use crate::words;

/// Requests were refused, since there was no room for them, not even to wait.
pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    if facts.refused == 0 {
        return None;
    }
    let limit = facts.now.limit.map(|limit| {
        let PoolLimit { max, in_use, queued, .. } = limit;
        format!(": {in_use} of {max} in flight, {queued} waiting")
    });
    let refused = words::count(facts.refused, "request");
    let found = Finding::judged(facts, Rule::Exhausted, facts.refused as f64, || {
        format!("the limit refused {refused} {}{}", window(facts), limit.unwrap_or_default())
    });
    found.map(|found| found.at_least(Severity::Bad))
}

/// That the limit is reached, where requests wait for it; or that of the pool's connections.
pub(super) fn reached(facts: &Facts<'_>) -> Option<String> {
    if let (Some(active), Some(max)) = (facts.now.active, facts.now.max_open)
        && max > 0
        && active >= max
    {
        return Some(format!("all {max} connections in use"));
    }
    let limit = facts.now.limit.filter(|limit| limit.queued > 0)?;
    // Where there is room, they wait for their turn among all requests of the client.
    let is_own = limit.in_use >= limit.max;
    Some(if is_own {
        format!("limit {} reached", limit.max)
    } else {
        "limit of the client reached".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use poolscope_wire::PoolPoint;

    use super::*;

    fn at(limit: PoolLimit) -> PoolPoint {
        PoolPoint { limit: Some(limit), pending: Some(limit.queued), ..PoolPoint::default() }
    }

    #[test]
    fn refusals_are_told_with_what_holds_the_limit() {
        let now = at(PoolLimit { max: 20, in_use: 20, queued: 100, oldest_wait_s: 2.0 });
        let facts = Facts { now, seconds: 15.0, refused: 3, ..Facts::default() };
        let expected = "the limit refused 3 requests in the last 15 s: 20 of 20 in flight, 100 waiting";
        assert_eq!(rule(&facts).unwrap().sentence, expected);
        assert_eq!(rule(&Facts { refused: 0, ..facts }), None);
    }

    #[test]
    fn a_limit_is_reached_where_requests_wait_for_it() {
        let facts = |queued| Facts {
            now: at(PoolLimit { max: 20, in_use: 20, queued, oldest_wait_s: 0.0 }),
            ..Facts::default()
        };
        assert_eq!(reached(&facts(1)).as_deref(), Some("limit 20 reached"));
        assert_eq!(reached(&facts(0)), None);
        let limit = PoolLimit { max: 20, in_use: 3, queued: 1, oldest_wait_s: 0.0 };
        let of_client = Facts { now: at(limit), ..Facts::default() };
        assert_eq!(reached(&of_client).as_deref(), Some("limit of the client reached"));
    }
}
