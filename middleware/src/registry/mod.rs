//! The state behind a [`Scope`](crate::Scope): pools, connections and counters. No HTTP stack and no OpenTelemetry in here.
//!
//! Memory model: the hot path writes relaxed atomics that it reached through handles resolved once per destination.
//! Locks are taken to open, to close and to snapshot. Gauges are differences of counters that only rise, read so that the
//! subtrahend comes first; so no gauge is ever negative, and `started - ended = pending` holds in every snapshot.

mod clients;
mod connection;
mod histogram;
mod key;
mod pool;
mod protection;
mod results;
mod snapshot;
mod sources;

pub use clients::ClientScope;
pub(crate) use clients::{ClientInner, PoolLimit};
pub(crate) use connection::Connection;
pub(crate) use connection::{CloseCause, Ends};
pub use histogram::HistogramSnapshot;
#[cfg(feature = "breaker")]
pub(crate) use key::Destination;
pub(crate) use key::DestinationRef;
pub(crate) use pool::Pool;
pub(crate) use protection::{Named, RetryStats, TimeoutStats};
pub(crate) use results::Outcome;
pub use snapshot::{
    BreakerSnapshot, BreakerTransitions, ConnectionCounts, ConnectionSnapshot, PoolSnapshot, Protocol,
    ResultSnapshot, RetrySnapshot, ScopeSnapshot, TimeoutSnapshot,
};
pub use sources::BreakerSource;
pub(crate) use sources::Sources;
