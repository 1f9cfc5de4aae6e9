//! OTLP over gRPC.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, Version};
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
use super::signal::{self, Signal};
use crate::app::App;
use crate::control;
use crate::own::Reason;

/// Bytes before a message of gRPC: whether it is compressed, and its length.
const MESSAGE_HEAD: usize = 5;

/// The three services of OTLP/gRPC.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(ExportMetricsServiceRequest::GRPC_PATH, post(export::<ExportMetricsServiceRequest>))
        .route(ExportTraceServiceRequest::GRPC_PATH, post(export::<ExportTraceServiceRequest>))
        .route(ExportLogsServiceRequest::GRPC_PATH, post(export::<ExportLogsServiceRequest>))
        .fallback(|| async {
            Status::unimplemented("OTLP's Export of metrics, traces and logs is all that is taken here")
                .into_http::<Body>()
        })
        .layer(middleware::from_fn_with_state(app.clone(), admitted))
        .layer(middleware::from_fn_with_state(app.clone(), control::answer))
        .layer(middleware::from_fn(by_http2))
        .with_state(app)
}

/// gRPC is HTTP/2, which no page of a browser speaks without TLS: so none can send here, whatever its name leads to.
async fn by_http2(request: Request, next: Next) -> Response {
    if request.version() >= Version::HTTP_2 {
        return next.run(request).await;
    }
    let sentence = "this port takes OTLP over gRPC, which is HTTP/2; OTLP over HTTP has a port of its own, 4318 by default\n";
    (StatusCode::UPGRADE_REQUIRED, sentence).into_response()
}

async fn admitted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let kind = signal::kind_of(request.uri().path());
    let response = if app.access.may_send(request.headers()) {
        next.run(request).await
    } else {
        refused(&Refused::NoKey)
    };
    if let (Some(kind), Some(why)) = (kind, refusal(&response)) {
        app.counts.refused(kind, why);
    }
    admit::introduce(response)
}

fn refused(why: &Refused) -> Response {
    let sentence = why.sentence();
    let status = match why {
        Refused::Busy => Status::unavailable(sentence),
        Refused::Slow => Status::deadline_exceeded(sentence),
        Refused::NoKey => Status::unauthenticated(sentence),
        Refused::TooLarge(_) => Status::resource_exhausted(sentence),
        Refused::Broken(_) => Status::invalid_argument(sentence),
    };
    status.into_http()
}

fn code(response: &Response) -> Option<Code> {
    response.headers().get(Status::GRPC_STATUS).map(|status| Code::from_bytes(status.as_bytes()))
}

/// OTLP's code: tonic says OUT_OF_RANGE where a message is too large and INTERNAL where its compression is broken, and a
/// sender would send such a message again and again.
fn with_otlp_code(mut response: Response) -> Response {
    let better = match code(&response) {
        Some(Code::OutOfRange) => Code::ResourceExhausted,
        Some(Code::Internal) => Code::InvalidArgument,
        _ => return response,
    };
    response.headers_mut().insert(Status::GRPC_STATUS, HeaderValue::from(better as i32));
    response
}

/// Why an answer is a refusal; `None` if it is none.
fn refusal(response: &Response) -> Option<Reason> {
    match code(response)? {
        Code::Ok => None,
        Code::InvalidArgument => Some(Reason::Malformed),
        Code::ResourceExhausted => Some(Reason::TooLarge),
        Code::Unauthenticated => Some(Reason::Key),
        Code::Unavailable => Some(Reason::Busy),
        Code::DeadlineExceeded => Some(Reason::Slow),
        Code::Unimplemented => Some(Reason::Type),
        _ => Some(Reason::Other),
    }
}

async fn export<S: Signal>(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut gzip = EnabledCompressionEncodings::default();
    gzip.enable(Gzip);
    // The limit holds for a message as it travels and after decompression alike.
    let max_bytes = app.config.limits.max_inflated_bytes;
    let (parts, mut body) = request.into_parts();
    let received = match admit::receive(&app, &mut body, max_bytes.saturating_add(MESSAGE_HEAD)).await {
        Ok(received) => received,
        Err(why) => return refused(&why),
    };
    let request = Request::from_parts(parts, Body::from(received.bytes.clone()));
    let response = Grpc::new(OtlpCodec)
        .apply_compression_config(gzip, EnabledCompressionEncodings::default())
        .apply_max_message_size_config(Some(max_bytes), None)
        .unary(Take::<S>(app.clone(), PhantomData), request)
        .await;
    with_otlp_code(response.map(Body::new))
}

/// Takes the requests of a signal.
struct Take<S>(Arc<App>, PhantomData<fn() -> S>);

impl<S: Signal> UnaryService<Bytes> for Take<S> {
    type Response = ExportMetricsServiceResponse;
    type Future = Ready<Result<tonic::Response<Self::Response>, Status>>;

    /// The answers of the three signals differ in the names of their fields only, which protobuf does not send.
    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let answer = S::take_protobuf(request.into_inner(), &self.0).map(|rejected| {
            let partial_success = (rejected.count > 0).then(|| ExportMetricsPartialSuccess {
                rejected_data_points: i64::try_from(rejected.count).unwrap_or(i64::MAX),
                error_message: rejected.sentence(),
            });
            tonic::Response::new(ExportMetricsServiceResponse { partial_success })
        });
        ready(answer.map_err(Status::from))
    }
}
