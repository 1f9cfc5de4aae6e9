//! Layers for reqwest 0.13: connects and requests are seen, closes are concluded and marked as estimated.
//!
//! reqwest hides its connections: their IO can't be wrapped. So [`ConnectLayer`] sees each connect, [`RequestLayer`] sees
//! each request and the addresses of the connection that answered it, and a close is concluded from what the requests
//! show: `Connection: close`, a body that was dropped half read, an error, an idle time beyond the pool's, a new connect
//! although the books have an idle connection. What only the server knows, such as its own idle timeout, is seen late;
//! hence `estimated`.
//!
//! ```
//! use poolscope::{Scope, reqwest::{ConnectLayer, RequestLayer}};
//! use tower::{Layer, Service, ServiceExt};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let search = scope.client("search");
//! let client = reqwest::Client::builder().connector_layer(ConnectLayer::new(&search)).build()?;
//! let mut client = RequestLayer::new(&search).layer(client);
//!
//! let request = reqwest::Request::new(reqwest::Method::GET, "http://search.example/?q=pool".parse()?);
//! let response = client.ready().await?.call(request).await?;
//! println!("{} {:?}", response.text().await?, scope.snapshot().pools[0].counts());
//! # Ok(())
//! # }
//! ```
//!
//! reqwest retries some requests by itself below this layer (HTTP/2 GOAWAY and REFUSED_STREAM, at most twice); such an
//! attempt is invisible but for the new connection that it may need.

mod connect;
mod request;

pub use connect::{Connect, ConnectLayer};
pub use request::{RequestLayer, RequestService, ResponseFuture};

use std::sync::Arc;
use std::time::{Duration, Instant};

use poolscope_semconv::value::{Certainty, CloseReason, Observation};

use crate::registry::Pool;

/// Closes the connections that the client must have closed by now, because they have been idle for too long.
pub(crate) fn close_expired(pool: &Arc<Pool>, now: Instant) {
    if pool.observation() != Observation::Estimated {
        return;
    }
    for connection in pool.open_connections() {
        if connection.is_idle() && connection.idle_for(now) >= pool.idle_timeout() {
            connection.close_because(CloseReason::IdleTimeout, Certainty::Inferred, now);
        }
    }
}

/// How long a connection must have been idle before a new connect is a sign that it is gone. hyper-util has a connection
/// back some moments after the caller has read the body to its end.
const BACK_IN_POOL: Duration = Duration::from_millis(100);

/// Closes the connections that are idle in the books although the client connects: it does so only when it has no idle
/// connection left. Mostly the server has closed them.
fn close_passed_over(pool: &Arc<Pool>, now: Instant) {
    for connection in pool.open_connections() {
        if connection.is_idle() && connection.idle_for(now) >= BACK_IN_POOL {
            connection.close_because(CloseReason::PeerClosedIdle, Certainty::Inferred, now);
        }
    }
}
