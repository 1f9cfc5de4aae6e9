//! [`Replay`]: whether and how a request can be sent again.

use http::{Method, Request};

use crate::Destined;

/// A request that may be sent again: `http::Request` with a body that can be cloned, and `reqwest::Request`. Sealed.
pub trait Replay: Destined + Sized {
    #[doc(hidden)]
    fn method(&self) -> &Method;
    #[doc(hidden)]
    fn is_marked_safe(&self) -> bool;
    #[doc(hidden)]
    fn replay(&self) -> Option<Self>;
}

/// Marks an `http::Request` as one that may be sent twice although its method is not idempotent, because it carries a key
/// that the server recognises, say. Put it into the extensions of the request. For reqwest, whose requests have none that
/// others can reach, there is [`RetryPolicyBuilder::safe_if`](super::RetryPolicyBuilder::safe_if).
///
/// ```
/// let request = http::Request::post("http://pay.example/").extension(poolscope::retry::RetrySafe).body(());
/// # request.unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySafe;

impl<B: Clone> Replay for Request<B> {
    fn method(&self) -> &Method {
        self.method()
    }

    fn is_marked_safe(&self) -> bool {
        self.extensions().get::<RetrySafe>().is_some()
    }

    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}

#[cfg(feature = "reqwest")]
impl Replay for reqwest::Request {
    fn method(&self) -> &Method {
        self.method()
    }

    fn is_marked_safe(&self) -> bool {
        false
    }

    fn replay(&self) -> Option<Self> {
        self.try_clone()
    }
}
