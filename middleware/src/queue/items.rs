//! [`Items`]: what is in a queue.

use crossbeam_queue::{ArrayQueue, SegQueue};

use crate::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::sync::yield_now;

/// Most bytes of memory that is taken when a queue is made.
const LARGEST_RING: usize = 1 << 20;

/// As many items as there is room for, in the order in which they came.
pub(super) enum Items<T> {
    /// All of its memory is there from the begin.
    Ring(ArrayQueue<T>),
    /// Takes memory as items come, and gives it back: nobody can have what the largest number asks for.
    Grown(Grown<T>),
}

/// A list of blocks, with a count of the places that are taken in it.
pub(super) struct Grown<T> {
    items: SegQueue<T>,
    /// Taken before an item is put in, and free again after one was taken out: there are never more items.
    taken: AtomicUsize,
    capacity: usize,
}

impl<T> Items<T> {
    /// Room for so many items, at least 1.
    pub(super) fn new(capacity: usize) -> Self {
        // As the ring has them: each item beside a number.
        let bytes = capacity.checked_mul(size_of::<(AtomicUsize, T)>());
        match bytes {
            Some(..=LARGEST_RING) => Self::ring(capacity),
            _ => Self::grown(capacity),
        }
    }

    pub(super) fn ring(capacity: usize) -> Self {
        Self::Ring(ArrayQueue::new(capacity.max(1)))
    }

    pub(super) fn grown(capacity: usize) -> Self {
        Self::Grown(Grown { items: SegQueue::new(), taken: AtomicUsize::new(0), capacity: capacity.max(1) })
    }

    /// Puts an item in, and gives it back if there is no room.
    pub(super) fn push(&self, item: T) -> Option<T> {
        match self {
            Self::Ring(ring) => ring.push(item).err(),
            Self::Grown(grown) if grown.take_place() => {
                grown.items.push(item);
                None
            }
            Self::Grown(_) => Some(item),
        }
    }

    /// Puts an item in, and gives the oldest one if there is no room for both.
    pub(super) fn force_push(&self, item: T) -> Option<T> {
        let grown = match self {
            Self::Ring(ring) => return ring.force_push(item),
            Self::Grown(grown) => grown,
        };
        loop {
            let dropped = if grown.take_place() { Some(None) } else { grown.items.pop().map(Some) };
            if let Some(dropped) = dropped {
                grown.items.push(item);
                return dropped;
            }
            // Every place is that of an item which another thread is just putting in or taking out.
            yield_now();
        }
    }

    /// Takes the oldest item.
    pub(super) fn pop(&self) -> Option<T> {
        match self {
            Self::Ring(ring) => ring.pop(),
            Self::Grown(grown) => {
                let item = grown.items.pop()?;
                grown.taken.fetch_sub(1, Release);
                Some(item)
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ring(ring) => ring.len(),
            Self::Grown(grown) => grown.items.len(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Ring(ring) => ring.capacity(),
            Self::Grown(grown) => grown.capacity,
        }
    }
}

impl<T> Grown<T> {
    /// False if all are taken.
    fn take_place(&self) -> bool {
        let next = |taken| (taken < self.capacity).then_some(taken + 1);
        self.taken.fetch_update(Acquire, Relaxed, next).is_ok()
    }
}
