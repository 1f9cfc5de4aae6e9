//! What a row of a table says: each figure of the last minute with what goes beside it. Pure.

mod amounts;
mod calls;
mod serving;

use poolscope_wire::{Count, Percentiles, ProtectionFigures};

use crate::format;

use amounts::{limit, resource};
pub use amounts::{pool_limit, pool_limit_sentence};
use calls::{probe, retry, timeout};
use serving::{queue, server, supervisor, tasks};

/// A table of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Health probes.
    Probe,
    /// Limits of clients.
    Limit,
    /// Limits of pools.
    PoolLimit,
    /// Timeouts.
    Timeout,
    /// Retry policies.
    Retry,
    /// Resources.
    Resource,
    /// Servers.
    Server,
    /// Supervised connections.
    Supervisor,
    /// Groups of tasks.
    Tasks,
    /// Queues.
    Queue,
}

impl Kind {
    /// Every table, in the order of the page: those of what protects, and those of what serves.
    pub const ALL: [Self; 10] = [
        Self::Probe,
        Self::Limit,
        Self::PoolLimit,
        Self::Timeout,
        Self::Retry,
        Self::Resource,
        Self::Server,
        Self::Supervisor,
        Self::Tasks,
        Self::Queue,
    ];

    /// The table of something that protects.
    #[must_use]
    pub fn of(figures: &ProtectionFigures) -> Self {
        match figures {
            ProtectionFigures::Retry(_) => Self::Retry,
            ProtectionFigures::Timeout(_) => Self::Timeout,
            ProtectionFigures::Limit(_) => Self::Limit,
            ProtectionFigures::Probe(_) => Self::Probe,
            ProtectionFigures::Resource(_) => Self::Resource,
            ProtectionFigures::Server(_) => Self::Server,
            ProtectionFigures::Tasks(_) => Self::Tasks,
            ProtectionFigures::Queue(_) => Self::Queue,
            ProtectionFigures::Supervisor(_) => Self::Supervisor,
        }
    }

    /// The value in `data-kind`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Limit => "limit",
            Self::PoolLimit => "pool_limit",
            Self::Timeout => "timeout",
            Self::Retry => "retry",
            Self::Resource => "resource",
            Self::Server => "server",
            Self::Supervisor => "supervisor",
            Self::Tasks => "tasks",
            Self::Queue => "queue",
        }
    }

    /// The caption of the table.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Probe => "Health probes",
            Self::Limit => "Limits of clients, all destinations together",
            Self::PoolLimit => "Limits of pools",
            Self::Timeout => "Timeouts",
            Self::Retry => "Retries",
            Self::Resource => "Resources of the process",
            Self::Server => "Servers",
            Self::Supervisor => "Supervised connections",
            Self::Tasks => "Tasks",
            Self::Queue => "Queues",
        }
    }

    /// The heads of its columns after the first.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Probe => &["state", "succeeded", "slow", "failed", "duration"],
            Self::Limit => &["in flight", "waiting", "most in the minute"],
            Self::PoolLimit => &["in flight", "waiting", "oldest wait"],
            Self::Timeout => &["limit now", "calls", "fired", "time used"],
            Self::Retry => &[
                "calls",
                "needed a retry",
                "tried again after",
                "ended with",
                "gave up",
                "no budget",
                "not replayable",
                "wait before",
            ],
            Self::Resource => &["used", "peak", "soft limit", "hard limit", "refused"],
            Self::Server => &[
                "connections",
                "accepted",
                "turned away",
                "closed",
                "requests",
                "failed",
                "client left",
                "duration",
            ],
            Self::Supervisor => &["state", "attempts", "why it changed", "not sent", "life"],
            Self::Tasks => &["running", "began", "ended", "panicked", "life"],
            Self::Queue => &["in it", "most ever", "put in", "dropped"],
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// The figure.
    pub main: String,
    /// What goes below it, in smaller type, line by line.
    pub under: String,
    /// Filled share, places of marks, and class of a bar above it.
    pub bar: Option<(f64, Vec<f64>, &'static str)>,
    /// Class that makes it stand out.
    pub class: &'static str,
}

impl Cell {
    fn new(main: String, under: String) -> Self {
        Self { main, under, ..Self::default() }
    }

    fn count(count: Count) -> Self {
        Self::new(format::count(count.minute), in_all(count))
    }

    /// A count of what went wrong, which stands out.
    fn loss(count: Count, class: &'static str) -> Self {
        let class = if count.minute > 0 { class } else { "" };
        Self { class, ..Self::count(count) }
    }

    fn percentiles(percentiles: Option<Percentiles>, text: fn(f64) -> String) -> Self {
        match percentiles {
            Some(found) => Self::new(
                format!("p50 {}", text(f64::from(found.p50))),
                format!("p99 {}", text(f64::from(found.p99))),
            ),
            None => Self::new(format::UNKNOWN.to_owned(), String::new()),
        }
    }
}

fn in_all(count: Count) -> String {
    format!("{} in all", format::count(count.total))
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The figures of something that protects or serves, in the order of [`Kind::columns`].
#[must_use]
pub fn cells(name: &str, figures: &ProtectionFigures, now_ms: impl FnOnce() -> u64) -> Vec<Cell> {
    match figures {
        ProtectionFigures::Retry(figures) => retry(figures),
        ProtectionFigures::Timeout(figures) => timeout(figures),
        ProtectionFigures::Limit(figures) => limit(figures),
        ProtectionFigures::Probe(figures) => probe(figures, now_ms),
        ProtectionFigures::Resource(figures) => resource(name, figures),
        ProtectionFigures::Server(figures) => server(figures),
        ProtectionFigures::Tasks(figures) => tasks(figures),
        ProtectionFigures::Queue(figures) => queue(*figures),
        ProtectionFigures::Supervisor(figures) => supervisor(figures, now_ms),
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{
        ClientLimitFigures, PoolLimit, ProbeFigures, QueueFigures, ResourceFigures, RetryFigures,
        ServerFigures, SupervisorFigures, TaskFigures, TimeoutFigures,
    };

    use super::*;

    #[test]
    fn every_table_has_a_head_for_each_of_its_cells() {
        let all = [
            ProtectionFigures::Retry(RetryFigures::default()),
            ProtectionFigures::Timeout(TimeoutFigures::default()),
            ProtectionFigures::Limit(ClientLimitFigures::default()),
            ProtectionFigures::Probe(ProbeFigures::default()),
            ProtectionFigures::Resource(ResourceFigures::default()),
            ProtectionFigures::Server(ServerFigures::default()),
            ProtectionFigures::Tasks(TaskFigures::default()),
            ProtectionFigures::Queue(QueueFigures::default()),
            ProtectionFigures::Supervisor(SupervisorFigures::default()),
        ];
        for figures in all {
            assert_eq!(cells("", &figures, || 0).len(), Kind::of(&figures).columns().len(), "{figures:?}");
        }
        assert_eq!(pool_limit(PoolLimit::default()).len(), Kind::PoolLimit.columns().len());
    }
}
