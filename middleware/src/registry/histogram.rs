//! Histogram over fixed bounds: two atomic adds to record.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use poolscope_semconv::metric::MetricDef;

use super::exemplar::{ExemplarSnapshot, Exemplars, Traced};
use super::mirror::{Mirrored, Mirroring};
use crate::series::Labels;

/// Bounds as they are compared: a power of two, so that the search has a fixed number of steps and no branch to guess.
pub(super) const SEARCHED: usize = 16;

/// Most bounds that a metric of the contract can have; one more bucket takes what is above the last.
const MAX_BOUNDS: usize = 2 * SEARCHED - 1;

/// Nanoseconds of a second: metrics in seconds are recorded in nanoseconds.
const NANOS: f64 = 1e9;

/// Millionths of a whole: shares are recorded in millionths.
pub(super) const MILLIONTHS: f64 = 1e6;

/// Durations or counts, by bucket.
#[derive(Debug)]
pub(crate) struct Histogram {
    def: &'static MetricDef,
    first: Part,
    /// What is above the first part, of a metric that has so many bounds. Nothing that a request records has.
    above: Option<Box<Part>>,
    sum: AtomicU64,
    exemplars: Exemplars,
    mirrored: Mirrored,
}

/// A bucket for each of some bounds.
#[derive(Debug)]
struct Part {
    /// In the unit of recording; what is beyond the last of them is never reached.
    bounds: [u64; SEARCHED],
    buckets: [AtomicU64; SEARCHED],
}

impl Part {
    fn new(bounds: &[f64], scale: f64) -> Self {
        let mut part = Self { bounds: [u64::MAX; SEARCHED], buckets: Default::default() };
        for (slot, bound) in part.bounds.iter_mut().zip(bounds) {
            *slot = (bound * scale).round() as u64;
        }
        part
    }

    /// Counts a value, and tells its bucket; that after the last if it is above all bounds.
    #[inline]
    fn count(&self, value: u64) -> usize {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        bucket
    }
}

impl Histogram {
    /// An empty histogram with the bounds of its metric.
    pub(crate) fn new(def: &'static MetricDef) -> Self {
        debug_assert!(def.bounds.len() <= MAX_BOUNDS, "{} has too many bounds", def.name);
        let above = def.bounds.get(SEARCHED..).map(|bounds| Box::new(Part::new(bounds, scale(def))));
        Self {
            def,
            first: Part::new(def.bounds, scale(def)),
            above,
            sum: AtomicU64::new(0),
            exemplars: Exemplars::default(),
            mirrored: Mirrored::default(),
        }
    }

    /// Counts one duration, of a metric in seconds.
    pub(crate) fn record(&self, duration: Duration) {
        self.record_raw(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts one value: nanoseconds where the metric's unit is seconds, millionths where it is a share, the unit
    /// itself otherwise.
    #[inline]
    pub(crate) fn record_raw(&self, value: u64) {
        self.record_traced(value, || None);
    }

    /// The same for a value that may stand for others in its bucket.
    #[inline]
    pub(crate) fn record_traced(&self, value: u64, traced: impl FnOnce() -> Option<Traced>) {
        let mut bucket = self.first.count(value);
        if bucket == SEARCHED
            && let Some(above) = &self.above
        {
            bucket += above.count(value);
        }
        self.sum.fetch_add(value, Relaxed);
        self.mirrored.record(|| value as f64 / scale(self.def));
        if let Some(traced) = traced() {
            self.exemplars.offer(bucket, value, traced);
        }
    }

    /// Records go to a mirror besides from now on, or to none any more.
    pub(crate) fn mirror<'a>(&self, mirrors: Mirroring<'_>, labels: impl FnOnce() -> Labels<'a>) {
        self.mirrored.set(mirrors.map(|mirrors| mirrors.mirror(self.def, labels())));
    }

    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        let bounds = self.def.bounds;
        let buckets = self.first.buckets.iter().chain(self.above.iter().flat_map(|above| &above.buckets));
        HistogramSnapshot {
            bounds,
            buckets: buckets.take(bounds.len() + 1).map(|bucket| bucket.load(Relaxed)).collect(),
            sum: self.sum.load(Relaxed) as f64 / scale(self.def),
            exemplars: self.exemplars.snapshot(scale(self.def)),
        }
    }
}

/// What one unit of the metric is in the unit of recording.
fn scale(def: &MetricDef) -> f64 {
    match def.unit {
        "s" => NANOS,
        "1" => MILLIONTHS,
        _ => 1.0,
    }
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramSnapshot {
    /// Upper bounds in the unit of the metric, seconds, a share or a count; each is included in its bucket.
    pub bounds: &'static [f64],
    /// Counts; one more than there are bounds, the last for what is above them all.
    pub buckets: Vec<u64>,
    /// Sum of what was recorded, in the same unit.
    pub sum: f64,
    /// At most one for each bucket: a slow one of late, known by its span. Kept while an exporter wants them.
    pub exemplars: Vec<ExemplarSnapshot>,
}

impl HistogramSnapshot {
    /// Number of values that were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Value below which the share `quantile` (0 to 1) of the values lies, by linear interpolation within a
    /// bucket; the last bound for what is above it; `None` if nothing was recorded.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = quantile.clamp(0.0, 1.0) * count as f64;
        let mut below = 0.0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            let within = *bucket as f64;
            if within > 0.0 && below + within >= rank {
                let lower = if index == 0 { 0.0 } else { self.bounds[index - 1] };
                let upper = self.bounds.get(index).copied().unwrap_or(lower);
                return Some(lower + (upper - lower) * ((rank - below) / within).clamp(0.0, 1.0));
            }
            below += within;
        }
        self.bounds.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_semconv::metric;

    #[test]
    fn a_value_on_a_bound_belongs_to_the_bucket_below_it() {
        let histogram = Histogram::new(&metric::HTTP_CLIENT_REQUEST_DURATION);
        histogram.record(Duration::from_millis(5));
        histogram.record(Duration::from_millis(6));
        histogram.record(Duration::from_secs(100));
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets[0], 1);
        assert_eq!(snapshot.buckets[1], 1);
        assert_eq!(snapshot.buckets.last(), Some(&1));
        assert!((snapshot.sum - 100.011).abs() < 1e-9);
    }

    #[test]
    fn what_has_many_bounds_has_a_bucket_for_each_of_them_and_for_what_is_above() {
        let histogram = Histogram::new(&metric::SESSION_DURATION);
        let bounds = metric::SESSION_DURATION.bounds;
        assert!(bounds.len() > SEARCHED);
        for bound in bounds {
            histogram.record(Duration::from_secs_f64(*bound));
        }
        histogram.record(Duration::from_secs(86_401));
        histogram.record_raw(u64::MAX);
        let mut expected = vec![1; bounds.len()];
        expected.push(2);
        assert_eq!(histogram.snapshot().buckets, expected);
    }

    #[test]
    fn quantiles_lie_inside_their_bucket() {
        let histogram = Histogram::new(&metric::HTTP_CLIENT_REQUEST_DURATION);
        assert_eq!(histogram.snapshot().quantile(0.5), None);
        for _ in 0..100 {
            histogram.record(Duration::from_millis(20));
        }
        let median = histogram.snapshot().quantile(0.5).unwrap();
        assert!((0.01..=0.025).contains(&median), "{median}");
    }

    #[test]
    fn counts_are_recorded_in_their_own_unit() {
        let histogram = Histogram::new(&metric::CONNECTION_REQUESTS);
        for requests in [0, 1, 2, 1_000_000] {
            histogram.record_raw(requests);
        }
        let snapshot = histogram.snapshot();
        assert_eq!((&snapshot.buckets[..3], snapshot.buckets.last()), (&[1, 1, 1][..], Some(&1)));
        assert!((snapshot.sum - 1_000_003.0).abs() < 1e-9);
    }

    #[test]
    fn every_histogram_of_the_contract_fits() {
        for def in metric::ALL {
            assert!(def.bounds.len() <= MAX_BOUNDS, "{}", def.name);
        }
    }
}
