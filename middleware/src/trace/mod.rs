//! Client spans, by the OpenTelemetry API.

#[cfg(feature = "trace")]
mod on;
#[cfg(feature = "trace")]
mod url;
#[cfg(feature = "trace")]
pub(crate) use on::{RequestSpan, Tracing, is_suppressed};

#[cfg(not(feature = "trace"))]
mod off;
#[cfg(not(feature = "trace"))]
pub(crate) use off::{RequestSpan, is_suppressed};
