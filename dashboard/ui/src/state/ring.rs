//! The newest points of a pool, bounded in time and in number.

use std::collections::VecDeque;

use poolscope_wire::SparkPoint;

/// How far back a ring reaches: what a sparkline shows.
pub const SPAN_MS: u64 = 120_000;

/// The most points of a ring, should they come faster than once a second.
const MAX_POINTS: usize = 240;

/// The newest points of a pool, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ring {
    points: VecDeque<SparkPoint>,
}

impl Ring {
    /// A ring of a history that is oldest first.
    #[must_use]
    pub fn from_history(points: Vec<SparkPoint>) -> Self {
        let mut ring = Self::default();
        for point in points {
            ring.push(point);
        }
        ring
    }

    /// Takes a point if it is newer than the newest, and says whether it was.
    pub fn push(&mut self, point: SparkPoint) -> bool {
        if point.at_ms == 0 || self.points.back().is_some_and(|newest| newest.at_ms >= point.at_ms) {
            return false;
        }
        self.points.push_back(point);
        let first_kept = point.at_ms.saturating_sub(SPAN_MS);
        while self.points.len() > MAX_POINTS || self.points.front().is_some_and(|p| p.at_ms < first_kept) {
            self.points.pop_front();
        }
        true
    }

    /// The points, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &SparkPoint> + ExactSizeIterator {
        self.points.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_ms: u64) -> SparkPoint {
        SparkPoint { at_ms, ..SparkPoint::default() }
    }

    #[test]
    fn points_that_are_not_newer_are_refused() {
        let mut ring = Ring::from_history(vec![at(1_000), at(2_000)]);
        assert!(!ring.push(at(2_000)));
        assert!(!ring.push(at(1_500)));
        assert!(ring.push(at(3_000)));
        assert_eq!(ring.iter().len(), 3);
    }

    #[test]
    fn old_points_leave_by_time_and_by_number() {
        let mut ring = Ring::from_history(vec![at(1_000), at(2_000)]);
        ring.push(at(2_000 + SPAN_MS));
        assert_eq!(ring.iter().map(|p| p.at_ms).collect::<Vec<_>>(), [2_000, 2_000 + SPAN_MS]);
        let dense = Ring::from_history((1..=1_000).map(at).collect());
        assert_eq!(dense.iter().len(), MAX_POINTS);
    }
}
