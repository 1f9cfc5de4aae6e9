//! [`CountWindow`]: the results of the last N calls.

use super::{Marks, Tally};

/// Bits of a place in the ring: failed, slow, unconnected.
const FAILED: u8 = 1;
const SLOW: u8 = 2;
const UNCONNECTED: u8 = 4;

/// A ring of results and their sums, so that a call costs the same however many are kept.
#[derive(Debug)]
pub(super) struct CountWindow {
    /// Marks of the last calls.
    ring: Box<[u8]>,
    /// Place of the next call.
    next: usize,
    /// Sums over the ring.
    tally: Tally,
}

impl CountWindow {
    pub(super) fn new(size: usize) -> Self {
        Self { ring: vec![0; size].into(), next: 0, tally: Tally::default() }
    }

    pub(super) fn push(&mut self, marks: Marks) {
        self.evict(1);
        let bit = |is_marked, bit| if is_marked { bit } else { 0 };
        let place = (self.next + self.ring.len() - 1) % self.ring.len();
        self.ring[place] =
            bit(marks.failed, FAILED) | bit(marks.slow, SLOW) | bit(marks.unconnected, UNCONNECTED);
        self.tally.mark(marks);
    }

    /// Takes good calls in.
    pub(super) fn push_good(&mut self, calls: u64) {
        self.evict(calls);
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn clear(&mut self) {
        if self.tally.has_marks() {
            self.ring.fill(0);
        }
        self.tally = Tally::default();
    }

    /// Moves on over the places of new calls, which are good so far.
    fn evict(&mut self, calls: u64) {
        let size = self.ring.len();
        let places = usize::try_from(calls).unwrap_or(size).min(size);
        if self.tally.has_marks() {
            let (back, front) = self.ring.split_at_mut(self.next);
            let wrapped = places.saturating_sub(front.len());
            for place in
                front.iter_mut().take(places).chain(&mut back[..wrapped]).filter(|place| **place != 0)
            {
                let marks = std::mem::take(place);
                self.tally.failed -= u64::from(marks & FAILED != 0);
                self.tally.slow -= u64::from(marks & SLOW != 0);
                self.tally.unconnected -= u64::from(marks & UNCONNECTED != 0);
            }
        }
        self.next = (self.next + places) % size;
        self.tally.calls = (self.tally.calls.saturating_add(calls)).min(size as u64);
    }
}

#[cfg(all(test, not(poolscope_loom)))]
mod tests {
    use super::*;

    const BAD: Marks = Marks { failed: true, slow: false, unconnected: false };

    #[test]
    fn only_the_last_calls_count() {
        let mut window = CountWindow::new(10);
        window.push_good(1_000);
        for failed in 1..=10 {
            window.push(BAD);
            assert_eq!(window.tally(), Tally { calls: 10, failed, ..Tally::default() });
        }
        window.push_good(1);
        assert_eq!(window.tally().failed, 9);
        window.push_good(u64::MAX);
        assert_eq!(window.tally(), Tally { calls: 10, ..Tally::default() });
    }

    #[test]
    fn it_agrees_with_a_plain_list_for_every_size() {
        let mut random = fastrand::Rng::with_seed(7);
        for size in [1, 2, 63, 64, 65, 130] {
            let (mut window, mut list) = (CountWindow::new(size), Vec::new());
            for step in 0..2_000 {
                let some = |rng: &mut fastrand::Rng| rng.u8(..) < 40;
                if some(&mut random) {
                    let good = random.usize(..size * 2);
                    window.push_good(good as u64);
                    list.extend(std::iter::repeat_n(Marks::default(), good));
                } else if step % 500 == 499 {
                    window.clear();
                    list.clear();
                } else {
                    let marks = Marks {
                        failed: some(&mut random),
                        slow: some(&mut random),
                        unconnected: some(&mut random),
                    };
                    window.push(marks);
                    list.push(marks);
                }
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
}
