//! [`CountWindow`]: the results of the last N calls.

use std::sync::atomic::{
    AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use super::{Marks, Taken, Tally};

/// Bits of [`CountWindow::head`] that count calls, for decades; the generation is in those above.
const CALLS: u32 = 48;
const CALLS_MASK: u64 = (1 << CALLS) - 1;

/// Bits of a place in the ring: failed, slow, unconnected.
const MARKS: [u8; 3] = [1, 2, 4];

/// A ring of results and their sums, so that a call costs the same however many are kept.
#[derive(Debug)]
pub(super) struct CountWindow {
    /// Calls that were ever taken in, and the generation that takes them in. In one word, so that no call is counted in
    /// another generation than its own.
    head: AtomicU64,
    /// Calls that were taken in before the window was cleared.
    cleared_at: AtomicU64,
    /// Calls that were taken in under the lock.
    pushed: AtomicU64,
    /// Marks of the last calls. Whoever has moved the head past a place owns it; a good call owns only places that are
    /// clean, which it leaves as they are.
    ring: Box<[AtomicU8]>,
    /// Sums over the ring, by [`MARKS`].
    sums: [AtomicU32; 3],
    minimum: u64,
}

impl CountWindow {
    pub(super) fn new(size: usize, minimum: usize) -> Self {
        Self {
            head: AtomicU64::new(0),
            cleared_at: AtomicU64::new(0),
            pushed: AtomicU64::new(0),
            ring: (0..size).map(|_| AtomicU8::new(0)).collect(),
            sums: Default::default(),
            minimum: minimum as u64,
        }
    }

    #[inline]
    pub(super) fn take_good(&self, generation: u64) -> Taken {
        let mut head = self.head.load(Acquire);
        loop {
            if head >> CALLS != generation_bits(generation) {
                return Taken::Stale;
            }
            let calls = head & CALLS_MASK;
            // Until the shares are judged for the first time, one more call may be what they wait for.
            let is_judged = || calls - self.cleared_at.load(Relaxed) >= self.minimum;
            if self.place(calls).load(Relaxed) != 0 || self.has_marks() && !is_judged() {
                return Taken::Not;
            }
            match self.head.compare_exchange_weak(head, next(head), AcqRel, Acquire) {
                Ok(_) => return Taken::Counted,
                Err(now) => head = now,
            }
        }
    }

    pub(super) fn push(&self, marks: Marks) {
        let mut head = self.head.load(Acquire);
        while let Err(now) = self.head.compare_exchange_weak(head, next(head), AcqRel, Acquire) {
            head = now;
        }
        self.pushed.store(self.pushed.load(Relaxed) + 1, Relaxed);
        let new = bits(marks);
        let old = self.place(head & CALLS_MASK).swap(new, Relaxed);
        for (mark, sum) in MARKS.iter().zip(&self.sums) {
            match (old & mark != 0, new & mark != 0) {
                (false, true) => sum.store(sum.load(Relaxed) + 1, Relaxed),
                (true, false) => sum.store(sum.load(Relaxed) - 1, Relaxed),
                _ => {}
            }
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let calls = self.calls() - self.cleared_at.load(Relaxed);
        let [failed, slow, unconnected] = [0, 1, 2].map(|sum| self.sums[sum].load(Relaxed).into());
        Tally { calls: calls.min(self.ring.len() as u64), failed, slow, unconnected }
    }

    /// Good calls that were taken in without the lock, ever.
    pub(super) fn taken(&self) -> u64 {
        self.calls().saturating_sub(self.pushed.load(Relaxed))
    }

    pub(super) fn turn(&self, generation: u64) {
        self.begin(generation);
    }

    pub(super) fn clear(&self, generation: u64) {
        if self.has_marks() {
            self.ring.iter().for_each(|place| place.store(0, Relaxed));
            self.sums.iter().for_each(|sum| sum.store(0, Relaxed));
        }
        // Nobody is let through under the new generation yet.
        self.cleared_at.store(self.begin(generation), Relaxed);
    }

    /// Tells how many calls were taken in before.
    fn begin(&self, generation: u64) -> u64 {
        let mut head = self.head.load(Acquire);
        loop {
            let calls = head & CALLS_MASK;
            let begun = generation_bits(generation) << CALLS | calls;
            match self.head.compare_exchange_weak(head, begun, AcqRel, Acquire) {
                Ok(_) => return calls,
                Err(now) => head = now,
            }
        }
    }

    fn calls(&self) -> u64 {
        self.head.load(Acquire) & CALLS_MASK
    }

    fn has_marks(&self) -> bool {
        self.sums.iter().any(|sum| sum.load(Relaxed) != 0)
    }

    #[inline]
    fn place(&self, calls: u64) -> &AtomicU8 {
        &self.ring[(calls % self.ring.len() as u64) as usize]
    }
}

fn generation_bits(generation: u64) -> u64 {
    generation & (u64::MAX >> CALLS)
}

/// One call more.
fn next(head: u64) -> u64 {
    head & !CALLS_MASK | (head + 1) & CALLS_MASK
}

fn bits(marks: Marks) -> u8 {
    let is_marked = [marks.failed, marks.slow, marks.unconnected];
    MARKS.iter().zip(is_marked).map(|(mark, is_marked)| if is_marked { *mark } else { 0 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Marks = Marks { failed: true, slow: false, unconnected: false };

    /// Takes a call in as the breaker does.
    fn take(window: &CountWindow, marks: Marks) {
        if marks != Marks::default() || window.take_good(0) == Taken::Not {
            window.push(marks);
        }
    }

    #[test]
    fn only_the_last_calls_count() {
        let window = CountWindow::new(10, 1);
        for _ in 0..1_000 {
            take(&window, Marks::default());
        }
        for failed in 1..=10 {
            take(&window, BAD);
            assert_eq!(window.tally(), Tally { calls: 10, failed, ..Tally::default() });
        }
        take(&window, Marks::default());
        assert_eq!(window.tally().failed, 9);
    }

    #[test]
    fn it_agrees_with_a_plain_list_for_every_size() {
        let mut random = fastrand::Rng::with_seed(7);
        for size in [1, 2, 63, 64, 65, 130] {
            let (window, mut list) = (CountWindow::new(size, size / 2 + 1), Vec::new());
            for _ in 0..2_000 {
                let some = |rng: &mut fastrand::Rng| rng.u8(..) < 40;
                let marks = Marks {
                    failed: some(&mut random),
                    slow: some(&mut random),
                    unconnected: some(&mut random),
                };
                take(&window, marks);
                list.push(marks);
                let last = &list[list.len().saturating_sub(size)..];
                let count = |is: fn(&Marks) -> bool| last.iter().filter(|marks| is(marks)).count() as u64;
                let expected = Tally {
                    calls: last.len() as u64,
                    failed: count(|marks| marks.failed),
                    slow: count(|marks| marks.slow),
                    unconnected: count(|marks| marks.unconnected),
                };
                assert_eq!(window.tally(), expected);
            }
        }
    }

    #[test]
    fn what_another_generation_let_through_does_not_count() {
        let window = CountWindow::new(10, 1);
        window.clear(5);
        assert_eq!((window.take_good(4), window.tally().calls), (Taken::Stale, 0));
        assert_eq!(window.take_good(5), Taken::Counted);
        window.turn(6);
        assert_eq!([5, 6].map(|generation| window.take_good(generation)), [Taken::Stale, Taken::Counted]);
        assert_eq!(window.tally().calls, 2);
    }

    #[test]
    fn the_call_that_reaches_the_minimum_is_judged_if_there_is_something_to_judge() {
        let window = CountWindow::new(10, 3);
        assert_eq!(window.take_good(0), Taken::Counted);
        window.push(BAD);
        assert_eq!(window.take_good(0), Taken::Not);
        window.push(Marks::default());
        assert_eq!(window.take_good(0), Taken::Counted, "a good call can only better what was judged");
    }

    #[test]
    fn on_many_threads_every_call_is_counted_once() {
        const CALLS: u64 = 20_000;
        let window = CountWindow::new(1_000, 1);
        let lock = std::sync::Mutex::new(());
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let (window, lock) = (&window, &lock);
                threads.spawn(move || {
                    for call in 0..CALLS {
                        let marks = if (call + thread) % 7 == 0 { BAD } else { Marks::default() };
                        if marks != Marks::default() || window.take_good(0) == Taken::Not {
                            let _held = lock.lock().unwrap();
                            window.push(marks);
                        }
                    }
                });
            }
        });
        assert_eq!(window.calls(), 4 * CALLS);
        assert_eq!(window.taken() + window.pushed.load(Relaxed), 4 * CALLS);
        let in_ring = window.ring.iter().filter(|place| place.load(Relaxed) == MARKS[0]).count() as u64;
        assert_eq!(window.tally(), Tally { calls: 1_000, failed: in_ring, ..Tally::default() });
    }
}
