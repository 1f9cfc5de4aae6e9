//! [`Senders`]: which task sends the requests of which HTTP/2 connection.
//!
//! hyper has one task for each HTTP/2 connection that takes the requests and sends them. Once one of its requests is known
//! to be the connection's, so are all others that the same task takes: those that waited for a connect too, of which
//! nobody else tells before their answers. What the task has taken before that is known waits here for it.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use papaya::HashMap;

use super::connection::Connection;
use super::request::Request;

/// Requests that may wait before the list is swept.
const LEAST_WAITING: usize = 32;

/// What a task is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Task(NonZeroU64);

impl Task {
    /// A task by a number that no other one has.
    pub(crate) fn new(number: u64) -> Self {
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX))
    }

    /// What [`Task::number`] gave.
    pub(super) fn of(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// As a number; 0 for none.
    pub(super) fn number(task: Option<Self>) -> u64 {
        task.map_or(0, |task| task.0.get())
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Senders {
    /// Open connections; `None` for a task that sends the requests of several, as those of a program's own executor may.
    by_task: HashMap<Task, Option<Arc<Connection>>, foldhash::fast::RandomState>,
    /// Requests whose task is not known yet. Its lock is taken for these and by who makes their task known, so that none
    /// begins to wait for what was told a moment ago.
    waiting: Mutex<Vec<(Task, Weak<Request>)>>,
}

/// What is known of a task.
#[derive(Debug)]
pub(super) enum Sender {
    /// Nothing yet.
    Unknown,
    /// It sends the requests of several connections.
    OfSeveral,
    /// It sends the requests of one.
    Of(Arc<Connection>),
}

impl Senders {
    /// A task sends the requests of a connection: also those that are returned.
    #[must_use]
    pub(super) fn learn(&self, task: Task, connection: &Arc<Connection>) -> Vec<Arc<Request>> {
        let mut waiting = self.waiting();
        let by_task = self.by_task.pin();
        let is_its_only_one = match by_task.try_insert(task, Some(Arc::clone(connection))) {
            Ok(_) => true,
            Err(known) => known.current.as_ref().is_some_and(|known| Arc::ptr_eq(known, connection)),
        };
        if !is_its_only_one {
            by_task.insert(task, None);
        }
        let sent = waiting.extract_if(.., |(sent_by, _)| *sent_by == task);
        let sent: Vec<_> = sent.filter_map(|(_, request)| request.upgrade()).collect();
        if is_its_only_one { sent } else { Vec::new() }
    }

    /// What is known of a task. Takes no lock.
    #[inline]
    pub(super) fn sender(&self, task: Task) -> Sender {
        match self.by_task.pin().get(&task) {
            None => Sender::Unknown,
            Some(None) => Sender::OfSeveral,
            Some(Some(connection)) => Sender::Of(Arc::clone(connection)),
        }
    }

    /// The connection whose requests a task sends, if that is known. Takes no lock.
    pub(super) fn connection(&self, task: Task) -> Option<Arc<Connection>> {
        match self.sender(task) {
            Sender::Of(connection) => Some(connection),
            Sender::Unknown | Sender::OfSeveral => None,
        }
    }

    /// A request that a task has sent waits until it is known for which connection; that one is told if it is known now.
    pub(super) fn wait(&self, task: Task, request: &Arc<Request>) -> Option<Arc<Connection>> {
        let mut waiting = self.waiting();
        match self.sender(task) {
            Sender::Of(connection) => Some(connection),
            Sender::OfSeveral => None,
            Sender::Unknown => {
                // Who waits no longer is swept out only where the list would grow.
                if waiting.len() == waiting.capacity() {
                    waiting
                        .retain(|(_, request)| request.upgrade().is_some_and(|request| request.is_unbound()));
                    let len = waiting.len();
                    waiting.reserve(len + LEAST_WAITING);
                }
                waiting.push((task, Arc::downgrade(request)));
                None
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(Task, Weak<Request>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn waiting_len(&self) -> usize {
        self.waiting().len()
    }

    /// A connection is closed, and its task sends nothing more.
    pub(super) fn forget(&self, task: Task, connection: &Connection) {
        let is_its = |known: &Option<Arc<Connection>>| {
            known.as_ref().is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), connection))
        };
        let _ = self.by_task.pin().remove_if(&task, |_, known| is_its(known));
    }
}
