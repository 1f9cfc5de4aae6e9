//! Layers for reqwest 0.13: connects and requests are seen, closes are told by the kernel.
//!
//! reqwest hides its connections: their IO can't be wrapped. So [`ConnectLayer`] sees each connect, [`RequestLayer`] sees
//! each request and the addresses of the connection that answered it, and the kernel tells when a connection is gone, who
//! closed it, and what it counted on it. It needs no privilege. The connect layer alone is enough to see connects, open
//! connections, their lives and their closes.
//!
//! Where the kernel can't be asked (other systems than Linux, a sandbox without netlink), a close is concluded from what
//! the requests show: `Connection: close`, a body that was dropped half read, an error, an idle time beyond the pool's, a
//! new connect although the books have an idle connection. What only the server knows, such as its own idle timeout, is
//! seen late; such pools are marked as `estimated`, and [`ScopeSnapshot::kernel_refused`](crate::ScopeSnapshot) says why.
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
//! [`hygiene`](crate::hygiene) replaces connections by age and after failing answers; what of it can't be had here is told
//! there.
//!
//! reqwest retries some requests by itself below this layer (HTTP/2 GOAWAY and REFUSED_STREAM, at most twice); such an
//! attempt is invisible but for the new connection that it may need.
//!
//! It follows redirects below this layer too. Each hop counts as a request of the pool that served it, with an acquire and a
//! result of its own, and the one span of the request tells of the last. It needs both layers, and nothing between the
//! request layer and the client that polls it in another task (else only the first pool and the last are seen, and all of
//! the time counts for the first). What is not known of a hop that is not the last:
//! - Its status, unless the policy is wrapped by [`redirects`]: its result has none. Its HTTP version, but for HTTP/2. Whether
//!   its method became GET: it counts as the first one's.
//! - Its connection, if the pool had several that were free: then it is the one over which something came last by the
//!   kernel's word, which is good to some milliseconds, or else the one that was used last. If none is free any more, since
//!   another thread has taken it, it is one of those in use.
//! - Without [`redirects`], its pool, if it needed no connect: it counts nowhere until its answer is there, then where the
//!   kernel has seen an answer come, and where the hop before was if that can't be told. A request that fails or is dropped
//!   meanwhile counts there as well, unless the error names the connection.

mod closes;
mod connect;
mod dns;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod redirect;
mod request;

pub(crate) use closes::{close_expired, kernel_overflows, kernel_refused};
pub use connect::{Connect, ConnectLayer};
pub use dns::DnsResolver;
pub use redirect::redirects;
#[cfg(feature = "limit")]
pub(crate) use request::destination;
#[cfg(any(feature = "breaker", feature = "limit", feature = "shutdown", feature = "timeout"))]
pub(crate) use request::map_body;
pub use request::{RequestLayer, RequestService, ResponseFuture};
