//! [`Saver`]: the thread that saves the breakers of a layer after changes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use super::{BreakerStore, StoredBreaker};
use crate::breaker::circuits::Circuits;

/// Wakes the thread, which ends with its layer; clones are one.
#[derive(Debug, Clone)]
pub(in crate::breaker) struct Saver(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    work: Mutex<Work>,
    /// Something has happened to the work.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    /// Changes that have happened so far.
    changes: u64,
    /// Those of them that were saved, or that nobody will save any more.
    done: u64,
    /// What the layer had at its end, if that is not saved yet.
    last: Option<Vec<StoredBreaker>>,
    /// The layer is gone.
    is_over: bool,
}

impl Saver {
    /// Starts the thread.
    pub(in crate::breaker) fn start(
        store: Arc<dyn BreakerStore>,
        circuits: Weak<Circuits>,
    ) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let saver = Self(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("poolscope-breakers".into())
            .spawn(move || shared.save(&*store, &circuits))?;
        Ok(saver)
    }

    /// A breaker has changed.
    pub(in crate::breaker) fn wake(&self) {
        self.0.lock().changes += 1;
        self.0.moved.notify_all();
    }

    /// The layer goes, and this is what it had.
    pub(in crate::breaker) fn end(&self, stored: impl FnOnce() -> Vec<StoredBreaker>) {
        let is_saved = self.0.lock().is_saved();
        let last = (!is_saved).then(stored);
        let mut work = self.0.lock();
        (work.last, work.is_over) = (last, true);
        self.0.moved.notify_all();
    }

    /// What a shutdown has to wait for, as long as the thread is there.
    #[cfg(feature = "shutdown")]
    pub(in crate::breaker) fn task(&self) -> Weak<dyn crate::scope::Task> {
        let task: Weak<Shared> = Arc::downgrade(&self.0);
        task
    }
}

impl Work {
    fn is_saved(&self) -> bool {
        self.done >= self.changes
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        mut work: MutexGuard<'a, Work>,
        goes_on: impl Fn(&Work) -> bool,
    ) -> MutexGuard<'a, Work> {
        while goes_on(&work) {
            work = self.moved.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        work
    }

    /// The work of the thread. What several changes have led to is saved once.
    fn save(&self, store: &dyn BreakerStore, circuits: &Weak<Circuits>) {
        let _ended = Ended(self);
        loop {
            let mut work = self.wait(self.lock(), |work| work.is_saved() && !work.is_over);
            let (changes, is_over, last) = (work.changes, work.is_over, work.last.take());
            drop(work);
            let breakers = last.or_else(|| circuits.upgrade().map(|circuits| circuits.stored()));
            if let Some(breakers) = breakers {
                if let Err(error) = store.save(&breakers) {
                    tracing::warn!("the states of breakers can't be kept for the next start: {error}");
                }
                self.lock().done = changes;
                self.moved.notify_all();
            } else if !is_over {
                // It is going, and will tell what it had.
                drop(self.wait(self.lock(), |work| !work.is_over));
            }
            if is_over {
                return;
            }
        }
    }
}

/// Nobody waits for a thread that is gone, as one that has panicked over the user's store.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().done = u64::MAX;
        self.0.moved.notify_all();
    }
}

#[cfg(feature = "shutdown")]
impl crate::scope::Task for Shared {
    fn finish(&self, within: std::time::Duration) {
        let work = self.lock();
        let changes = work.changes;
        // Whether the time is over is of no interest: there is nothing left to do then.
        drop(self.moved.wait_timeout_while(work, within, |work| work.done < changes));
    }
}
