//! How many OTLP requests are worked on at once: the others wait unread, so that senders feel it and memory does not.

use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use poolscope_semconv::protocol::DASHBOARD_HEADER;
use tokio::time::timeout;

use crate::app::{App, VERSION};

/// How long a request may wait for its turn. Exporters give up after 10 s by default, so it has to be less.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How long a sender may take for its body, so that nobody can hold a turn by being slow.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Why a request was not worked on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refused {
    /// Its turn did not come.
    Busy,
    /// Its body did not come.
    Slow,
    /// It showed no key that is taken.
    NoKey,
}

impl Refused {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Busy => "the dashboard is busy with other requests; send again in a second",
            Self::NoKey => {
                "the dashboard takes OTLP with its key only: send it in the header x-otlp-api-key, or as \
                 authorization: Bearer"
            }
            Self::Slow => "the request did not arrive within 10 s; send less at once or over a faster link",
        }
    }
}

/// Lets a request through if it may be sent, and when its turn comes.
pub(super) async fn admit(app: &App, request: Request, next: Next) -> Result<Response, Refused> {
    if !app.access.may_send(request.headers()) {
        return Err(Refused::NoKey);
    }
    let Ok(Ok(_turn)) = timeout(MAX_WAIT, app.admission.acquire()).await else { return Err(Refused::Busy) };
    timeout(MAX_TIME, next.run(request)).await.map_err(|_| Refused::Slow)
}

/// Says in an answer that it comes from a dashboard.
pub(super) fn introduce(mut response: Response) -> Response {
    response.headers_mut().insert(DASHBOARD_HEADER, HeaderValue::from_static(VERSION));
    response
}
