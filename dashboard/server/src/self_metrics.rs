//! The server's own numbers: what it received and what became of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use poolscope_wire::Received;

/// Counters that only rise. Each stands for itself, so no order between them is promised.
#[derive(Debug, Default)]
pub(crate) struct SelfMetrics {
    requests: AtomicU64,
    refused_requests: AtomicU64,
    metric_points: AtomicU64,
    spans: AtomicU64,
    log_records: AtomicU64,
    rejected_items: AtomicU64,
    refused_streams: AtomicU64,
}

impl SelfMetrics {
    /// A request was taken, and so many of its items were rejected.
    pub(crate) fn taken(&self, metric_points: u64, spans: u64, log_records: u64, rejected: u64) {
        self.requests.fetch_add(1, Relaxed);
        self.metric_points.fetch_add(metric_points, Relaxed);
        self.spans.fetch_add(spans, Relaxed);
        self.log_records.fetch_add(log_records, Relaxed);
        self.rejected_items.fetch_add(rejected, Relaxed);
    }

    /// A request was refused as a whole.
    pub(crate) fn refused(&self) {
        self.refused_requests.fetch_add(1, Relaxed);
    }

    /// A listener of the live stream was turned away.
    pub(crate) fn refused_stream(&self) {
        self.refused_streams.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused_streams(&self) -> u64 {
        self.refused_streams.load(Relaxed)
    }

    pub(crate) fn received(&self) -> Received {
        Received {
            requests: self.requests.load(Relaxed),
            refused_requests: self.refused_requests.load(Relaxed),
            metric_points: self.metric_points.load(Relaxed),
            spans: self.spans.load(Relaxed),
            log_records: self.log_records.load(Relaxed),
            rejected_items: self.rejected_items.load(Relaxed),
        }
    }
}
