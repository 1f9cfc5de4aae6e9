//! Pools: one row of the overview, and the page behind it.

use serde::{Deserialize, Serialize};

use crate::{BreakerState, Range};

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
    /// Since when it is well, or is not, however bad it was in between.
    pub since_ms: u64,
}

impl Health {
    /// How the sentence of what was worse a moment ago begins: its severity stays for a time of calm.
    pub const RECOVERING: &'static str = "recovering: ";

    /// True if it is better by now than its severity says.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.sentence.starts_with(Self::RECOVERING)
    }

    /// Takes how bad it is now.
    pub fn turn(&mut self, severity: Severity, now_ms: u64) {
        let goes_on = (severity > Severity::Ok) == (self.severity > Severity::Ok);
        // Where the clock was put back, it begins no later than now.
        self.since_ms = if goes_on { self.since_ms.min(now_ms) } else { now_ms };
        self.severity = severity;
    }
}

/// How a pool's connections are observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Every open and close is seen.
    #[default]
    Exact,
    /// Every close is told by the kernel, and why it closed is concluded.
    Kernel,
    /// Closes are concluded, so that open, idle and closes carry a tilde.
    Estimated,
}

/// What the connections of a pool lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// HTTP servers.
    #[default]
    Http,
    /// A database. Such a pool may have only a name, in the place of the client's, and no address.
    Database,
}

/// What the sender of a pool does not tell, so that it is not known; that is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// How many connections are open, and which of them are in use.
    #[default]
    Connections,
    /// How many requests wait.
    Waiting,
    /// How many requests are in flight.
    InFlight,
    /// How long requests waited.
    WaitTimes,
    /// How long requests held their connection.
    UseTimes,
    /// How many requests ended.
    Requests,
    /// How requests ended.
    Results,
    /// How many connections were opened.
    Opened,
    /// How many connections were closed.
    Closed,
    /// Why connections were closed.
    CloseReasons,
    /// Connects that failed.
    FailedConnects,
    /// How often a connection was used again.
    Reuse,
    /// Bounds of its distributions that tell times of less than seconds apart.
    FineBuckets,
}

/// The limit of a pool's requests in flight at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PoolLimit {
    /// Most requests that may be in flight.
    pub max: u32,
    /// Requests in flight.
    pub in_use: u32,
    /// Requests that wait for their turn.
    pub queued: u32,
    /// How long the oldest of them has waited.
    pub oldest_wait_s: f32,
}

/// What a pool was doing at one moment; rates and percentiles are over the time since the point before.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PoolPoint {
    /// The moment.
    pub at_ms: u64,
    /// Connections without a request; `None` if the sender does not tell.
    pub idle: Option<u32>,
    /// Connections with at least one request; `None` if the sender does not tell.
    pub active: Option<u32>,
    /// Connections that left HTTP; `None` if the sender does not tell.
    pub upgraded: Option<u32>,
    /// Connections that are being established; `None` if the sender does not tell.
    pub connecting: Option<u32>,
    /// Responses that are held and not read for so long that they look forgotten; `None` if the sender does not tell.
    pub leaked: Option<u32>,
    /// The limit of its requests; `None` if there is none, or the sender does not tell.
    pub limit: Option<PoolLimit>,
    /// Most connections that the pool opens; `None` if the sender does not tell.
    pub max_open: Option<u32>,
    /// Most idle connections that the pool keeps; `None` if the sender does not tell.
    pub idle_max: Option<u32>,
    /// Fewest idle connections that the pool keeps; `None` if the sender does not tell.
    pub idle_min: Option<u32>,
    /// Requests that wait for a connection, for their turn under a limit too; `None` if the sender does not tell.
    pub pending: Option<u32>,
    /// Requests between call and end of body; `None` if the sender does not tell.
    pub in_flight: Option<u32>,
    /// Requests that ended, or uses of a database connection, per second; `None` if the sender does not tell.
    pub requests_per_s: Option<f32>,
    /// Requests that failed or got a 5xx, per second; `None` if the sender does not tell.
    pub errors_per_s: Option<f32>,
    /// Connections opened, per second; `None` if the sender does not tell.
    pub opened_per_s: Option<f32>,
    /// Connections closed, per second; `None` if the sender does not tell.
    pub closed_per_s: Option<f32>,
    /// Waits for a connection that were given up, per second; `None` if the sender does not tell.
    pub timeouts_per_s: Option<f32>,
    /// Connections closed without having served a request, per second; `None` if the sender does not tell.
    pub wasted_per_s: Option<f32>,
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
    /// Protocol versions of its connections, such as `1.1` and `2`; of a database pool, the product.
    pub protocols: Vec<String>,
    /// What its connections lead to.
    pub kind: PoolKind,
    /// What its sender does not tell; empty for Poolscope's own.
    pub lacks: Vec<Lack>,
    /// How its connections are observed.
    pub observation: Observation,
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
    /// Requests that ended since the pool is known; `None` if the sender does not tell, as for those below.
    pub requests_total: Option<u64>,
    /// Connections opened since the pool is known.
    pub opened_total: Option<u64>,
    /// Connections closed since the pool is known.
    pub closed_total: Option<u64>,
    /// Connects that failed since the pool is known.
    pub failed_total: Option<u64>,
    /// Name and state of the breaker of the same service and destination, if there is one.
    pub breaker: Option<(String, BreakerState)>,
    /// When the pool was last reported.
    pub last_seen_ms: u64,
    /// True if it should have been reported by now and was not: the picture is old.
    pub stale: bool,
}

impl PoolSummary {
    /// True if open, idle and closes are concluded and not seen.
    #[must_use]
    pub fn is_estimated(&self) -> bool {
        self.observation == Observation::Estimated
    }
}

/// How often something happened for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CountByReason {
    /// Value of the telemetry contract, such as `idle_timeout`.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// True if the reason was concluded and not seen.
    pub inferred: bool,
}

/// Connects that failed in one way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailedConnects {
    /// `error.type` of the telemetry contract, such as `dns`.
    pub error: String,
    /// The part of the connect that failed, such as `tls`, if it can be told.
    pub phase: Option<String>,
    /// How many.
    pub count: u64,
}

/// How a figure is spread over the cases that were counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub p50: f32,
    /// 95th percentile.
    pub p95: f32,
    /// Cases that were counted.
    pub count: u64,
}

/// What the connections of a pool have been like since it is known. A part that the sender does not tell, or of which
/// nothing was counted yet, is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Seconds to establish one, all parts together.
    pub create_s: Option<Spread>,
    /// Seconds of the parts of it that can be told apart, in their order, by their value of the telemetry contract.
    pub phases_s: Vec<(String, Spread)>,
    /// Seconds that one had been idle before it was used again.
    pub idle_s: Option<Spread>,
    /// Requests that one served until it closed.
    pub requests: Option<Spread>,
    /// Round trip time in seconds, as the kernel told it at the close.
    pub rtt_s: Option<Spread>,
    /// Closed without having served a request.
    pub wasted: Option<u64>,
    /// Connects that were given up, because their request was dropped.
    pub abandoned: Option<u64>,
    /// Requests that failed because the peer had closed the connection that the pool gave them.
    pub stale_reuse: Option<u64>,
    /// TCP segments that were sent again, over the connections that are closed.
    pub retransmits: Option<u64>,
    /// Reported as leaked, those included that came back.
    pub leaks: Option<u64>,
    /// Waits for a connection that were given up.
    pub timeouts: Option<u64>,
    /// Requests that the limit refused.
    pub refused: Option<u64>,
}

/// One pool with its history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PoolDetail {
    /// The same as in the overview.
    pub summary: PoolSummary,
    /// What part of the history the answer holds.
    pub range: Range,
    /// History, oldest first. A point that stands for several reports lies at the last of them. It has the most that
    /// waited, were in flight or were active in one of them, with the connections of the other states at the moment when
    /// the most were active; percentiles over all that they counted; rates over the time that really passed. Between two
    /// points may be a silence, as [`Range::silences`] tells.
    pub points: Vec<PoolPoint>,
    /// How often it is reported.
    pub interval_ms: u64,
    /// Closes since the pool is known, most frequent first.
    pub closes: Vec<CountByReason>,
    /// Acquires since the pool is known, by outcome.
    pub acquires: Vec<CountByReason>,
    /// Requests since the pool is known, by status code or `error.type`.
    pub results: Vec<CountByReason>,
    /// Connects that failed since the pool is known, most frequent first.
    pub failures: Vec<FailedConnects>,
    /// What its connections have been like.
    pub connections: Connections,
    /// Bytes sent over its connections; `None` where they can't be seen.
    pub bytes_sent: Option<u64>,
    /// Bytes received over its connections.
    pub bytes_received: Option<u64>,
    /// Of several instances together: the ids of their pools, those that vanished included. Of one pool it is empty.
    pub members: Vec<String>,
    /// Of several instances together: states of the breakers that guard them, worst first, each with how many are in it.
    pub breakers: Vec<(BreakerState, u32)>,
    /// True if some of them count times in buckets with unequal bounds: then there is no percentile of all.
    pub unequal_buckets: bool,
}
