//! How messages of gRPC come and go, and how those of OTLP are decoded: within the budget.

use bytes::{Buf as _, Bytes};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;
use serde_json::Value;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::budget::{self, BudgetError};
use super::fields::Malformed;
use super::signal::Signal;

/// Takes messages as they travel.
#[derive(Debug, Default)]
pub(super) struct OtlpCodec;

impl Codec for OtlpCodec {
    type Encode = ExportMetricsServiceResponse;
    type Decode = Bytes;
    type Encoder = Answers;
    type Decoder = Self;

    fn encoder(&mut self) -> Answers {
        Answers
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Decoder for OtlpCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// Encodes answers.
#[derive(Debug)]
pub(super) struct Answers;

impl Encoder for Answers {
    type Item = ExportMetricsServiceResponse;
    type Error = Status;

    fn encode(&mut self, answer: Self::Item, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        answer.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

/// Why a body is not a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error(transparent)]
    Budget(#[from] BudgetError),
    #[error("the body is not OTLP protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("the body is not OTLP protobuf: {0}")]
    Fields(#[from] Malformed),
    #[error("the body is not OTLP JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the body is not OTLP JSON: {found} is no request; send an object with the field {field}")]
    NoObject { found: &'static str, field: &'static str },
}

impl From<DecodeError> for Status {
    /// OTLP's code for what is wrong.
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Budget(BudgetError::TooMany) => Self::resource_exhausted(error.to_string()),
            _ => Self::invalid_argument(error.to_string()),
        }
    }
}

/// Decodes protobuf.
pub(super) fn decode_protobuf<S: Signal>(body: Bytes) -> Result<S, DecodeError> {
    budget::check_protobuf(&body, S::SHAPE)?;
    Ok(S::decode(body)?)
}

/// Decodes JSON.
pub(super) fn decode_json<S: Signal>(body: &[u8]) -> Result<S, DecodeError> {
    budget::check_json(body)?;
    // The types would take a list for their fields in order, and nothing for none.
    if let Some(found) = no_object(body) {
        return Err(DecodeError::NoObject { found, field: S::FIELD });
    }
    serde_json::from_slice(body).or_else(|error| {
        // The form of JSON of protobuf leaves out lists that are empty, and the types do not take that of values.
        if !error.to_string().starts_with("missing field `values`") {
            return Err(error.into());
        }
        let mut json = serde_json::from_slice(body)?;
        fill_lists(&mut json);
        Ok(S::deserialize(json)?)
    })
}

/// What a body is that can't be an object; `None` also for one that is nothing at all, of which the parser says more.
fn no_object(body: &[u8]) -> Option<&'static str> {
    match body.trim_ascii_start().first()? {
        b'[' => Some("a list"),
        b'"' => Some("a text"),
        b'n' => Some("null"),
        b't' | b'f' => Some("true or false"),
        b'-' | b'0'..=b'9' => Some("a number"),
        _ => None,
    }
}

/// Writes down empty lists of values. As deep as the parser went, which has a bound.
fn fill_lists(json: &mut Value) {
    match json {
        Value::Array(all) => all.iter_mut().for_each(fill_lists),
        Value::Object(fields) => {
            for (name, value) in fields {
                if let ("arrayValue" | "kvlistValue", Value::Object(list)) = (&**name, &mut *value) {
                    list.entry("values").or_insert_with(|| Value::Array(Vec::new()));
                }
                fill_lists(value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Logs;

    use super::*;

    #[test]
    fn what_is_no_object_is_no_request() {
        for (body, found) in [
            ("[]", "a list"),
            (" \n\"x\"", "a text"),
            ("null", "null"),
            ("true", "true or false"),
            ("-1", "a number"),
        ] {
            let told = decode_json::<Logs>(body.as_bytes()).unwrap_err().to_string();
            let whole = format!(
                "the body is not OTLP JSON: {found} is no request; send an object with the field resourceLogs"
            );
            assert_eq!(told, whole, "{body}");
        }
        assert!(decode_json::<Logs>(b"").unwrap_err().to_string().contains("EOF"));
        assert_eq!(decode_json::<Logs>(b" {}").unwrap(), Logs::default());
    }
}
