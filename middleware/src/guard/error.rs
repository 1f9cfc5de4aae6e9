//! [`ResourcesExhausted`] and [`Error`].

use std::fmt;
use std::sync::Arc;

use super::resource::{CONNECTIONS, MEMORY, OPEN_FILES, amount};

/// A request was refused, because the process would run out of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourcesExhausted {
    /// Name of the guard.
    pub guard: Arc<str>,
    /// The resource: `open_files`, `memory`, `connections`, or what the program counts itself.
    pub resource: Arc<str>,
    /// How much of it was used: bytes of memory, otherwise a count.
    pub current: u64,
    /// How many calls had just begun and might take one of it each.
    pub coming: u64,
    /// Its hard limit.
    pub limit: u64,
}

impl fmt::Display for ResourcesExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, current, coming, limit, .. } = self;
        let (current, limit) = (amount(resource, *current), amount(resource, *limit));
        let what = match &**resource {
            OPEN_FILES => "open files are",
            MEMORY => "memory is",
            other => &format!("{other} are"),
        };
        write!(f, "the request was refused, since {what} at {current} of at most {limit}")?;
        if *coming > 0 {
            write!(f, " and {coming} requests that have just begun may open one each")?;
        }
        f.write_str(": ")?;
        f.write_str(match &**resource {
            OPEN_FILES => {
                "send fewer requests at a time, close idle connections sooner, or raise the limit (ulimit -n)"
            }
            MEMORY => {
                "send fewer requests at a time, read bodies piece by piece, or raise the limit of memory"
            }
            CONNECTIONS => "send fewer requests at a time, close idle connections sooner, or raise the limit",
            _ => "end some of them, or raise the limit",
        })
    }
}

impl std::error::Error for ResourcesExhausted {}

/// Error of a service under a guard.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The guard did not let the call through; the service was not called.
    #[error("{0}")]
    Exhausted(#[source] ResourcesExhausted),
    /// The service failed.
    #[error("{0}")]
    Inner(#[source] E),
}
