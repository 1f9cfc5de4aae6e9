//! OTLP over gRPC.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::HeaderValue;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic::{Code, Request as GrpcRequest, Response as GrpcResponse, Status};

use super::admit::{self, Refused};
use super::{take_logs, take_metrics, take_spans};
use crate::app::App;
use crate::model::Rejected;

/// The three services of OTLP/gRPC.
pub(crate) fn router(app: Arc<App>) -> Router {
    let otlp = Otlp(app.clone());
    // The limit holds for a message as it travels and after decompression alike.
    let max = app.config.limits.max_inflated_bytes;
    let metrics =
        MetricsServiceServer::new(otlp.clone()).accept_compressed(Gzip).max_decoding_message_size(max);
    let traces = TraceServiceServer::new(otlp.clone()).accept_compressed(Gzip).max_decoding_message_size(max);
    let logs = LogsServiceServer::new(otlp).accept_compressed(Gzip).max_decoding_message_size(max);
    Routes::new(metrics)
        .add_service(traces)
        .add_service(logs)
        .prepare()
        .into_axum_router()
        .layer(middleware::from_fn_with_state(app, admitted))
}

async fn admitted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = match admit::admit(app.clone(), request, next).await {
        Ok(mut response) => {
            if let Some(code) = otlp_code(&response) {
                app.self_metrics.refused();
                response.headers_mut().insert(Status::GRPC_STATUS, HeaderValue::from(code as i32));
            }
            response
        }
        Err(why) => {
            let status = match why {
                Refused::Busy => Status::unavailable(why.sentence()),
                Refused::Slow => Status::deadline_exceeded(why.sentence()),
            };
            status.into_http()
        }
    };
    admit::introduce(response)
}

/// OTLP's code for a request that could not be decoded.
///
/// The services below never fail by themselves, so every such status comes from decoding: tonic calls a malformed
/// message INTERNAL and one that is too large OUT_OF_RANGE, which OTLP senders would send again and again.
fn otlp_code(response: &Response) -> Option<Code> {
    let code = response.headers().get(Status::GRPC_STATUS)?;
    match Code::from_bytes(code.as_bytes()) {
        Code::Internal => Some(Code::InvalidArgument),
        Code::OutOfRange => Some(Code::ResourceExhausted),
        Code::Ok => None,
        other => Some(other),
    }
}

#[derive(Debug, Clone)]
struct Otlp(Arc<App>);

/// What was rejected, as the fields of a partial success.
fn partial(rejected: &Rejected) -> Option<(i64, String)> {
    (rejected.count > 0).then(|| (i64::try_from(rejected.count).unwrap_or(i64::MAX), rejected.sentence()))
}

#[tonic::async_trait]
impl MetricsService for Otlp {
    async fn export(
        &self,
        request: GrpcRequest<ExportMetricsServiceRequest>,
    ) -> Result<GrpcResponse<ExportMetricsServiceResponse>, Status> {
        let partial = partial(&take_metrics(&self.0, request.get_ref()));
        let partial_success = partial.map(|(rejected_data_points, error_message)| {
            ExportMetricsPartialSuccess { rejected_data_points, error_message }
        });
        Ok(GrpcResponse::new(ExportMetricsServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl TraceService for Otlp {
    async fn export(
        &self,
        request: GrpcRequest<ExportTraceServiceRequest>,
    ) -> Result<GrpcResponse<ExportTraceServiceResponse>, Status> {
        let partial = partial(&take_spans(&self.0, request.get_ref()));
        let partial_success = partial.map(|(rejected_spans, error_message)| ExportTracePartialSuccess {
            rejected_spans,
            error_message,
        });
        Ok(GrpcResponse::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Otlp {
    async fn export(
        &self,
        request: GrpcRequest<ExportLogsServiceRequest>,
    ) -> Result<GrpcResponse<ExportLogsServiceResponse>, Status> {
        let partial = partial(&take_logs(&self.0, request.get_ref()));
        let partial_success = partial.map(|(rejected_log_records, error_message)| ExportLogsPartialSuccess {
            rejected_log_records,
            error_message,
        });
        Ok(GrpcResponse::new(ExportLogsServiceResponse { partial_success }))
    }
}
