//! The worker of metrics: what is sent, and when.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use poolscope_semconv::value::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::command::Task;
use super::dropped::Dropped;
use super::metrics;
use super::pace::{Outcome, pause_after};
use super::sender::Sender;
use super::temporality::Series;
use crate::Scope;
use crate::registry::ExemplarFilter;

/// Exports the metrics of a scope.
#[derive(Debug)]
pub(super) struct Exporter {
    pub(super) scope: Scope,
    pub(super) resource: Resource,
    pub(super) dropped: Dropped,
    pub(super) sender: Sender,
    pub(super) series: Series,
    pub(super) exemplars: SentExemplars,
    pub(super) interval: Option<Duration>,
}

impl Exporter {
    /// Exports until it is told to finish.
    pub(super) async fn run(mut self, mut tasks: mpsc::UnboundedReceiver<Task>) {
        let mut due = Instant::now();
        loop {
            let task = tokio::select! {
                task = tasks.recv() => task,
                () = sleep_until(due) => {
                    let started = Instant::now();
                    due = started + pause_after(self.export().await, self.interval);
                    continue;
                }
            };
            match task {
                Some(Task::Flush(token)) => {
                    // One export answers all that wait for one.
                    let mut tokens = vec![token];
                    let mut is_last = false;
                    while let Ok(task) = tasks.try_recv() {
                        match task {
                            Task::Flush(token) => tokens.push(token),
                            Task::Finish => is_last = true,
                        }
                    }
                    self.export().await;
                    if is_last {
                        return;
                    }
                }
                Some(Task::Finish) | None => {
                    self.export().await;
                    return;
                }
            }
        }
    }

    async fn export(&mut self) -> Outcome {
        let started = SystemTime::now();
        // Sources of breakers are the user's code; one that panics must not end the export.
        let Ok(snapshot) = catch_unwind(AssertUnwindSafe(|| self.scope.snapshot())) else {
            self.dropped.add(Signal::Metrics, 1);
            return Outcome::default();
        };
        let mut requests =
            metrics::requests(&snapshot, &self.dropped, &self.resource, self.exemplars.after());
        let deliveries = self.series.apply(&mut requests, metrics::nanos(snapshot.at));
        let mut outcome = Outcome::default();
        let mut delivered = true;
        let mut left = requests.iter().map(points).sum::<usize>();
        for (request, delivery) in requests.iter().zip(deliveries) {
            let points = points(request);
            outcome = self.sender.send(request, points).await;
            left -= points;
            delivered &= outcome.delivered;
            if outcome.delivered {
                self.series.delivered(delivery);
            } else if outcome.receiver.is_none() || outcome.pause.is_some() {
                // The rest only while the receiver wants more.
                self.dropped.add(Signal::Metrics, left as u64);
                break;
            }
        }
        if delivered {
            self.exemplars.sent(started);
        }
        Outcome { delivered, ..outcome }
    }
}

/// Up to when exemplars were sent; each is sent once.
#[derive(Debug)]
pub(super) struct SentExemplars {
    /// Nanoseconds since the Unix epoch.
    after: u64,
    is_off: bool,
}

impl SentExemplars {
    pub(super) fn new(filter: ExemplarFilter) -> Self {
        Self { after: 0, is_off: filter == ExemplarFilter::Off }
    }

    /// The moment after which exemplars are still to be told.
    fn after(&self) -> u64 {
        if self.is_off { u64::MAX } else { self.after }
    }

    /// What was recorded before an export that began at this moment was in it.
    fn sent(&mut self, at: SystemTime) {
        self.after = metrics::nanos(at);
    }
}

/// Points of a request.
fn points(request: &ExportMetricsServiceRequest) -> usize {
    let metrics = request.resource_metrics.iter().flat_map(|of| &of.scope_metrics).flat_map(|of| &of.metrics);
    let points = metrics.map(|metric| match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    });
    points.sum()
}
