//! [`Shared`]: what both ends of a queue share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use poolscope_semconv::value::QueueDropReason;

use super::items::Items;
use crate::Scope;
use crate::clock::Instant;
use crate::event::{DroppedItems, Event, Events};
use crate::registry::{QueueSnapshot, Rows};
use crate::said::cut;
use crate::sync::AtomicWaker;
use crate::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
    fence,
};

/// Most bytes of a name that are kept.
const LONGEST_NAME: usize = 256;

/// Drops are told no more often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Which item is dropped when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropPolicy {
    /// The one that has waited longest: what is new counts, such as a price.
    Oldest,
    /// The one that comes: what was said before must not get lost.
    Newest,
}

/// See the [module](self).
pub(crate) struct Shared<T> {
    name: Arc<str>,
    policy: DropPolicy,
    items: Items<T>,
    /// Who waits until something was put in, or the last sender is gone.
    taker: AtomicWaker,
    pub(super) senders: AtomicUsize,
    /// Nobody takes items any more.
    is_closed: AtomicBool,
    made: Instant,
    counts: Counts,
    events: Arc<Events>,
}

#[derive(Debug, Default)]
struct Counts {
    pushed: AtomicU64,
    high_water: AtomicU64,
    dropped: [AtomicU64; QueueDropReason::COUNT],
    /// Dropped, and not yet told.
    untold: AtomicU64,
    /// Milliseconds since the queue was made, from which on drops may be told.
    tell_at: AtomicU64,
}

impl<T: Send + 'static> Shared<T> {
    pub(super) fn add(scope: &Scope, name: &str, capacity: usize, policy: DropPolicy) -> Arc<Self> {
        scope.queue_board().add(cut(name, LONGEST_NAME), |name| {
            Self::new(name, Items::new(capacity), policy, Arc::clone(scope.events()))
        })
    }
}

impl<T> Shared<T> {
    /// With one sender.
    pub(super) fn new(name: Arc<str>, items: Items<T>, policy: DropPolicy, events: Arc<Events>) -> Self {
        Self {
            name,
            policy,
            items,
            taker: AtomicWaker::new(),
            senders: AtomicUsize::new(1),
            is_closed: AtomicBool::new(false),
            made: Instant::now(),
            counts: Counts::default(),
            events,
        }
    }

    /// Puts an item in; gives the one that was dropped for it, or the item itself if nobody takes it any more.
    pub(super) fn push(&self, item: T) -> Result<Option<T>, T> {
        if self.is_closed.load(Acquire) {
            self.dropped(QueueDropReason::Closed, 1);
            return Err(item);
        }
        let (reason, dropped) = match self.policy {
            DropPolicy::Oldest => (QueueDropReason::Oldest, self.items.force_push(item)),
            DropPolicy::Newest => (QueueDropReason::Newest, self.items.push(item)),
        };
        if self.policy == DropPolicy::Oldest || dropped.is_none() {
            self.counts.pushed.fetch_add(1, Relaxed);
            self.counts.high_water.fetch_max(self.items.len() as u64, Relaxed);
        }
        if dropped.is_some() {
            self.dropped(reason, 1);
        }
        // Either this sees that the receiver is gone, or the receiver sees the item before it goes.
        fence(SeqCst);
        if self.is_closed.load(Relaxed) {
            self.clear();
        } else {
            self.taker.wake();
        }
        Ok(dropped)
    }

    pub(super) fn pop(&self) -> Option<T> {
        self.items.pop()
    }

    /// The oldest item, when there is one; `None` when all senders are gone and nothing is left.
    pub(super) fn poll_pop(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        let seen = self.look();
        if seen.is_ready() {
            return seen;
        }
        self.taker.register(cx.waker());
        // Again, since who came in between has woken nobody.
        self.look()
    }

    fn look(&self) -> Poll<Option<T>> {
        // Asked first: what the last sender has put in before it went is there then.
        let is_over = self.senders.load(Acquire) == 0;
        match self.items.pop() {
            None if !is_over => Poll::Pending,
            item => Poll::Ready(item),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Acquire)
    }

    /// The receiver is gone: what is left has no place to go to.
    pub(super) fn close(&self) {
        self.is_closed.store(true, SeqCst);
        fence(SeqCst);
        self.clear();
    }

    fn clear(&self) {
        let mut left = 0;
        while self.items.pop().is_some() {
            left += 1;
        }
        if left > 0 {
            self.dropped(QueueDropReason::Closed, left);
        }
    }

    /// A sender is gone; the last one wakes who waits.
    pub(super) fn leave(&self) {
        if self.senders.fetch_sub(1, AcqRel) == 1 {
            self.taker.wake();
        }
    }

    #[cold]
    fn dropped(&self, reason: QueueDropReason, items: u64) {
        let counts = &self.counts;
        counts.dropped[reason.index()].fetch_add(items, Relaxed);
        counts.untold.fetch_add(items, Relaxed);
        let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        let tell_at = counts.tell_at.load(Relaxed);
        let next = now.saturating_add(TELL_EVERY.as_millis() as u64);
        if now < tell_at || counts.tell_at.compare_exchange(tell_at, next, Relaxed, Relaxed).is_err() {
            return;
        }
        let dropped = counts.untold.swap(0, Relaxed);
        self.events.emit(&Event::QueueDropping(DroppedItems {
            queue: Arc::clone(&self.name),
            reason,
            dropped,
            capacity: self.items.capacity() as u64,
        }));
    }

    pub(super) fn snapshot(&self) -> QueueSnapshot {
        let Counts { pushed, high_water, dropped, .. } = &self.counts;
        QueueSnapshot {
            name: self.name.to_string(),
            length: self.items.len() as u64,
            capacity: self.items.capacity() as u64,
            high_water: high_water.load(Relaxed),
            pushed: pushed.load(Relaxed),
            dropped: QueueDropReason::ALL
                .iter()
                .map(|reason| (*reason, dropped[reason.index()].load(Relaxed)))
                .collect(),
        }
    }
}

impl<T: Send> Rows<QueueSnapshot> for Shared<T> {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn rows(&self) -> Vec<QueueSnapshot> {
        vec![self.snapshot()]
    }
}
