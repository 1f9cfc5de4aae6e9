//! Pools: one row of the overview, and the page behind it.

use serde::{Deserialize, Serialize};

use crate::BreakerState;

/// How badly somebody should look, worst last, so that the greatest is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing to do.
    #[default]
    Ok,
    /// Worth a look.
    Warn,
    /// Requests suffer.
    Bad,
}

/// Condition of a pool, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// How bad it is.
    pub severity: Severity,
    /// One sentence with the figure that matters, such as "12 requests wait for a connection".
    pub sentence: String,
    /// Since when it has had this severity.
    pub since_ms: u64,
}

/// What a pool was doing at one moment; rates and percentiles are over the time since the point before.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PoolPoint {
    /// The moment.
    pub at_ms: u64,
    /// Connections without a request.
    pub idle: u32,
    /// Connections with at least one request.
    pub active: u32,
    /// Connections that left HTTP.
    pub upgraded: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    /// Requests between call and end of body.
    pub in_flight: u32,
    /// Requests that ended, per second.
    pub requests_per_s: f32,
    /// Requests that failed or got a 5xx, per second.
    pub errors_per_s: f32,
    /// Connections opened, per second.
    pub opened_per_s: f32,
    /// Connections closed, per second.
    pub closed_per_s: f32,
    /// Share of acquires that were served by a connection that was open already; `None` without acquires.
    pub reuse: Option<f32>,
    /// Median wait for a connection; `None` without acquires.
    pub wait_p50_s: Option<f32>,
    /// 99th percentile of the wait for a connection.
    pub wait_p99_s: Option<f32>,
    /// Median time that a request held its connection.
    pub use_p50_s: Option<f32>,
    /// 99th percentile of the time that a request held its connection.
    pub use_p99_s: Option<f32>,
    /// Median time to the response headers.
    pub duration_p50_s: Option<f32>,
    /// 99th percentile of the time to the response headers.
    pub duration_p99_s: Option<f32>,
}

/// One pool of one instance, as the overview shows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PoolSummary {
    /// Stable for as long as the pool exists, safe in a URL.
    pub id: String,
    /// Service that has the pool.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// Name that the user gave the client.
    pub client: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host of the destination.
    pub address: String,
    /// Port of the destination.
    pub port: u16,
    /// Protocol versions of its connections, such as `1.1` and `2`.
    pub protocols: Vec<String>,
    /// True if closes are concluded and not seen, so that open, idle and closes carry a tilde.
    pub estimated: bool,
    /// Condition, in words.
    pub health: Health,
    /// Newest figures.
    pub now: PoolPoint,
    /// Share of acquires served by an open connection, over the recent window of a minute.
    pub reuse: Option<f32>,
    /// Median wait over the recent window of a minute.
    pub wait_p50_s: Option<f32>,
    /// 99th percentile of the wait over the recent window of a minute.
    pub wait_p99_s: Option<f32>,
    /// Requests that ended since the pool is known.
    pub requests_total: u64,
    /// Connections opened since the pool is known.
    pub opened_total: u64,
    /// Connections closed since the pool is known.
    pub closed_total: u64,
    /// Connects that failed since the pool is known.
    pub failed_total: u64,
    /// Name and state of the breaker of the same service and destination, if there is one.
    pub breaker: Option<(String, BreakerState)>,
    /// When the pool was last reported.
    pub last_seen_ms: u64,
    /// True if it should have been reported by now and was not: the picture is old.
    pub stale: bool,
}

/// How often something happened for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountByReason {
    /// Value of the telemetry contract, such as `idle_timeout`.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// True if the reason was concluded and not seen.
    pub inferred: bool,
}

/// One pool with its history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PoolDetail {
    /// The same as in the overview.
    pub summary: PoolSummary,
    /// History, oldest first. Two neighbours further apart than [`PoolDetail::interval_ms`] tells are a gap.
    pub points: Vec<PoolPoint>,
    /// Usual distance of two points.
    pub interval_ms: u64,
    /// Closes since the pool is known, most frequent first.
    pub closes: Vec<CountByReason>,
    /// Acquires since the pool is known, by outcome.
    pub acquires: Vec<CountByReason>,
    /// Requests since the pool is known, by status code or `error.type`.
    pub results: Vec<CountByReason>,
    /// Bytes sent over its connections; `None` where they can't be seen.
    pub bytes_sent: Option<u64>,
    /// Bytes received over its connections.
    pub bytes_received: Option<u64>,
}
