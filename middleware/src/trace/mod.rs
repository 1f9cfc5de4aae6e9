//! Spans, by the OpenTelemetry API: one CLIENT span for each attempt, and one for the set-up of each connection.

#[cfg(feature = "trace")]
mod on;
#[cfg(feature = "trace")]
mod setup;
#[cfg(feature = "trace")]
mod url;
#[cfg(feature = "trace")]
pub(crate) use on::{RequestSpan, Tracing, is_suppressed};
#[cfg(feature = "trace")]
pub(crate) use setup::{SetupSpan, setup_span};

#[cfg(not(feature = "trace"))]
mod off;
#[cfg(not(feature = "trace"))]
pub(crate) use off::{RequestSpan, SetupSpan, is_suppressed, setup_span};
