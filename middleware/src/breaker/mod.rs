//! Circuit breaker: stops calling a destination that fails, and finds out by itself when it has recovered.
//!
//! One breaker for each destination (`scheme://host:port`), or for each key that a rule of yours chooses
//! ([`BreakerBuilder::key`]). While it is *closed*, calls pass and the last of them are
//! judged; when too many failed, it *opens*, and calls are rejected at once with [`BreakerOpen`]. After a time it is *half
//! open*: a few trial calls pass. If all of them succeed it closes; if one fails it opens again, for longer.
//!
//! What it promises:
//!
//! - The window slides: the share of failures is always that of the last N calls, whatever came before.
//! - A result counts only in the state that the call was let through in. A success that comes late never closes a breaker
//!   that has opened meanwhile.
//! - A trial call that is dropped gives its place back, and one that hangs keeps it for no longer than the open time.
//! - A call is decided in `call`, never in `poll_ready`, so a breaker that is open for one destination holds up no other.
//! - A call through a closed breaker costs a look-up and one atomic load before it, and one atomic exchange after it if it
//!   was good, of a word that few other threads write; one that was not costs a short lock. So does a good one where shares
//!   are not judged yet and something was bad, and the first of each tenth of a window of time.
//! - `Retry-After` of a failed response holds the breaker open for at least as long, up to
//!   [`max_open_time`](BreakerBuilder::max_open_time).
//!
//! A call is judged when its response head is there, and if that is good, again at the end of its body: one that fails is a
//! failed call ([`BreakerBuilder::heads_only`] leaves that out). One that is dropped without an answer says nothing, and one
//! whose body is dropped is what its head said, with one exception: what a [`timeout`](crate::timeout) around the breaker drops
//! was too slow, and is a failed call ([`Answer::TimedOut`]), before its head and in its body. Any other timeout around
//! it (tower's, tokio's) drops without a word: put one of this crate, or one of the attempt below the breaker.
//!
//! Errors and statuses from 500 on are failures by default, see [`BreakerBuilder::classify`]. Apart from failures, a breaker
//! opens for calls that are slow ([`BreakerBuilder::slow_calls`]), for connects that fail
//! ([`BreakerBuilder::connect_failure_ratio`]) and for failures in a row ([`BreakerBuilder::consecutive_failures`]), as far as
//! it is told to.
//!
//! ```
//! use http::{Request, Response};
//! use poolscope::{Scope, breaker::{BreakerLayer, Error}};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let breaker = BreakerLayer::builder(&scope).window(20).minimum_calls(10).build()?;
//! let mut client = breaker.layer(service_fn(|_: Request<()>| async {
//!     Ok::<_, std::io::Error>(Response::builder().status(503).body(String::new()).unwrap())
//! }));
//!
//! for _ in 0..10 {
//!     client.ready().await?.call(Request::get("http://pay.example/").body(())?).await?;
//! }
//! let rejected = client.ready().await?.call(Request::get("http://pay.example/").body(())?).await;
//! assert!(matches!(rejected, Err(Error::Open(open)) if &*open.name == "http://pay.example:80"));
//! # Ok(())
//! # }
//! ```

mod builder;
mod circuit;
mod circuits;
mod classify;
#[cfg(feature = "control")]
pub(crate) mod control;
mod error;
mod fallback;
mod future;
mod handle;
mod key;
mod last;
mod layer;
mod permit;
mod probed;
mod service;
mod state;
mod store;
mod window;

pub use crate::http_message::Asked;
pub use builder::{
    BreakerBuilder, DEFAULT_FAILURE_RATIO, DEFAULT_JITTER, DEFAULT_MAX_BREAKERS, DEFAULT_MAX_OPEN_TIME,
    DEFAULT_MINIMUM_CALLS, DEFAULT_OPEN_TIME, DEFAULT_TRIAL_CALLS, DEFAULT_WINDOW, MAX_OPEN_TIME, MAX_WINDOW,
    MAX_WINDOW_TIME, MIN_WINDOW_TIME,
};
pub use classify::{Answer, Verdict};
pub use error::{BreakerOpen, Error};
pub use fallback::{Fallback, FallbackFuture, FallbackLayer};
pub use future::ResponseFuture;
pub use handle::BreakerHandle;
pub use layer::BreakerLayer;
pub(crate) use permit::Permit;
pub use poolscope_semconv::value::{BreakerReason, BreakerState};
pub use service::Breaker;
/// Body of a response that came through a breaker.
pub type JudgedBody<B> = crate::WatchedBody<B, Permit>;
pub use state::Force;
pub use store::{BreakerStore, StoredBreaker, StoredState};
#[cfg(feature = "breaker-store")]
pub use store::{DEFAULT_MAX_AGE, FileStore};
