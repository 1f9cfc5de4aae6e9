//! [`Refused`] and [`Error`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use poolscope_semconv::value::LimitOutcome;

use crate::event::PoolName;
use crate::said::Said;

/// A limit did not let a request through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The pool that was asked for.
    pub pool: Arc<PoolName>,
    /// Why.
    pub cause: Cause,
    /// True if the limit of all requests of the client was reached, and not that of the pool.
    pub is_total: bool,
    /// Most requests that may be in flight.
    pub max: u32,
    /// Requests in flight at that moment.
    pub in_use: u64,
    /// Requests that waited at that moment.
    pub queued: u64,
    /// How long this one waited.
    pub waited: Duration,
}

/// Why a limit did not let a request through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// As many wait as may wait.
    QueueFull,
    /// Its turn did not come in time.
    TimedOut,
}

impl Cause {
    pub(super) fn outcome(self) -> LimitOutcome {
        match self {
            Self::QueueFull => LimitOutcome::QueueFull,
            Self::TimedOut => LimitOutcome::TimedOut,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolName { client, scheme, host, port } = &*self.pool;
        if self.is_total {
            write!(f, "the limit of client {client} ")?;
        } else {
            write!(f, "the limit of {scheme}://{host}:{port} of client {client} ")?;
        }
        match self.cause {
            Cause::QueueFull => write!(f, "refused the request, since its queue is full")?,
            Cause::TimedOut => write!(f, "did not let the request through within {}", Said(self.waited))?,
        }
        write!(f, " ({} of {} are in flight, {} wait)", self.in_use, self.max, self.queued)
    }
}

impl std::error::Error for Refused {}

/// Error of a service under a limit.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The limit did not let the request through; the service was not called.
    #[error("{0}")]
    Refused(#[source] Refused),
    /// The service failed.
    #[error("{0}")]
    Inner(#[source] E),
}
