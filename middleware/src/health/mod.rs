//! Health probes: ask a destination on an interval how it is, and tell when that changes.
//!
//! A [`HealthProbe`] sends a request of its own through a client of yours, so that it takes the same way as all others: the
//! same pool, proxy and TLS. It has a timeout of its own, and there is one at a time. What the probes say is
//!
//! - *unknown* before the first has ended, and once nobody probes any more although the [`HealthProbe`] is kept: its runtime
//!   has ended, say,
//! - *healthy* when they succeed,
//! - *degraded* after one that failed or was slow,
//! - *failing* after as many failures in a row as [`HealthBuilder::failing_after`] says. From there it takes
//!   [`HealthBuilder::healthy_after`] answers in a row to come back.
//!
//! A probe fails by an error, by its timeout, by a status that is not expected and by a panic of the client. Its answer is read
//! to the end, as long as it has no more than 64 KiB.
//!
//! Probes carry no data of users. They are marked by the header `User-Agent:` [`USER_AGENT`], by which a server can leave them
//! out of its logs, and their [`Origin`](crate::Origin) is `health probe`. The pool counts them like all requests.
//!
//! ```
//! use std::time::Duration;
//!
//! use http::{Request, Response};
//! use poolscope::{HealthState, Scope, health::HealthProbe};
//! use tower::service_fn;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = service_fn(|_: Request<String>| async {
//!     Ok::<_, std::io::Error>(Response::builder().status(503).body(String::new()).unwrap())
//! });
//!
//! let scope = Scope::new();
//! let probe = HealthProbe::builder(&scope, "http://pay.example/health")
//!     .interval(Duration::from_millis(10))
//!     .timeout(Duration::from_millis(10))
//!     .spawn(client)?;
//! while probe.state() != HealthState::Failing {
//!     tokio::time::sleep(Duration::from_millis(10)).await;
//! }
//! assert!(probe.snapshot().reason.ends_with("failed, last: status 503"));
//! # Ok(())
//! # }
//! ```

mod builder;
mod http;
mod probe;
mod state;
mod task;

pub use self::http::{ProbeRequest, ProbeResponse, USER_AGENT};
pub use builder::{
    DEFAULT_FAILING_AFTER, DEFAULT_HEALTHY_AFTER, DEFAULT_INTERVAL, DEFAULT_JITTER, DEFAULT_TIMEOUT,
    HealthBuilder,
};
pub use probe::HealthProbe;
