//! Connections one by one, each a lane over time.

use serde::{Deserialize, Serialize};

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneState {
    /// No request uses it.
    #[default]
    Idle,
    /// A request uses it, or did for a part of the time.
    Active,
    /// As before, and it closes as soon as no request uses it.
    Draining,
    /// It has left HTTP.
    Upgraded,
    /// It is closed.
    Closed,
}

/// A stretch of a lane, from the end of the one before. In JSON four numbers, in the order of the fields; states count from
/// 0 in the order of [`LaneState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "(u64, u8, u64, u64)", into = "(u64, u8, u64, u64)")]
pub struct LaneSegment {
    /// How long it is. What the connection did is known for this time as a whole, and no more exactly.
    pub length_ms: u64,
    /// What the connection did.
    pub state: LaneState,
    /// How much of the time requests used it.
    pub active_ms: u64,
    /// Requests that began.
    pub requests: u64,
}

impl From<LaneSegment> for (u64, u8, u64, u64) {
    fn from(segment: LaneSegment) -> Self {
        (segment.length_ms, segment.state as u8, segment.active_ms, segment.requests)
    }
}

impl From<(u64, u8, u64, u64)> for LaneSegment {
    fn from((length_ms, state, active_ms, requests): (u64, u8, u64, u64)) -> Self {
        let state = match state {
            0 => LaneState::Idle,
            1 => LaneState::Active,
            2 => LaneState::Draining,
            3 => LaneState::Upgraded,
            _ => LaneState::Closed,
        };
        Self { length_ms, state, active_ms, requests }
    }
}

impl LaneSegment {
    /// Share of the time in which requests used it, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.length_ms == 0 { 0.0 } else { (self.active_ms as f64 / self.length_ms as f64).min(1.0) }
    }
}

/// The end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneClose {
    /// When.
    pub at_ms: u64,
    /// Value of the telemetry contract, such as `idle_timeout`; empty if it was not told.
    pub reason: String,
    /// True if the reason was concluded and not seen.
    pub inferred: bool,
}

/// A time in which a connection was held and nobody read its response.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneLeak {
    /// Since when it was held.
    pub since_ms: u64,
    /// When it came back; `None` if it has not.
    pub until_ms: Option<u64>,
    /// Method of the request that holds it.
    pub method: String,
    /// Trace of that request, in hexadecimal; empty if it is not known.
    pub trace_id: String,
    /// Who took it, such as a place in the code; empty if it is not known.
    pub origin: String,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConnectionLane {
    /// Its identity, unique in the process that has it.
    pub id: u64,
    /// Address of the other end; empty if it is not known.
    pub peer: String,
    /// When it was opened.
    pub opened_ms: u64,
    /// What it does, as was told last.
    pub state: LaneState,
    /// Since when it does that without a break.
    pub since_ms: u64,
    /// When it was told last.
    pub seen_ms: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Requests that it has served or serves.
    pub requests: u64,
    /// Share of the known time in view in which requests used it; `None` if none of it is known.
    pub share: Option<f32>,
    /// Its end.
    pub closed: Option<LaneClose>,
    /// True if it was closed without having served a request.
    pub wasted: bool,
    /// When it was held and not read, oldest first.
    pub leaks: Vec<LaneLeak>,
    /// Where the first of the segments begins.
    pub start_ms: u64,
    /// What it did, oldest first.
    pub segments: Vec<LaneSegment>,
}

impl ConnectionLane {
    /// True if a response is held now and not read.
    #[must_use]
    pub fn is_leaked(&self) -> bool {
        self.leaks.iter().any(|leak| leak.until_ms.is_none())
    }
}

/// Connections in view, whichever of them are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneCounts {
    /// All.
    pub all: u64,
    /// Those that were in use at any time in view.
    pub active: u64,
    /// Those that were held and not read.
    pub leaked: u64,
    /// Those that were closed without having served a request.
    pub wasted: u64,
    /// Those that were closed.
    pub closed: u64,
}

/// Connections of a pool over a time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConnectionLanes {
    /// Begin of the time.
    pub from_ms: u64,
    /// End of the time.
    pub to_ms: u64,
    /// True if the sender has told connections one by one.
    pub told: bool,
    /// Open connections of the pool when it was told last, those included that were not told one by one.
    pub open: Option<u64>,
    /// Usual distance of two moments that the sender tells.
    pub interval_ms: u64,
    /// Length below which stretches are put together.
    pub step_ms: u64,
    /// How many there are.
    pub counts: LaneCounts,
    /// Those that are asked for, in the order that is asked for.
    pub rows: Vec<ConnectionLane>,
    /// Connections for which there was no room.
    pub dropped: u64,
}
