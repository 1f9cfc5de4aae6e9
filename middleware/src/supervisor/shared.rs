//! [`Shared`]: what the task of a supervisor, its handle and the snapshots of its scope share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use poolscope_semconv::value::{SupervisorReason, SupervisorState};
use poolscope_semconv::{attr, metric};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::course::{Change, Course};
use crate::Scope;
use crate::event::{Event, Events, SupervisorTransition};
use crate::registry::{Histogram, Mirroring, Rows, SupervisorSnapshot};
use crate::series::text;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Shared {
    name: Arc<str>,
    max_attempts: Option<u32>,
    epoch: Instant,
    events: Arc<Events>,
    course: Mutex<Course>,
    pub(super) connect_time: Histogram,
    pub(super) duration: Histogram,
    pub(super) delay: Histogram,
    messages: Messages,
    /// Why it is to stop: the first reason that there was.
    told: OnceLock<SupervisorReason>,
    /// Cancelled when it is to stop.
    pub(super) stop: CancellationToken,
    /// Cancelled when it has.
    has_stopped: CancellationToken,
}

/// What became of the messages of a supervisor. What was taken, and is neither sent nor lost, waits.
#[derive(Debug, Default)]
struct Messages {
    taken: AtomicU64,
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Messages {
    /// Those that were sent, those that wait, and those that were lost: once nobody sends any more, all that were not sent.
    fn counts(&self, has_stopped: bool) -> [u64; 3] {
        // A message may be sent a moment before it is counted as taken.
        let (sent, lost) = (self.sent.load(Relaxed), self.lost.load(Relaxed));
        let not_sent = self.taken.load(Relaxed).saturating_sub(sent);
        if has_stopped { [sent, 0, not_sent] } else { [sent, not_sent.saturating_sub(lost), lost] }
    }
}

impl Shared {
    pub(super) fn add(scope: &Scope, name: &str, max_attempts: Option<u32>) -> Arc<Self> {
        scope.supervisor_board().add(name, |name| {
            let shared = Self {
                name,
                max_attempts,
                epoch: Instant::now(),
                events: Arc::clone(scope.events()),
                course: Mutex::new(Course::new()),
                connect_time: Histogram::new(&metric::SUPERVISOR_CONNECT_TIME),
                duration: Histogram::new(&metric::SUPERVISOR_CONNECTION_DURATION),
                delay: Histogram::new(&metric::SUPERVISOR_DELAY),
                messages: Messages::default(),
                told: OnceLock::new(),
                stop: CancellationToken::new(),
                has_stopped: CancellationToken::new(),
            };
            shared.mirror(scope.mirrors().as_ref());
            shared
        })
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since its begin, by tokio's clock, which tests can stop.
    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub(super) fn state(&self) -> SupervisorState {
        self.course().state
    }

    /// Attempts since the connection was last stable.
    pub(super) fn attempt(&self) -> u32 {
        self.course().attempt
    }

    pub(super) fn was_stable(&self) {
        self.course().was_stable();
    }

    /// Comes into a state, and tells of it.
    pub(super) fn go(
        &self,
        to: SupervisorState,
        reason: SupervisorReason,
        error: Option<String>,
        delay: Option<Duration>,
    ) {
        let now = self.now();
        let Change { from, to, reason, attempt, delay, error, .. } =
            self.course().go(to, reason, error, delay, now);
        let name = Arc::clone(&self.name);
        self.events.emit(&Event::SupervisorChanged(SupervisorTransition {
            name,
            from,
            to,
            reason,
            attempt,
            delay,
            error,
        }));
    }

    /// A message was taken, and waits to be sent.
    pub(super) fn has_taken(&self) {
        self.messages.taken.fetch_add(1, Relaxed);
    }

    /// What became of a message that was handed to the connection.
    pub(super) fn has_sent(&self, is_lost: bool) {
        let Messages { sent, lost, .. } = &self.messages;
        if is_lost { lost } else { sent }.fetch_add(1, Relaxed);
    }

    /// Has it stop for a reason, which holds if it is the first.
    pub(crate) fn stop(&self, reason: SupervisorReason) {
        let _ = self.told.set(reason);
        self.stop.cancel();
    }

    /// Why it is to stop, if it is.
    pub(super) fn told(&self) -> Option<SupervisorReason> {
        self.told.get().copied()
    }

    /// It has stopped. What it was told holds, if it was told.
    pub(super) fn end(&self, reason: SupervisorReason) {
        if self.has_stopped.is_cancelled() {
            return;
        }
        let _ = self.told.set(reason);
        let error = match self.messages.counts(false) {
            [_, 0, _] => None,
            [_, 1, _] => Some("1 message was not sent".to_owned()),
            [_, waiting, _] => Some(format!("{waiting} messages were not sent")),
        };
        self.go(SupervisorState::Stopped, self.told().unwrap_or(reason), error, None);
        self.has_stopped.cancel();
    }

    /// Whether it works on its connection.
    #[cfg(feature = "shutdown")]
    pub(crate) fn is_running(&self) -> bool {
        !self.has_stopped.is_cancelled()
    }

    pub(crate) async fn stopped(&self) -> SupervisorReason {
        self.has_stopped.cancelled().await;
        // Whoever ends has told before.
        self.told().unwrap_or(SupervisorReason::Dropped)
    }

    pub(super) fn snapshot(&self) -> SupervisorSnapshot {
        let course = self.course();
        // Within the lock, so that it is not before the last change.
        let now = self.now();
        let [sent, waiting, lost] = self.messages.counts(self.has_stopped.is_cancelled());
        SupervisorSnapshot {
            name: self.name.to_string(),
            state: course.state,
            since: now.saturating_sub(course.since),
            attempt: course.attempt,
            max_attempts: self.max_attempts,
            connects: course.connects,
            sent,
            waiting,
            lost,
            next_attempt: course.next_attempt.map(|at| at.saturating_sub(now)),
            last_error: course.last_error.clone(),
            changes: course.changes.iter().map(|((to, reason), count)| (*to, *reason, *count)).collect(),
            history: course.history(now),
            connect_time: self.connect_time.snapshot(),
            duration: self.duration.snapshot(),
            delay: self.delay.snapshot(),
        }
    }
}

impl Rows<SupervisorSnapshot> for Shared {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn rows(&self) -> Vec<SupervisorSnapshot> {
        vec![self.snapshot()]
    }

    fn mirror(&self, mirrors: Mirroring<'_>) {
        let key = || vec![text(attr::SUPERVISOR_NAME, &*self.name)];
        for histogram in [&self.connect_time, &self.duration, &self.delay] {
            histogram.mirror(mirrors, key);
        }
    }
}
