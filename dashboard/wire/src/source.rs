//! The other source: how Prometheus is asked.

use serde::{Deserialize, Serialize};

/// How it goes with asking Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PrometheusStatus {
    /// Its address.
    pub url: String,
    /// Seconds from one question to the next.
    pub interval_s: u64,
    /// What is wrong and what to do about it; `None` while it answers.
    pub problem: Option<String>,
    /// Since when.
    pub problem_since_ms: Option<u64>,
    /// What is odd, although it answers.
    pub notices: Vec<String>,
    /// When it last answered.
    pub answered_ms: Option<u64>,
    /// Time of the newest sample, by the clock of this server.
    pub newest_ms: Option<u64>,
    /// Series of the last answer.
    pub series: u64,
    /// Bytes of the last answer, after decompression.
    pub bytes: u64,
    /// Milliseconds that the last answer took.
    pub took_ms: u64,
    /// Questions since the start.
    pub questions: u64,
    /// Questions without an answer that could be used.
    pub failures: u64,
}
