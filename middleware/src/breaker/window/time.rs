//! [`TimeWindow`]: the results of the last seconds.

use super::{Marks, Tally};

/// Parts of a window. It moves on by one of them, so that it looks back for between nine tenths of its time and all of it.
pub(super) const PARTS: u64 = 10;

/// A ring of sums, one for each tenth of the time, so that a call costs the same however many there are.
#[derive(Debug, Default)]
pub(super) struct TimeWindow {
    buckets: [Tally; PARTS as usize],
    /// Part of the time that calls are of now.
    part: u64,
    /// Sum over the buckets.
    tally: Tally,
}

impl TimeWindow {
    pub(super) fn part(&self) -> u64 {
        self.part
    }

    /// Goes on to a part of the time, and forgets what is too old then.
    pub(super) fn move_to(&mut self, part: u64) {
        for new in (self.part + 1..=part).take(PARTS as usize) {
            self.tally.subtract(std::mem::take(&mut self.buckets[(new % PARTS) as usize]));
        }
        self.part = self.part.max(part);
    }

    pub(super) fn push(&mut self, marks: Marks) {
        self.push_good(1);
        self.bucket().mark(marks);
        self.tally.mark(marks);
    }

    /// Takes good calls in.
    pub(super) fn push_good(&mut self, calls: u64) {
        self.bucket().calls += calls;
        self.tally.calls += calls;
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn clear(&mut self) {
        *self = Self { part: self.part, ..Self::default() };
    }

    fn bucket(&mut self) -> &mut Tally {
        &mut self.buckets[(self.part % PARTS) as usize]
    }
}

#[cfg(all(test, not(poolscope_loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_plain_list_of_the_last_ten_parts() {
        let mut random = fastrand::Rng::with_seed(11);
        let (mut window, mut list, mut now) = (TimeWindow::default(), Vec::new(), 0);
        for _ in 0..20_000 {
            // Tenths of a part.
            now += random.u64(..4);
            if random.u8(..) < 2 {
                now += random.u64(..250);
            }
            let part = now / 10;
            window.move_to(part);
            let marks =
                Marks { failed: random.u8(..) < 5, slow: random.u8(..) < 5, unconnected: random.u8(..) < 5 };
            if marks == Marks::default() {
                window.push_good(2);
                list.push((part, marks));
            } else {
                window.push(marks);
            }
            list.push((part, marks));
            list.retain(|(of, _)| of + PARTS > part);
            let count = |is: fn(&Marks) -> bool| list.iter().filter(|(_, marks)| is(marks)).count() as u64;
            let expected = Tally {
                calls: list.len() as u64,
                failed: count(|marks| marks.failed),
                slow: count(|marks| marks.slow),
                unconnected: count(|marks| marks.unconnected),
            };
            assert_eq!(window.tally(), expected);
        }
    }

    #[test]
    fn time_does_not_go_back() {
        let mut window = TimeWindow::default();
        window.move_to(12);
        window.move_to(11);
        window.push_good(1);
        assert_eq!((window.part(), window.tally().calls), (12, 1));
        window.move_to(21);
        assert_eq!(window.tally().calls, 1);
        window.move_to(22);
        assert_eq!(window.tally().calls, 0);
    }
}
