//! The state behind a [`Scope`](crate::Scope): pools, connections and counters. No HTTP stack and no OpenTelemetry in here.
//!
//! Memory model: the hot path writes relaxed atomics that it reached through handles resolved once per destination.
//! Locks are taken to open, to close and to snapshot; the one that a request takes is its own, and nobody waits for it.
//! Gauges are differences of counters that only rise, read so that the subtrahend comes first; so no gauge is ever negative,
//! and `started - ended = pending` holds in every snapshot.

mod adaptive;
mod attempt;
mod clients;
mod connection;
mod exemplar;
#[cfg(test)]
mod fixtures;
mod gate;
mod health_snapshot;
mod histogram;
mod holder;
mod key;
mod last;
mod leak;
mod limit;
mod lookups;
mod method;
mod mirror;
mod pool;
mod pool_snapshot;
mod pool_state;
mod protection;
mod queue_snapshot;
mod reason;
mod request;
mod resource_snapshot;
mod results;
mod retry_results;
mod rows;
mod senders;
#[cfg(feature = "serde")]
mod serial;
#[cfg(feature = "server")]
mod served;
mod server_snapshot;
mod session_snapshot;
mod snapshot;
mod sources;
mod supervisor_snapshot;
mod task_snapshot;
mod timeouts;
mod upkeep;

#[cfg(feature = "limit")]
pub(crate) use adaptive::{Aimd, Load};
pub(crate) use attempt::{Attempt, Report};
pub use clients::ClientScope;
pub(crate) use clients::{ClientInner, PoolLimit};
pub(crate) use connection::{Connection, ConnectorLife, Ends, Established, TcpFigures};
pub use exemplar::ExemplarSnapshot;
pub(crate) use exemplar::{ExemplarFilter, ExemplarSwitch, Traced};
#[cfg(feature = "limit")]
pub(crate) use gate::{Asked, Gate, Ticket};
pub use health_snapshot::HealthSnapshot;
#[cfg(any(feature = "health", feature = "server", feature = "supervisor", feature = "task"))]
pub(crate) use histogram::Histogram;
pub use histogram::HistogramSnapshot;
pub(crate) use holder::TraceRef;
#[cfg(any(feature = "breaker", feature = "limit", feature = "timeout"))]
pub(crate) use key::Destination;
#[cfg(any(feature = "breaker", feature = "timeout"))]
pub(crate) use key::WrittenUri;
pub(crate) use key::{DestinationRef, Scheme};
pub(crate) use leak::look_interval;
pub use limit::{LimitSnapshot, TotalLimitSnapshot};
pub use lookups::LookupSnapshot;
#[cfg(any(feature = "server", feature = "trace"))]
pub(crate) use method::KnownMethod;
pub(crate) use mirror::{Mirror, MirrorSwitch, Mirroring, Mirrors};
pub(crate) use pool::Pool;
pub use pool_state::PoolState;
pub(crate) use protection::{Named, RetryStats};
pub use queue_snapshot::QueueSnapshot;
pub(crate) use reason::CloseCause;
pub(crate) use request::{Acquired, End, Request};
pub use resource_snapshot::ResourceSnapshot;
pub(crate) use results::Outcome;
pub(crate) use retry_results::CallResult;
pub use retry_results::RetryResultSnapshot;
pub(crate) use rows::{Board, Rows};
pub(crate) use senders::Task;
#[cfg(feature = "server")]
pub(crate) use served::{Served, ServedResults};
pub use server_snapshot::{
    HandshakeSnapshot, ServedResultSnapshot, ServerConnectionSnapshot, ServerSnapshot,
};
pub use session_snapshot::{SessionSnapshot, SessionTraffic, SessionsSnapshot};
pub use snapshot::{
    BreakerSnapshot, BreakerTransitions, ConnectFailures, ConnectionCounts, ConnectionSnapshot,
    HolderSnapshot, PoolSnapshot, Protocol, ResultSnapshot, RetrySnapshot, ScopeSnapshot, WaitingSnapshot,
};
pub use sources::BreakerSource;
pub(crate) use sources::Sources;
pub use supervisor_snapshot::{SupervisorChange, SupervisorSnapshot};
pub use task_snapshot::{TaskOwner, TaskSnapshot, TasksSnapshot};
#[cfg(feature = "timeout")]
pub(crate) use timeouts::LimitSource;
pub(crate) use timeouts::TimeoutStats;
pub use timeouts::{TimeoutDestination, TimeoutSnapshot};
pub(crate) use upkeep::{Pill, Rules, Upkeep};
