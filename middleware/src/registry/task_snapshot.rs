//! [`TasksSnapshot`]: the tasks of one group.

use std::fmt;
use std::sync::Arc;
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
    /// The session that it belongs to, if it is one of a session.
    pub owner: Option<TaskOwner>,
}

impl fmt::Display for TaskSnapshot {
    /// Its name, and where it comes from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, place, owner, .. } = self;
        write!(f, "{name} of {place}")?;
        owner.as_ref().map_or(Ok(()), |owner| write!(f, ", of {owner}"))
    }
}

/// The session that a task belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TaskOwner {
    /// Name of its registry.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub name: Arc<str>,
    /// Its number, unique in the registry.
    pub id: u64,
    /// What the program calls it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub key: Arc<str>,
}

#[cfg(any(feature = "session", test))]
impl TaskOwner {
    pub(crate) fn new(name: &Arc<str>, id: u64, key: &Arc<str>) -> Self {
        Self { name: Arc::clone(name), id, key: Arc::clone(key) }
    }
}

impl fmt::Display for TaskOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} ({}) of {}", self.id, self.key, self.name)
    }
}
