//! [`Gate`]: at most so many requests at a time, and the others in a queue, first come, first served.
//!
//! One word says how many are in and how many wait. While nobody waits, to go in and to leave is an exchange of that word
//! and no lock. The queue is behind a lock that is taken by those who wait and by those who let them in; as long as one
//! waits, nobody who comes later gets past it.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::task::{Poll, Waker};

use super::adaptive::{Adaptive, Aimd, Load};
use crate::clock::Instant;
use crate::sync::atomic::{AtomicU32, AtomicU64};
use crate::sync::{Mutex, MutexGuard};

/// One request that is in, in the word.
const IN: u64 = 1;
/// One request that waits, in the word.
const WAITING: u64 = 1 << 32;

/// Counts of a gate at one moment, from one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// Requests that are in.
    pub(crate) inside: u64,
    /// Requests that wait.
    pub(crate) waiting: u64,
}

impl Crowd {
    fn of(word: u64) -> Self {
        Self { inside: word % WAITING, waiting: word / WAITING }
    }
}

/// What comes of asking to go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is in, and has to [leave](Gate::leave).
    In,
    /// It has a place in the queue, and has to ask [whether it is its turn](Gate::poll) or to [give it up](Gate::give_up).
    Queued(Ticket),
    /// There is no room to wait.
    Full,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Gate {
    /// How many are in, and in the upper half how many wait.
    word: AtomicU64,
    limit: AtomicU32,
    max_waiting: u32,
    /// Where the limit finds itself.
    adaptive: Option<Adaptive>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    /// Those who wait, the first to come first. Whoever is no longer here was let in.
    waiting: BTreeMap<Ticket, Option<Waker>>,
}

impl Gate {
    pub(crate) fn new(limit: u32, max_waiting: u32, adaptive: Option<Aimd>) -> Self {
        let adaptive = adaptive.map(|aimd| Adaptive::new(aimd, limit));
        let limit = adaptive.as_ref().map_or(limit, Adaptive::limit);
        Self {
            word: AtomicU64::new(0),
            limit: AtomicU32::new(limit),
            max_waiting,
            adaptive,
            queue: Mutex::new(Queue::default()),
        }
    }

    /// Most that may be in.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    /// Most that may wait.
    pub(crate) fn max_waiting(&self) -> u32 {
        self.max_waiting
    }

    pub(crate) fn crowd(&self) -> Crowd {
        Crowd::of(self.word.load(Acquire))
    }

    /// True if the limit finds itself, by what requests [tell](Self::sample).
    #[inline]
    pub(crate) fn finds_itself(&self) -> bool {
        self.adaptive.is_some()
    }

    /// A request that went in at `began` tells how its destination does.
    pub(crate) fn sample(&self, load: Load, began: Instant, now: Instant) {
        if let Some(adaptive) = &self.adaptive
            && adaptive.sample(load, self.crowd().inside, began, now)
        {
            // Another thread may do the same at the same time; the last one finds that nothing has changed since.
            loop {
                let limit = adaptive.limit();
                self.set_limit(limit);
                if adaptive.limit() == limit {
                    return;
                }
            }
        }
    }

    /// Changes how many may be in. Those who are in beyond a lower limit stay until they leave.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Relaxed);
        // Whoever asks in the meantime either sees the new limit or is in the queue by now.
        self.let_in(self.queue());
    }

    /// Goes in if there is room and nobody waits.
    #[inline]
    pub(crate) fn try_enter(&self) -> bool {
        let limit = u64::from(self.limit());
        self.word
            .fetch_update(Acquire, Relaxed, |word| {
                // Whoever waits makes the word greater than any limit.
                (word < limit).then(|| word + IN)
            })
            .is_ok()
    }

    /// Goes in, or takes a place in the queue.
    pub(crate) fn enter(&self) -> Asked {
        let mut queue = self.queue();
        let limit = u64::from(self.limit());
        let max_waiting = u64::from(self.max_waiting);
        let asked = self.word.fetch_update(AcqRel, Acquire, |word| match Crowd::of(word) {
            Crowd { inside, waiting: 0 } if inside < limit => Some(word + IN),
            Crowd { waiting, .. } if waiting < max_waiting => Some(word + WAITING),
            Crowd { .. } => None,
        });
        match asked {
            Err(_) => Asked::Full,
            Ok(before) if before < limit => Asked::In,
            Ok(_) => {
                queue.last += 1;
                let ticket = Ticket(queue.last);
                queue.waiting.insert(ticket, None);
                Asked::Queued(ticket)
            }
        }
    }

    /// Ready once the ticket was let in; it has to [leave](Self::leave) then, and is not asked again.
    pub(crate) fn poll(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        match self.queue().waiting.get_mut(&ticket) {
            None => Poll::Ready(()),
            Some(Some(known)) if known.will_wake(waker) => Poll::Pending,
            Some(known) => {
                *known = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    /// Leaves the queue. Whoever was let in meanwhile leaves the gate.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        let mut queue = self.queue();
        let is_waiting = queue.waiting.remove(&ticket).is_some();
        if is_waiting {
            self.word.fetch_sub(WAITING, Release);
        }
        drop(queue);
        if !is_waiting {
            self.leave();
        }
    }

    /// Makes room for the next.
    #[inline]
    pub(crate) fn leave(&self) {
        let before = self.word.fetch_sub(IN, AcqRel);
        if before >= WAITING {
            self.let_in(self.queue());
        }
    }

    /// Lets in whoever has room, and wakes them when the lock is free again.
    #[cold]
    fn let_in(&self, mut queue: MutexGuard<'_, Queue>) {
        let mut wakers = Vec::new();
        let limit = u64::from(self.limit());
        while self
            .word
            .fetch_update(AcqRel, Acquire, |word| match Crowd::of(word) {
                Crowd { inside, waiting } if waiting > 0 && inside < limit => Some(word - WAITING + IN),
                Crowd { .. } => None,
            })
            .is_ok()
        {
            wakers.extend(queue.waiting.pop_first().and_then(|(_, waker)| waker));
        }
        drop(queue);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, poolscope_loom))]
mod races;
#[cfg(all(test, not(poolscope_loom)))]
mod tests;
