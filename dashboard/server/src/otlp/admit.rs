//! How OTLP requests get in: each is read first, and then waits for its turn to be decoded, a few at once. So neither slow
//! senders nor many hold up the others.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use poolscope_semconv::protocol::DASHBOARD_HEADER;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::intake::{Held, Unread};
use crate::app::{App, VERSION};

/// How long a request may wait for its turn. Exporters give up after 10 s by default, so it has to be less.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Why a request was not worked on.
#[derive(Debug)]
pub(super) enum Refused {
    /// Its turn did not come, or there was no room for its body.
    Busy,
    /// Its body did not come.
    Slow,
    /// It showed no key that is taken.
    NoKey,
    /// Its body is larger than so many bytes.
    TooLarge(usize),
    /// Its body broke off.
    Broken(axum::Error),
}

impl Refused {
    pub(super) fn sentence(&self) -> String {
        let sentence = match self {
            Self::Busy => "the dashboard is busy with other requests; send again in a second",
            Self::NoKey => {
                "the dashboard takes OTLP with its key only: send it in the header x-otlp-api-key, or as \
                 authorization: Bearer"
            }
            Self::Slow => "the request did not arrive within 10 s; send less at once or over a faster link",
            Self::TooLarge(max) => {
                return format!("the body is larger than {max} bytes; send fewer items at once");
            }
            Self::Broken(error) => return format!("the body ended before it was complete: {error}"),
        };
        sentence.to_owned()
    }
}

/// A body that is here, and whose turn it is until this is dropped.
#[derive(Debug)]
pub(super) struct Received<'a> {
    pub(super) bytes: Bytes,
    _room: Held<'a>,
    _turn: SemaphorePermit<'a>,
}

/// Reads a body of at most so many bytes, then waits for its turn.
pub(super) async fn receive<'a>(
    app: &'a App,
    body: &mut Body,
    max_bytes: usize,
) -> Result<Received<'a>, Refused> {
    let (bytes, room) = app.intake.read(body, max_bytes).await.map_err(|why| match why {
        Unread::TooLarge => Refused::TooLarge(max_bytes),
        Unread::Slow => Refused::Slow,
        Unread::Busy => Refused::Busy,
        Unread::Broken(error) => Refused::Broken(error),
    })?;
    let Ok(Ok(turn)) = timeout(MAX_WAIT, app.admission.acquire()).await else { return Err(Refused::Busy) };
    Ok(Received { bytes, _room: room, _turn: turn })
}

/// Says in an answer that it comes from a dashboard.
pub(super) fn introduce(mut response: Response) -> Response {
    response.headers_mut().insert(DASHBOARD_HEADER, HeaderValue::from_static(VERSION));
    response
}
