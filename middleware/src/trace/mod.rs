//! Spans, by the OpenTelemetry API: one CLIENT span for each attempt, and one for the set-up of each connection.

#[cfg(feature = "trace")]
mod inject;
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

/// Attributes of the other end of a connection.
#[cfg(feature = "trace")]
fn peer(peer: std::net::SocketAddr) -> [opentelemetry::KeyValue; 2] {
    use opentelemetry::KeyValue;
    use poolscope_semconv::attr;
    [
        KeyValue::new(attr::NETWORK_PEER_ADDRESS, peer.ip().to_string()),
        KeyValue::new(attr::NETWORK_PEER_PORT, i64::from(peer.port())),
    ]
}
