//! Layers for hyper-util's clients: every open, acquire, release and close is seen.
//!
//! [`ConnectLayer`] wraps the connector, [`RequestLayer`] the client. Between the two, a request and its connection find
//! each other without a lock that anybody waits for and without a change to hyper.
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Empty};
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use poolscope::{Scope, hyper::{ConnectLayer, RequestLayer}};
//! use tower::{Layer, Service, ServiceExt};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let payments = scope.client("payments");
//! let connector = ConnectLayer::new(&payments).layer(HttpConnector::new());
//! let client = Client::builder(TokioExecutor::new()).build(connector);
//! let mut client = RequestLayer::new(&payments).layer(client);
//!
//! let request = http::Request::get("http://pay.example/health").body(Empty::<Bytes>::new())?;
//! let response = client.ready().await?.call(request).await?;
//! response.into_body().collect().await?;
//! println!("{:?}", scope.snapshot().pools[0].counts());
//! # Ok(())
//! # }
//! ```
//!
//! # Pools composed of hyper-util's parts
//!
//! The same two layers observe a pool that is built of `hyper_util::client::pool` (`cache`, `singleton`, `negotiate`,
//! `map`) or of anything else that is a service of connections: [`ConnectLayer`] around the connector, [`RequestLayer`]
//! around the whole, and between handshake and pool an [`ObservedConnection`] around each connection. Whoever owns such
//! a pool also decides when a connection goes, and says why by [`ConnectionHandle::closing`]; the reason is then known.
//! `examples/composable_pool` is such a pool, with a cap on its connections and an idle timeout.
//!
//! What waits for a connection must wait in `call`: a request that waits in `poll_ready` is not there yet to be counted.
//!
//! [`hygiene`](crate::hygiene) leaves the connections of such a pool alone. Those of the legacy client it replaces by age,
//! after errors and on demand.
//!
//! # What can't be seen
//!
//! hyper-util tells nobody that a user has poisoned a connection (`Connected::poison`), which closes as `client_closed`,
//! inferred. A connection whose answer came and was read before all of the request was sent is idle in the books while the
//! rest is sent, although the pool can't use it.
//!
//! hyper reads ahead: a short HTTP/1 answer is with its caller, and its connection back in the pool, before the caller has
//! read the body. Until it has, the connection counts as active here, also if another request uses it meanwhile; if it ends
//! before that, `peer_closed_active` or `connection_close` is what is inferred.

mod connect;
mod io;
mod named;
mod observed;
mod pill;
mod request;
mod request_body;
mod retire;

pub use crate::body::ResponseBody;
pub use connect::{Connect, ConnectFuture, ConnectLayer};
pub use io::ObservedIo;
pub use observed::{ConnectionHandle, ObservedConnection, ObservedFuture};
pub use poolscope_semconv::value::CloseReason;
pub use request::{RequestLayer, RequestService, ResponseFuture};
pub use request_body::RequestBody;
