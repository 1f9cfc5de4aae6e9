//! [`QueueSender`] and [`QueueReceiver`].

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::shared::{DropPolicy, Shared};
use crate::Scope;
use crate::registry::QueueSnapshot;
use crate::sync::atomic::Ordering::Relaxed;

/// Puts items into a queue. Each clone is a sender of its own; the receiver is told when all of them are gone. See the
/// [module](super) for an example.
pub struct QueueSender<T> {
    shared: Arc<Shared<T>>,
}

/// Takes items out of a queue, the oldest first: by [`recv`](Self::recv), or as the `Stream` that it is. See the
/// [module](super) for an example.
///
/// When it is dropped, the queue is closed, and what is left in it is dropped.
pub struct QueueReceiver<T> {
    shared: Arc<Shared<T>>,
}

/// Nobody takes items any more; the one that was to be put in comes back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes items out of the queue any more")]
pub struct Closed<T>(pub T);

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

/// Makes a queue.
pub(crate) fn new<T: Send + 'static>(
    scope: &Scope,
    name: &str,
    capacity: usize,
    policy: DropPolicy,
) -> (QueueSender<T>, QueueReceiver<T>) {
    ends_of(Shared::add(scope, name, capacity, policy))
}

pub(super) fn ends_of<T>(shared: Arc<Shared<T>>) -> (QueueSender<T>, QueueReceiver<T>) {
    (QueueSender { shared: Arc::clone(&shared) }, QueueReceiver { shared })
}

impl<T> QueueSender<T> {
    /// Puts an item in, and never waits. Gives the item that was dropped for it, if there was no room: the oldest one, or this
    /// one itself.
    ///
    /// # Errors
    ///
    /// The receiver is gone. An item that comes at the same moment may be dropped without this being told.
    pub fn push(&self, item: T) -> Result<Option<T>, Closed<T>> {
        self.shared.push(item).map_err(Closed)
    }

    /// True if nobody takes items any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Items that are in the queue now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// True if nothing is in the queue now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything that is known of the queue; the same is in the snapshots of the scope.
    #[must_use]
    pub fn snapshot(&self) -> QueueSnapshot {
        self.shared.snapshot()
    }
}

impl<T> Clone for QueueSender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for QueueSender<T> {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl<T> QueueReceiver<T> {
    /// Takes the oldest item, and waits until there is one; `None` when all senders are gone and nothing is left. Can be dropped
    /// while it waits, without losing an item.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.shared.poll_pop(cx)).await
    }

    /// Takes the oldest item, if there is one.
    pub fn try_recv(&mut self) -> Option<T> {
        self.shared.pop()
    }

    /// Items that are in the queue now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// True if nothing is in the queue now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything that is known of the queue; the same is in the snapshots of the scope.
    #[must_use]
    pub fn snapshot(&self) -> QueueSnapshot {
        self.shared.snapshot()
    }
}

impl<T> Stream for QueueReceiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.shared.poll_pop(cx)
    }
}

impl<T> Drop for QueueReceiver<T> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<T> fmt::Debug for QueueSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueSender").field(&self.snapshot()).finish()
    }
}

impl<T> fmt::Debug for QueueReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueReceiver").field(&self.snapshot()).finish()
    }
}
