//! The three signals of OTLP: where they come in, what they are made of, and what is done with them.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde::de::DeserializeOwned;

use super::codec::{DecodeError, decode_protobuf};
use super::shape::{self, Shape};
use super::{budget, decode};
use crate::app::App;
use crate::clock::now_ms;
use crate::model::Rejected;
use crate::own::SignalKind;
use crate::trace::by_trace;

/// What a sender of metrics is told where they are asked from Prometheus.
const NOT_HERE: &str = "this dashboard asks Prometheus for metrics; send it traces and logs only";

/// The request of a signal.
pub(super) trait Signal: prost::Message + Default + DeserializeOwned + 'static {
    /// Path over HTTP.
    const HTTP_PATH: &'static str;
    /// Path over gRPC.
    const GRPC_PATH: &'static str;
    /// What a request in JSON holds.
    const FIELD: &'static str;
    /// What rejected items are called in the JSON of an answer.
    const REJECTED: &'static str;
    /// What it is counted as.
    const KIND: SignalKind;
    /// What the request is made of.
    const SHAPE: &'static Shape;

    /// Takes a request as it travels, and tells what of it was rejected.
    fn take_protobuf(body: Bytes, app: &App) -> Result<Rejected, DecodeError> {
        decode_protobuf::<Self>(body)?.take(app)
    }

    /// Takes a decoded request, and tells what of it was rejected.
    fn take(&self, app: &App) -> Result<Rejected, DecodeError>;
}

impl Signal for ExportMetricsServiceRequest {
    const KIND: SignalKind = SignalKind::Metrics;
    const HTTP_PATH: &'static str = "/v1/metrics";
    const GRPC_PATH: &'static str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    const FIELD: &'static str = "resourceMetrics";
    const REJECTED: &'static str = "rejectedDataPoints";
    const SHAPE: &'static Shape = &shape::METRICS;

    /// Metrics are read where they lie: there are so many more of them than of anything else.
    fn take_protobuf(body: Bytes, app: &App) -> Result<Rejected, DecodeError> {
        budget::check_protobuf(&body, Self::SHAPE)?;
        let metrics = decode::metrics(&body)?;
        app.counts.wide_histograms(metrics.wide_histograms);
        if app.prometheus.is_some() {
            // Told twice, every figure would jump between what was scraped and what is sent.
            let mut rejected = Rejected::default();
            rejected.add(usize::try_from(metrics.taken).unwrap_or(usize::MAX), || NOT_HERE.to_owned());
            app.counts.taken(Self::KIND, 0, rejected.count);
            return Ok(rejected);
        }
        let no_room = app.store().take_metrics(&metrics.reports, now_ms());
        let mut rejected = metrics.rejected;
        let taken = metrics.taken.saturating_sub(no_room.count);
        rejected.append(no_room);
        app.counts.taken(Self::KIND, taken, rejected.count);
        app.changed.notify_one();
        Ok(rejected)
    }

    fn take(&self, app: &App) -> Result<Rejected, DecodeError> {
        Self::take_protobuf(self.encode_to_vec().into(), app)
    }
}

impl Signal for ExportLogsServiceRequest {
    const KIND: SignalKind = SignalKind::Logs;
    const HTTP_PATH: &'static str = "/v1/logs";
    const GRPC_PATH: &'static str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    const FIELD: &'static str = "resourceLogs";
    const REJECTED: &'static str = "rejectedLogRecords";
    const SHAPE: &'static Shape = &shape::LOGS;

    /// There is nothing in a log record that could be rejected.
    fn take(&self, app: &App) -> Result<Rejected, DecodeError> {
        let logs = decode::logs(self, app.config.limits.max_event_attributes);
        let now_ms = now_ms();
        let named = app.store().take_events(&logs.events, now_ms);
        // The store's lock is let go before that of the traces is taken.
        if !named.is_empty() {
            let mut traces = app.traces();
            named.into_iter().for_each(|id| traces.name(id, now_ms));
        }
        app.counts.taken(Self::KIND, logs.taken, 0);
        app.changed.notify_one();
        Ok(Rejected::default())
    }
}

impl Signal for ExportTraceServiceRequest {
    const KIND: SignalKind = SignalKind::Traces;
    const HTTP_PATH: &'static str = "/v1/traces";
    const GRPC_PATH: &'static str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    const FIELD: &'static str = "resourceSpans";
    const REJECTED: &'static str = "rejectedSpans";
    const SHAPE: &'static Shape = &shape::TRACES;

    fn take(&self, app: &App) -> Result<Rejected, DecodeError> {
        let decoded = decode::spans(self, app.config.limits.max_event_attributes);
        let now_ms = now_ms();
        for resource in &self.resource_spans {
            let count = resource.scope_spans.iter().map(|scope| scope.spans.len() as u64).sum();
            app.store().take_spans_of(decode::sender(resource.resource.as_ref()), count, now_ms);
        }
        // Which pools they went through is the store's to know; it is not locked while they are kept.
        let places = app.store().place_spans(&decoded.spans, now_ms);
        // Who searches them gets a turn between two of them.
        for (id, spans) in by_trace(&decoded.spans, &places) {
            app.traces().take(id, &spans, now_ms);
        }
        app.counts.taken(Self::KIND, decoded.spans.len() as u64, decoded.rejected.count);
        Ok(decoded.rejected)
    }
}

/// The field and the path of each signal over HTTP.
pub(super) const SIGNALS: [(&str, &str); 3] = [
    (ExportMetricsServiceRequest::FIELD, ExportMetricsServiceRequest::HTTP_PATH),
    (ExportTraceServiceRequest::FIELD, ExportTraceServiceRequest::HTTP_PATH),
    (ExportLogsServiceRequest::FIELD, ExportLogsServiceRequest::HTTP_PATH),
];

/// The signal that a path belongs to.
pub(super) fn kind_of(path: &str) -> Option<SignalKind> {
    fn of<S: Signal>(path: &str) -> Option<SignalKind> {
        [S::HTTP_PATH, S::GRPC_PATH].contains(&path).then_some(S::KIND)
    }
    of::<ExportMetricsServiceRequest>(path)
        .or_else(|| of::<ExportTraceServiceRequest>(path))
        .or_else(|| of::<ExportLogsServiceRequest>(path))
}
