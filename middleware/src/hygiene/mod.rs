//! Replaces connections: by age, after errors, after timeouts, after answers of a server that fails, and on demand.
//!
//! A client that keeps its connections for ever never finds the servers that were added behind a name, and stays with the
//! one that has begun to fail. [`Hygiene`] tells when a connection of a [client](crate::ClientScope) is to go.
//!
//! ```
//! use std::time::Duration;
//! use poolscope::{Scope, hygiene::Hygiene};
//!
//! # fn run() -> Result<(), poolscope::ConfigError> {
//! let scope = Scope::new();
//! let hygiene = Hygiene::builder()
//!     .max_age(Duration::from_secs(300)) // new servers get load within five minutes
//!     .max_age_jitter(0.2) // and not all connections are made anew at once
//!     .poison_on_errors(true)
//!     .poison_after_timeouts(3) // a server that is gone takes three requests with it, not all
//!     .evict_on_5xx(true) // behind a load balancer, the next connection may find a better server
//!     .build()?;
//! let payments = scope.client("payments").hygiene(&hygiene);
//! // ... the layers are made from `payments`; then, say when the name was moved to other addresses:
//! let closed = payments.close_idle();
//! # let _ = closed;
//! # Ok(())
//! # }
//! ```
//!
//! # No request fails for it
//!
//! A connection that is to go serves the requests that it has, and then ends in order; until then its row in the
//! [snapshot](crate::ConnectionSnapshot::draining) says that it drains, and why. Its close has the reason `max_age`,
//! `poisoned`, `evicted` or `requested`, `known`; how many were replaced is the count of these closes.
//!
//! - HTTP/1: the next request on the connection is its last. If none comes, it ends when it is idle and no request of the pool
//!   waits. One that is handed to it in the same moment comes back unsent, and hyper-util sends it over another one. It does
//!   so by default; with `retry_canceled_requests(false)` such a request fails. hyper 1.12 has a gap of some nanoseconds
//!   here, in which a request is lost and never answered; a server that closes an idle connection meets the same one. To
//!   stay out of it, a connection is not ended this way while anybody asks for one.
//! - HTTP/2: the connection takes no new stream, and ends after the last one. hyper-util gives the means for this to a request
//!   only: the first one on each connection brings it. One that no request has had, since another was ready first, stays
//!   for as long as its pool keeps idle connections; if a request gets it after all, it is replaced after that.
//!
//! An idle connection closes within some 30 ms of its age, whether its pool has traffic or not, and within 150 ms of any
//! other cause. Connections that were opened together go apart by the jitter: each at a time of its own between
//! `max_age * (1 - jitter)` and `max_age`.
//!
//! All requests of the client must pass the [request layer](crate::hyper::RequestLayer). A connection with requests that
//! nobody sees is left alone. So is each of a [pool composed of parts](crate::hyper#pools-composed-of-hyper-utils-parts), from
//! the moment at which its [handle](crate::hyper::ObservedIo::handle) is taken: the owner of such a pool hands it out in ways
//! that are not known here, and may do so at the instant at which it ends. The owner replaces it, by
//! [`ConnectionHandle::age`](crate::hyper::ConnectionHandle::age) for one.
//!
//! What can happen all the same: over HTTP/2, requests that need a new connection at the same time wait for one connect. If
//! the request that has begun it is dropped, hyper-util fails those that wait for it (`request was canceled`), with
//! hygiene or without. But more connects, as each replacement brings one, are more such moments. So don't replace HTTP/2
//! connections every few seconds where requests are given up often, or try again what fails before it was sent.
//!
//! # reqwest
//!
//! reqwest hides its connections, so nobody but a request can end one: it says `Connection: close`. While an HTTP/1 connection
//! of the pool is too old, or has answered with 5xx where that is asked for, the
//! [request layer](crate::reqwest::RequestLayer) lets requests say so: every 100 ms as many as there are such connections over
//! which none has said so yet, so that the pool is not emptied. A request with a `Connection` header of its own keeps that.
//! **The request can't choose its connection.** It may end a young one, and reqwest gives out the one that was used last, so
//! that an old one at the bottom of a large pool has to wait for its turn; each costs a connect.
//! Without requests nothing closes. The close has the reason of the connection that was to go, whichever it is.
//!
//! What can't be done: HTTP/2 connections (no request can end one), idle connections of a pool without requests,
//! [`close_idle`](crate::ClientScope::close_idle), poisoning. Use `pool_idle_timeout` to lose what is idle,
//! `pool_max_idle_per_host` to have few connections that could be old, and a client that is made anew now and then, all of
//! whose old connections end when it is dropped.

mod builder;

pub use builder::{DEFAULT_MAX_AGE_JITTER, HygieneBuilder};

use crate::ClientScope;
use crate::registry::Rules;

/// When connections are replaced. See the [module](self) for an example.
///
/// Everything is off by default; what is off costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Hygiene {
    rules: Rules,
}

impl Hygiene {
    /// Options, all of them off.
    pub fn builder() -> HygieneBuilder {
        HygieneBuilder::new()
    }
}

impl ClientScope {
    /// Replaces connections of the client. Holds for pools that are made later, so call it before the first request.
    #[must_use]
    pub fn hygiene(self, hygiene: &Hygiene) -> Self {
        self.replace(hygiene.rules)
    }

    /// Closes the connections that no request uses now, and tells how many. Needs [`ClientScope::hygiene`], if only one
    /// without any option; where a client has none, and over reqwest, nothing can be closed.
    ///
    /// It does not wait. A connection that a request takes in the same moment closes after that.
    pub fn close_idle(&self) -> usize {
        self.pools().iter().map(|pool| pool.close_idle()).sum()
    }
}
