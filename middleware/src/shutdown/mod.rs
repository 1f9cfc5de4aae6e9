//! Ending in order: what is under way may finish, what does not is cut, and telemetry is sent before the program goes.
//!
//! [`Scope::shutdown`](crate::Scope::shutdown) does it, by a deadline, and reports what it did; a [`ShutdownGuard`] does it
//! when it is dropped. From the call on, every [`ShutdownLayer`] of the scope refuses new requests. Those that are under way,
//! each to the end of its response body, have until the deadline; then the layer cuts them: the caller gets [`Cut`], and what
//! the request held is given back. Put the layer outermost, so that a retry that waits for its next attempt is cut too.
//!
//! Sessions (feature `session`) are told to end when the shutdown begins, and have until the deadline too. Then the handlers
//! that `Session::run` runs are cut. Nobody can cut other holders that don't listen; the report tells how many sessions are left.
//!
//! Servers (feature `server`) come first: they accept no more, their idle connections end, and what they work on has until the
//! deadline; as long as it goes on, requests that it makes are let through. Then their connections are cut, and the report
//! tells how many.
//! Tasks of groups (feature `task`) are told last, since sessions and requests may need them, and aborted at the deadline.
//!
//! Requests that only a request layer sees are waited for as well, but nobody can cut them; the report tells how many of
//! them are left.
//!
//! ```
//! use std::time::Duration;
//! use http::{Request, Response};
//! use poolscope::{Scope, shutdown::{Error, ShutdownLayer}};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let mut client = ShutdownLayer::new(&scope).layer(service_fn(|_: Request<()>| async {
//!     tokio::time::sleep(Duration::from_secs(60)).await;
//!     Ok::<_, std::io::Error>(Response::new(String::from("late")))
//! }));
//!
//! let request = client.ready().await?.call(Request::get("http://pay.example/").body(())?);
//! let request = tokio::spawn(request);
//! let report = scope.shutdown(Duration::from_secs(5)).await;
//! assert_eq!((report.began_with, report.cut), (1, 1));
//! assert!(matches!(request.await?, Err(Error::Cut(_))));
//! # Ok(())
//! # }
//! ```

mod body;
mod error;
mod future;
mod groups;
mod guard;
mod layer;
mod report;
mod servers;
mod service;
mod sessions;
mod state;

pub use body::{Cuttable, ShutdownBody};
pub use error::{Cut, Error, Refused};
pub use future::ResponseFuture;
pub use guard::ShutdownGuard;
pub use layer::ShutdownLayer;
pub(crate) use report::run;
pub use report::{CutRequest, ShutdownReport};
pub use service::Shutdown;
pub(crate) use state::State;
