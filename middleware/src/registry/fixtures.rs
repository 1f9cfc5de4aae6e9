//! What the tests of the registry begin with: a pool with one destination, its connections and requests.

use std::sync::Arc;

use super::{Connection, DestinationRef, Established, Pool, Protocol, Request};
use crate::Scope;
use crate::clock::Instant;

pub(super) fn pool_of(scope: &Scope) -> Arc<Pool> {
    scope.client("test").pool(&DestinationRef::new("http", "host", None))
}

pub(super) fn open(scope: &Scope, protocol: Protocol) -> Arc<Connection> {
    let made = Established { protocol, ..Established::default() };
    pool_of(scope).opened(scope.next_id(), made, Instant::now())
}

pub(super) fn request(scope: &Scope) -> Arc<Request> {
    Request::start(pool_of(scope), &http::Method::GET, Instant::now())
}

/// Pending, in flight, active and idle.
pub(super) fn counts(scope: &Scope) -> (u64, u64, u64, u64) {
    let pool = scope.snapshot().pools.remove(0);
    (pool.pending(), pool.in_flight(), pool.counts().active, pool.counts().idle)
}
