//! [`Presence`]: a session is there as long as its holder or one of its tasks is.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use poolscope_semconv::value::SessionEnd;

use super::life::Life;
use super::registry::Shared;
use crate::event::{EndOfSession, Event};
use crate::trace::SessionSpan;

/// Held by the holder of a session and by each of its tasks; the last of them counts the session out.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) shared: Arc<Shared>,
    pub(super) life: Arc<Life>,
    span: SessionSpan,
}

impl Presence {
    pub(super) fn new(shared: Arc<Shared>, life: Arc<Life>) -> Self {
        let span = SessionSpan::begin(&shared.scope);
        Self { shared, life, span }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Self { shared, life, span } = self;
        // Its holder has told it before it went.
        let reason = life.told().map_or(SessionEnd::Dropped, |told| told.reason);
        // Told before it is counted out: who waits until all are gone may send telemetry then, and end.
        let error = life.error().filter(|_| reason == SessionEnd::Error);
        let end = end_of(shared, life, reason, error);
        span.end(&shared.scope, &end, life.traffic.snapshot(), life.pulse.missed_in_all());
        if reason != SessionEnd::Completed {
            shared.emit(&Event::SessionEnded(end));
        }
        shared.leave(life, reason);
    }
}

/// Held by a task of a session.
#[derive(Debug)]
pub(super) struct OfTask(Arc<Presence>);

impl OfTask {
    pub(super) fn new(presence: &Arc<Presence>) -> Self {
        presence.life.tasks.fetch_add(1, Relaxed);
        if presence.life.told().is_some() {
            // Who sweeps may have cut all that it had.
            presence.shared.sweep_now.notify_one();
        }
        Self(Arc::clone(presence))
    }
}

impl Drop for OfTask {
    fn drop(&mut self) {
        self.0.life.tasks.fetch_sub(1, Relaxed);
    }
}

/// What is told of a session that has ended, or should have.
pub(super) fn end_of(
    shared: &Shared,
    life: &Life,
    reason: SessionEnd,
    error: Option<String>,
) -> EndOfSession {
    let now = shared.now();
    EndOfSession {
        name: Arc::clone(&shared.name),
        id: life.id,
        key: Arc::clone(&life.key),
        reason,
        duration: now.saturating_sub(life.began),
        idle: now.saturating_sub(life.active()),
        ending: life.told().map_or(Duration::ZERO, |told| now.saturating_sub(told.at)),
        error,
        trace_id: life.trace.map(|trace| trace.trace_id),
        span_id: life.trace.map(|trace| trace.span_id),
    }
}
