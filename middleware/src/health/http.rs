//! Requests and responses of probes, for hyper and for reqwest.

use std::error::Error;

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;

/// `User-Agent` of every probe, by which servers and layers tell it from the requests of users.
pub const USER_AGENT: &str = concat!("poolscope-health/", env!("CARGO_PKG_VERSION"));

type BoxError = Box<dyn Error + Send + Sync>;

/// What a probe asks for.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
}

/// A request that a probe can make: `http::Request` with a body that can be empty, and `reqwest::Request`. Sealed.
pub trait ProbeRequest: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn make(asked: &Asked) -> Result<Self, BoxError>;
}

/// A response that a probe can read: `http::Response` and `reqwest::Response`. Sealed.
pub trait ProbeResponse: sealed::Sealed {
    #[doc(hidden)]
    type Body: Body<Error: Into<BoxError>>;

    #[doc(hidden)]
    fn split(self) -> (StatusCode, Self::Body);
}

impl<B: Default> ProbeRequest for Request<B> {
    fn make(asked: &Asked) -> Result<Self, BoxError> {
        let mut request = Self::new(B::default());
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = asked.uri.clone();
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        Ok(request)
    }
}

impl<B: Body<Error: Into<BoxError>>> ProbeResponse for Response<B> {
    type Body = B;

    fn split(self) -> (StatusCode, B) {
        (self.status(), self.into_body())
    }
}

#[cfg(feature = "reqwest")]
impl ProbeRequest for reqwest::Request {
    fn make(asked: &Asked) -> Result<Self, BoxError> {
        let mut request = Self::new(asked.method.clone(), asked.uri.to_string().parse()?);
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        Ok(request)
    }
}

#[cfg(feature = "reqwest")]
impl ProbeResponse for reqwest::Response {
    type Body = reqwest::Body;

    fn split(self) -> (StatusCode, reqwest::Body) {
        let response = Response::<reqwest::Body>::from(self);
        (response.status(), response.into_body())
    }
}

mod sealed {
    pub trait Sealed {}

    impl<B> Sealed for http::Request<B> {}
    impl<B> Sealed for http::Response<B> {}
    #[cfg(feature = "reqwest")]
    impl Sealed for reqwest::Request {}
    #[cfg(feature = "reqwest")]
    impl Sealed for reqwest::Response {}
}
