//! [`TaskHandle`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;

use super::entry::Entry;

/// Waits for a task and gives what it came to. Dropped, it leaves the task alone.
pub struct TaskHandle<T> {
    task: JoinHandle<Result<T, TaskError>>,
    entry: Arc<Entry>,
}

/// Why a task came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It was told to end.
    #[error("the task was told to end")]
    Cancelled,
    /// It was aborted, or its runtime is gone.
    #[error("the task was aborted")]
    Aborted,
    /// It panicked.
    #[error("the task panicked: {message}")]
    Panicked {
        /// The first 256 bytes of the panic's words.
        message: Arc<str>,
    },
}

impl<T> TaskHandle<T> {
    pub(super) fn new(task: JoinHandle<Result<T, TaskError>>, entry: Arc<Entry>) -> Self {
        Self { task, entry }
    }

    /// Its number, which no other task of the group has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.entry.id
    }

    /// Tells this task to end, and no other.
    pub fn cancel(&self) {
        self.entry.token.cancel();
    }

    /// Has it dropped where it waits, also if it would rather end by itself.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// True if it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = ready!(Pin::new(&mut self.task).poll(cx));
        // Without a value it was dropped before it ended, and what it was counted as holds.
        Poll::Ready(joined.unwrap_or_else(|_| Err(self.entry.error().unwrap_or(TaskError::Aborted))))
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle").field("task", &self.entry).finish_non_exhaustive()
    }
}
