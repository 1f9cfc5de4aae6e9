//! What was counted in the last minute, or the last 15, in a fixed number of parts, however often it is reported.

/// The last minute.
pub(super) type Minute<T> = Recent<T, 12, 5_000>;

/// The last 15 minutes.
pub(super) type QuarterHour<T> = Recent<T, 15, 60_000>;

/// A time up to now in parts: the oldest leaves as a whole, so that the time is up to one part short.
#[derive(Debug)]
pub(super) struct Recent<T, const PARTS: usize, const PART_MS: u64> {
    parts: [T; PARTS],
    /// The newest part, counted from the beginning of time.
    newest: u64,
}

impl<T: Default, const PARTS: usize, const PART_MS: u64> Default for Recent<T, PARTS, PART_MS> {
    fn default() -> Self {
        Self { parts: std::array::from_fn(|_| T::default()), newest: 0 }
    }
}

impl<T: Default, const PARTS: usize, const PART_MS: u64> Recent<T, PARTS, PART_MS> {
    /// The part of a moment; what is too old then goes. A moment that is older than all parts counts as the oldest.
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

    /// The parts up to a moment, in no order.
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
