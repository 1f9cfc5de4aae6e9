//! The newest points of a pool: what a sparkline shows, and what the rules compare.

use std::collections::VecDeque;

use poolscope_wire::PoolPoint;

/// Points are at hand for so long.
pub(super) const RECENT_MS: u64 = 120_000;
/// And so many of them at least, each as it was reported, which is what the rules compare.
const WHOLE: usize = 2;
/// Of those that are older one is enough for so long: a sparkline has no room for more.
const STEP_MS: u64 = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<PoolPoint>);

impl Recent {
    /// Takes the newest point, which replaces the one before if it is of the same moment; keeps so many at most.
    pub(super) fn push(&mut self, point: PoolPoint, max_points: usize) {
        match self.0.back_mut() {
            Some(last) if last.at_ms == point.at_ms => *last = point,
            _ => {
                self.0.push_back(point);
                self.thin();
            }
        }
        let is_old = |first: &PoolPoint| first.at_ms.saturating_add(RECENT_MS) <= point.at_ms;
        while self.0.len() > max_points.max(WHOLE)
            || self.0.len() > WHOLE && self.0.front().is_some_and(is_old)
        {
            self.0.pop_front();
        }
    }

    /// The newest that is not kept as it was reported any more takes the place of the one before it, if that is as good.
    fn thin(&mut self) {
        let Some(before) = self.0.len().checked_sub(WHOLE + 2) else { return };
        if self.0[before].at_ms / STEP_MS == self.0[before + 1].at_ms / STEP_MS {
            self.0.remove(before);
        }
    }

    /// Forgets what is newer than a moment.
    pub(super) fn rewind(&mut self, to_ms: u64) {
        self.0.retain(|point| point.at_ms <= to_ms);
    }

    /// The newest point.
    pub(super) fn newest(&self) -> Option<&PoolPoint> {
        self.0.back()
    }

    /// The newest point, to change it.
    pub(super) fn newest_mut(&mut self) -> Option<&mut PoolPoint> {
        self.0.back_mut()
    }

    /// The points, oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &PoolPoint> {
        self.0.iter()
    }
}

impl FromIterator<PoolPoint> for Recent {
    fn from_iter<I: IntoIterator<Item = PoolPoint>>(points: I) -> Self {
        let mut recent = Self::default();
        points.into_iter().for_each(|point| recent.push(point, usize::MAX));
        recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(every_ms: usize, max_points: usize) -> Vec<u64> {
        let mut recent = Recent::default();
        for at_ms in (0..300_000).step_by(every_ms) {
            recent.push(PoolPoint { at_ms, ..PoolPoint::default() }, max_points);
        }
        recent.iter().map(|point| point.at_ms).collect()
    }

    #[test]
    fn however_often_is_reported_two_minutes_have_as_many_points() {
        for every_ms in [1, 200, 500] {
            let points = recent(every_ms, usize::MAX);
            assert!((120..=122).contains(&points.len()), "{}", points.len());
            let (last, every_ms) = (*points.last().unwrap(), every_ms as u64);
            assert_eq!(
                points[points.len() - WHOLE..],
                [last - every_ms, last],
                "the newest are as they were"
            );
            let middle = &points[..points.len() - WHOLE];
            assert!(middle.windows(2).all(|pair| pair[0] / STEP_MS < pair[1] / STEP_MS), "{points:?}");
        }
        assert_eq!(recent(1_000, usize::MAX).len(), 120);
        assert_eq!(recent(10_000, usize::MAX).len(), 12);
        assert_eq!(recent(200_000, usize::MAX), [0, 200_000], "two at least");
        assert_eq!(recent(1_000, 3), [297_000, 298_000, 299_000]);
    }

    #[test]
    fn the_same_moment_is_one_point_and_what_is_to_come_goes() {
        let point = |at_ms, idle| PoolPoint { at_ms, idle: Some(idle), ..PoolPoint::default() };
        let mut recent: Recent = [point(1_000, 1), point(2_000, 2), point(2_000, 3)].into_iter().collect();
        assert_eq!(recent.newest().unwrap().idle, Some(3));
        recent.rewind(1_500);
        assert_eq!(recent.iter().count(), 1);
    }
}
