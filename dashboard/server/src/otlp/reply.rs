//! Answers of OTLP over HTTP, in the encoding of the request.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message as _;
use serde_json::json;
use tonic::Code;

use super::signal::Signal;
use crate::model::Rejected;

/// How a request is encoded, and so its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// The encoding that a content type names.
    pub(super) fn of(content_type: Option<&HeaderValue>) -> Option<Self> {
        let value = content_type?.to_str().ok()?;
        match value.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }

    fn answer(self, status: StatusCode, body: impl Into<Body>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, self.content_type());
        response
    }
}

/// The request was taken; what of it was not is a partial success.
pub(super) fn taken<S: Signal>(encoding: Encoding, rejected: &Rejected) -> Response {
    let partial = (rejected.count > 0).then(|| (rejected.count, rejected.sentence()));
    let body = match (encoding, partial) {
        (Encoding::Json, None) => b"{}".to_vec(),
        (Encoding::Json, Some((count, sentence))) => {
            // 64-bit integers are texts in the JSON form of protobuf.
            let partial = json!({ S::REJECTED: count.to_string(), "errorMessage": sentence });
            json!({ "partialSuccess": partial }).to_string().into_bytes()
        }
        // The answers of the three signals differ in the names of their fields only, which protobuf does not send.
        (Encoding::Protobuf, partial) => ExportMetricsServiceResponse {
            partial_success: partial.map(|(count, error_message)| ExportMetricsPartialSuccess {
                rejected_data_points: i64::try_from(count).unwrap_or(i64::MAX),
                error_message,
            }),
        }
        .encode_to_vec(),
    };
    encoding.answer(StatusCode::OK, body)
}

/// `google.rpc.Status`, which OTLP wants as the body of every refusal.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// The request was refused as a whole.
pub(super) fn refused(encoding: Encoding, status: StatusCode, message: &str) -> Response {
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        _ => Code::InvalidArgument,
    } as i32;
    match encoding {
        Encoding::Json => encoding.answer(status, json!({ "code": code, "message": message }).to_string()),
        Encoding::Protobuf => {
            encoding.answer(status, RpcStatus { code, message: message.to_owned() }.encode_to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_of_a_content_type_do_not_matter() {
        let of = |text| Encoding::of(Some(&HeaderValue::from_static(text)));
        assert_eq!(of("application/json; charset=utf-8"), Some(Encoding::Json));
        assert_eq!(of("Application/X-Protobuf"), Some(Encoding::Protobuf));
        assert_eq!(of("text/plain"), None);
        assert_eq!(Encoding::of(None), None);
    }
}
