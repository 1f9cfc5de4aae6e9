//! Limits of requests in flight: for each destination, and for all of a client together.
//!
//! Neither hyper-util nor reqwest bounds how many connections it opens. A [`LimitLayer`] bounds how many requests are in
//! flight, each until its response body is read to the end or dropped, and by that the HTTP/1 connections that they need. Not
//! to the last one: hyper puts a connection back into its pool a moment after its body has ended, and a request that is let in
//! in between opens one more. Under full load those may become as many again as the limit.
//! Who comes when the limit is reached waits in a queue, first come, first served; the queue is bounded too, and nobody waits
//! for longer than the [acquire timeout](LimitBuilder::acquire_timeout). Who is not let through gets [`Refused`].
//!
//! The limit is a part of the pool, and what it does is told by the pool's own figures: who waits for a limit waits for a
//! connection ([`PoolSnapshot::pending`](crate::PoolSnapshot::pending)), that time is a part of the wait for it, and who is
//! refused has failed to acquire. [`LimitSnapshot`](crate::LimitSnapshot) tells the queue by itself.
//!
//! Put it around the request layer, inside of retry and breaker. Layers that are made of one client share its limits; a pool
//! has the options of the layer through which its first request came. A client that follows redirects by itself, as reqwest
//! does, holds the place of the destination that it was asked for.
//!
//! Destinations beyond [`ScopeBuilder::max_pools`](crate::ScopeBuilder::max_pools) share one pool, which is for counting
//! only: their requests are bounded by [`LimitBuilder::total`] and by no limit of their destination, not even one that was
//! asked for by name, since a slow one would hold up the others. The limit of that pool is told as `u32::MAX`.
//!
//! ```
//! use std::time::Duration;
//! use http::{Request, Response};
//! use poolscope::{Scope, limit::{Error, LimitLayer}};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let limit = LimitLayer::builder(&scope.client("payments")).per_destination(1).max_queued(0).build()?;
//! let mut client = limit.layer(service_fn(|_: Request<()>| async {
//!     Ok::<_, std::io::Error>(Response::new(String::from("here it is")))
//! }));
//!
//! let request = || Request::get("http://pay.example/").body(()).unwrap();
//! let unread = client.ready().await?.call(request()).await?;
//! let refused = client.ready().await?.call(request()).await;
//! assert!(matches!(refused, Err(Error::Refused(refused)) if refused.in_use == 1));
//! drop(unread);
//! assert!(client.ready().await?.call(request()).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # A limit that finds itself
//!
//! With [`LimitBuilder::adaptive`], the limit of each destination rises by one for each round of requests that went well
//! while it was in use, and falls by a share when a request shows that the destination has too much to do: by status 429, 503
//! or 504, by an error of connect, reset or timeout, or by taking longer than it may.

mod builder;
mod error;
mod future;
mod layer;
mod place;
mod plan;
mod service;
mod turn;

pub use builder::{
    Adaptive, DEFAULT_ACQUIRE_TIMEOUT, DEFAULT_BACKOFF, DEFAULT_MAX_QUEUED, DEFAULT_PER_DESTINATION,
    LimitBuilder,
};
pub use error::{Cause, Error, Refused};
pub use future::ResponseFuture;
pub use layer::LimitLayer;
pub use poolscope_semconv::value::LimitOutcome;
pub use service::Limit;
/// Body of a response that came through a limit.
pub type HeldBody<B> = crate::WatchedBody<B, place::Places>;
