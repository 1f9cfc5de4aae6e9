//! OTLP over HTTP: protobuf and JSON, plain and gzip.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use super::admit::{self, Refused};
use super::budget::BudgetError;
use super::codec::DecodeError;
use super::inflate::{InflateError, gunzip};
use super::json;
use super::reply::{self, Encoding};
use super::signal::{self, Signal};
use crate::app::App;
use crate::control;
use crate::model::Rejected;
use crate::own::{AtDoor, Reason};

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
        .layer(middleware::from_fn_with_state(app.clone(), control::answer))
        .layer(middleware::map_response(async |response: Response| admit::introduce(response)))
        .with_state(app)
}

/// Lets through who shows a key, where one is asked for.
async fn admitted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.access.may_send(request.headers()) {
        return next.run(request).await;
    }
    let sentence = Refused::NoKey.sentence();
    let mut response = refuse(request.headers(), StatusCode::UNAUTHORIZED, &sentence);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Counts what is refused, here or by the rule of hosts.
pub(crate) async fn counted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let kind = signal::kind_of(request.uri().path());
    let response = next.run(request).await;
    match (kind, refusal(response.status())) {
        (Some(kind), Some(why)) => app.counts.refused(kind, why),
        // What is no OTLP is turned away by the rule of hosts as a page is.
        (None, Some(Reason::Host)) => app.counts.turned_away(AtDoor::Host),
        (None, _) | (_, None) => {}
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
    let mut response = reply::refused(answer_encoding(headers), status, message);
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
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
    mut body: Body,
) -> Result<(Encoding, Rejected), Refusal> {
    let encoding = Encoding::of(headers.get(header::CONTENT_TYPE)).ok_or_else(|| {
        let message = "the content type must be application/x-protobuf or application/json";
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, message.to_owned())
    })?;
    let is_gzip = is_gzip(headers)?;
    let limits = &app.config.limits;
    let received = match admit::receive(app, &mut body, limits.max_body_bytes).await {
        Ok(received) => received,
        Err(why) => {
            if matches!(why, Refused::TooLarge(_)) {
                app.counts.large_body();
                // Nothing depends on how the rest ends.
                let _ = tokio::time::timeout(DRAIN_TIME, drain(body)).await;
            }
            return Err((status_of(&why), why.sentence()));
        }
    };
    let mut bytes = received.bytes.clone();
    if is_gzip {
        let inflated = gunzip(&bytes, limits.max_inflated_bytes).map_err(|error| {
            let status = match error {
                InflateError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                InflateError::Malformed(_) => StatusCode::BAD_REQUEST,
            };
            (status, error.to_string())
        })?;
        bytes = inflated.into();
    }
    let rejected = match encoding {
        Encoding::Protobuf => S::take_protobuf(bytes, app),
        Encoding::Json => json::decode::<S>(&bytes).and_then(|request| request.take(app)),
    };
    let rejected = rejected.map_err(|error| {
        let status = match error {
            DecodeError::Budget(BudgetError::TooMany) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, error.to_string())
    })?;
    Ok((encoding, rejected))
}

fn status_of(why: &Refused) -> StatusCode {
    match why {
        Refused::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Refused::Slow => StatusCode::REQUEST_TIMEOUT,
        Refused::NoKey => StatusCode::UNAUTHORIZED,
        Refused::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::Broken(_) => StatusCode::BAD_REQUEST,
    }
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

async fn drain(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}
