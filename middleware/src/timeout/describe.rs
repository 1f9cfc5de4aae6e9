//! What a timeout is around: requests that name their destination, with their bodies or without, or connects of any type.

use std::error::Error as StdError;

use super::body::{BodyTime, Timed};
use super::error::Error;
use super::{Elapsed, limit::Call};
use crate::http_message::{Destined, Target};

/// How a timeout learns the destination of a request. Sealed.
pub trait Describe<R>: sealed::Sealed {
    #[doc(hidden)]
    fn target(request: &R) -> Option<Target<'_>>;
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

/// Whether a timeout goes on in the body of a response. Sealed.
pub trait Cover<T>: sealed::Sealed {
    /// The response.
    type Response;

    #[doc(hidden)]
    fn answered(response: T, call: &mut Running) -> Self::Response;
}

/// A call that is under way; taken by whoever ends it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Running(pub(super) Option<Call>);

/// Around requests, up to the head of the response: the destination is told, and the error is [`Error`].
#[derive(Debug, Clone, Copy)]
pub enum Requests {}

/// Around requests and the bodies of their responses, which fail with [`Error`] too.
#[derive(Debug, Clone, Copy)]
pub enum Bodies {}

/// Around a connector: its request may be of any type, as reqwest's is sealed, and the error is boxed, as connectors'
/// are. The destination is told where a connect layer knows it.
#[derive(Debug, Clone, Copy)]
pub enum Connects {}

/// What timeouts around requests have in common.
macro_rules! of_requests {
    ($($kind:ty)*) => {$(
        impl<R: Destined> Describe<R> for $kind {
            fn target(request: &R) -> Option<Target<'_>> {
                Some(request.target())
            }
        }

        impl<E> Report<E> for $kind {
            type Error = Error<E>;

            fn elapsed(elapsed: Elapsed) -> Self::Error {
                Error::Elapsed(elapsed)
            }

            fn inner(error: E) -> Self::Error {
                Error::Inner(error)
            }
        }
    )*};
}

/// What timeouts that end with the head have in common.
macro_rules! to_the_head {
    ($($kind:ty)*) => {$(
        impl<T> Cover<T> for $kind {
            type Response = T;

            fn answered(response: T, Running(call): &mut Running) -> T {
                if let Some(call) = call {
                    call.answered();
                }
                response
            }
        }
    )*};
}

of_requests!(Requests Bodies);
to_the_head!(Requests Connects);

impl<T: Timed> Cover<T> for Bodies {
    type Response = T::Timed;

    fn answered(response: T, Running(call): &mut Running) -> T::Timed {
        response.timed(call.take().map(BodyTime::new))
    }
}

impl<R> Describe<R> for Connects {
    fn target(_: &R) -> Option<Target<'_>> {
        None
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

pub(super) use sealed::Sealed as Kind;

mod sealed {
    use std::pin::Pin;

    use tokio::time::Sleep;

    use crate::timeout::timer::Slot;

    /// Keeps the traits of this module to the kinds of it.
    pub trait Sealed {
        /// Where the timer of a call is kept.
        type Timer: Slot;
    }

    impl Sealed for super::Requests {
        type Timer = Option<Sleep>;
    }

    impl Sealed for super::Bodies {
        type Timer = Option<Sleep>;
    }

    /// hyper-util wants the futures of its connectors to be movable.
    impl Sealed for super::Connects {
        type Timer = Option<Pin<Box<Sleep>>>;
    }
}
