//! Counts over bounds, and the percentiles that they tell.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

/// Counts of a histogram; the one of a counter is held in place.
pub(super) type Counts = SmallVec<[u64; 1]>;

/// A first bucket that is wider, in seconds, tells nothing.
const WIDEST_FIRST: f64 = 1.0;

/// A histogram. Without bounds it only counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Buckets {
    bounds: Arc<[f64]>,
    counts: Counts,
}

impl Buckets {
    /// The bounds rise, and there is one count more than bounds.
    pub(super) fn new(bounds: Arc<[f64]>, counts: impl Into<Counts>) -> Self {
        Self { bounds, counts: counts.into() }
    }

    /// A histogram that counted nothing yet.
    pub(super) fn zeros(bounds: Arc<[f64]>) -> Self {
        let counts = smallvec![0; bounds.len() + 1];
        Self { bounds, counts }
    }

    pub(super) fn bounds(&self) -> &Arc<[f64]> {
        &self.bounds
    }

    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The count of a bucket, if there is such a one.
    pub(super) fn count_mut(&mut self, bucket: usize) -> Option<&mut u64> {
        self.counts.get_mut(bucket)
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// True if it counts something and half of that can't be told in time: see [`Buckets::quantile`].
    pub(super) fn is_too_wide(&self) -> bool {
        self.count() > 0 && !self.bounds.is_empty() && self.quantile(0.5).is_none()
    }

    /// True if nothing was ever added, not even zeros.
    pub(super) fn is_void(&self) -> bool {
        self.counts.is_empty()
    }

    /// True if the sum with another is right for every share: they have the same bounds, or one of them counted nothing.
    pub(super) fn takes(&self, other: &Self) -> bool {
        self.count() == 0 || other.count() == 0 || self.bounds == other.bounds
    }

    /// Adds another histogram. Where its bounds are others, each of its buckets goes where its upper end lies.
    pub(super) fn add(&mut self, other: &Self) {
        if self.is_void() {
            self.clone_from(other);
            return;
        }
        let same = Arc::ptr_eq(&self.bounds, &other.bounds) || self.bounds == other.bounds;
        for (index, count) in other.counts.iter().enumerate() {
            let slot = if same {
                index
            } else {
                match other.bounds.get(index) {
                    Some(upper) => self.bounds.partition_point(|bound| bound < upper),
                    None => self.bounds.len(),
                }
            };
            if let Some(slot) = self.counts.get_mut(slot) {
                *slot = slot.saturating_add(*count);
            }
        }
    }

    /// The value below which a share of all lies, taken as evenly spread inside a bucket.
    ///
    /// `None` too where it lies in a first bucket so wide that it tells nothing: SDKs whose user gave no bounds have one
    /// from 0 to 5, also for waits of microseconds.
    ///
    /// What lies beyond the last bound is told as the last bound: at least so much.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let total = self.count();
        let last = *self.bounds.last()?;
        if total == 0 {
            return None;
        }
        let rank = share * total as f64;
        let mut below = 0.0;
        for (index, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= rank {
                let Some(upper) = self.bounds.get(index) else { return Some(last) };
                let lower = if index == 0 { upper.min(0.0) } else { self.bounds[index - 1] };
                if lower <= 0.0 && *upper > WIDEST_FIRST {
                    return None;
                }
                return Some(lower + (upper - lower) * ((rank - below) / count));
            }
            below += count;
        }
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(bounds: &[f64], counts: &[u64]) -> Buckets {
        Buckets::new(bounds.into(), counts.to_vec())
    }

    #[test]
    fn percentiles_are_interpolated_inside_a_bucket() {
        let one = buckets(&[1.0, 2.0, 4.0], &[10, 10, 0, 0]);
        assert_eq!(one.quantile(0.25), Some(0.5));
        assert_eq!(one.quantile(0.5), Some(1.0));
        assert_eq!(one.quantile(0.75), Some(1.5));
        assert_eq!(one.quantile(1.0), Some(2.0));
    }

    #[test]
    fn lives_from_a_hundredth_of_a_second_to_a_day_are_told_within_about_twice() {
        use poolscope_semconv::metric::LIFE_BOUNDS;
        let told = |lives: &[f64], share: f64| {
            let mut buckets = Buckets::zeros(LIFE_BOUNDS.into());
            for life in lives {
                *buckets.count_mut(LIFE_BOUNDS.partition_point(|bound| bound < life)).unwrap() += 1;
            }
            buckets.quantile(share).unwrap() / lives[(lives.len() as f64 * share) as usize]
        };
        let mut life_s = 0.01;
        while life_s <= 86_400.0 / 3.0 {
            // All of one length is the worst that there is to tell; mostly they are spread.
            let same = [life_s; 100];
            let spread: Vec<f64> = (0..100).map(|n| life_s * (1.0 + f64::from(n) / 50.0)).collect();
            for share in [0.5, 0.95, 0.99] {
                let told = [told(&same, share), told(&spread, share)];
                assert!(
                    told.iter().all(|told| (0.5..=2.5).contains(told)),
                    "{share} of {life_s} s: {told:?} of it"
                );
            }
            let median = told(&spread, 0.5);
            assert!((0.7..=1.4).contains(&median), "the median of {life_s} s and more: {median} of it");
            life_s *= 1.07;
        }
    }

    #[test]
    fn beyond_the_last_bound_is_the_last_bound() {
        assert_eq!(buckets(&[1.0, 2.0], &[1, 0, 99]).quantile(0.99), Some(2.0));
    }

    #[test]
    fn the_bounds_of_an_sdk_that_was_given_none_tell_nothing_below_five() {
        let one = buckets(&[0.0, 5.0, 10.0], &[0, 99, 1, 0]);
        assert_eq!((one.quantile(0.5), one.quantile(1.0)), (None, Some(10.0)));
    }

    #[test]
    fn nothing_tells_nothing() {
        assert_eq!(buckets(&[1.0], &[0, 0]).quantile(0.5), None);
        assert_eq!(buckets(&[], &[7]).quantile(0.5), None);
        assert_eq!(Buckets::default().quantile(0.5), None);
    }

    #[test]
    fn sums_are_exact_and_other_bounds_are_folded_in() {
        let mut sum = Buckets::default();
        sum.add(&buckets(&[1.0, 2.0], &[1, 2, 3]));
        sum.add(&buckets(&[1.0, 2.0], &[1, 0, 0]));
        assert_eq!(sum, buckets(&[1.0, 2.0], &[2, 2, 3]));
        sum.add(&buckets(&[0.5, 1.5], &[10, 20, 30]));
        assert_eq!(sum, buckets(&[1.0, 2.0], &[12, 22, 33]));
        sum.add(&buckets(&[], &[5]));
        assert_eq!(sum.count(), 72);
    }
}
