//! The scope at one moment: plain sorted data.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use poolscope_semconv::value::{
    AcquireOutcome, BlockingReason, BreakerOutcome, BreakerReason, BreakerState, Certainty, CloseReason,
    ConnectPhase, ConnectionState, ErrorType, Observation, RetryOutcome, protocol_version,
};

use super::health_snapshot::HealthSnapshot;
use super::histogram::HistogramSnapshot;
use super::limit::{LimitSnapshot, TotalLimitSnapshot};
use super::lookups::LookupSnapshot;
use super::queue_snapshot::QueueSnapshot;
use super::resource_snapshot::ResourceSnapshot;
use super::retry_results::RetryResultSnapshot;
#[cfg(feature = "serde")]
use super::serial;
use super::server_snapshot::ServerSnapshot;
use super::session_snapshot::SessionsSnapshot;
use super::supervisor_snapshot::SupervisorSnapshot;
use super::task_snapshot::TasksSnapshot;
use super::timeouts::TimeoutSnapshot;

/// Everything that a scope knows at one moment.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ScopeSnapshot {
    /// When it was taken.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::moment"))]
    pub at: SystemTime,
    /// When the scope was made; counters count from there.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::moment"))]
    pub since: SystemTime,
    /// Pools, by client, host, port and scheme.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::pools"))]
    pub pools: Vec<PoolSnapshot>,
    /// Breakers, by name.
    pub breakers: Vec<BreakerSnapshot>,
    /// Retry policies, by name.
    pub retries: Vec<RetrySnapshot>,
    /// Named timeouts, by name.
    pub timeouts: Vec<TimeoutSnapshot>,
    /// Limits of all requests of a client, by client.
    pub limits: Vec<TotalLimitSnapshot>,
    /// Resources of the process, by the guards that watch them.
    pub resources: Vec<ResourceSnapshot>,
    /// Destinations that are probed, by the names of their probes.
    pub health: Vec<HealthSnapshot>,
    /// Registries of sessions, by name.
    pub sessions: Vec<SessionsSnapshot>,
    /// Servers, by name.
    pub servers: Vec<ServerSnapshot>,
    /// Groups of tasks, by name; that of the tasks of sessions has the name of their registry.
    pub tasks: Vec<TasksSnapshot>,
    /// Bounded queues, by name.
    pub queues: Vec<QueueSnapshot>,
    /// Connections of clients that are kept alive, by the names of their supervisors.
    pub supervisors: Vec<SupervisorSnapshot>,
    /// Requests that were counted in an overflow pool because the limit of pools was reached, by client.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub overflowed: Vec<(String, u64)>,
    /// Why the kernel can't be asked about closes, if it can't: pools of reqwest clients are estimates then.
    pub kernel_refused: Option<String>,
    /// How often the kernel lost messages about closed connections because they came too fast; what they told was learned
    /// by asking, a little later and without the last counters.
    pub kernel_overflows: u64,
}

impl ScopeSnapshot {
    /// The pool of a client to a host and port.
    #[must_use]
    pub fn pool(&self, client: &str, host: &str, port: u16) -> Option<&PoolSnapshot> {
        self.pools.iter().find(|pool| pool.client == client && pool.host == host && pool.port == port)
    }
}

/// Protocol of a connection, as far as connections differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1, one request at a time.
    #[default]
    Http1,
    /// HTTP/2, many requests at a time.
    Http2,
}

impl Protocol {
    pub(crate) const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// Value of `network.protocol.version`.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Http1 => protocol_version::HTTP_1_1,
            Self::Http2 => protocol_version::HTTP_2,
        }
    }
}

/// Open connections of a pool by state; together they are all that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionCounts {
    /// Without a request.
    pub idle: u64,
    /// With at least one request.
    pub active: u64,
    /// No longer HTTP.
    pub upgraded: u64,
}

impl ConnectionCounts {
    /// All that are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.idle + self.active + self.upgraded
    }

    /// Those in one state.
    #[must_use]
    pub fn in_state(&self, state: ConnectionState) -> u64 {
        match state {
            ConnectionState::Idle => self.idle,
            ConnectionState::Active => self.active,
            ConnectionState::Upgraded => self.upgraded,
        }
    }
}

impl std::ops::Add for ConnectionCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            idle: self.idle + other.idle,
            active: self.active + other.active,
            upgraded: self.upgraded + other.upgraded,
        }
    }
}

/// One pool.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// Name of the client.
    pub client: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host of the destination.
    pub host: String,
    /// Port of the destination.
    pub port: u16,
    /// How the figures were learned.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub observation: Observation,
    /// Open connections by protocol; a protocol that was never seen is absent.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::by_protocol"))]
    pub connections: Vec<(Protocol, ConnectionCounts)>,
    /// Connections that are being established.
    pub connecting: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed, by reason and certainty.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::closes"))]
    pub closed: Vec<(CloseReason, Certainty, u64)>,
    /// Connections closed that had never served a request: set up in vain. Not counted where requests aren't seen.
    pub wasted: u64,
    /// Connects that failed, by error and by the part that failed.
    pub connect_failures: Vec<ConnectFailures>,
    /// Connects that were given up, because the request that they were made for was dropped.
    pub connect_abandoned: u64,
    /// Acquires that have begun. One that a limit makes wait begins there, and one that it refuses has failed.
    pub acquires_started: u64,
    /// Acquires that gave a connection.
    pub acquired: u64,
    /// Acquires by outcome, in the order of [`AcquireOutcome::ALL`]. A successful acquire is counted here once its
    /// connection is known, so `reused + new + waited` can be behind `acquired` for as long as a request is in flight.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub acquires: Vec<(AcquireOutcome, u64)>,
    /// Requests that have given their connection back.
    pub released: u64,
    /// Requests that failed before any answer because the peer was closing the connection that the pool gave them: those
    /// that failed within a round trip after they were sent, on a connection that had been idle for 100 ms or more.
    pub stale_reuse: u64,
    /// HTTP/2 requests in flight.
    pub streams: u64,
    /// Bytes sent and received; `None` where they can't be seen. Below HTTP and above TLS for
    /// [`Observation::Exact`], as the kernel counts them, so below TLS, for [`Observation::Kernel`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::bytes"))]
    pub bytes: Option<(u64, u64)>,
    /// TCP segments sent again, over the connections that are closed; `None` where the kernel tells nothing.
    pub retransmits: Option<u64>,
    /// Waits for a connection.
    #[cfg_attr(feature = "serde", serde(rename = "wait_secs"))]
    pub wait: HistogramSnapshot,
    /// Waits of those requests that found no connection ready.
    #[cfg_attr(feature = "serde", serde(rename = "queued_secs"))]
    pub queued: HistogramSnapshot,
    /// Times that connections were held.
    #[cfg_attr(feature = "serde", serde(rename = "usage_secs"))]
    pub usage: HistogramSnapshot,
    /// Times that connections had been idle when they were used again.
    #[cfg_attr(feature = "serde", serde(rename = "idle_secs"))]
    pub idle: HistogramSnapshot,
    /// Times to establish a connection.
    #[cfg_attr(feature = "serde", serde(rename = "create_secs"))]
    pub create: HistogramSnapshot,
    /// Times of the parts of it that can be told apart.
    #[cfg_attr(feature = "serde", serde(rename = "phases_secs", serialize_with = "serial::rows_as_text"))]
    pub phases: Vec<(ConnectPhase, HistogramSnapshot)>,
    /// Name look-ups, by name and error, where they can be told apart.
    pub lookups: Vec<LookupSnapshot>,
    /// Lives of the connections that were closed.
    #[cfg_attr(feature = "serde", serde(rename = "lifetime_secs", serialize_with = "serial::by_protocol"))]
    pub lifetime: Vec<(Protocol, HistogramSnapshot)>,
    /// Requests that the connections that were closed had served.
    #[cfg_attr(feature = "serde", serde(rename = "requests_per_connection"))]
    pub requests: HistogramSnapshot,
    /// Round trip times of the connections that were closed, where the kernel told them.
    #[cfg_attr(feature = "serde", serde(rename = "rtt_secs"))]
    pub rtt: HistogramSnapshot,
    /// Requests by result, as their heads had it: a body that fails after its head fails the span, and its request counts
    /// by the status that it had.
    pub results: Vec<ResultSnapshot>,
    /// Connections that were reported as leaked, those included that came back.
    pub leaks_suspected: u64,
    /// Connections that are reported as leaked now.
    pub leaks_active: u64,
    /// The limit of requests in flight, once a request went through a limit layer.
    pub limit: Option<LimitSnapshot>,
    /// Those who wait for a connection, if any do.
    pub waiting: Option<WaitingSnapshot>,
    /// Requests that hold a connection, those that have held it for longest first, at most as many as the scope's limit.
    pub held: Vec<HolderSnapshot>,
    /// Open connections one by one, by id, at most as many as the scope's limit. If there are more, up to half of those that
    /// are listed are the ones that have been in use for longest, for a second or more; the others are the oldest.
    pub open: Vec<ConnectionSnapshot>,
}

impl PoolSnapshot {
    /// Requests that have asked for a connection and not yet acquired one, those included that wait for a limit.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let ended =
            self.acquired + self.outcome(AcquireOutcome::Failed) + self.outcome(AcquireOutcome::Canceled);
        self.acquires_started.saturating_sub(ended)
    }

    /// Connects that failed, for all errors.
    #[must_use]
    pub fn connect_failed(&self) -> u64 {
        self.connect_failures.iter().map(|row| row.count).sum()
    }

    /// Requests that hold a connection.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.acquired.saturating_sub(self.released)
    }

    /// Acquires that ended in one way.
    #[must_use]
    pub fn outcome(&self, outcome: AcquireOutcome) -> u64 {
        self.acquires.iter().find(|(known, _)| *known == outcome).map_or(0, |(_, count)| *count)
    }

    /// Open connections by state, over all protocols.
    #[must_use]
    pub fn counts(&self) -> ConnectionCounts {
        self.connections.iter().fold(ConnectionCounts::default(), |sum, (_, counts)| sum + *counts)
    }

    /// Connections closed, for all reasons.
    #[must_use]
    pub fn closed_total(&self) -> u64 {
        self.closed.iter().map(|(_, _, count)| count).sum()
    }
}

/// One open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectionSnapshot {
    /// Identity, unique in its scope.
    pub id: u64,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its state.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub state: ConnectionState,
    /// Our end.
    pub local: Option<SocketAddr>,
    /// The other end.
    pub peer: Option<SocketAddr>,
    /// Time since it was opened.
    #[cfg_attr(feature = "serde", serde(rename = "age_secs", serialize_with = "serial::secs"))]
    pub age: Duration,
    /// Time since a request last used it; its age if none did.
    #[cfg_attr(feature = "serde", serde(rename = "idle_for_secs", serialize_with = "serial::secs"))]
    pub idle_for: Duration,
    /// Time since requests use it without a break; zero while none does.
    #[cfg_attr(feature = "serde", serde(rename = "active_for_secs", serialize_with = "serial::secs"))]
    pub active_for: Duration,
    /// Time in which at least one request used it, since it was opened. The difference of two snapshots is how much of the
    /// time between them it was in use, however short the uses were.
    #[cfg_attr(feature = "serde", serde(rename = "active_time_secs", serialize_with = "serial::secs"))]
    pub active_time: Duration,
    /// Requests that it has served or serves.
    pub requests: u64,
    /// Requests in flight on it.
    pub in_flight: u64,
    /// Why it closes as soon as no request uses it, where its client [replaces](crate::ClientScope::hygiene) it; `None` if
    /// it is to stay.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub draining: Option<CloseReason>,
    /// Bytes sent; `None` where they can't be seen. Where the kernel tells them (reqwest), it is asked every two seconds and at
    /// the end.
    pub bytes_sent: Option<u64>,
    /// Bytes received, likewise.
    pub bytes_received: Option<u64>,
    /// Round trip time, smoothed by the kernel, where it tells it.
    #[cfg_attr(feature = "serde", serde(rename = "rtt_secs", serialize_with = "serial::option_secs"))]
    pub rtt: Option<Duration>,
    /// TCP segments sent again, where the kernel tells it.
    pub retransmits: Option<u64>,
}

/// Connects of a pool that failed in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectFailures {
    /// Class of the error.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub error_type: ErrorType,
    /// The part that failed, if it can be told.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub phase: Option<ConnectPhase>,
    /// How many.
    pub count: u64,
}

/// Requests that wait for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WaitingSnapshot {
    /// How many.
    pub requests: u64,
    /// How long the oldest of them has waited.
    #[cfg_attr(feature = "serde", serde(rename = "oldest_secs", serialize_with = "serial::secs"))]
    pub oldest: Duration,
    /// Why. Of a pool whose connections are all held, [`BlockingReason::Leaked`] says that some of them are reported as
    /// leaked, [`BlockingReason::InUse`] that none is: the pool is too small for its load. A limit that sits inside of
    /// the connector, below the connect layer, looks like a connect that takes long.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub blocked_by: BlockingReason,
}

/// A request that holds a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HolderSnapshot {
    /// The connection, if it is known by now.
    pub connection: Option<u64>,
    /// Method, `_OTHER` if the convention does not know it.
    pub method: &'static str,
    /// How long it has held the connection.
    #[cfg_attr(feature = "serde", serde(rename = "held_secs", serialize_with = "serial::secs"))]
    pub held: Duration,
    /// True once the caller has the head of the answer, so that it is on the caller to read the rest.
    pub is_answered: bool,
    /// True while it is reported as leaked.
    pub is_leaked: bool,
    /// Trace that it was made under, in hexadecimal digits.
    pub trace_id: Option<String>,
    /// Who took it, if the program has told: a place in the code or a name.
    pub origin: Option<String>,
}

/// Requests of a pool with one method, result and protocol.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ResultSnapshot {
    /// Method, `_OTHER` if the convention does not know it.
    pub method: &'static str,
    /// Status of the response. Without one and without an error, it was a redirect that reqwest has followed without
    /// telling its status.
    pub status: Option<u16>,
    /// Why there was no response.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub error_type: Option<ErrorType>,
    /// `network.protocol.version`, if a response told it.
    pub protocol: Option<&'static str>,
    /// True for the row of all results beyond the limit of rows.
    pub overflow: bool,
    /// Time to the headers, or to the error.
    #[cfg_attr(feature = "serde", serde(rename = "duration_secs"))]
    pub duration: HistogramSnapshot,
}

/// How often a breaker went from one state to another for one reason.
pub type BreakerTransitions = (BreakerState, BreakerState, BreakerReason, u64);

/// One circuit breaker.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BreakerSnapshot {
    /// The destination, or the key that the user chose.
    pub name: String,
    /// State now.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub state: BreakerState,
    /// Share of failed calls in the window; `None` below the minimum of calls.
    pub failure_ratio: Option<f64>,
    /// Share at which it opens, if that is known; it is of ours.
    pub failure_ratio_limit: Option<f64>,
    /// Share of calls in the window that took too long; `None` below the minimum of calls, and where that is not judged.
    pub slow_call_ratio: Option<f64>,
    /// Share at which it opens, if that is judged.
    pub slow_call_ratio_limit: Option<f64>,
    /// Share of calls in the window for which nothing could be connected; `None` below the minimum of calls.
    pub connect_failure_ratio: Option<f64>,
    /// Share at which it opens, if that is judged apart from other failures.
    pub connect_failure_ratio_limit: Option<f64>,
    /// Calls in the window.
    pub window_calls: u64,
    /// Time until an open breaker lets the next call try; zero in every other state, and if it is not known.
    #[cfg_attr(feature = "serde", serde(rename = "open_remaining_secs", serialize_with = "serial::secs"))]
    pub open_remaining: Duration,
    /// Calls by outcome, in the order of [`BreakerOutcome::ALL`]; an outcome that a breaker of another crate does not
    /// tell is absent.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub calls: Vec<(BreakerOutcome, u64)>,
    /// Changes of state that have happened.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::transitions"))]
    pub transitions: Vec<BreakerTransitions>,
}

impl BreakerSnapshot {
    /// A breaker of which nothing is known but its name and its state. The rest is filled in as far as it is known.
    #[must_use]
    pub fn new(name: impl Into<String>, state: BreakerState) -> Self {
        Self {
            name: name.into(),
            state,
            failure_ratio: None,
            failure_ratio_limit: None,
            slow_call_ratio: None,
            slow_call_ratio_limit: None,
            connect_failure_ratio: None,
            connect_failure_ratio_limit: None,
            window_calls: 0,
            open_remaining: Duration::ZERO,
            calls: Vec::new(),
            transitions: Vec::new(),
        }
    }
}

/// One retry policy.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RetrySnapshot {
    /// Name of the policy.
    pub name: String,
    /// Calls by outcome, in the order of [`RetryOutcome::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub calls: Vec<(RetryOutcome, u64)>,
    /// Attempts beyond the first by their cause: a status code or an `error.type`.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub attempts: Vec<(String, u64)>,
    /// Calls by the result that the caller got, whatever was tried before: by status, and by error.
    pub results: Vec<RetryResultSnapshot>,
    /// Times that calls waited before they were tried again.
    #[cfg_attr(feature = "serde", serde(rename = "delay_secs"))]
    pub delay: HistogramSnapshot,
}
