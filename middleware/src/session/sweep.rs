//! The task that tells sessions to end whose time is over.

use std::sync::atomic::{
    AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Arc, Weak};
use std::time::Duration;

#[cfg(feature = "server")]
use poolscope_semconv::value::{ServerCloseReason, SessionEnd};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::presence::end_of;
use super::registry::Shared;
use crate::event::Event;

/// How late a session may be told to end: what is promised.
pub(super) const PROMISED: Duration = Duration::from_millis(250);

/// Longest sleep where nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// True if the sessions are swept: starts the task, if there is none, in the runtime that is current here.
pub(super) fn is_running(shared: &Arc<Shared>) -> bool {
    claim(shared, |ends| sweep_for_ever(ends, Arc::downgrade(shared)))
}

/// The same for another task that looks after sessions.
pub(super) fn claim<F>(shared: &Shared, task: impl FnOnce(Ends) -> F) -> bool
where
    F: Future<Output = ()> + Send + 'static,
{
    if shared.is_swept.load(Acquire) {
        return true;
    }
    let Ok(runtime) = Handle::try_current() else { return false };
    if !shared.is_swept.swap(true, AcqRel) {
        runtime.spawn(task(Ends(Arc::clone(&shared.is_swept))));
    }
    true
}

/// Says that nobody sweeps any more, when the task ends that holds it.
pub(super) struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

/// Sweeps until the registry is gone. It is not held in between.
async fn sweep_for_ever(_ends: Ends, registry: Weak<Shared>) {
    let Some(now) = registry.upgrade().map(|shared| Arc::clone(&shared.sweep_now)) else { return };
    while let Some(shared) = registry.upgrade() {
        let (next, not_before) = sweep(&shared);
        drop(shared);
        // Both are right: it is time, or somebody says so.
        let _ = timeout_at(next, now.notified()).await;
        if registry.strong_count() == 0 {
            return;
        }
        // However many say so.
        sleep_until(not_before).await;
    }
}

/// One sweep. Tells when the next is due, and when it may come at the soonest.
fn sweep(shared: &Shared) -> (Instant, Instant) {
    let began = shared.now();
    let found = shared.table().look(began);
    // Those whose time is over come before everything else.
    let mut late = Duration::ZERO;
    for due in &found.due {
        let now = shared.now();
        if due.life.tell(due.reason, now) {
            late = late.max(now.saturating_sub(due.deadline));
            // First, so that whoever wakes finds it cut.
            #[cfg(feature = "server")]
            if due.reason == SessionEnd::Unresponsive {
                due.life.give_up(ServerCloseReason::Unresponsive);
            }
            due.life.wake();
        }
    }
    shared.missed(found.missed);
    // Their tasks had as long as they. One look at all tasks, however many sessions are overdue at once.
    if !found.working.is_empty() {
        shared.tasks.cut_those_of(&found.working);
    }
    for life in &found.overdue {
        if let Some(told) = life.told() {
            shared.emit(&Event::SessionOverdue(end_of(shared, life, told.reason, None)));
        }
        life.cut_token().cancel();
    }
    let now = shared.now();
    shared.sweeps.record(now.saturating_sub(began));
    if late > PROMISED {
        shared.late_sweeps.fetch_add(1, Relaxed);
    }
    let next = found.next.unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP);
    let not_before = now + shared.sweep_interval;
    (shared.moment(next.max(not_before)), shared.moment(not_before))
}
