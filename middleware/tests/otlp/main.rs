//! The OTLP export against a real receiver.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod arrival;
mod bounds;
mod bridge;
mod doors;
mod exemplars;
mod flavours;
mod interval;
mod leaks;
mod manner;
mod own;
mod partial;
mod receiver;
mod redirect;
mod retry;
mod temporality;
#[cfg(feature = "otlp-tls")]
mod tls;
mod traffic;
mod trouble;

use std::time::Duration;

use poolscope::Scope;
use poolscope::otlp::{Otlp, Protocol};

/// An export that the environment of the test run does not touch.
pub(crate) fn export(scope: &Scope, url: &str) -> Otlp {
    Otlp::new(scope).environment(|_| None).service_name("shop").endpoint(url).timeout(Duration::from_secs(2))
}

/// The same over HTTP.
pub(crate) fn http_export(scope: &Scope, url: &str) -> Otlp {
    export(scope, url).protocol(Protocol::HttpProtobuf)
}
