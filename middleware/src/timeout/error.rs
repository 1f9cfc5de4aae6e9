//! [`Elapsed`] and [`Error`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A named timeout fired.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed {
    /// Name of the timeout.
    pub name: Arc<str>,
    /// Time after which it fired.
    pub limit: Duration,
    /// Destination of the request, if it named one.
    pub destination: Option<String>,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timeout {} fired after {:?}", self.name, self.limit)?;
        match &self.destination {
            Some(destination) => write!(f, " ({destination})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Elapsed {}

/// Error of a service under a timeout.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The timeout fired.
    #[error("{0}")]
    Elapsed(#[source] Elapsed),
    /// The service failed in time.
    #[error("{0}")]
    Inner(#[source] E),
}
