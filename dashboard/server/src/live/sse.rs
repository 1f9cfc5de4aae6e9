//! The stream as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, header};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::ApiFailure;
use crate::app::App;
use crate::clock::now_ms;
use crate::conn::Peer;

/// `GET /api/v1/stream`.
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    Extension(Peer(address)): Extension<Peer>,
) -> Response {
    let Ok(messages) = app.streams.subscribe(address, now_ms()) else {
        app.counts.refused_stream();
        let message = format!(
            "{} browsers listen already, which is the limit, or most of them from one address; close one, or raise it \
             with --max-streams",
            app.streams.open()
        );
        return ApiFailure::busy(message).into_response();
    };
    app.changed.notify_one();
    let body = Body::from_stream(ReceiverStream::new(messages).map(Ok::<_, Infallible>));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that hold answers back until they are complete would hold this one back for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One message. JSON as serde writes it has no line breaks, so one `data` line holds it.
pub(super) fn frame(json: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(json.len() + 8);
    frame.put_slice(b"data: ");
    frame.put_slice(json);
    frame.put_slice(b"\n\n");
    frame.freeze()
}
