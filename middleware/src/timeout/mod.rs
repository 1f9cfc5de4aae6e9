//! Timeouts that say their name: which one fired is told by the error, the event and the counters.
//!
//! Each part of a call can have a limit of its own:
//!
//! ```text
//! call     |--------------------------------------------------------------|  around everything, to the head
//!                                                                            of the response or the body's end
//! attempt     |------------------------------------------------------|       the same, inside of a retry
//! acquire     |-------------|                                                until the request has its connection
//! connect        |---------|                                                 around the connector, where one is made
//! headers                   |----------------|                               from there to the head of the response
//! read                                       |---| |--| |----|               each wait for a piece of the body
//! ```
//!
//! | around | made by | named |
//! |---|---|---|
//! | a call or an attempt, to the head | [`TimeoutLayer::new`] | as you like |
//! | the same, to the end of the body | [`TimeoutBuilder::to_body_end`] | as you like |
//! | the wait for a connection | [`TimeoutLayer::acquire`], [`TimeoutBuilder::acquire`] | `acquire`, or as you like |
//! | the wait for the head | [`TimeoutLayer::headers`], [`TimeoutBuilder::headers`] | `headers`, or as you like |
//! | each wait for a piece of the body | [`TimeoutLayer::read`], [`TimeoutBuilder::read`] | `read`, or as you like |
//! | a connect | [`TimeoutLayer::for_connector`] | as you like |
//!
//! A limit has no default; each timeout is given one, fixed or [adaptive](Adaptive). The time runs from the call, also while
//! nobody polls it. A response that is ready at the same moment wins against the timer. Time in `poll_ready` is not in it.
//! Where a call has to wait, a tokio runtime with its time driver on is needed.
//!
//! # How it is known that a request has its connection
//!
//! The request layer inside tells it: put the timeouts of the acquire and of the headers right around that layer. Around
//! a [limit](crate::limit), the one of the acquire counts the limit's queue too, which has a timeout of its own otherwise.
//!
//! - Over hyper it is the moment at which the connection takes the request to write its head, or for HTTP/2 at which the
//!   client hands the request to the connection.
//! - Over reqwest it is the begin where the pool had a connection and no connect was begun for the request, and the end of
//!   the connect where one was. A request that waited for a connect and was then given another connection, which another
//!   request gave back meanwhile, is known to have it only when it is answered: until then `acquire` goes on for it, and
//!   `headers` does not begin. Where reqwest follows a redirect, `acquire` is about the first connection, and `headers`
//!   begins again with each further one.
//! - With no request layer inside there is nobody to tell it. Then both run from the call to the head.
//!
//! # What is told
//!
//! [`Elapsed`] has the name, the limit and the time that really passed, the destination, and the pool as it was when the
//! request was given up, before it gave back what it had:
//!
//! ```text
//! timeout acquire fired after 1 s (http://pay:80; pool "payments": 20 connections open, 20 active, 0 idle, 12 requests waiting)
//! ```
//!
//! The same is told as an [event](crate::event::TimeoutFired). A snapshot counts for each name the calls that ended in time,
//! those that it fired for and those that were dropped before, and how much of the limit they used. The counts only rise, so
//! that whoever looks at them has the share that fires over any time that he likes; no share is kept here.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use poolscope::{Scope, timeout::TimeoutLayer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let client = ServiceBuilder::new()
//!     .layer(TimeoutLayer::builder(&scope, "call").limit(Duration::from_secs(10)).to_body_end().build()?)
//!     .layer(TimeoutLayer::acquire(&scope, Duration::from_secs(1))?)
//!     .layer(TimeoutLayer::headers(&scope, Duration::from_secs(2))?)
//!     .layer(TimeoutLayer::read(&scope, Duration::from_secs(1))?)
//!     // Here goes the request layer of hyper or reqwest, and below it the client.
//!     .service(service_fn(|_: Request<()>| async {
//!         Ok::<_, std::io::Error>(Response::new(Full::new("here it is".as_bytes())))
//!     }));
//!
//! let request = Request::get("http://pay.example/health").body(())?;
//! let response = client.oneshot(request).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "here it is");
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
