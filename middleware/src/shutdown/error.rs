//! [`Refused`], [`Cut`] and [`Error`].

/// The program shuts down and takes no new requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the program shuts down and sends no new requests")]
pub struct Refused(pub(super) ());

/// The program has shut down before a request was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the program has shut down before the request was over")]
pub struct Cut(pub(super) ());

/// Error of a service under a shutdown layer, and of the bodies of its responses.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The request came after the shutdown had begun; the service was not called.
    #[error("{0}")]
    Refused(#[source] Refused),
    /// The request was not over at the deadline of the shutdown.
    #[error("{0}")]
    Cut(#[source] Cut),
    /// The service, or the body of its response, failed.
    #[error("{0}")]
    Inner(#[source] E),
}
