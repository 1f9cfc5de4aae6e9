//! Histogram over fixed bounds, one atomic add to record.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use poolscope_semconv::metric::MetricDef;

/// Most bounds that a metric of the contract has; one more bucket takes what is above the last.
const MAX_BOUNDS: usize = 14;

/// Durations, counted by bucket.
#[derive(Debug)]
pub(crate) struct Histogram {
    def: &'static MetricDef,
    buckets: [AtomicU64; MAX_BOUNDS + 1],
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// An empty histogram with the bounds of its metric.
    pub(crate) fn new(def: &'static MetricDef) -> Self {
        debug_assert!(def.bounds.len() <= MAX_BOUNDS, "{} has too many bounds", def.name);
        Self { def, buckets: Default::default(), sum_nanos: AtomicU64::new(0) }
    }

    /// Counts one duration.
    pub(crate) fn record(&self, duration: Duration) {
        let secs = duration.as_secs_f64();
        let bucket = self.def.bounds.partition_point(|bound| *bound < secs);
        self.buckets[bucket.min(MAX_BOUNDS)].fetch_add(1, Relaxed);
        self.sum_nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            bounds: self.def.bounds,
            buckets: self.buckets[..=self.def.bounds.len()]
                .iter()
                .map(|bucket| bucket.load(Relaxed))
                .collect(),
            sum_secs: Duration::from_nanos(self.sum_nanos.load(Relaxed)).as_secs_f64(),
        }
    }
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HistogramSnapshot {
    /// Upper bounds in seconds, each included in its bucket.
    pub bounds: &'static [f64],
    /// Counts; one more than there are bounds, the last for what is above them all.
    pub buckets: Vec<u64>,
    /// Sum of what was recorded, in seconds.
    pub sum_secs: f64,
}

impl HistogramSnapshot {
    /// Number of values that were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Value below which the share `quantile` (0 to 1) of the values lies, in seconds, by linear interpolation within
    /// a bucket; the last bound for what is above it; `None` if nothing was recorded.
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
        assert!((snapshot.sum_secs - 100.011).abs() < 1e-9);
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
    fn every_histogram_of_the_contract_fits() {
        for def in metric::ALL {
            assert!(def.bounds.len() <= MAX_BOUNDS, "{}", def.name);
        }
    }
}
