//! [`TasksSnapshot`]: the tasks of one group.

use std::time::Duration;

use poolscope_semconv::value::TaskOutcome;

use super::histogram::HistogramSnapshot;
#[cfg(feature = "serde")]
use super::serial;

/// A group of tasks.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TasksSnapshot {
    /// Name of the group.
    pub name: String,
    /// Tasks that run now: `started` without all of `ended`.
    pub active: u64,
    /// Tasks that began.
    pub started: u64,
    /// Tasks that ended, by outcome, in the order of [`TaskOutcome::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub ended: Vec<(TaskOutcome, u64)>,
    /// How long those ran that ended.
    #[cfg_attr(feature = "serde", serde(rename = "duration_secs"))]
    pub duration: HistogramSnapshot,
    /// Tasks one by one, at most 100, the oldest first.
    pub tasks: Vec<TaskSnapshot>,
}

impl TasksSnapshot {
    /// Tasks that ended in a way.
    #[must_use]
    pub fn ended(&self, outcome: TaskOutcome) -> u64 {
        self.ended.iter().filter(|(of, _)| *of == outcome).map(|(_, count)| count).sum()
    }
}

/// A task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TaskSnapshot {
    /// Its number, unique in its group.
    pub id: u64,
    /// What the program calls it.
    pub name: String,
    /// Where in the code it was spawned.
    pub place: String,
    /// Time since it was spawned.
    #[cfg_attr(feature = "serde", serde(rename = "age_secs", serialize_with = "serial::secs"))]
    pub age: Duration,
    /// It was told to end.
    pub is_cancelled: bool,
}
