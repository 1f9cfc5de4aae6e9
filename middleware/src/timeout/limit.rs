//! [`Limit`] and [`Call`]: one named timeout, and a call under it.

use std::sync::Arc;
use std::time::Duration;

use poolscope_semconv::value::TimeoutOutcome;

use super::describe::Kept;
use super::error::Elapsed;
use crate::event::{Event, Events, TimeoutFired};
use crate::registry::TimeoutStats;

/// One named timeout, shared by its services.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) name: Arc<str>,
    pub(super) after: Duration,
    pub(super) stats: Arc<TimeoutStats>,
    pub(super) events: Arc<Events>,
}

/// A call under a timeout, counted once: when it ends, when the timeout fires, or when it is dropped before.
#[derive(Debug)]
pub(super) struct Call {
    limit: Arc<Limit>,
    kept: Kept,
    ended: bool,
}

impl Call {
    pub(super) fn new(limit: Arc<Limit>, kept: Kept) -> Self {
        Self { limit, kept, ended: false }
    }

    pub(super) fn in_time(&mut self) {
        self.end(TimeoutOutcome::InTime);
    }

    pub(super) fn fire(&mut self) -> Elapsed {
        self.end(TimeoutOutcome::Fired);
        let (name, limit) = (Arc::clone(&self.limit.name), self.limit.after);
        let destination = self.kept.text();
        let fired = TimeoutFired { name: Arc::clone(&name), limit, destination: destination.clone() };
        self.limit.events.emit(&Event::TimeoutFired(fired));
        Elapsed { name, limit, destination }
    }

    fn end(&mut self, outcome: TimeoutOutcome) {
        self.ended = true;
        self.limit.stats.ended(outcome);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.limit.stats.ended(TimeoutOutcome::Canceled);
        }
    }
}
