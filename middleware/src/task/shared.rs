//! [`Shared`]: what a group and its tasks share.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poolscope_semconv::value::TaskOutcome;
use poolscope_semconv::{attr, metric};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::entry::{Cut, Entry, LONGEST_NAME, Place, UnderWay};
use super::handle::{TaskError, TaskHandle};
use super::report::CancelReport;
use super::run::Run;
use crate::Scope;
use crate::event::{EndOfTask, Event, Events};
#[cfg(feature = "shutdown")]
use crate::registry::TaskSnapshot;
use crate::registry::{Histogram, Mirroring, Rows, TasksSnapshot};
use crate::said::cut;
use crate::series::text;

/// Most tasks that a snapshot lists one by one; all of them are counted.
const MOST_LISTED: usize = 100;

/// How long tasks that were aborted have to go: as long as it takes until they are run.
const ABORT_SHOWS: Duration = Duration::from_millis(250);

/// When a group is in snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Always,
    /// Since its first task began.
    Used,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Shared {
    name: Arc<str>,
    shown: Shown,
    events: Arc<Events>,
    token: CancellationToken,
    tracker: TaskTracker,
    table: Mutex<Table>,
    duration: Histogram,
}

#[derive(Debug, Default)]
struct Table {
    /// In the order in which they began.
    there: BTreeMap<u64, Arc<Entry>>,
    started: u64,
    ended: [u64; TaskOutcome::COUNT],
}

impl Shared {
    pub(crate) fn add(scope: &Scope, name: &str, shown: Shown) -> Arc<Self> {
        let shared = scope.task_board().add(cut(name, LONGEST_NAME), |name| {
            let shared = Self {
                name,
                shown,
                events: Arc::clone(scope.events()),
                token: CancellationToken::new(),
                tracker: TaskTracker::new(),
                table: Mutex::default(),
                duration: Histogram::new(&metric::TASK_RUN_TIME),
            };
            // Only a tracker that is closed can be waited for; it tracks all the same.
            shared.tracker.close();
            shared.mirror(scope.mirrors().as_ref());
            shared
        });
        #[cfg(feature = "shutdown")]
        scope.end_tasks_at_end(&shared);
        shared
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Tells all tasks to end.
    pub(crate) fn tell(&self) {
        self.token.cancel();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn active(&self) -> usize {
        self.table().there.len()
    }

    /// Spawns a task that is dropped where it waits when the token tells it.
    #[track_caller]
    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        place: Place,
        token: CancellationToken,
        with: impl Send + 'static,
        future: F,
    ) -> TaskHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.start(place, token, with, true, |_| future)
    }

    /// Spawns a task that listens to the token by itself.
    #[track_caller]
    pub(crate) fn spawn_with<F>(
        self: &Arc<Self>,
        place: Place,
        token: CancellationToken,
        with: impl Send + 'static,
        task: impl FnOnce(CancellationToken) -> F,
    ) -> TaskHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.start(place, token, with, false, task)
    }

    #[track_caller]
    fn start<F>(
        self: &Arc<Self>,
        place: Place,
        token: CancellationToken,
        with: impl Send + 'static,
        is_dropped: bool,
        task: impl FnOnce(CancellationToken) -> F,
    ) -> TaskHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        // Both may panic, so they come before anything is counted.
        let runtime = Handle::current();
        let future = task(token.clone());
        let under_way = UnderWay { _tracked: self.tracker.token(), _with: Box::new(with) };
        let mut table = self.table();
        table.started += 1;
        let entry = Arc::new(Entry::new(table.started, place, token));
        table.there.insert(entry.id, Arc::clone(&entry));
        drop(table);
        // A runtime that is gone drops it at once, which counts it out.
        let run = Run::new(future, is_dropped, Arc::clone(self), Arc::clone(&entry), under_way);
        let task = runtime.spawn(run);
        entry.runs(task.abort_handle());
        TaskHandle::new(task, entry)
    }

    /// A task is over. Told before it is counted out: who waits for it may send telemetry then, and end.
    pub(super) fn count_out(&self, entry: &Entry, error: Option<TaskError>) {
        let ran = entry.age();
        let Some(outcome) = entry.end(error) else { return };
        let end = || EndOfTask {
            group: Arc::clone(&self.name),
            name: Arc::clone(&entry.place.name),
            owner: entry.place.owner.clone(),
            duration: ran,
            panic: entry.panic(),
        };
        match outcome {
            TaskOutcome::Panicked => self.events.emit(&Event::TaskPanicked(end())),
            TaskOutcome::Aborted if entry.is_cut() => self.events.emit(&Event::TaskAborted(end())),
            _ => {}
        }
        self.duration.record(ran);
        let mut table = self.table();
        table.there.remove(&entry.id);
        table.ended[outcome.index()] += 1;
    }

    pub(crate) async fn all_ended(&self) {
        self.tracker.wait().await;
    }

    /// Aborts all tasks that are there.
    pub(crate) fn cut_all(&self) -> Cut {
        let there = self.table().there.values().cloned().collect();
        Cut::new(there)
    }

    /// Those that are there one by one, the oldest first.
    #[cfg(feature = "shutdown")]
    pub(crate) fn left(&self) -> Vec<TaskSnapshot> {
        self.table().there.values().take(MOST_LISTED).map(|entry| entry.row()).collect()
    }

    /// Aborts the tasks of some sessions.
    pub(crate) fn cut_those_of(&self, owners: &HashSet<u64>) {
        let is_of =
            |entry: &&Arc<Entry>| entry.place.owner.as_ref().is_some_and(|owner| owners.contains(&owner.id));
        let there = self.table().there.values().filter(is_of).cloned().collect();
        Cut::new(there);
    }

    pub(crate) async fn cancel_all(&self, deadline: Duration) -> CancelReport {
        let began = Instant::now();
        // Counted first: who is told may be gone at once.
        let before = self.table().ended.iter().sum::<u64>();
        self.tell();
        let mut aborted = 0;
        if timeout(deadline, self.all_ended()).await.is_err() {
            let cut = self.cut_all();
            let _ = timeout(ABORT_SHOWS, self.all_ended()).await;
            aborted = cut.aborted();
        }
        let table = self.table();
        let gone = table.ended.iter().sum::<u64>() - before;
        CancelReport {
            ended: gone.saturating_sub(aborted),
            aborted,
            left: table.there.len() as u64,
            left_tasks: table.there.values().take(MOST_LISTED).map(|entry| entry.row()).collect(),
            took: began.elapsed(),
        }
    }

    pub(crate) fn snapshot(&self) -> TasksSnapshot {
        let table = self.table();
        TasksSnapshot {
            name: self.name.to_string(),
            active: table.there.len() as u64,
            started: table.started,
            ended: TaskOutcome::ALL.iter().map(|outcome| (*outcome, table.ended[outcome.index()])).collect(),
            duration: self.duration.snapshot(),
            tasks: table.there.values().take(MOST_LISTED).map(|entry| entry.row()).collect(),
        }
    }
}

impl Rows<TasksSnapshot> for Shared {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn rows(&self) -> Vec<TasksSnapshot> {
        let seen = self.snapshot();
        if self.shown == Shown::Used && seen.started == 0 { Vec::new() } else { vec![seen] }
    }

    fn mirror(&self, mirrors: Mirroring<'_>) {
        self.duration.mirror(mirrors, || vec![text(attr::TASK_GROUP, &*self.name)]);
    }
}
