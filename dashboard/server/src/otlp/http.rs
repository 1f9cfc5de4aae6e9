//! OTLP over HTTP: protobuf and JSON, plain and gzip.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use super::admit::{self, Refused};
use super::budget::BudgetError;
use super::codec::{DecodeError, decode_json, decode_protobuf};
use super::inflate::{InflateError, gunzip};
use super::reply::{self, Encoding};
use super::signal::{self, Signal};
use crate::app::App;
use crate::model::Rejected;
use crate::own::Reason;

/// How long a body that is too large is still read: a client that is cut off while it sends never sees the answer.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The paths of OTLP/HTTP.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(ExportMetricsServiceRequest::HTTP_PATH, post(export::<ExportMetricsServiceRequest>))
        .route(ExportTraceServiceRequest::HTTP_PATH, post(export::<ExportTraceServiceRequest>))
        .route(ExportLogsServiceRequest::HTTP_PATH, post(export::<ExportLogsServiceRequest>))
        .method_not_allowed_fallback(|headers: HeaderMap| async move {
            let mut response = refuse(
                &headers,
                StatusCode::METHOD_NOT_ALLOWED,
                "OTLP is sent by POST; nothing else is answered here",
            );
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            response
        })
        .fallback(|headers: HeaderMap| async move {
            refuse(
                &headers,
                StatusCode::NOT_FOUND,
                "no such path; OTLP over HTTP is taken at /v1/metrics, /v1/traces and /v1/logs",
            )
        })
        .layer(middleware::from_fn_with_state(app.clone(), admitted))
        .layer(middleware::map_response(async |response: Response| admit::introduce(response)))
        .with_state(app)
}

async fn admitted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let encoding = answer_encoding(request.headers());
    match admit::admit(&app, request, next).await {
        Ok(response) => response,
        Err(why) => {
            let status = match why {
                Refused::Busy => StatusCode::SERVICE_UNAVAILABLE,
                Refused::Slow => StatusCode::REQUEST_TIMEOUT,
                Refused::NoKey => StatusCode::UNAUTHORIZED,
            };
            let mut response = reply::refused(encoding, status, why.sentence());
            let (name, value) = match why {
                Refused::NoKey => (header::WWW_AUTHENTICATE, "Bearer"),
                Refused::Busy | Refused::Slow => (header::RETRY_AFTER, "1"),
            };
            response.headers_mut().insert(name, HeaderValue::from_static(value));
            response
        }
    }
}

/// Counts what is refused, here or by the rule of hosts.
pub(crate) async fn counted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let kind = signal::kind_of(request.uri().path());
    let response = next.run(request).await;
    if let (Some(kind), Some(why)) = (kind, refusal(response.status())) {
        app.counts.refused(kind, why);
    }
    response
}

/// Why an answer is a refusal; `None` if it is none, or if what was asked is no OTLP at all.
fn refusal(status: StatusCode) -> Option<Reason> {
    match status {
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND => None,
        StatusCode::BAD_REQUEST => Some(Reason::Malformed),
        StatusCode::PAYLOAD_TOO_LARGE => Some(Reason::TooLarge),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(Reason::Type),
        StatusCode::UNAUTHORIZED => Some(Reason::Key),
        StatusCode::FORBIDDEN => Some(Reason::Host),
        StatusCode::SERVICE_UNAVAILABLE => Some(Reason::Busy),
        StatusCode::REQUEST_TIMEOUT => Some(Reason::Slow),
        status if status.is_success() => None,
        _ => Some(Reason::Other),
    }
}

/// Who speaks neither encoding is answered in the one that people can read.
fn answer_encoding(headers: &HeaderMap) -> Encoding {
    Encoding::of(headers.get(header::CONTENT_TYPE)).unwrap_or(Encoding::Json)
}

fn refuse(headers: &HeaderMap, status: StatusCode, message: &str) -> Response {
    reply::refused(answer_encoding(headers), status, message)
}

/// A refusal: status and sentence.
type Refusal = (StatusCode, String);

async fn export<S: Signal>(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match take::<S>(&app, &parts.headers, body).await {
        Ok((encoding, rejected)) => reply::taken::<S>(encoding, &rejected),
        Err((status, message)) => refuse(&parts.headers, status, &message),
    }
}

async fn take<S: Signal>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Encoding, Rejected), Refusal> {
    let encoding = Encoding::of(headers.get(header::CONTENT_TYPE)).ok_or_else(|| {
        let message = "the content type must be application/x-protobuf or application/json";
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, message.to_owned())
    })?;
    let is_gzip = is_gzip(headers)?;
    let limits = &app.config.limits;
    let mut body = read(body, limits.max_body_bytes).await?;
    if is_gzip {
        let inflated = gunzip(&body, limits.max_inflated_bytes).map_err(|error| {
            let status = match error {
                InflateError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                InflateError::Malformed(_) => StatusCode::BAD_REQUEST,
            };
            (status, error.to_string())
        })?;
        body = inflated.into();
    }
    let request = match encoding {
        Encoding::Protobuf => decode_protobuf::<S>(body),
        Encoding::Json => decode_json(&body),
    };
    let request = request.map_err(|error| {
        let status = match error {
            DecodeError::Budget(BudgetError::TooMany) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, error.to_string())
    })?;
    Ok((encoding, request.take(app)))
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    match value.as_bytes().to_ascii_lowercase().as_slice() {
        b"gzip" => Ok(true),
        b"identity" | b"" => Ok(false),
        _ => {
            let message = "the content encoding must be gzip or none";
            Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, message.to_owned()))
        }
    }
}

/// Reads a body of at most so many bytes.
async fn read(mut body: Body, max_bytes: usize) -> Result<Bytes, Refusal> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            (StatusCode::BAD_REQUEST, format!("the body ended before it was complete: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > max_bytes - all.len() {
            // Nothing depends on how the rest ends.
            let _ = tokio::time::timeout(DRAIN_TIME, drain(body)).await;
            let message = format!("the body is larger than {max_bytes} bytes; send fewer items at once");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}

async fn drain(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}
