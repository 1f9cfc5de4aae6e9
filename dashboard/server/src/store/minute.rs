//! What was counted in the last minute, in a fixed number of parts, however often it is reported.

/// Parts of the minute: the oldest leaves as a whole, so that the minute is up to this share of it short.
const PARTS: usize = 12;
const PART_MS: u64 = 60_000 / PARTS as u64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Minute<T> {
    parts: [T; PARTS],
    /// The newest part, counted from the beginning of time.
    newest: u64,
}

impl<T: Default> Minute<T> {
    /// The part of a moment; what is older than a minute then goes. A moment that is past the minute counts as its end.
    pub(super) fn at(&mut self, at_ms: u64) -> &mut T {
        let part = at_ms / PART_MS;
        let passed = part.saturating_sub(self.newest).min(PARTS as u64);
        self.newest = self.newest.max(part);
        for ago in 0..passed {
            self.parts[Self::place(self.newest - ago)] = T::default();
        }
        let oldest = self.newest.saturating_sub(PARTS as u64 - 1);
        &mut self.parts[Self::place(part.max(oldest))]
    }

    /// The clock was put back: what was counted for moments that are to come goes.
    pub(super) fn rewind(&mut self, to_ms: u64) {
        let part = to_ms / PART_MS;
        for ahead in 0..self.newest.saturating_sub(part).min(PARTS as u64) {
            self.parts[Self::place(self.newest - ahead)] = T::default();
        }
        self.newest = self.newest.min(part);
    }

    fn place(part: u64) -> usize {
        (part % PARTS as u64) as usize
    }

    /// The parts of the minute up to a moment, in no order.
    pub(super) fn until(&mut self, at_ms: u64) -> impl Iterator<Item = &T> {
        self.at(at_ms);
        self.parts.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(minute: &mut Minute<u64>, at_ms: u64) -> u64 {
        minute.until(at_ms).sum()
    }

    #[test]
    fn what_is_older_than_a_minute_goes() {
        let mut minute = Minute::default();
        let t0 = 1_700_000_000_000;
        *minute.at(t0) += 1;
        *minute.at(t0 + 4_000) += 2;
        *minute.at(t0 + 30_000) += 4;
        assert_eq!(sum(&mut minute, t0 + 55_000), 7);
        assert_eq!(sum(&mut minute, t0 + 60_000), 4);
        assert_eq!(sum(&mut minute, t0 + 3_600_000), 0);
    }

    #[test]
    fn a_clock_that_is_put_back_takes_what_is_to_come() {
        let mut minute = Minute::default();
        let t0 = 1_700_000_000_000;
        *minute.at(t0) += 1;
        *minute.at(t0 + 30_000) += 2;
        minute.rewind(t0 + 12_000);
        assert_eq!(sum(&mut minute, t0 + 12_000), 1);
        minute.rewind(t0 - 3_600_000);
        assert_eq!(sum(&mut minute, t0 - 3_600_000), 0);
        *minute.at(t0 - 3_600_000) += 4;
        assert_eq!(sum(&mut minute, t0 - 3_600_000 + 61_000), 0);
    }

    #[test]
    fn a_late_report_counts_where_it_belongs() {
        let mut minute = Minute::default();
        let t0 = 1_700_000_000_000;
        *minute.at(t0 + 50_000) += 1;
        *minute.at(t0) += 2;
        assert_eq!(sum(&mut minute, t0 + 50_000), 3);
        assert_eq!(sum(&mut minute, t0 + 60_000), 1);
        // Far too late, it still happened: it goes with the oldest.
        *minute.at(0) += 8;
        assert_eq!(sum(&mut minute, t0 + 60_000), 9);
    }
}
