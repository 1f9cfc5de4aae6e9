//! What is said about a pool with which nothing is wrong.

use super::{Facts, window};
use crate::words;

pub(crate) fn sentence(facts: &Facts<'_>) -> String {
    let now = &facts.now;
    let mut parts = Vec::new();
    if let Some(reuse) = facts.reuse {
        parts.push(format!("{} reused", words::percent(reuse)));
    }
    if now.active.is_none() && now.idle.is_none() {
        parts.push(match facts.requests {
            0 => "no request".to_owned(),
            requests => format!("{} {}", words::count(requests, "request"), window(facts)),
        });
        parts.push("its connections are not told".to_owned());
        return format!("fine: {}", parts.join(", "));
    }
    // Of two states only one may be told.
    let [active, idle, upgraded] = [now.active, now.idle, now.upgraded].map(Option::unwrap_or_default);
    if active > 0 {
        parts.push(format!("{active} active"));
    }
    if upgraded > 0 {
        parts.push(format!("{upgraded} upgraded"));
    }
    if active == 0 && idle > 0 {
        parts.push(format!("{idle} idle"));
    }
    if active == 0 && idle == 0 && upgraded == 0 {
        parts.push(match (now.active, now.idle) {
            (Some(_), None) => "no connection active".to_owned(),
            (None, _) => "no connection idle".to_owned(),
            _ => "no connection open".to_owned(),
        });
    }
    format!("fine: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_wire::PoolPoint;

    #[test]
    fn it_says_what_there_is() {
        let none = PoolPoint { active: Some(0), idle: Some(0), ..PoolPoint::default() };
        assert_eq!(sentence(&Facts { now: none, ..Facts::default() }), "fine: no connection open");
        let now = PoolPoint { idle: None, ..none };
        assert_eq!(sentence(&Facts { now, ..Facts::default() }), "fine: no connection active");
        let now = PoolPoint { idle: Some(3), ..none };
        assert_eq!(sentence(&Facts { now, ..Facts::default() }), "fine: 3 idle");
        let now = PoolPoint { active: Some(2), upgraded: Some(1), idle: Some(3), ..PoolPoint::default() };
        let facts = Facts { now, reuse: Some(1.0), ..Facts::default() };
        assert_eq!(sentence(&facts), "fine: 100 % reused, 2 active, 1 upgraded");
    }

    #[test]
    fn connections_that_are_not_told_are_not_none() {
        assert_eq!(sentence(&Facts::default()), "fine: no request, its connections are not told");
        let facts = Facts { requests: 120, seconds: 15.0, ..Facts::default() };
        assert_eq!(sentence(&facts), "fine: 120 requests in the last 15 s, its connections are not told");
    }
}
