//! What a timeout is around: requests that name their destination, or connects of any type.

use std::error::Error as StdError;

use super::error::{Elapsed, Error};
use crate::http_message::{Destined, KeptTarget};

/// How a timeout learns the destination of a request. Sealed.
pub trait Describe<R>: sealed::Sealed {
    #[doc(hidden)]
    fn keep(request: &R) -> Kept;
}

/// Which error a service under a timeout has. Sealed.
pub trait Report<E>: sealed::Sealed {
    /// The error.
    type Error;

    #[doc(hidden)]
    fn elapsed(elapsed: Elapsed) -> Self::Error;
    #[doc(hidden)]
    fn inner(error: E) -> Self::Error;
}

/// Around requests: the destination is told, and the error is [`Error`].
#[derive(Debug, Clone, Copy)]
pub enum Requests {}

/// Around a connector: its request may be of any type, as reqwest's is sealed, and the error is boxed, as connectors'
/// are, so the destination is not told.
#[derive(Debug, Clone, Copy)]
pub enum Connects {}

/// What is kept of a request for the case that the timeout fires.
#[doc(hidden)]
#[derive(Debug)]
pub struct Kept(KeptTarget);

impl Kept {
    pub(super) fn text(&self) -> Option<String> {
        self.0.text()
    }
}

impl<R: Destined> Describe<R> for Requests {
    fn keep(request: &R) -> Kept {
        Kept(request.target().into())
    }
}

impl<R> Describe<R> for Connects {
    fn keep(_: &R) -> Kept {
        Kept(KeptTarget::Unknown)
    }
}

impl<E> Report<E> for Requests {
    type Error = Error<E>;

    fn elapsed(elapsed: Elapsed) -> Self::Error {
        Error::Elapsed(elapsed)
    }

    fn inner(error: E) -> Self::Error {
        Error::Inner(error)
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> Report<E> for Connects {
    type Error = Box<dyn StdError + Send + Sync>;

    fn elapsed(elapsed: Elapsed) -> Self::Error {
        elapsed.into()
    }

    fn inner(error: E) -> Self::Error {
        error.into()
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Requests {}
    impl Sealed for super::Connects {}
}
