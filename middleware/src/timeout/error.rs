//! [`Error`].

use super::Elapsed;

/// Error of a service under a timeout, and of a body under one.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The timeout fired.
    #[error("{0}")]
    Elapsed(#[source] Elapsed),
    /// The service, or the body, failed in time.
    #[error("{0}")]
    Inner(#[source] E),
}
