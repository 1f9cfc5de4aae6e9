//! How a receiver behaves, and what it has got.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::http::HeaderMap;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

/// How the receiver behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Introduces itself as the dashboard.
    pub(crate) is_dashboard: bool,
    /// Says of every export of metrics that one point was refused.
    pub(crate) refuses_points: bool,
    /// Over HTTP, answers 503 and asks to be left alone for this many seconds.
    pub(crate) overloaded_for: Option<u64>,
    /// How the first requests of each signal are answered, one after the other; the rest is as above.
    pub(crate) script: &'static [Reply],
}

/// How one request is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    /// As usual.
    Fine,
    /// With a status, by HTTP or by gRPC, and with when to come again.
    Status(u16, tonic::Code, Retry),
    /// Taken but for so many items, with a message.
    Partial(i64, &'static str),
    /// Over HTTP, taken, with these words in JSON.
    Json(&'static str),
    /// Never; whether it was taken all the same.
    Silent { taken: bool },
    /// After so many milliseconds.
    Slow(u64),
    /// With 5 MiB.
    Huge,
}

/// When to come again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Retry {
    Untold,
    /// In so many seconds.
    In(u64),
    /// At the time that is so many seconds away, where that can be said.
    At(u64),
}

impl Manner {
    pub(crate) fn scripted(script: &'static [Reply]) -> Self {
        Self { script, ..Self::default() }
    }
}

/// What has arrived.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) metrics: Vec<(Instant, ExportMetricsServiceRequest)>,
    pub(crate) traces: Vec<ExportTraceServiceRequest>,
    pub(crate) logs: Vec<ExportLogsServiceRequest>,
    /// Headers of each request, of all signals.
    pub(crate) headers: Vec<HeaderMap>,
    /// When the attempts came, by signal as in the paths.
    pub(crate) attempts: BTreeMap<String, Vec<Instant>>,
}

impl Received {
    pub(crate) fn spans(&self) -> usize {
        let spans = self.traces.iter().flat_map(|request| &request.resource_spans);
        spans.flat_map(|of| &of.scope_spans).map(|of| of.spans.len()).sum()
    }

    pub(crate) fn records(&self) -> usize {
        let logs = self.logs.iter().flat_map(|request| &request.resource_logs);
        logs.flat_map(|of| &of.scope_logs).map(|of| of.log_records.len()).sum()
    }

    pub(crate) fn attempts_of(&self, signal: &str) -> &[Instant] {
        self.attempts.get(signal).map(Vec::as_slice).unwrap_or_default()
    }
}
