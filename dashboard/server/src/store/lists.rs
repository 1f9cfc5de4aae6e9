//! Lists of what is there now, and of what was there in a time.

use poolscope_wire as wire;

use super::Store;
use super::breaker::Breaker;
use super::id::Id;
use super::pool::Pool;
use super::protection::Protection;
use super::query::{breaker, summary};
use super::session::Session;

impl Store {
    /// Every pool, in the order of its names.
    pub(crate) fn pools(&self) -> Vec<wire::PoolSummary> {
        in_order(self.shown_pools(), pool_order).map(summary).collect()
    }

    /// Pools that reported in a range, those too that have been silent for so long that no other list has them.
    pub(crate) fn pools_between(&self, from_ms: u64, to_ms: u64) -> Vec<wire::PoolSummary> {
        let reported = self.pools.values().filter(|pool| pool.history.has_any(from_ms, to_ms));
        in_order(reported, pool_order).map(summary).collect()
    }

    /// Every breaker, in the order of its names.
    pub(crate) fn breakers(&self) -> Vec<wire::Breaker> {
        in_order(self.shown_breakers(), breaker_order).map(breaker).collect()
    }

    /// Breakers that reported in a range, those too that have been silent for so long that no other list has them.
    pub(crate) fn breakers_between(&self, from_ms: u64, to_ms: u64) -> Vec<wire::Breaker> {
        let reported = self.breakers.values().filter(|one| one.history.has_any(from_ms, to_ms));
        in_order(reported, breaker_order).map(breaker).collect()
    }

    /// Everything else that protects calls, in the order of its names.
    pub(crate) fn protection(&self) -> Vec<wire::Protection> {
        in_order(self.shown_protection(), protection_order).map(Protection::to_wire).collect()
    }

    /// The same of what reported in a range, however long it has been silent.
    pub(crate) fn protection_between(&self, from_ms: u64, to_ms: u64) -> Vec<wire::Protection> {
        let reported = self.protection.values().filter(|one| one.course.history.has_any(from_ms, to_ms));
        in_order(reported, protection_order).map(Protection::to_wire).collect()
    }

    /// Every registry of sessions, in the order of its names.
    pub(crate) fn sessions(&mut self) -> Vec<wire::Sessions> {
        self.sessions_that(|one| !one.hidden)
    }

    /// The same of those that reported in a range, however long they have been silent.
    pub(crate) fn sessions_between(&mut self, from_ms: u64, to_ms: u64) -> Vec<wire::Sessions> {
        self.sessions_that(|one| one.course.history.has_any(from_ms, to_ms))
    }

    fn sessions_that(&mut self, is_wanted: impl Fn(&Session) -> bool) -> Vec<wire::Sessions> {
        let wanted = self.sessions.values_mut().filter(|one| is_wanted(one));
        let mut all: Vec<_> = wanted.map(Session::read).collect();
        all.sort_by(|a, b| (&a.service, &a.name, &a.instance).cmp(&(&b.service, &b.name, &b.instance)));
        all
    }
}

fn in_order<'a, T: 'a, K: Ord>(
    all: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
) -> impl Iterator<Item = &'a T> {
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|one| key(one));
    all.into_iter()
}

fn breaker_order(one: &Breaker) -> (&str, &str, &str) {
    (&one.service, &one.name, &one.instance)
}

fn protection_order(one: &Protection) -> (&str, &str, &str, Id) {
    (&one.service, &one.instance, &one.name, one.id)
}

fn pool_order(pool: &Pool) -> (&str, &str, &str, &str, u16, &str) {
    (&pool.service, &pool.client, &pool.address, &pool.scheme, pool.port, &pool.instance)
}
