//! What is said about a pool with which nothing is wrong.

use super::Facts;
use crate::words;

pub(super) fn sentence(facts: &Facts<'_>) -> String {
    let now = &facts.now;
    let mut parts = Vec::new();
    if let Some(reuse) = facts.reuse {
        parts.push(format!("{} reused", words::percent(reuse)));
    }
    if now.active > 0 {
        parts.push(format!("{} active", now.active));
    }
    if now.upgraded > 0 {
        parts.push(format!("{} upgraded", now.upgraded));
    }
    if now.active == 0 && now.idle > 0 {
        parts.push(format!("{} idle", now.idle));
    }
    if now.active == 0 && now.idle == 0 && now.upgraded == 0 {
        parts.push("no connection open".to_owned());
    }
    format!("fine: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_wire::PoolPoint;

    #[test]
    fn it_says_what_there_is() {
        assert_eq!(sentence(&Facts::default()), "fine: no connection open");
        let now = PoolPoint { idle: 3, ..PoolPoint::default() };
        assert_eq!(sentence(&Facts { now, ..Facts::default() }), "fine: 3 idle");
        let now = PoolPoint { active: 2, upgraded: 1, idle: 3, ..PoolPoint::default() };
        let facts = Facts { now, reuse: Some(1.0), ..Facts::default() };
        assert_eq!(sentence(&facts), "fine: 100 % reused, 2 active, 1 upgraded");
    }
}
