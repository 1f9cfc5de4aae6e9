//! [`Entry`]: one task, as its group knows it.

use std::any::Any;
use std::borrow::Cow;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use poolscope_semconv::value::TaskOutcome;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::handle::TaskError;
use crate::registry::{TaskOwner, TaskSnapshot};
use crate::said::cut;

/// Most bytes of a name that are kept.
pub(super) const LONGEST_NAME: usize = 256;

/// Which task it is, and where it comes from.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) name: Arc<str>,
    place: &'static Location<'static>,
    pub(super) owner: Option<TaskOwner>,
}

impl Place {
    /// A task that is spawned where this is called.
    #[track_caller]
    pub(crate) fn here(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: cut(&name.into(), LONGEST_NAME).into(), place: Location::caller(), owner: None }
    }

    /// The same for a task that belongs to a session.
    pub(crate) fn of(self, owner: TaskOwner) -> Self {
        Self { owner: Some(owner), ..self }
    }
}

/// One task.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) place: Place,
    began: Instant,
    pub(super) token: CancellationToken,
    abort: OnceLock<AbortHandle>,
    /// It did not end in time when it was told to.
    is_cut: AtomicBool,
    ended: OnceLock<Ended>,
}

#[derive(Debug)]
struct Ended {
    outcome: TaskOutcome,
    error: Option<TaskError>,
}

impl Entry {
    pub(super) fn new(id: u64, place: Place, token: CancellationToken) -> Self {
        Self {
            id,
            place,
            began: Instant::now(),
            token,
            abort: OnceLock::new(),
            is_cut: AtomicBool::new(false),
            ended: OnceLock::new(),
        }
    }

    /// Time since it began.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// It can be aborted from now on.
    pub(super) fn runs(&self, abort: AbortHandle) {
        let abort = self.abort.get_or_init(|| abort);
        // Either this sees that it is cut, or who cuts it sees the handle.
        fence(SeqCst);
        if self.is_cut() {
            abort.abort();
        }
    }

    /// Aborts it, since it did not end when it was told to.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Relaxed);
        fence(SeqCst);
        if let Some(abort) = self.abort.get() {
            abort.abort();
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Relaxed)
    }

    /// It has ended, with a value if without an error. Gives the way, of the first time.
    pub(super) fn end(&self, error: Option<TaskError>) -> Option<TaskOutcome> {
        let outcome = match &error {
            // It ended by itself, but only since it was told to.
            None if self.token.is_cancelled() => TaskOutcome::Cancelled,
            None => TaskOutcome::Completed,
            Some(TaskError::Cancelled) => TaskOutcome::Cancelled,
            Some(TaskError::Aborted) => TaskOutcome::Aborted,
            Some(TaskError::Panicked { .. }) => TaskOutcome::Panicked,
        };
        self.ended.set(Ended { outcome, error }).is_ok().then_some(outcome)
    }

    /// What it came to, if it ended without a value.
    pub(super) fn error(&self) -> Option<TaskError> {
        self.ended.get().and_then(|ended| ended.error.clone())
    }

    /// What its panic says, if it panicked.
    pub(super) fn panic(&self) -> Option<Arc<str>> {
        match self.error() {
            Some(TaskError::Panicked { message }) => Some(message),
            _ => None,
        }
    }

    pub(super) fn row(&self) -> TaskSnapshot {
        TaskSnapshot {
            id: self.id,
            name: self.place.name.to_string(),
            place: self.place.place.to_string(),
            age: self.age(),
            is_cancelled: self.token.is_cancelled(),
            owner: self.place.owner.clone(),
        }
    }
}

/// What waits for a task waits for this to be dropped.
pub(super) struct UnderWay {
    pub(super) _tracked: TaskTrackerToken,
    /// What is to be there for as long as the task is.
    pub(super) _with: Box<dyn Any + Send>,
}

/// Tasks that did not end in time.
pub(crate) struct Cut(Vec<Arc<Entry>>);

impl Cut {
    /// Aborts them.
    pub(super) fn new(there: Vec<Arc<Entry>>) -> Self {
        there.iter().for_each(|entry| entry.cut());
        Self(there)
    }

    /// Those of them that were aborted by now.
    pub(crate) fn aborted(&self) -> u64 {
        let outcome = |entry: &&Arc<Entry>| entry.ended.get().map(|ended| ended.outcome);
        self.0.iter().filter(|entry| outcome(entry) == Some(TaskOutcome::Aborted)).count() as u64
    }
}
