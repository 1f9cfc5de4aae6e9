//! Requests and responses as the protection layers read them, the same for hyper and for reqwest.

#[cfg(any(feature = "breaker", feature = "retry"))]
mod asked;
#[cfg(any(feature = "breaker", feature = "limit"))]
mod body;
mod request;
#[cfg(any(feature = "breaker", feature = "limit", feature = "retry"))]
mod response;
#[cfg(any(feature = "breaker", feature = "retry"))]
mod retry_after;

#[cfg(any(feature = "breaker", feature = "retry"))]
pub use asked::Asked;
#[cfg(any(feature = "breaker", feature = "limit"))]
pub(crate) use body::Watch;
#[cfg(any(feature = "breaker", feature = "limit"))]
pub use body::{Bodied, WatchedBody};
pub use request::Destined;
#[cfg(feature = "timeout")]
pub(crate) use request::KeptTarget;
#[cfg(any(feature = "breaker", feature = "retry", feature = "timeout"))]
pub(crate) use request::Target;
#[cfg(feature = "breaker")]
pub(crate) use request::Written;
pub(crate) use request::sealed::Sealed;
#[cfg(any(feature = "breaker", feature = "limit", feature = "retry"))]
pub use response::Answered;
#[cfg(any(feature = "breaker", feature = "retry"))]
pub(crate) use retry_after::retry_after;
