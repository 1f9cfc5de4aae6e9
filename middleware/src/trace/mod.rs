//! Spans, by the OpenTelemetry API or as those of the crate `tracing`: one CLIENT span for each attempt, one SERVER
//! span for each request that is served, one for the set-up of each connection, and one for each session.

#[cfg(feature = "trace")]
mod inject;
#[cfg(feature = "trace")]
mod on;
#[cfg(all(feature = "trace", any(feature = "breaker", feature = "guard", feature = "limit")))]
mod refused;
#[cfg(all(feature = "server", feature = "trace"))]
mod served;
#[cfg(all(feature = "server", not(feature = "trace")))]
#[path = "served_off.rs"]
mod served;
#[cfg(all(feature = "session", feature = "trace"))]
mod session;
#[cfg(feature = "trace")]
mod setup;
#[cfg(feature = "trace")]
mod tracer;
#[cfg(feature = "trace")]
mod url;
#[cfg(all(feature = "session", not(feature = "trace")))]
pub(crate) use off::{SessionSpan, outer_trace};
#[cfg(all(feature = "session", feature = "trace"))]
pub(crate) use on::outer_trace;
#[cfg(feature = "trace")]
pub(crate) use on::{Caller, Inside, RequestSpan, is_suppressed};
#[cfg(all(feature = "trace", any(feature = "breaker", feature = "guard", feature = "limit")))]
pub(crate) use refused::refused;
#[cfg(feature = "server")]
pub(crate) use served::{ServedInside, ServedSpan};
#[cfg(all(feature = "session", feature = "trace"))]
pub(crate) use session::SessionSpan;
#[cfg(feature = "trace")]
pub(crate) use setup::{SetupSpan, open_setup, setup_span};
#[cfg(feature = "tracing")]
pub(crate) use setup::{describe_part, describe_pool, fail};
#[cfg(feature = "trace")]
pub(crate) use tracer::Tracing;
#[cfg(feature = "tracing")]
pub(crate) use tracer::{Started, Starts};

#[cfg(not(feature = "tracing"))]
mod open_setup;
#[cfg(feature = "tracing")]
pub(crate) use crate::tracing::OpenSetup;
#[cfg(not(feature = "tracing"))]
pub(crate) use open_setup::OpenSetup;

#[cfg(not(feature = "trace"))]
mod off;
#[cfg(all(not(feature = "trace"), any(feature = "breaker", feature = "guard", feature = "limit")))]
pub(crate) use off::refused;
#[cfg(not(feature = "trace"))]
pub(crate) use off::{Caller, Inside, RequestSpan, SetupSpan, is_suppressed, open_setup, setup_span};

#[cfg(feature = "trace")]
use crate::UrlTemplate;

/// Attributes of the other end of a connection.
#[cfg(feature = "trace")]
pub(crate) fn peer(peer: std::net::SocketAddr) -> [opentelemetry::KeyValue; 2] {
    use opentelemetry::KeyValue;
    use poolscope_semconv::attr;
    [
        KeyValue::new(attr::NETWORK_PEER_ADDRESS, peer.ip().to_string()),
        KeyValue::new(attr::NETWORK_PEER_PORT, i64::from(peer.port())),
    ]
}

/// A request that has come, as its span is described by it.
#[cfg(feature = "server")]
#[cfg_attr(not(feature = "trace"), expect(dead_code, reason = "no span is described by it"))]
pub(crate) struct Incoming<'a> {
    pub(crate) known: crate::registry::KnownMethod,
    pub(crate) request: &'a Head<'a>,
    pub(crate) server: &'a str,
    pub(crate) scheme: &'static str,
    pub(crate) peer: Option<std::net::SocketAddr>,
    pub(crate) connection: u64,
}

/// The head of a request.
#[cfg(feature = "server")]
#[cfg_attr(not(feature = "trace"), expect(dead_code, reason = "no span is described by it"))]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a http::Method,
    pub(crate) uri: &'a http::Uri,
    pub(crate) headers: &'a http::HeaderMap,
}

/// A request on its way out, as its span reads and marks it.
#[cfg(feature = "trace")]
pub(crate) trait Outgoing {
    fn method(&self) -> &http::Method;
    fn url(&self) -> String;
    /// What its path looks like without what varies, if the program tells it.
    fn template(&self) -> Option<&UrlTemplate> {
        None
    }
    fn headers_mut(&mut self) -> &mut http::HeaderMap;
}

#[cfg(feature = "trace")]
impl<B> Outgoing for http::Request<B> {
    fn method(&self) -> &http::Method {
        self.method()
    }

    fn url(&self) -> String {
        self.uri().to_string()
    }

    fn template(&self) -> Option<&UrlTemplate> {
        self.extensions().get()
    }

    fn headers_mut(&mut self) -> &mut http::HeaderMap {
        self.headers_mut()
    }
}

#[cfg(all(feature = "trace", feature = "reqwest"))]
impl Outgoing for reqwest::Request {
    fn method(&self) -> &http::Method {
        self.method()
    }

    fn url(&self) -> String {
        self.url().to_string()
    }

    fn headers_mut(&mut self) -> &mut http::HeaderMap {
        self.headers_mut()
    }
}
