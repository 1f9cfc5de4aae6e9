//! OTLP over gRPC.

use std::future::{Ready, ready};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use http::HeaderValue;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::codec::EnabledCompressionEncodings;
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use super::admit::{self, Refused};
use super::codec::OtlpCodec;
use super::signal::Signal;
use crate::app::App;

/// The three services of OTLP/gRPC.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(ExportMetricsServiceRequest::GRPC_PATH, post(export::<ExportMetricsServiceRequest>))
        .route(ExportTraceServiceRequest::GRPC_PATH, post(export::<ExportTraceServiceRequest>))
        .route(ExportLogsServiceRequest::GRPC_PATH, post(export::<ExportLogsServiceRequest>))
        .fallback(|| async {
            Status::unimplemented("OTLP's Export of metrics, traces and logs is all that is taken here")
                .into_http::<axum::body::Body>()
        })
        .layer(middleware::from_fn_with_state(app.clone(), admitted))
        .with_state(app)
}

async fn admitted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = match admit::admit(app.clone(), request, next).await {
        Ok(response) => with_otlp_code(&app, response),
        Err(Refused::Busy) => Status::unavailable(Refused::Busy.sentence()).into_http(),
        Err(Refused::Slow) => Status::deadline_exceeded(Refused::Slow.sentence()).into_http(),
    };
    admit::introduce(response)
}

/// Counts a refusal, and gives it OTLP's code: tonic says OUT_OF_RANGE where a message is too large and INTERNAL where
/// its compression is broken, and a sender would send such a message again and again.
fn with_otlp_code(app: &App, mut response: Response) -> Response {
    let Some(status) = response.headers().get(Status::GRPC_STATUS) else { return response };
    let code = match Code::from_bytes(status.as_bytes()) {
        Code::Ok => return response,
        Code::OutOfRange => Code::ResourceExhausted,
        Code::Internal => Code::InvalidArgument,
        other => other,
    };
    app.self_metrics.refused();
    response.headers_mut().insert(Status::GRPC_STATUS, HeaderValue::from(code as i32));
    response
}

async fn export<S: Signal>(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut gzip = EnabledCompressionEncodings::default();
    gzip.enable(Gzip);
    // The limit holds for a message as it travels and after decompression alike.
    let max_bytes = app.config.limits.max_inflated_bytes;
    let response = Grpc::new(OtlpCodec::<S>::default())
        .apply_compression_config(gzip, EnabledCompressionEncodings::default())
        .apply_max_message_size_config(Some(max_bytes), None)
        .unary(Take(app), request)
        .await;
    response.map(axum::body::Body::new)
}

/// Takes decoded requests.
struct Take(Arc<App>);

impl<S: Signal> UnaryService<S> for Take {
    type Response = ExportMetricsServiceResponse;
    type Future = Ready<Result<tonic::Response<Self::Response>, Status>>;

    /// The answers of the three signals differ in the names of their fields only, which protobuf does not send.
    fn call(&mut self, request: tonic::Request<S>) -> Self::Future {
        let rejected = request.get_ref().take(&self.0);
        let partial_success = (rejected.count > 0).then(|| ExportMetricsPartialSuccess {
            rejected_data_points: i64::try_from(rejected.count).unwrap_or(i64::MAX),
            error_message: rejected.sentence(),
        });
        ready(Ok(tonic::Response::new(ExportMetricsServiceResponse { partial_success })))
    }
}
