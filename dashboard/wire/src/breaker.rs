//! Circuit breakers.

use serde::{Deserialize, Serialize};

/// State of a breaker, in the words of the telemetry contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls pass.
    #[default]
    Closed,
    /// Calls are rejected.
    Open,
    /// A few calls pass to find out whether the destination has recovered.
    HalfOpen,
    /// Held open by the user.
    ForcedOpen,
    /// Held closed by the user.
    ForcedClosed,
    /// Calls are judged, never rejected.
    MetricsOnly,
}

impl BreakerState {
    /// The state as people say it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half open",
            Self::ForcedOpen => "forced open",
            Self::ForcedClosed => "forced closed",
            Self::MetricsOnly => "metrics only",
        }
    }
}

/// One change of state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at_ms: u64,
    /// State before.
    pub from: BreakerState,
    /// State after.
    pub to: BreakerState,
    /// Value of the telemetry contract, such as `failure_ratio`.
    pub reason: String,
    /// Share of failed calls in the window at that moment.
    pub failure_ratio: Option<f32>,
    /// Share of slow calls in the window at that moment.
    pub slow_call_ratio: Option<f32>,
    /// Share of calls in the window at that moment for which nothing could be connected.
    pub connect_failure_ratio: Option<f32>,
    /// Calls in the window at that moment.
    pub window_calls: Option<u64>,
    /// Who moved it from a dashboard, if somebody did.
    #[serde(default)]
    pub forced: Option<ForcedBy>,
}

/// Who moved a breaker from a dashboard, and why.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ForcedBy {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// When it is let go; `None` if it was let go by this.
    pub until_ms: Option<u64>,
}

/// A share of the calls in the window, and where it is too much.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Share {
    /// Now; `None` below the minimum of calls.
    pub ratio: Option<f32>,
    /// At which the breaker opens.
    pub limit: f32,
}

/// One breaker of one instance.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Breaker {
    /// Stable for as long as the breaker exists, safe in a URL.
    pub id: String,
    /// Service that has it.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// The destination, or the key that the user chose.
    pub name: String,
    /// State now.
    pub state: BreakerState,
    /// Since when; `None` if it was in this state when it was first seen.
    pub since_ms: Option<u64>,
    /// One sentence, such as "open: 52 % of 200 calls failed (limit 50 %)".
    pub sentence: String,
    /// Share of failed calls in the window; `None` below the minimum of calls.
    pub failure_ratio: Option<f32>,
    /// Share at which it opens.
    pub failure_ratio_limit: Option<f32>,
    /// Share of slow calls; `None` where they are not judged.
    pub slow_calls: Option<Share>,
    /// Share of calls for which nothing could be connected; `None` where they are not judged apart.
    pub failed_connects: Option<Share>,
    /// Calls in the window.
    pub window_calls: u64,
    /// When an open breaker lets the next call try.
    pub next_try_ms: Option<u64>,
    /// Calls that succeeded, since the breaker is known.
    pub succeeded_total: u64,
    /// Calls that failed.
    pub failed_total: u64,
    /// Calls that were rejected.
    pub rejected_total: u64,
    /// Changes of state, oldest first, a bounded number.
    pub transitions: Vec<Transition>,
    /// When it was last reported.
    pub last_seen_ms: u64,
    /// True if it should have been reported by now and was not.
    pub stale: bool,
}
