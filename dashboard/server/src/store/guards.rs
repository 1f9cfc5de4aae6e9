//! Which breaker guards a pool: they are told apart, and belong together by their names.

use poolscope_wire::BreakerState;

use super::Store;
use super::breaker::Breaker;
use super::capped::Capped;
use super::id::Id;
use super::pool::Pool;
use crate::model::{Destination, Sender};

impl Store {
    /// The pools that a breaker guards.
    pub(crate) fn guarded_by(&self, breaker: Id) -> Vec<Id> {
        let is_guarded = |pool: &&Pool| {
            let sender = Sender { service: &pool.service, instance: &pool.instance, ..Sender::default() };
            pool.breaker.as_ref().is_some_and(|(name, _)| Id::breaker(sender, name) == breaker)
        };
        self.pools.values().filter(is_guarded).map(|pool| pool.id).collect()
    }

    /// Tells every pool the state of the breaker that guards it.
    pub(super) fn pair_breakers(&mut self, now_ms: u64) {
        for pool in self.pools.values_mut() {
            let guard = guard_of(pool, &self.breakers);
            if pool.breaker != guard {
                pool.breaker = guard;
                pool.dirty = true;
                pool.judge(now_ms);
            }
        }
    }
}

/// The breaker of the same instance that guards a pool: by the most exact of the names that it may have.
pub(super) fn guard_of(pool: &Pool, breakers: &Capped<Breaker>) -> Option<(String, BreakerState)> {
    let sender = Sender { service: &pool.service, instance: &pool.instance, ..Sender::default() };
    let authority = format!("{}:{}", pool.address, pool.port);
    let usual = Destination::new("", &pool.scheme, &pool.address, None).port == pool.port;
    let names = [
        // A breaker layer of one client has the client's name before the destination.
        Some(format!("{} {}://{authority}", pool.client, pool.scheme)),
        Some(format!("{}://{authority}", pool.scheme)),
        usual.then(|| format!("{}://{}", pool.scheme, pool.address)),
        Some(authority),
        Some(pool.address.to_string()),
    ];
    let mut names = names.iter().flatten();
    let known = |name: &String| breakers.get(Id::breaker(sender, name)).filter(|breaker| !breaker.hidden);
    let breaker = names.find_map(known)?;
    Some((breaker.name.to_string(), breaker.state))
}
