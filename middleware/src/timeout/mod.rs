//! Timeouts that say their name: which one fired is told by the error, the event and the counters.
//!
//! A [`TimeoutLayer`] fits around anything: a whole call with its retries, one attempt, a connector. Give each a name of
//! its own; it is what errors, metrics and the dashboard show.
//!
//! The time runs from the call to the head of the response; a body that is read later is not in it. A response that is
//! ready at the same moment wins against the timer. Calls need a tokio runtime with its time driver on.
//!
//! ```
//! use std::time::Duration;
//! use http::{Request, Response};
//! use poolscope::{Scope, timeout::TimeoutLayer};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let attempt = TimeoutLayer::new(&scope, "attempt", Duration::from_secs(2))?;
//! let mut client = attempt.layer(service_fn(|_: Request<()>| async {
//!     Ok::<_, std::io::Error>(Response::new("here it is"))
//! }));
//!
//! let request = Request::get("http://pay.example/health").body(())?;
//! let response = client.ready().await?.call(request).await?;
//! assert_eq!(response.into_body(), "here it is");
//! # Ok(())
//! # }
//! ```

mod adaptive;
mod body;
mod builder;
mod describe;
mod error;
mod future;
mod layer;
mod limit;
mod service;
mod timer;

pub use adaptive::{
    Adaptive, DEFAULT_FACTOR, DEFAULT_MAX_DESTINATIONS, DEFAULT_MINIMUM_SAMPLES, DEFAULT_QUANTILE,
    DEFAULT_WINDOW,
};
pub use body::{Timed, TimeoutBody};
pub use builder::TimeoutBuilder;
pub use describe::{Bodies, Connects, Cover, Describe, Report, Requests};
pub use error::Error;
pub use future::ResponseFuture;
pub use layer::TimeoutLayer;
pub use service::Timeout;

pub use crate::event::TimeoutFired as Elapsed;
