//! [`SupervisorSnapshot`]: one connection that is kept alive.

use std::time::Duration;

use poolscope_semconv::value::{SupervisorReason, SupervisorState};

use super::histogram::HistogramSnapshot;
#[cfg(feature = "serde")]
use super::serial;

/// A connection that a supervisor keeps alive.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SupervisorSnapshot {
    /// Name of the supervisor.
    pub name: String,
    /// What it does now.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub state: SupervisorState,
    /// How long it has been so.
    #[cfg_attr(feature = "serde", serde(rename = "since_secs", serialize_with = "serial::secs"))]
    pub since: Duration,
    /// Attempts since the connection was last stable, the one under way included.
    pub attempt: u32,
    /// Most attempts without a stable connection; `None` for as many as it takes.
    pub max_attempts: Option<u32>,
    /// Attempts since it began.
    pub connects: u64,
    /// Messages that were handed to a connection whole. Whether the other end has read them is not known.
    pub sent: u64,
    /// Messages that wait to be sent, the one included that is being sent.
    pub waiting: u64,
    /// Messages that were taken and not sent: a connection was lost while it took one, or the supervisor stopped before.
    pub lost: u64,
    /// Time until the next attempt, while one waits.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "next_attempt_secs", serialize_with = "serial::option_secs")
    )]
    pub next_attempt: Option<Duration>,
    /// What went wrong last, if anything did.
    pub last_error: Option<String>,
    /// Changes of its state, by the state that it came into and why; only those that happened.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::changes"))]
    pub changes: Vec<(SupervisorState, SupervisorReason, u64)>,
    /// The last 32 changes, the newest first.
    pub history: Vec<SupervisorChange>,
    /// Times of the attempts that succeeded.
    #[cfg_attr(feature = "serde", serde(rename = "connect_time_secs"))]
    pub connect_time: HistogramSnapshot,
    /// How long those connections were there that are gone.
    #[cfg_attr(feature = "serde", serde(rename = "duration_secs"))]
    pub duration: HistogramSnapshot,
    /// Waits before attempts.
    #[cfg_attr(feature = "serde", serde(rename = "delay_secs"))]
    pub delay: HistogramSnapshot,
}

/// A change of the state of a supervised connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SupervisorChange {
    /// Time since then.
    #[cfg_attr(feature = "serde", serde(rename = "ago_secs", serialize_with = "serial::secs"))]
    pub ago: Duration,
    /// State before.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub from: SupervisorState,
    /// State after.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub to: SupervisorState,
    /// Why.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub reason: SupervisorReason,
    /// Attempts since the connection was last stable.
    pub attempt: u32,
    /// What the error said, if there was one.
    pub error: Option<String>,
}
