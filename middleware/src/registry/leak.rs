//! Leak watch: connections whose answer nobody reads or drops.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::Duration;

use super::holder::{Finding, Held};
use super::pool::Pool;
use crate::clock::Instant;
use crate::event::{Event, Leak};

/// Leaks of a pool: reported and taken back.
#[derive(Debug, Default)]
pub(crate) struct Leaks {
    suspected: AtomicU64,
    returned: AtomicU64,
}

impl Leaks {
    /// All that were reported.
    pub(super) fn suspected(&self) -> u64 {
        self.suspected.load(Relaxed)
    }

    /// Those that are reported now.
    pub(super) fn active(&self) -> u64 {
        let returned = self.returned.load(Acquire);
        self.suspected.load(Acquire).saturating_sub(returned)
    }
}

impl Pool {
    /// Looks for answers that were left alone for longer than the pool's threshold, and reports each once.
    pub(crate) fn look_for_leaks(&self, now: Instant) {
        let Some(threshold) = self.leak_threshold() else { return };
        for holder in self.holders() {
            match holder.look(threshold, now) {
                Some(Finding::Leaked(held, report)) => {
                    self.leaks.suspected.fetch_add(1, AcqRel);
                    self.emit(&Event::LeakSuspected(self.leak(&held, now)));
                    if !holder.reported(report) {
                        self.leak_returned(&held, now);
                    }
                }
                Some(Finding::ReadAgain(held)) => self.leak_returned(&held, now),
                None => {}
            }
        }
    }

    /// What was reported as leaked is given back, or read again.
    pub(super) fn leak_returned(&self, held: &Held, now: Instant) {
        self.leaks.returned.fetch_add(1, AcqRel);
        self.emit(&Event::LeakReturned(self.leak(held, now)));
    }

    pub(super) fn leak(&self, held: &Held, now: Instant) -> Leak {
        Leak {
            pool: Arc::clone(&self.name),
            connection: held.connection,
            method: held.method,
            held: now.saturating_duration_since(held.since),
            trace_id: held.trace.map(|trace| trace.trace_id),
            span_id: held.trace.map(|trace| trace.span_id),
            origin: held.origin,
        }
    }
}

/// How often to look, so that a leak is reported soon after its threshold.
pub(crate) fn look_interval(threshold: Duration) -> Duration {
    (threshold / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
}
