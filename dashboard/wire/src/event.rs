//! Events.

use serde::{Deserialize, Serialize};

use crate::Severity;

/// Header of an answer with events: how many match what was asked for, though the answer may hold fewer.
pub const MATCHING_HEADER: &str = "poolscope-matching";

/// Header of an answer with events: how many there are in all.
pub const KEPT_HEADER: &str = "poolscope-kept";

/// Something that happened, in plain words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Event {
    /// Rises with every event that the server receives.
    pub id: u64,
    /// When it happened.
    pub at_ms: u64,
    /// Event name of the telemetry contract, such as `poolscope.breaker.transition`.
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// Service that it happened in.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// Pool that it happened to.
    pub pool: Option<String>,
    /// Breaker that it happened to.
    pub breaker: Option<String>,
    /// One sentence.
    pub text: String,
    /// Attributes as they came, bounded in number and length.
    pub attributes: Vec<(String, String)>,
    /// Trace that it belongs to, 32 hexadecimal digits.
    pub trace_id: Option<String>,
}
