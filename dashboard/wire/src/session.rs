//! Sessions: what lives longer than a request.

use serde::{Deserialize, Serialize};

use crate::{Count, Health, Percentiles};

/// What a registry of sessions was doing at one moment; rates are over the time since the point before.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionPoint {
    /// The moment.
    pub at_ms: u64,
    /// Sessions that were there.
    pub active: u32,
    /// Sessions that had been told to end and were still there.
    pub overdue: u32,
    /// Sessions that began, per second.
    pub started_per_s: f32,
    /// Sessions that were gone, per second.
    pub ended_per_s: f32,
}

/// One registry of sessions of one instance.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sessions {
    /// Stable for as long as the registry exists, safe in a URL.
    pub id: String,
    /// Service that has it.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// Name of the registry: the kind of its sessions, such as `chat`.
    pub name: String,
    /// Condition, in words.
    pub health: Health,
    /// Newest figures.
    pub now: SessionPoint,
    /// Most sessions at a time; `None` if there is no limit.
    pub limit: Option<u64>,
    /// Sessions that began.
    pub started: Count,
    /// Sessions that could not begin.
    pub refused: Count,
    /// Sessions that are gone, by the reason of the telemetry contract, most frequent first.
    pub ends: Vec<(String, Count)>,
    /// How long the oldest has been there; `None` if there is none.
    pub oldest_age_s: Option<f32>,
    /// Life of those that are gone, over the last minute.
    pub life_s: Option<Percentiles>,
    /// Handlers that were cut, since they did not end with their session.
    pub handlers_cut: Count,
    /// Sweeps that told a session to end too late.
    pub late_sweeps: Count,
    /// Messages that came.
    pub received: Count,
    /// Messages that were sent.
    pub sent: Count,
    /// Errors of the transport.
    pub errors: Count,
    /// Pings that were not answered in time.
    pub missed_pings: Count,
    /// When it was last reported.
    pub last_seen_ms: u64,
    /// True if it should have been reported by now and was not.
    pub stale: bool,
}
