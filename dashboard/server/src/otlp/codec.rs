//! How gRPC messages are decoded: like everywhere, but within the budget, and with OTLP's codes for what is wrong.

use std::marker::PhantomData;

use bytes::{Buf as _, Bytes};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::budget::{self, BudgetError};
use super::signal::Signal;

/// Decodes requests of a signal.
#[derive(Debug)]
pub(super) struct OtlpCodec<S>(PhantomData<fn() -> S>);

impl<S> Default for OtlpCodec<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: Signal> Codec for OtlpCodec<S> {
    type Encode = ExportMetricsServiceResponse;
    type Decode = S;
    type Encoder = Answers;
    type Decoder = Self;

    fn encoder(&mut self) -> Answers {
        Answers
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl<S: Signal> Decoder for OtlpCodec<S> {
    type Item = S;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<S>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        decode_protobuf(message).map(Some).map_err(|error| match error {
            DecodeError::Budget(BudgetError::TooMany) => Status::resource_exhausted(error.to_string()),
            _ => Status::invalid_argument(error.to_string()),
        })
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
    #[error("the body is not OTLP JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Decodes protobuf.
pub(super) fn decode_protobuf<S: Signal>(body: Bytes) -> Result<S, DecodeError> {
    budget::check_protobuf(&body, S::SHAPE)?;
    Ok(S::decode(body)?)
}

/// Decodes JSON.
pub(super) fn decode_json<S: Signal>(body: &[u8]) -> Result<S, DecodeError> {
    budget::check_json(body)?;
    Ok(serde_json::from_slice(body)?)
}
