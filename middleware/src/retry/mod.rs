//! Retries that are polite and counted: with backoff and jitter, never before a `Retry-After`, and only for requests that
//! may be sent twice.
//!
//! A [`RetryPolicy`] decides, a [`RetryLayer`] acts. Tried again are, by default,
//!
//! - responses with status 429, 500, 502, 503 or 504;
//! - errors of name resolution and connect, timeouts, resets, and connections that closed before the response was complete;
//!   not the rejection of a breaker or of a limit, which would only be asked again;
//! - of requests that are idempotent by their method, marked as [`RetrySafe`], or safe by a rule
//!   ([`safe_if`](RetryPolicyBuilder::safe_if)), and that can be cloned with their body.
//!
//! `Retry-After` is honoured in seconds and as a date. If the peer asks for a longer wait than
//! [`retry_after_limit`](RetryPolicyBuilder::retry_after_limit), the call is not tried again: to come back sooner than asked
//! is rude, and to wait longer than wanted is no use.
//!
//! Put the layer outside of the request layer, which then tells the spans of later attempts by `http.request.resend_count`.
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
//! use http::{Request, Response};
//! use poolscope::{Scope, retry::{RetryLayer, RetryPolicy}};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let policy = RetryPolicy::builder(&scope, "payments").max_attempts(4).build()?;
//! let attempts = &AtomicU32::new(0);
//! let mut client = RetryLayer::new(policy).layer(service_fn(|_: Request<()>| async {
//!     let status = if attempts.fetch_add(1, Relaxed) < 2 { 503 } else { 200 };
//!     Ok::<_, std::io::Error>(Response::builder().status(status).body(()).unwrap())
//! }));
//!
//! let request = Request::get("http://pay.example/").body(())?;
//! assert_eq!(client.ready().await?.call(request).await?.status(), 200);
//! assert_eq!(attempts.load(Relaxed), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # What clients try again by themselves
//!
//! Below every layer, and not counted by a policy:
//!
//! - hyper-util's client, and reqwest with it, sends a request again when the idle connection that it was given turns out
//!   to have closed before anything was sent.
//! - reqwest sends a request again, twice at most, that its peer has refused unprocessed: by a graceful GOAWAY of HTTP/2, or
//!   by a reset with `REFUSED_STREAM`. `reqwest::ClientBuilder::retry(reqwest::retry::never())` turns that off; other
//!   policies of `reqwest::retry` replace it, and try again without a wait, so that they should not be used beside ours.
//! - reqwest follows redirects within one attempt.
//!
//! # Under tower's own retry layer
//!
//! [`RetryPolicy`] is a [`tower::retry::Policy`] too. Two things are beyond it there, because tower does not show them to
//! a policy: `http.request.resend_count`, and the results of requests that can't be cloned, which are not counted.

mod builder;
mod call;
mod future;
mod layer;
mod plan;
mod policy;
mod replay;
mod service;

pub use crate::http_message::Asked;
pub use builder::{
    DEFAULT_BASE_DELAY, DEFAULT_FACTOR, DEFAULT_JITTER, DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_DELAY,
    DEFAULT_RETRY_AFTER_LIMIT, DEFAULT_STATUSES, RetryPolicyBuilder,
};
pub use future::ResponseFuture;
pub use layer::RetryLayer;
pub use policy::RetryPolicy;
pub use replay::{Replay, RetrySafe};
pub use service::Retry;
