//! Warnings: what a rule found wrong, with what, since when.

use serde::{Deserialize, Serialize};

use crate::{Rule, Severity, Unit};

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A pool.
    #[default]
    Pool,
    /// A breaker.
    Breaker,
    /// A retry policy, timeout, limit, probe or resource.
    Protection,
    /// A registry of sessions.
    Session,
    /// An instance of a service.
    Instance,
}

/// The figure that crossed the line.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub value: f64,
    /// Where the rule begins to warn, or where it is bad if it is; `None` where there is no such limit.
    pub limit: Option<f64>,
    /// What both are measured in.
    pub unit: Unit,
}

/// Something that a rule found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Warning {
    /// Stable for as long as the warning lasts: the rule and what it is about.
    pub id: String,
    /// The rule that found it.
    pub rule: Rule,
    /// How bad it is. [`Severity::Ok`] is a note: worth knowing, nothing to do.
    pub severity: Severity,
    /// The figure that crossed the line, where the rule has one.
    pub figure: Option<Figure>,
    /// One sentence with the figure that matters; while it is recovering, what the worst was.
    pub sentence: String,
    /// When the trouble began, however bad it was since.
    pub since_ms: u64,
    /// True while what was wrong is over and the rule waits whether it stays so.
    pub recovering: bool,
    /// What kind of thing it is about.
    pub what: Subject,
    /// Id of that thing.
    pub what_id: String,
    /// Its name.
    pub name: String,
    /// Service that has it.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// Path of its page in the dashboard.
    pub link: String,
}

/// A warning that was there for a time: how it was at its worst.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PastWarning {
    /// Severity, figure and sentence are those of its worst moment.
    pub warning: Warning,
    /// When it began.
    pub from_ms: u64,
    /// When it ended; `None` while it lasts.
    pub to_ms: Option<u64>,
    /// How often it came: one that is back within a minute counts as the same.
    pub times: u32,
}

/// What was wrong in a time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WarningLog {
    /// Begin of the time, as asked for.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// Since when warnings are kept: what was before is not known.
    pub since_ms: u64,
    /// Those of the time, the one that began last first.
    pub warnings: Vec<PastWarning>,
    /// Those of the time beyond the most that were asked for.
    pub more: u64,
}
