//! [`Senders`]: which task sends the requests of which HTTP/2 connection.
//!
//! hyper has one task for each HTTP/2 connection that takes the requests and sends them. Once one of its requests is known
//! to be the connection's, so are all others that the same task takes: those that waited for a connect too, of which
//! nobody else tells before their answers.

use std::num::NonZeroU64;
use std::sync::Arc;

use papaya::HashMap;

use super::connection::Connection;

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

/// See the [module](self). Takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    /// Open connections; `None` for a task that sends the requests of several, as those of a program's own executor may.
    by_task: HashMap<Task, Option<Arc<Connection>>, foldhash::fast::RandomState>,
}

impl Senders {
    /// A task sends the requests of a connection.
    pub(super) fn learn(&self, task: Task, connection: &Arc<Connection>) {
        let by_task = self.by_task.pin();
        if let Err(known) = by_task.try_insert(task, Some(Arc::clone(connection)))
            && !known.current.as_ref().is_some_and(|known| Arc::ptr_eq(known, connection))
        {
            by_task.insert(task, None);
        }
    }

    /// The connection whose requests a task sends, if that is known.
    pub(super) fn connection(&self, task: Task) -> Option<Arc<Connection>> {
        self.by_task.pin().get(&task).cloned().flatten()
    }

    /// A connection is closed, and its task sends nothing more.
    pub(super) fn forget(&self, task: Task, connection: &Connection) {
        let is_its = |known: &Option<Arc<Connection>>| {
            known.as_ref().is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), connection))
        };
        let _ = self.by_task.pin().remove_if(&task, |_, known| is_its(known));
    }
}
