//! What a handler answers.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tokio_stream::StreamExt;

/// Body of an upstream's response; its error ends the connection in the middle of the body.
pub type Body = BoxBody<Bytes, io::Error>;

/// What a handler answers.
#[derive(Debug)]
pub enum Reply {
    /// A response.
    Answer(Response<Body>),
    /// No response: the connection is closed under the request.
    Hang(HangUp),
}

/// How a connection is closed under a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream hangs up")]
pub struct HangUp;

/// A response with a body.
#[must_use]
pub fn answer(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    respond(status, Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed())
}

/// A response with a body and one header.
#[must_use]
pub fn answer_with(status: StatusCode, body: impl Into<Bytes>, name: &'static str, value: &str) -> Reply {
    let mut reply = answer(status, body);
    if let Reply::Answer(response) = &mut reply {
        let value = HeaderValue::from_str(value).expect("a header of a test is text");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    reply
}

/// A response whose body begins and never ends by itself: one piece at once, then one each so often.
#[must_use]
pub fn answer_without_end(pause: Duration) -> Reply {
    let frame = || Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])));
    let rest = tokio_stream::iter(std::iter::repeat_with(frame)).throttle(pause);
    // A throttled stream gives its first piece without a pause.
    respond(StatusCode::OK, BodyExt::boxed(StreamBody::new(rest)))
}

fn respond(status: StatusCode, body: Body) -> Reply {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Reply::Answer(response)
}

/// A 101 that agrees to what the client asks to switch to.
#[must_use]
pub fn switch_protocols(asked: &HeaderMap) -> Reply {
    let mut reply = answer(StatusCode::SWITCHING_PROTOCOLS, "");
    if let Reply::Answer(response) = &mut reply {
        for name in [http::header::CONNECTION, http::header::UPGRADE] {
            if let Some(value) = asked.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    reply
}
