//! [`GoodCalls`]: good calls, counted without a lock.
//!
//! A good call is never why a breaker opens, so it need not be looked at when it is over: it is counted, and whoever next
//! holds the lock of the machine takes it into the window. Where it could be the call that shares wait for to be judged,
//! counting is closed, and it takes the lock too.

use std::time::{Duration, Instant};

use super::nanos;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::{lanes, thread_number};

/// Bits of a word that count calls. The lane is emptied before they overflow.
const COUNT: u32 = 23;
const FULL: u64 = (1 << COUNT) - 1;

/// Bits of a word that tell the part of the time. It is known only where it lies in a cycle of 16 million, which is days for
/// the shortest window.
const PART: u32 = 24;

/// A word that has the tag of no call.
const CLOSED: u64 = 1 << 63;

/// What a call must have in common with those it is counted with: its generation, and in a window of time the part of the
/// time that it ended in. In one word with the count, so that no call is ever counted with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u64);

impl Tag {
    /// Of generations, the 16 lowest bits are known.
    pub(super) fn new(generation: u64, part: u64) -> Self {
        Self((generation << PART | part & ((1 << PART) - 1)) << COUNT & !CLOSED)
    }
}

/// Good calls that are not yet in the window.
#[derive(Debug)]
pub(in crate::breaker) struct GoodCalls {
    parts: Option<Parts>,
    /// Threads have different ones, so that they do not wait for each other; a power of two.
    lanes: Box<[Lane]>,
}

/// A tag and the calls that were counted under it, on a line of the cache of its own, and its neighbour, which processors
/// fetch along with it.
#[derive(Debug)]
#[repr(align(128))]
struct Lane(AtomicU64);

impl GoodCalls {
    pub(super) fn new(parts: Option<Parts>, tag: Tag) -> Self {
        Self { parts, lanes: (0..lanes()).map(|_| Lane(AtomicU64::new(tag.0))).collect() }
    }

    /// Counts a good call of a generation; the clock is asked only where the window is one of time. If it does not, the
    /// machine has to be told.
    #[inline]
    pub(in crate::breaker) fn take(&self, generation: u64, now: impl FnOnce() -> Instant) -> bool {
        let part = self.parts.as_ref().map_or(0, |parts| parts.at(now()));
        let tag = Tag::new(generation, part).0;
        let Lane(lane) = &self.lanes[thread_number() & (self.lanes.len() - 1)];
        // The word is all there is to see, and every change is one of the newest word. So no order is needed.
        let mut word = lane.load(Relaxed);
        // With the same tag, what differs is the count.
        while word ^ tag < FULL {
            match lane.compare_exchange_weak(word, word + 1, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(newer) => word = newer,
            }
        }
        false
    }

    /// Takes out what was counted, and counts under a tag from now on.
    pub(super) fn count_as(&self, tag: Tag) -> u64 {
        self.empty(tag.0)
    }

    /// Takes out what was counted, and counts nothing from now on.
    pub(super) fn close(&self) -> u64 {
        self.empty(CLOSED)
    }

    fn empty(&self, word: u64) -> u64 {
        let counted = self.lanes.iter().map(|Lane(lane)| {
            // Nobody but the holder of the lock makes such a word of another.
            if lane.load(Relaxed) == word { 0 } else { lane.swap(word, Relaxed) & FULL }
        });
        counted.sum()
    }
}

/// The parts that the time of a window is divided into.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) start: Instant,
    pub(super) each: Duration,
}

impl Parts {
    /// Number of the part of the time that it is now.
    pub(super) fn at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start)) / nanos(self.each).max(1)
    }
}

#[cfg(all(test, not(poolscope_loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_calls_of_its_tag_are_counted() {
        let start = Instant::now();
        let good = GoodCalls::new(None, Tag::new(5, 0));
        assert_eq!(
            [4, 5, 6, 5].map(|generation| good.take(generation, || start)),
            [false, true, false, true]
        );
        assert_eq!(good.count_as(Tag::new(6, 0)), 2);
        assert_eq!([5, 6].map(|generation| good.take(generation, || start)), [false, true]);
        assert_eq!(good.close(), 1);
        assert_eq!([5, 6].map(|generation| good.take(generation, || start)), [false, false]);
        assert_eq!(good.count_as(Tag::new(6, 0)), 0);
        assert!(good.take(6, || start));
    }

    #[test]
    fn each_part_of_the_time_is_counted_by_itself() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let good = GoodCalls::new(Some(Parts { start, each: second }), Tag::new(0, 3));
        let taken = [2, 3, 4].map(|seconds| good.take(0, || start + second * seconds + second / 2));
        assert_eq!((taken, good.close()), ([false, true, false], 1));
    }

    #[test]
    fn a_full_lane_is_left_to_the_holder_of_the_lock() {
        let good = GoodCalls::new(None, Tag::new(0, 0));
        good.lanes.iter().for_each(|Lane(lane)| lane.store(FULL - 1, Relaxed));
        let now = Instant::now();
        assert_eq!([good.take(0, || now), good.take(0, || now)], [true, false]);
        assert_eq!(good.count_as(Tag::new(0, 0)), (FULL - 1) * good.lanes.len() as u64 + 1);
        assert!(good.take(0, || now));
    }

    #[test]
    fn the_largest_numbers_are_no_closed_lane() {
        let now = Instant::now();
        let good = GoodCalls::new(None, Tag::new(u64::MAX, 0));
        assert!(good.take(u64::MAX, || now));
        assert_eq!(good.close(), 1);
        assert!(!good.take(u64::MAX, || now));
    }
}
