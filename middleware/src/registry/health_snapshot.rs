//! [`HealthSnapshot`]: one destination, as a probe sees it.

use std::time::Duration;

use poolscope_semconv::value::{HealthState, ProbeOutcome};

use super::histogram::HistogramSnapshot;
#[cfg(feature = "serde")]
use super::serial;

/// One destination that is probed.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HealthSnapshot {
    /// Name of the probe: the destination, unless the user chose another.
    pub name: String,
    /// What the probes say.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub state: HealthState,
    /// Why, in words.
    pub reason: String,
    /// How long it has been so.
    #[cfg_attr(feature = "serde", serde(rename = "since_secs", serialize_with = "serial::secs"))]
    pub since: Duration,
    /// Time since the last probe ended; `None` before the first has.
    #[cfg_attr(feature = "serde", serde(rename = "last_probe_secs", serialize_with = "serial::option_secs"))]
    pub last_probe: Option<Duration>,
    /// Probes by outcome, in the order of [`ProbeOutcome::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub probes: Vec<(ProbeOutcome, u64)>,
    /// Times of the probes, of those too that failed.
    #[cfg_attr(feature = "serde", serde(rename = "duration_secs"))]
    pub duration: HistogramSnapshot,
}
