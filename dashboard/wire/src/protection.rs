//! What an instance has beside pools, breakers and sessions: what protects its calls (retries, timeouts, limits, health probes
//! and resources), and what serves (servers, groups of tasks, queues and supervised connections).

use serde::{Deserialize, Serialize};

use crate::Health;

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Count {
    /// In the last minute.
    pub minute: u64,
    /// Since it is known.
    pub total: u64,
}

/// How a figure was spread in the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f32,
    /// 99th percentile.
    pub p99: f32,
}

/// A retry policy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RetryFigures {
    /// Calls that ended under it.
    pub calls: Count,
    /// Calls that a later attempt saved.
    pub after_retry: Count,
    /// Calls whose last attempt failed.
    pub exhausted: Count,
    /// Calls whose retry the budget refused.
    pub budget_refused: Count,
    /// Calls whose request can't be sent twice.
    pub not_replayable: Count,
    /// Attempts beyond the first by what caused them, a status code or an `error.type`, most frequent first.
    pub causes: Vec<(String, Count)>,
    /// Calls by what they ended with, a status code or an `error.type`, most frequent first.
    pub results: Vec<(String, Count)>,
    /// Seconds before an attempt beyond the first.
    pub wait_s: Option<Percentiles>,
}

impl RetryFigures {
    /// Calls for which a retry was due.
    #[must_use]
    pub fn needed(&self) -> Count {
        let parts = [self.after_retry, self.exhausted, self.budget_refused, self.not_replayable];
        parts.into_iter().fold(Count::default(), |sum, part| Count {
            minute: sum.minute.saturating_add(part.minute),
            total: sum.total.saturating_add(part.total),
        })
    }
}

/// A limit of a named timeout.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TimeoutLimit {
    /// The destination that it is for; empty if it is one for all.
    pub destination: String,
    /// Seconds after which the timeout fires.
    pub limit_s: f32,
}

/// A named timeout.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TimeoutFigures {
    /// Its limits, longest first, a bounded number.
    pub limits: Vec<TimeoutLimit>,
    /// Limits beyond that number.
    pub more_limits: u64,
    /// Calls that ended under it.
    pub calls: Count,
    /// Calls that it ended.
    pub fired: Count,
    /// Share of the limit that the calls used.
    pub used: Option<Percentiles>,
}

/// The limit of all requests of a client, whatever their destinations.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ClientLimitFigures {
    /// Most requests that may be in flight.
    pub max: u32,
    /// Requests in flight.
    pub in_use: u32,
    /// Requests that wait for their turn.
    pub queued: u32,
    /// Most requests that may wait; `None` if the sender does not tell.
    pub queue_max: Option<u32>,
    /// The most that any report of the last minute found in flight.
    pub most_in_use: u32,
    /// The most that any report of the last minute found waiting.
    pub most_queued: u32,
}

/// A health probe.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProbeFigures {
    /// State that the probes say, a value of the telemetry contract.
    pub state: String,
    /// Since when; `None` if it was in this state when it was first seen.
    pub since_ms: Option<u64>,
    /// Probes that succeeded.
    pub succeeded: Count,
    /// Probes that succeeded and took too long.
    pub slow: Count,
    /// Probes that failed.
    pub failed: Count,
    /// Seconds that a probe took.
    pub duration_s: Option<Percentiles>,
}

/// A resource under a guard: bytes of memory, otherwise a count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResourceFigures {
    /// Name of the guard.
    pub guard: String,
    /// How much is used; `None` if that can't be told.
    pub usage: Option<u64>,
    /// The most that was seen used.
    pub peak: Option<u64>,
    /// From here on the guard warns.
    pub soft: Option<u64>,
    /// From here on it refuses requests.
    pub hard: Option<u64>,
    /// Requests that it refused.
    pub refused: Count,
}

/// A server: one listener, and all that it accepts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ServerFigures {
    /// Open connections without a request.
    pub idle: u32,
    /// Open connections with a request.
    pub active: u32,
    /// Open connections that left HTTP, such as WebSockets.
    pub upgraded: u32,
    /// Connections that were accepted and wait to be served.
    pub queued: u32,
    /// Most connections at a time; `None` if there is no limit, or none is told.
    pub limit: Option<u32>,
    /// True if its connections are told, and not its requests alone.
    pub has_connections: bool,
    /// Connections that it accepted.
    pub accepted: Count,
    /// Connections that it turned away.
    pub rejected: Count,
    /// Times that none could be accepted.
    pub accept_errors: Count,
    /// Connections that closed, by the reason of the telemetry contract, most frequent first.
    pub closes: Vec<(String, Count)>,
    /// Requests that are worked on.
    pub in_flight: u32,
    /// Requests that were answered, or failed.
    pub requests: Count,
    /// Requests that failed: by an error of the server (5xx), or without an answer.
    pub failed: Count,
    /// Requests that their client left early.
    pub disconnected: Count,
    /// Those of them that had no answer yet.
    #[serde(default)]
    pub left: Count,
    /// Seconds until the head of the answer.
    pub duration_s: Option<Percentiles>,
}

/// A group of tasks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TaskFigures {
    /// Tasks that run.
    pub active: u32,
    /// Tasks that began.
    pub started: Count,
    /// Tasks that ended, by the outcome of the telemetry contract, most frequent first.
    pub ends: Vec<(String, Count)>,
    /// Tasks that panicked.
    pub panicked: Count,
    /// Seconds that a task ran.
    pub life_s: Option<Percentiles>,
}

/// A bounded queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QueueFigures {
    /// Items in it.
    pub length: u64,
    /// Most items in it.
    pub limit: u64,
    /// The most that were ever in it.
    pub high_water: u64,
    /// Items that were put in.
    pub pushed: Count,
    /// Items that it dropped.
    pub dropped: Count,
    /// Those of them that were never in it: there was no room, or nobody takes items any more.
    #[serde(default)]
    pub refused: Count,
}

/// A connection of a client that is kept alive.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SupervisorFigures {
    /// Its state, a value of the telemetry contract.
    pub state: String,
    /// Since when; `None` if it was in this state when it was first seen.
    pub since_ms: Option<u64>,
    /// Attempts to connect.
    pub connects: Count,
    /// How often it was established again in the last 15 minutes.
    #[serde(default)]
    pub again: u64,
    /// Messages that were to be sent and were not.
    pub lost: Count,
    /// How often it came into a state, by the reason of the telemetry contract, most frequent first.
    pub changes: Vec<(String, Count)>,
    /// Seconds that a connection was there that is gone.
    pub life_s: Option<Percentiles>,
}

/// What something has done, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtectionFigures {
    /// A retry policy.
    Retry(RetryFigures),
    /// A named timeout.
    Timeout(TimeoutFigures),
    /// The limit of a client.
    Limit(ClientLimitFigures),
    /// A health probe.
    Probe(ProbeFigures),
    /// A resource under a guard.
    Resource(ResourceFigures),
    /// A server.
    Server(ServerFigures),
    /// A group of tasks.
    Tasks(TaskFigures),
    /// A bounded queue.
    Queue(QueueFigures),
    /// A supervised connection.
    Supervisor(SupervisorFigures),
}

impl ProtectionFigures {
    /// True of what serves, and does not protect calls: the sessions page shows it.
    #[must_use]
    pub const fn serves(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Tasks(_) | Self::Queue(_) | Self::Supervisor(_))
    }
}

impl Default for ProtectionFigures {
    fn default() -> Self {
        Self::Retry(RetryFigures::default())
    }
}

/// Something that protects the calls of one instance, or serves in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Protection {
    /// Stable for as long as it exists, safe in a URL.
    pub id: String,
    /// Service that has it.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// Name of the policy, timeout, client, probe, resource, server, group, queue or supervisor.
    pub name: String,
    /// Condition, in words.
    pub health: Health,
    /// Its figures.
    pub figures: ProtectionFigures,
    /// When it was last reported.
    pub last_seen_ms: u64,
    /// True if it should have been reported by now and was not.
    pub stale: bool,
}
