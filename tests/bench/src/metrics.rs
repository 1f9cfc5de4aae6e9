//! A meter provider for the peers that need one: collected as in a program, exported to nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Result;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};

const INTERVAL: Duration = Duration::from_secs(10);

/// A meter provider, and how many durations its histograms hold.
#[derive(Debug)]
pub(crate) struct Metrics {
    provider: SdkMeterProvider,
    recorded: Arc<AtomicU64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let recorded = Arc::default();
        let reader = PeriodicReader::builder(Discard(Arc::clone(&recorded))).with_interval(INTERVAL).build();
        Self { provider: SdkMeterProvider::builder().with_reader(reader).build(), recorded }
    }

    pub(crate) fn meter(&self) -> Meter {
        self.provider.meter("bench")
    }

    /// Collects, and tells how many values the fullest histogram has got so far.
    pub(crate) fn flush(&self) -> Result<u64> {
        self.provider.force_flush()?;
        Ok(self.recorded.load(Relaxed))
    }
}

#[derive(Debug)]
struct Discard(Arc<AtomicU64>);

impl PushMetricExporter for Discard {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let all = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
        let counts = all.filter_map(|metric| match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                Some(histogram.data_points().map(HistogramDataPoint::count).sum())
            }
            _ => None,
        });
        self.0.store(counts.max().unwrap_or_default(), Relaxed);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
