//! [`TimeWindow`]: the results of the last seconds.

use std::ops::RangeInclusive;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::time::{Duration, Instant};

use super::{Marks, Taken, Tally};

/// Parts of a window. It moves on by one of them, so that it looks back for between nine tenths of its time and all of it.
const BUCKETS: u64 = 10;

/// A ring of counters, one for each tenth of the time, so that a call costs the same however many there are.
#[derive(Debug)]
pub(super) struct TimeWindow {
    start: Instant,
    bucket_nanos: u64,
    buckets: [Bucket; BUCKETS as usize],
    /// Bad calls that are kept, and maybe some that are too old. While there is none, good calls need no lock.
    marks: AtomicU32,
    generation: AtomicU64,
    /// Good calls that were taken in without the lock, ever.
    taken: AtomicU64,
    /// How often it was cleared.
    cleared: AtomicU64,
}

#[derive(Debug, Default)]
struct Bucket {
    /// [`Tag`] and the number of calls, in one word, so that no call is counted in another part of the time than its own.
    calls: AtomicU64,
    /// Bad ones among them: failed, slow, unconnected.
    marks: [AtomicU32; 3],
}

/// The part of the time that a bucket is of, and how often the window was cleared before: 24 and 8 bits. Of the part it is
/// known only where it lies in a cycle of 16 million, which is days for the shortest window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag(u32);

impl Tag {
    fn new(part: u64, cleared: u64) -> Self {
        // No bucket that was never used has the tag of part 0.
        Self(((part + 1) as u32) << 8 | u32::from(cleared as u8))
    }

    fn of(word: u64) -> Self {
        Self((word >> 32) as u32)
    }

    fn with(self, calls: u32) -> u64 {
        u64::from(self.0) << 32 | u64::from(calls)
    }

    /// True of the tag of a bucket that was cleared since this one was made.
    fn is_before(self, other: Self) -> bool {
        self.0 >> 8 == other.0 >> 8 && (other.0 as u8).wrapping_sub(self.0 as u8) as i8 > 0
    }
}

impl Bucket {
    /// True if it is of a part of the time.
    fn is_of(&self, part: u64, cleared: u64) -> bool {
        Tag::of(self.calls.load(Acquire)) == Tag::new(part, cleared)
    }

    fn unmark(&self) {
        self.marks.iter().for_each(|count| count.store(0, Relaxed));
    }

    fn count(&self, tag: Tag) {
        let mut word = self.calls.load(Acquire);
        while !tag.is_before(Tag::of(word)) {
            let calls = if Tag::of(word) == tag { word as u32 } else { 0 };
            let counted = tag.with(calls.saturating_add(1));
            match self.calls.compare_exchange_weak(word, counted, AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }
}

impl TimeWindow {
    pub(super) fn new(time: Duration, start: Instant) -> Self {
        Self {
            start,
            bucket_nanos: (nanos(time) / BUCKETS).max(1),
            buckets: Default::default(),
            marks: AtomicU32::new(0),
            generation: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            cleared: AtomicU64::new(0),
        }
    }

    pub(super) fn take_good(&self, generation: u64, now: Instant) -> Taken {
        let cleared = self.cleared.load(Acquire);
        if self.generation.load(Acquire) != generation {
            return Taken::Stale;
        }
        if self.marks.load(Acquire) != 0 {
            return Taken::Not;
        }
        let part = self.part(now);
        self.bucket(part).count(Tag::new(part, cleared));
        self.taken.fetch_add(1, Relaxed);
        Taken::Counted
    }

    pub(super) fn push(&self, marks: Marks, now: Instant) {
        let (part, cleared) = (self.part(now), self.cleared.load(Acquire));
        // A good call begins a bucket anew without looking at its marks, so none that are too old may stay.
        for part in back_from(part) {
            let bucket = self.bucket(part);
            if !bucket.is_of(part, cleared) {
                bucket.unmark();
            }
        }
        let bucket = self.bucket(part);
        bucket.count(Tag::new(part, cleared));
        for (is_marked, count) in [marks.failed, marks.slow, marks.unconnected].into_iter().zip(&bucket.marks)
        {
            count.fetch_add(is_marked.into(), Relaxed);
        }
        let kept = self.tally(now);
        let marks = kept.failed + kept.slow + kept.unconnected;
        self.marks.store(u32::try_from(marks).unwrap_or(u32::MAX), Release);
    }

    pub(super) fn tally(&self, now: Instant) -> Tally {
        let (part, cleared) = (self.part(now), self.cleared.load(Acquire));
        let mut tally = Tally::default();
        let kept = back_from(part).map(|part| (part, self.bucket(part)));
        for (_, bucket) in kept.filter(|(part, bucket)| bucket.is_of(*part, cleared)) {
            let [failed, slow, unconnected] =
                [0, 1, 2].map(|mark| u64::from(bucket.marks[mark].load(Relaxed)));
            tally.calls += u64::from(bucket.calls.load(Acquire) as u32);
            tally.failed += failed;
            tally.slow += slow;
            tally.unconnected += unconnected;
        }
        tally
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    pub(super) fn turn(&self, generation: u64) {
        self.generation.store(generation, Release);
    }

    pub(super) fn clear(&self, generation: u64) {
        self.turn(generation);
        self.cleared.fetch_add(1, AcqRel);
        self.buckets.iter().for_each(Bucket::unmark);
        self.marks.store(0, Release);
    }

    /// Number of the part of the time that it is now.
    fn part(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start)) / self.bucket_nanos
    }

    fn bucket(&self, part: u64) -> &Bucket {
        &self.buckets[(part % BUCKETS) as usize]
    }
}

/// The parts of a window that ends with one.
fn back_from(part: u64) -> RangeInclusive<u64> {
    part.saturating_sub(BUCKETS - 1)..=part
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BAD: Marks = Marks { failed: true, slow: false, unconnected: false };

    fn window(start: Instant) -> TimeWindow {
        TimeWindow::new(10 * SECOND, start)
    }

    fn take(window: &TimeWindow, marks: Marks, now: Instant) {
        if marks != Marks::default() || window.take_good(0, now) == Taken::Not {
            window.push(marks, now);
        }
    }

    #[test]
    fn it_agrees_with_a_plain_list_of_the_last_ten_parts() {
        let mut random = fastrand::Rng::with_seed(11);
        let start = Instant::now();
        let (window, mut list, mut now) = (window(start), Vec::new(), start);
        for _ in 0..20_000 {
            now += Duration::from_millis(random.u64(..400));
            if random.u8(..) < 2 {
                now += 7 * SECOND;
            }
            let marks =
                Marks { failed: random.u8(..) < 5, slow: random.u8(..) < 5, unconnected: random.u8(..) < 5 };
            take(&window, marks, now);
            let part = (now - start).as_secs();
            list.push((part, marks));
            list.retain(|(of, _)| of + BUCKETS > part);
            let count = |is: fn(&Marks) -> bool| list.iter().filter(|(_, marks)| is(marks)).count() as u64;
            let expected = Tally {
                calls: list.len() as u64,
                failed: count(|marks| marks.failed),
                slow: count(|marks| marks.slow),
                unconnected: count(|marks| marks.unconnected),
            };
            assert_eq!(window.tally(now), expected);
        }
    }

    #[test]
    fn once_the_bad_calls_are_too_old_good_ones_need_no_lock_again() {
        let start = Instant::now();
        let window = window(start);
        assert_eq!(window.take_good(0, start), Taken::Counted);
        window.push(BAD, start);
        assert_eq!(window.take_good(0, start), Taken::Not);
        let later = start + 11 * SECOND;
        assert_eq!(window.take_good(0, later), Taken::Not, "nobody has looked yet");
        window.push(Marks::default(), later);
        assert_eq!(window.take_good(0, later), Taken::Counted);
        assert_eq!(window.tally(later), Tally { calls: 2, ..Tally::default() });
    }

    #[test]
    fn what_another_generation_let_through_does_not_count() {
        let start = Instant::now();
        let window = window(start);
        window.push(BAD, start);
        window.turn(1);
        assert_eq!(window.take_good(0, start), Taken::Stale);
        assert_eq!(
            window.tally(start),
            Tally { calls: 1, failed: 1, ..Tally::default() },
            "what is kept stays"
        );
        window.clear(2);
        assert_eq!(window.take_good(1, start), Taken::Stale);
        assert_eq!(window.tally(start), Tally::default());
        assert_eq!(window.take_good(2, start), Taken::Counted);
        assert_eq!(window.tally(start).calls, 1);
    }

    #[test]
    fn a_late_call_takes_nothing_away_from_a_bucket_that_was_cleared() {
        let bucket = Bucket::default();
        let [before, after] = [0, 1].map(|cleared| Tag::new(3, cleared));
        bucket.count(after);
        bucket.count(before);
        assert_eq!(bucket.calls.load(Relaxed), after.with(1));
        bucket.count(Tag::new(13, 1));
        assert_eq!(bucket.calls.load(Relaxed), Tag::new(13, 1).with(1));
    }
}
