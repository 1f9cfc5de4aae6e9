//! History: what was between two moments, thinned by the server to as many points as were asked for.

use serde::{Deserialize, Serialize};

use crate::{Breaker, BreakerState, Transition};

/// A time in which nothing was reported, although it should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Silence {
    /// The last report before it.
    pub from_ms: u64,
    /// The first report after it.
    pub to_ms: u64,
}

/// What part of a history an answer holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Range {
    /// Its begin, as asked for.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// Usual distance of two points; the server chose it so that there are no more points than asked for, and one more
    /// for each silence.
    pub step_ms: u64,
    /// The oldest moment of which anything is kept; `None` if there is nothing.
    pub oldest_ms: Option<u64>,
    /// Gaps, oldest first: no point spans one, and no line should be drawn across it.
    pub silences: Vec<Silence>,
}

impl Range {
    /// True if there was a silence between two moments, so that nothing is known of the time between them.
    #[must_use]
    pub fn is_silent_between(&self, from_ms: u64, to_ms: u64) -> bool {
        let first = self.silences.partition_point(|silence| silence.from_ms < from_ms);
        self.silences.get(first).is_some_and(|silence| silence.to_ms <= to_ms)
    }
}

/// What a breaker was doing at one moment; rates are over the time since the point before. Of a point that stands for
/// several reports, shares are the greatest of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct BreakerPoint {
    /// The moment.
    pub at_ms: u64,
    /// State at that moment.
    pub state: BreakerState,
    /// Share of failed calls in the window; `None` below the minimum of calls.
    pub failure_ratio: Option<f32>,
    /// Share of slow calls; `None` where they are not judged.
    pub slow_call_ratio: Option<f32>,
    /// Share of calls for which nothing could be connected; `None` where they are not judged apart.
    pub connect_failure_ratio: Option<f32>,
    /// Calls in the window.
    pub window_calls: u64,
    /// Calls that succeeded, per second.
    pub succeeded_per_s: f32,
    /// Calls that failed, per second.
    pub failed_per_s: f32,
    /// Calls that were rejected, per second.
    pub rejected_per_s: f32,
}

/// A time in which a breaker was in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StateSpan {
    /// The state.
    pub state: BreakerState,
    /// Since when.
    pub from_ms: u64,
    /// Until when.
    pub to_ms: u64,
}

/// One breaker with its history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BreakerDetail {
    /// As it is now.
    pub breaker: Breaker,
    /// What the answer holds.
    pub range: Range,
    /// Its states one after the other; where nothing is known, as in a silence, there is no span.
    pub states: Vec<StateSpan>,
    /// Its changes of state in the range, oldest first.
    pub transitions: Vec<Transition>,
    /// Its figures, oldest first.
    pub points: Vec<BreakerPoint>,
    /// What it counted in the range, whatever the number of points: exact as long as reports are kept as they came, and of
    /// older times but for one step of what is kept of them at each end.
    pub counted: BreakerCounts,
}

/// Calls that a breaker counted in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BreakerCounts {
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that it rejected.
    pub rejected: u64,
}

/// Figures of one moment that is not a pool's or a breaker's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FigurePoint {
    /// The moment.
    pub at_ms: u64,
    /// In the order of [`FigureHistory::names`]; `None` where nothing is known.
    pub values: Vec<Option<f32>>,
}

/// The history of something that protects calls, or of a registry of sessions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FigureHistory {
    /// What the answer holds.
    pub range: Range,
    /// Usual distance of two reports.
    pub interval_ms: u64,
    /// How many instances it is of.
    pub instances: u64,
    /// Further instances for which there was no room: those that reported longest ago.
    pub left_out: u64,
    /// What each value of a point is, with its unit at the end: `queued`, `fired_per_s`, `wait_p99_s`.
    pub names: Vec<String>,
    /// Its figures, oldest first.
    pub points: Vec<FigurePoint>,
}

/// The file in which history survives a restart of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreFile {
    /// Where it is.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// How large it may get.
    pub max_bytes: u64,
    /// When it was last written.
    pub written_ms: Option<u64>,
    /// Why it is not written now, in a sentence.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_lies_between_the_reports_around_it() {
        let silences = vec![Silence { from_ms: 20, to_ms: 50 }, Silence { from_ms: 60, to_ms: 90 }];
        let range = Range { silences, ..Range::default() };
        assert!(range.is_silent_between(20, 50));
        assert!(range.is_silent_between(10, 55));
        assert!(!range.is_silent_between(50, 60));
        assert!(!range.is_silent_between(10, 20));
        assert!(range.is_silent_between(60, 90));
        assert!(!range.is_silent_between(90, 100));
    }
}
