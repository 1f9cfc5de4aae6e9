//! Bodies of requests and answers, each with a note of whose turn it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::places::InFlight;

/// Answers are given to hyper in pieces of so many bytes, which it takes as its peer takes them: so what nobody takes is
/// seen here.
const PIECE: usize = 64 * 1024;

/// The body of a request. Until all of it is there, its peer has to send more.
#[derive(Debug)]
pub(super) struct Sent {
    body: Incoming,
    in_flight: Arc<InFlight>,
}

impl Sent {
    pub(super) fn new(body: Incoming, in_flight: Arc<InFlight>) -> Self {
        in_flight.waits_for_peer(!body.is_end_stream());
        Self { body, in_flight }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if self.body.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            self.in_flight.waits_for_peer(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    /// Nobody waits for the rest.
    fn drop(&mut self) {
        self.in_flight.waits_for_peer(false);
    }
}

/// The body of an answer. What was given to hyper, or could be, has to be taken by its peer.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    /// What is left of a frame.
    rest: Bytes,
    /// All of it is held for this one peer. What is told as it happens is told to many, who share it.
    is_whole: bool,
    in_flight: Arc<InFlight>,
}

impl Answer {
    pub(super) fn new(body: Body, in_flight: Arc<InFlight>) -> Self {
        let is_whole = body.size_hint().exact().is_some();
        let answer = Self { body, rest: Bytes::new(), is_whole, in_flight };
        answer.tell(!answer.body.is_end_stream());
        answer
    }

    fn tell(&self, waits_for_peer: bool) {
        if self.is_whole {
            let unread = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
            self.in_flight.holds(self.rest.len().saturating_add(unread));
        }
        self.in_flight.waits_for_peer(waits_for_peer);
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.in_flight.waits_for_peer(false);
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let piece = PIECE.min(self.rest.len());
        let piece = self.rest.split_to(piece);
        self.tell(true);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (unread, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut all = SizeHint::new();
        all.set_lower(unread.lower() + rest);
        if let Some(upper) = unread.upper() {
            all.set_upper(upper + rest);
        }
        all
    }
}
