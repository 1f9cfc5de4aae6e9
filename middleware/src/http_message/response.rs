//! [`Answered`]: what a response says in its head.

use http::{HeaderMap, Response, StatusCode};

/// A response with a status and headers: `http::Response` and `reqwest::Response`. Sealed.
pub trait Answered: super::Sealed {
    #[doc(hidden)]
    fn status(&self) -> StatusCode;
    #[doc(hidden)]
    fn headers(&self) -> &HeaderMap;
}

impl<B> Answered for Response<B> {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

#[cfg(feature = "reqwest")]
impl Answered for reqwest::Response {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}
