//! How messages of gRPC come and go, and how those of OTLP are decoded: within the budget.

use bytes::{Buf as _, Bytes};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;
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
    #[error("the body holds {found}, which belongs to {path}: send it there, or send {field} to {here}")]
    Elsewhere { found: &'static str, path: &'static str, here: &'static str, field: &'static str },
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
