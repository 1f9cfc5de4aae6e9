//! OTLP in: over gRPC and over HTTP, both ending in the same three functions.

mod admit;
pub(crate) mod decode;
mod grpc;
mod http;
mod inflate;
mod reply;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use crate::app::App;
use crate::clock::now_ms;
use crate::model::Rejected;

pub(crate) use grpc::router as grpc_router;
pub(crate) use http::router as http_router;

/// Takes a metrics request and tells what of it was rejected.
fn take_metrics(app: &App, request: &ExportMetricsServiceRequest) -> Rejected {
    let metrics = decode::metrics(request);
    app.store().take_metrics(&metrics.reports, now_ms());
    app.self_metrics.taken(metrics.taken, 0, 0, metrics.rejected.count);
    app.changed.notify_one();
    metrics.rejected
}

/// Takes a logs request; there is nothing in it that could be rejected.
fn take_logs(app: &App, request: &ExportLogsServiceRequest) -> Rejected {
    let logs = decode::logs(request, app.config.limits.max_event_attributes);
    app.store().take_events(&logs.events, now_ms());
    app.self_metrics.taken(0, 0, logs.taken, 0);
    app.changed.notify_one();
    Rejected::default()
}

/// Takes a trace request and tells what of it was rejected.
fn take_spans(app: &App, request: &ExportTraceServiceRequest) -> Rejected {
    let spans = decode::spans(request);
    app.self_metrics.taken(0, spans.taken, 0, spans.rejected.count);
    spans.rejected
}
