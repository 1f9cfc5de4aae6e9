//! How fine a history is, and where it has gaps. Pure.

use poolscope_wire::Range as HistoryRange;

use super::point::Point;

/// A course whose points stand for more than this many reports is drawn in steps, because each is true for all of its time.
const STEPPED_FROM: u64 = 2;

/// How fine a history is, and where it has gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grain {
    /// Usual distance of two points.
    pub step_ms: u64,
    /// True if points stand for so much time that it must be seen.
    pub is_stepped: bool,
    /// Times in which nothing was reported; the rest of it is empty.
    silences: HistoryRange,
}

impl Grain {
    /// The grain of an answer of the server, of something that is reported every `interval_ms`.
    #[must_use]
    pub fn new(interval_ms: u64, range: &HistoryRange) -> Self {
        let interval_ms = interval_ms.max(1_000);
        Self {
            step_ms: range.step_ms.max(interval_ms),
            is_stepped: range.step_ms >= STEPPED_FROM * interval_ms,
            silences: HistoryRange { silences: range.silences.clone(), ..HistoryRange::default() },
        }
    }

    /// The same, so much later.
    #[must_use]
    pub fn later(mut self, by_ms: u64) -> Self {
        for silence in &mut self.silences.silences {
            silence.from_ms += by_ms;
            silence.to_ms += by_ms;
        }
        self
    }

    /// True if nothing is known between two neighbours.
    #[must_use]
    pub fn is_gap(&self, before_ms: u64, after_ms: u64) -> bool {
        after_ms.saturating_sub(before_ms) > self.gap_ms()
            || self.silences.is_silent_between(before_ms, after_ms)
    }

    /// Neighbours further apart than this are a gap, also where the server does not say so.
    #[must_use]
    pub fn gap_ms(&self) -> u64 {
        self.step_ms * 5 / 2
    }

    /// Where the time of a point begins that ends at `at_ms`, after a neighbour.
    #[must_use]
    pub fn start(&self, at_ms: u64, before_ms: Option<u64>) -> u64 {
        if !self.is_stepped {
            return at_ms;
        }
        before_ms.unwrap_or_else(|| at_ms.saturating_sub(self.step_ms))
    }

    /// Cuts points into runs without a gap.
    #[must_use]
    pub fn runs<'a>(&self, points: &'a [Point]) -> Vec<&'a [Point]> {
        points.chunk_by(|before, after| !self.is_gap(before.at_ms(), after.at_ms())).collect()
    }

    /// The point that tells about a moment: of points that stand for a time, the one of whose time it is; else the
    /// nearest. `None` where nothing is known.
    #[must_use]
    pub fn about<'a>(&self, points: &'a [Point], at_ms: u64) -> Option<&'a Point> {
        let after = points.partition_point(|point| point.at_ms() < at_ms);
        let [before, after] = [after.checked_sub(1).and_then(|index| points.get(index)), points.get(after)];
        let nearest = if self.is_stepped && after.is_some() {
            after
        } else {
            [before, after].into_iter().flatten().min_by_key(|point| point.at_ms().abs_diff(at_ms))
        };
        nearest.filter(|point| point.at_ms().abs_diff(at_ms) <= self.gap_ms())
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{PoolPoint, Silence};

    use super::*;

    fn at(at_ms: u64) -> Point {
        Point::Pool(PoolPoint { at_ms, ..PoolPoint::default() })
    }

    fn grain(step_ms: u64, silences: &[(u64, u64)]) -> Grain {
        let silences = silences.iter().map(|(from_ms, to_ms)| Silence { from_ms: *from_ms, to_ms: *to_ms });
        Grain::new(1_000, &HistoryRange { step_ms, silences: silences.collect(), ..HistoryRange::default() })
    }

    #[test]
    fn gaps_are_where_the_server_says_and_where_points_lack() {
        let points = [at(1_000), at(2_000), at(3_000), at(9_000), at(10_000)];
        let lengths = |grain: &Grain| grain.runs(&points).iter().map(|run| run.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&grain(1_000, &[])), [3, 2]);
        assert_eq!(lengths(&grain(1_000, &[(1_000, 2_000)])), [1, 2, 2]);
        assert_eq!(lengths(&grain(5_000, &[])), [5], "a coarse history has no such gaps");
        assert_eq!(lengths(&grain(5_000, &[(3_000, 9_000)])), [3, 2]);
        assert_eq!(lengths(&grain(5_000, &[(1_000, 7_000)]).later(2_000)), [3, 2]);
    }

    #[test]
    fn only_coarse_points_stand_for_a_time() {
        assert!(!grain(1_000, &[]).is_stepped);
        assert!(!grain(0, &[]).is_stepped);
        let coarse = grain(15_000, &[]);
        assert!(coarse.is_stepped);
        assert_eq!(coarse.start(60_000, None), 45_000);
        assert_eq!(coarse.start(60_000, Some(50_000)), 50_000);
        assert_eq!(grain(1_000, &[]).start(60_000, Some(50_000)), 60_000);
    }

    #[test]
    fn a_moment_is_told_by_its_point_and_a_gap_by_none() {
        let points = [at(10_000), at(20_000), at(90_000)];
        let about = |grain: &Grain, at_ms| grain.about(&points, at_ms).map(Point::at_ms);
        let coarse = grain(10_000, &[]);
        assert_eq!(about(&coarse, 11_000), Some(20_000), "its time is from 10 to 20");
        assert_eq!(about(&coarse, 50_000), None);
        let fine = grain(4_000, &[]);
        let fine = Grain { is_stepped: false, ..fine };
        assert_eq!(about(&fine, 11_000), Some(10_000));
        assert_eq!(about(&fine, 99_000), Some(90_000));
        assert_eq!(Grain::default().about(&[], 5), None);
    }
}
