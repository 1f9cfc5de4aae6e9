//! OTLP in: over gRPC and over HTTP, both ending in what a signal does with its request.

mod admit;
mod budget;
mod codec;
pub(crate) mod decode;
mod fields;
mod grpc;
mod http;
mod inflate;
mod intake;
mod json;
mod reply;
mod shape;
mod signal;

pub(crate) use grpc::router as grpc_router;
pub(crate) use http::{counted as http_counted, router as http_router};
pub(crate) use inflate::{InflateError, gunzip};
pub(crate) use intake::Intake;
