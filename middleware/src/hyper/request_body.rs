//! [`RequestBody`]: how an HTTP/1 request and its connection find each other.
//!
//! hyper's HTTP/1 dispatcher asks the request body `is_end_stream()` in the connection's task just before it writes the
//! head. That is the moment of the acquire, and the next write in the same task is the request's: so the request is left
//! on the thread there, and the connection's IO takes it. HTTP/2 writes in another task, where the task's id does not
//! match; there the connection is [named] to the request.
//!
//! A connection of a composed pool is known before: it is handed to the request, which keeps it for the moment of the
//! acquire.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task;

use super::named;
use crate::clock::Instant;
use crate::registry::{CloseCause, Connection, Protocol, Request};

thread_local! {
    static MEETING: Meeting = const { Meeting { written_next: Cell::new(None), handed_over: Cell::new(None) } };
}

/// Where a request and its connection find each other on a thread.
struct Meeting {
    /// The request whose head is written next, and the task that will write it.
    written_next: Cell<Option<(task::Id, Arc<Request>)>>,
    /// The connection that is handed to the request whose body is asked next.
    handed_over: Cell<Option<Handed>>,
}

/// A connection on its way to a request.
struct Handed {
    connection: Arc<Connection>,
    /// True if the request has waited in the pool.
    waited: bool,
}

/// Hands a connection to the request that a body belongs to, through whatever the body is wrapped in; false if it belongs
/// to none that waits for a connection.
pub(super) fn hand_over(body: &impl Body, connection: &Arc<Connection>, waited: bool) -> bool {
    let handed = Handed { connection: Arc::clone(connection), waited };
    MEETING.with(|meeting| meeting.handed_over.set(Some(handed)));
    // The one question that every wrapper of a body passes on.
    let _ = body.is_end_stream();
    MEETING.with(|meeting| meeting.handed_over.take()).is_none()
}

/// Binds the request whose head is about to be written to the connection that writes it.
pub(super) fn bind_written(connection: &Arc<Connection>) {
    let Some((task, request)) = MEETING.with(|meeting| meeting.written_next.take()) else { return };
    if task::try_id() == Some(task) {
        request.bind(connection);
    }
}

/// The body of a request is asked whether there is any: by whoever hands it a connection, or by the connection that is
/// about to write it. Only the first connection counts.
fn asked(request: &Arc<Request>) {
    if !request.is_pending() {
        return;
    }
    MEETING.with(|meeting| {
        if let Some(Handed { connection, waited }) = meeting.handed_over.take() {
            if waited {
                request.queued();
            }
            return request.hand_to(connection);
        }
        request.acquire(Instant::now());
        if request.bind_handed(named::task)
            || request.pool().has_http2() && named::task().is_some_and(|task| request.bind_sent(task))
        {
            return;
        }
        if let Some(task) = task::try_id() {
            meeting.written_next.set(Some((task, Arc::clone(request))));
        }
    });
}

pin_project! {
    /// Body of a request on its way to the connection.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        request: Option<Arc<Request>>,
    }
}

impl<B> RequestBody<B> {
    pub(super) fn new(inner: B, request: Arc<Request>) -> Self {
        Self { inner, request: Some(request) }
    }
}

impl<B: Default> Default for RequestBody<B> {
    /// A body that belongs to no request; hyper-util's `Client::get` makes such.
    fn default() -> Self {
        Self { inner: B::default(), request: None }
    }
}

/// The request of a body that fails or panics: its connection is dropped for that at once, before the caller hears of it.
struct Failing<'a> {
    request: Option<&'a Arc<Request>>,
}

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.request.and_then(|request| request.connection())
            && connection.protocol() == Protocol::Http1
        {
            connection.note(CloseCause::RequestDropped);
        }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let mut failing = Failing { request: this.request.as_ref() };
        let poll = this.inner.poll_frame(cx);
        if !matches!(poll, Poll::Ready(Some(Err(_)))) {
            failing.request = None;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        if let Some(request) = &self.request {
            asked(request);
        }
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;

    use poolscope_semconv::value::CloseReason;

    use super::*;
    use crate::Scope;
    use crate::registry::{DestinationRef, End, Established};

    /// A body that fails, or panics.
    struct Broken {
        panics: bool,
    }

    impl Body for Broken {
        type Data = &'static [u8];
        type Error = std::io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
            assert!(!self.panics, "a body of a test panics");
            Poll::Ready(Some(Err(std::io::Error::other("no more"))))
        }
    }

    /// Why a connection is closed whose HTTP/1 request body ends like this one.
    fn reason_of(body: Broken) -> CloseReason {
        let scope = Scope::new();
        let pool = scope.client("test").pool(&DestinationRef::new("http", "host", None));
        let now = Instant::now();
        let connection = pool.opened(scope.next_id(), Established::default(), now);
        let request = Request::start(Arc::clone(&pool), &http::Method::POST, now);
        request.acquire(now);
        request.bind(&connection);
        let mut body = RequestBody::new(body, Arc::clone(&request));
        let mut cx = Context::from_waker(Waker::noop());
        let frame = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut body).poll_frame(&mut cx)));
        assert!(matches!(frame, Err(_) | Ok(Poll::Ready(Some(Err(_))))));
        connection.close(now);
        request.end(End::Failed, now);
        scope.snapshot().pools[0].closed[0].0
    }

    #[test]
    fn a_body_that_fails_or_panics_drops_its_request() {
        assert_eq!(reason_of(Broken { panics: false }), CloseReason::RequestDropped);
        assert_eq!(reason_of(Broken { panics: true }), CloseReason::RequestDropped);
    }
}
