//! [`SessionsSnapshot`]: the sessions of one registry.

use std::time::Duration;

use poolscope_semconv::value::{PingOutcome, SessionEnd};

use super::histogram::HistogramSnapshot;
#[cfg(feature = "serde")]
use super::serial;

/// A registry of sessions.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SessionsSnapshot {
    /// Name of the registry.
    pub name: String,
    /// Sessions that are there, those included that were told to end: `started` without all of `ended`.
    pub active: u64,
    /// Most that may be there at a time.
    pub limit: u64,
    /// Sessions that began.
    pub started: u64,
    /// Sessions that could not begin.
    pub refused: u64,
    /// Sessions that are gone, by reason, in the order of [`SessionEnd::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub ended: Vec<(SessionEnd, u64)>,
    /// Those of `active` that were told to end and are still there after the time that they had for it.
    pub overdue: u64,
    /// Time since the oldest one began that is there; `None` if there is none.
    #[cfg_attr(feature = "serde", serde(rename = "oldest_secs", serialize_with = "serial::option_secs"))]
    pub oldest: Option<Duration>,
    /// How long nothing may happen in one; `None` for ever.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "idle_timeout_secs", serialize_with = "serial::option_secs")
    )]
    pub idle_timeout: Option<Duration>,
    /// How long one may be there; `None` for ever.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "max_duration_secs", serialize_with = "serial::option_secs")
    )]
    pub max_duration: Option<Duration>,
    /// How long those were there that are gone.
    #[cfg_attr(feature = "serde", serde(rename = "duration_secs"))]
    pub duration: HistogramSnapshot,
    /// Times of the sweeps that look for sessions whose time is over.
    #[cfg_attr(feature = "serde", serde(rename = "sweeps_secs"))]
    pub sweeps: HistogramSnapshot,
    /// Sweeps that told a session to end more than 250 ms after its deadline.
    pub late_sweeps: u64,
    /// Handlers that were cut, since they did not end when their session was told to.
    pub handlers_cut: u64,
    /// What went through all of them.
    pub traffic: SessionTraffic,
    /// Pings by outcome, in the order of [`PingOutcome::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub pings: Vec<(PingOutcome, u64)>,
    /// Times from a ping to its answer.
    #[cfg_attr(feature = "serde", serde(rename = "ping_time_secs"))]
    pub ping_time: HistogramSnapshot,
    /// Sessions one by one, at most 100: those that are overdue, and then the oldest.
    pub sessions: Vec<SessionSnapshot>,
}

impl SessionsSnapshot {
    /// Sessions that are gone for a reason.
    #[must_use]
    pub fn ended(&self, reason: SessionEnd) -> u64 {
        self.ended.iter().filter(|(of, _)| *of == reason).map(|(_, count)| count).sum()
    }
}

/// A session that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SessionSnapshot {
    /// Its number, unique in its registry.
    pub id: u64,
    /// What the program calls it.
    pub key: String,
    /// Time since it began.
    #[cfg_attr(feature = "serde", serde(rename = "age_secs", serialize_with = "serial::secs"))]
    pub age: Duration,
    /// Time since something last happened in it.
    #[cfg_attr(feature = "serde", serde(rename = "idle_secs", serialize_with = "serial::secs"))]
    pub idle: Duration,
    /// Why it was told to end, if it was.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub ending: Option<SessionEnd>,
    /// It has had its time to end.
    pub is_overdue: bool,
    /// Tasks of it that run.
    pub tasks: u64,
    /// What went through it.
    pub traffic: SessionTraffic,
    /// Pings in a row that were not answered.
    pub missed_pings: u32,
    /// What the program keeps with it, as far as it counts.
    pub data_bytes: u64,
}

/// What went through sessions, as far as the program tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SessionTraffic {
    /// Messages that were sent.
    pub messages_sent: u64,
    /// Messages that were received.
    pub messages_received: u64,
    /// Bytes of those that were sent.
    pub bytes_sent: u64,
    /// Bytes of those that were received.
    pub bytes_received: u64,
    /// Errors of the transport.
    pub errors: u64,
}

impl std::ops::Add for SessionTraffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages_sent: self.messages_sent + other.messages_sent,
            messages_received: self.messages_received + other.messages_received,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            bytes_received: self.bytes_received + other.bytes_received,
            errors: self.errors + other.errors,
        }
    }
}
