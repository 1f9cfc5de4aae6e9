//! [`Sessions`].

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poolscope_semconv::value::{PingOutcome, SessionEnd};
use poolscope_semconv::{attr, metric};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::guard::Session;
use super::life::Life;
use super::pulse::Liveness;
use super::refused::Refused;
use super::sweep;
use super::table::{NoRoom, Rules, Table};
use crate::Scope;
use crate::event::Event;
use crate::registry::{Histogram, Mirroring, Rows, SessionsSnapshot};
use crate::series::text;
use crate::task::{self, Shown};

/// A registry of sessions. Cheap to clone; clones are one. See the [module](super) for an example.
///
/// Its figures are there for as long as it or one of its sessions lives.
#[derive(Debug, Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

impl Sessions {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Begins a session, which lasts until the guard is dropped.
    ///
    /// The key is what the session is called in snapshots, and in the events that tell of its end; several may have the same.
    /// It leaves the process with telemetry, so don't use what a client proves its identity with, such as the value of a
    /// cookie. Only its first 256 bytes are kept.
    ///
    /// Needs a tokio runtime with its time driver on.
    ///
    /// # Errors
    ///
    /// There are as many sessions as there may be, they shut down, or there is no runtime here.
    pub fn begin(&self, key: &str) -> Result<Session, Refused> {
        Shared::begin(&self.shared, key)
    }

    /// Sessions that are there now, those included that were told to end and did not yet.
    #[must_use]
    pub fn active(&self) -> usize {
        self.shared.table().len()
    }

    /// Tells all sessions to end, and refuses new ones from now on. Tells how many are there.
    pub fn close(&self) -> usize {
        self.shared.close()
    }

    /// Returns when no session is there any more. Others may begin after that, unless it was [closed](Self::close).
    pub async fn all_ended(&self) {
        self.shared.all_ended().await;
    }

    /// Everything that is known of the sessions; the same is in the snapshots of the scope.
    #[must_use]
    pub fn snapshot(&self) -> SessionsSnapshot {
        self.shared.snapshot()
    }
}

/// What is done when nobody is let in any more.
#[cfg(feature = "session-store")]
struct OnClose(Box<dyn Fn() + Send + Sync>);

#[cfg(feature = "session-store")]
impl std::fmt::Debug for OnClose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnClose(..)")
    }
}

/// What the registry, its sessions and its sweep share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) name: Arc<str>,
    rules: Rules,
    pub(super) sweep_interval: Duration,
    epoch: Instant,
    pub(super) scope: Scope,
    table: Mutex<Table>,
    /// What the sessions have running.
    pub(super) tasks: Arc<task::Shared>,
    pings: [AtomicU64; PingOutcome::COUNT],
    ping_time: Histogram,
    /// Told when the last session is gone.
    empty: Notify,
    duration: Histogram,
    pub(super) sweeps: Histogram,
    pub(super) late_sweeps: AtomicU64,
    /// Handlers that did not end when they were told to.
    pub(super) handlers_cut: AtomicU64,
    /// Ends those that nobody holds.
    #[cfg(feature = "session-store")]
    on_close: std::sync::OnceLock<OnClose>,
    /// There is a task that sweeps.
    pub(super) is_swept: Arc<AtomicBool>,
    /// Has it sweep now.
    pub(super) sweep_now: Arc<Notify>,
}

impl Shared {
    /// The first rules are those that are told, the second ones those of the table.
    pub(super) fn add(
        scope: &Scope,
        name: &str,
        rules: Rules,
        of_table: Rules,
        sweep_interval: Duration,
    ) -> Arc<Self> {
        let shared = scope.session_board().add(name, |name| {
            let tasks = task::Shared::add(scope, &name, Shown::Used);
            let shared = Self {
                name,
                rules,
                sweep_interval,
                epoch: Instant::now(),
                scope: scope.clone(),
                table: Mutex::new(Table::new(of_table)),
                tasks,
                pings: Default::default(),
                ping_time: Histogram::new(&metric::SESSION_PING_TIME),
                empty: Notify::new(),
                duration: Histogram::new(&metric::SESSION_DURATION),
                sweeps: Histogram::new(&metric::SESSION_SWEEP_DURATION),
                late_sweeps: AtomicU64::new(0),
                handlers_cut: AtomicU64::new(0),
                #[cfg(feature = "session-store")]
                on_close: std::sync::OnceLock::new(),
                is_swept: Arc::default(),
                sweep_now: Arc::default(),
            };
            shared.mirror(scope.mirrors().as_ref());
            shared
        });
        #[cfg(feature = "shutdown")]
        scope.end_sessions_at_end(&shared);
        shared
    }

    /// Time since the begin of the registry, by tokio's clock, which tests can stop.
    #[inline]
    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// How the other ends are asked whether they are there.
    pub(super) fn liveness(&self) -> Option<Liveness> {
        self.rules.liveness
    }

    /// Most bytes that are kept with a session.
    pub(super) fn max_data(&self) -> usize {
        self.rules.max_data
    }

    /// The other end of a session is there; it has answered a ping, or something else came from it.
    #[inline]
    pub(super) fn heard(&self, life: &Life, now: Duration, is_pong: bool) {
        if let Some(took) = life.pulse.hear(now) {
            self.pings[PingOutcome::Answered.index()].fetch_add(1, Relaxed);
            if is_pong {
                self.ping_time.record(took);
            }
        }
    }

    /// So many pings were not answered.
    pub(super) fn missed(&self, pings: u64) {
        self.pings[PingOutcome::Missed.index()].fetch_add(pings, Relaxed);
    }

    /// The moment of a time.
    pub(super) fn moment(&self, at: Duration) -> Instant {
        self.epoch + at
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, key: &str) -> Result<Session, Refused> {
        if !sweep::is_running(self) {
            return Err(self.no_runtime());
        }
        self.begin_life(key).map(|life| Session::new(Arc::clone(self), life))
    }

    /// Nobody looks after what would begin here.
    pub(super) fn no_runtime(&self) -> Refused {
        self.table().refused += 1;
        Refused::NoRuntime { name: Arc::clone(&self.name) }
    }

    /// Has this done when nobody is let in any more.
    #[cfg(feature = "session-store")]
    pub(super) fn on_close(&self, then: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_close.set(OnClose(Box::new(then)));
    }

    /// What would begin is larger than all that may be kept.
    #[cfg(feature = "session-store")]
    pub(super) fn too_large(&self) -> Refused {
        self.table().refused += 1;
        Refused::TooLarge { name: Arc::clone(&self.name) }
    }

    /// No id could be made for what would begin.
    #[cfg(feature = "session-store")]
    pub(super) fn no_id(&self) -> Refused {
        self.table().refused += 1;
        Refused::NoId { name: Arc::clone(&self.name) }
    }

    /// Lets one in, if there is room.
    pub(super) fn begin_life(&self, key: &str) -> Result<Arc<Life>, Refused> {
        let name = || Arc::clone(&self.name);
        let mut table = self.table();
        match table.begin(key, self.now()) {
            Ok(life) => {
                if table.len() == 1 {
                    // The sweep sleeps while nobody is there.
                    self.sweep_now.notify_one();
                }
                Ok(life)
            }
            Err(NoRoom::Full) => {
                let (max, overdue) = (self.rules.max_sessions, table.overdue);
                Err(Refused::Full { name: name(), max, overdue })
            }
            Err(NoRoom::Closed) => Err(Refused::Shutdown { name: name() }),
        }
    }

    /// A session is gone, and has been told why.
    pub(super) fn leave(&self, life: &Life, reason: SessionEnd) {
        self.duration.record(self.now().saturating_sub(life.began));
        let mut table = self.table();
        table.leave(life, reason);
        let is_empty = table.len() == 0;
        drop(table);
        if is_empty {
            self.empty.notify_waiters();
        }
    }

    pub(crate) fn close(&self) -> usize {
        let there = self.table().close();
        for life in &there {
            life.tell(SessionEnd::Shutdown, self.now());
            life.wake();
        }
        // It did not know that somebody could become overdue.
        self.sweep_now.notify_one();
        #[cfg(feature = "session-store")]
        if let Some(then) = self.on_close.get() {
            (then.0)();
        }
        there.len()
    }

    /// Sessions that are there.
    #[cfg(feature = "shutdown")]
    pub(crate) fn active(&self) -> usize {
        self.table().len()
    }

    /// Cuts the handlers of the sessions that are there.
    #[cfg(feature = "shutdown")]
    pub(crate) fn cut(&self) {
        let there = self.table().there();
        there.iter().for_each(|life| life.cut_token().cancel());
    }

    /// Handlers that were cut so far.
    #[cfg(feature = "shutdown")]
    pub(crate) fn cut_so_far(&self) -> u64 {
        self.handlers_cut.load(Relaxed)
    }

    pub(crate) async fn all_ended(&self) {
        loop {
            let mut empty = pin!(self.empty.notified());
            // Listens first, so that the last one is not missed.
            empty.as_mut().enable();
            if self.table().len() == 0 {
                return;
            }
            empty.await;
        }
    }

    pub(super) fn emit(&self, event: &Event) {
        self.scope.events().emit(event);
    }

    pub(super) fn snapshot(&self) -> SessionsSnapshot {
        let table = self.table();
        // Within the lock, so that it is not before the begin of somebody who is there.
        let now = self.now();
        SessionsSnapshot {
            name: self.name.to_string(),
            active: table.len() as u64,
            limit: self.rules.max_sessions as u64,
            started: table.started,
            refused: table.refused,
            ended: SessionEnd::ALL.iter().map(|reason| (*reason, table.ended[reason.index()])).collect(),
            overdue: table.overdue,
            oldest: table.oldest(now),
            idle_timeout: self.rules.idle_timeout,
            max_duration: self.rules.max_duration,
            duration: self.duration.snapshot(),
            sweeps: self.sweeps.snapshot(),
            late_sweeps: self.late_sweeps.load(Relaxed),
            handlers_cut: self.handlers_cut.load(Relaxed),
            traffic: table.traffic(),
            pings: PingOutcome::ALL
                .iter()
                .map(|outcome| (*outcome, self.pings[outcome.index()].load(Relaxed)))
                .collect(),
            ping_time: self.ping_time.snapshot(),
            sessions: table.rows(now),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Its task sees that it is gone.
        self.sweep_now.notify_one();
    }
}

impl Rows<SessionsSnapshot> for Shared {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn rows(&self) -> Vec<SessionsSnapshot> {
        vec![self.snapshot()]
    }

    fn mirror(&self, mirrors: Mirroring<'_>) {
        let key = || vec![text(attr::SESSION_NAME, &*self.name)];
        self.duration.mirror(mirrors, key);
        self.sweeps.mirror(mirrors, key);
        self.ping_time.mirror(mirrors, key);
    }
}
