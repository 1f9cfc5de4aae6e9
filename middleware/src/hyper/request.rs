//! [`RequestLayer`]: observes the requests of hyper-util's client.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use http_body::Body;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::named::{self, ConnectionRef};
use super::pill;
use super::request_body::RequestBody;
use crate::body::ResponseBody;
use crate::clock::Instant;
use crate::connector;
use crate::current;
use crate::lease::Lease;
use crate::registry::{ClientScope, Request as Record};
use crate::trace::RequestSpan;

/// Observes requests from the call to the end of the response body. See the [module](super) for an example.
///
/// Put it right around the client, inside of retry, timeout and breaker, so that it sees every attempt.
#[derive(Debug, Clone)]
pub struct RequestLayer {
    client: ClientScope,
}

impl RequestLayer {
    /// A layer that counts into the pools of a client; the [`ConnectLayer`](super::ConnectLayer) gets the same client.
    #[must_use]
    pub fn new(client: &ClientScope) -> Self {
        Self { client: client.clone() }
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestService { inner, client: self.client.clone() }
    }
}

/// A client whose requests are observed. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct RequestService<S> {
    inner: S,
    client: ClientScope,
}

impl<S, B, R> Service<Request<B>> for RequestService<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    S::Error: Error + 'static,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let pool = self.client.pool_at(request.uri());
        let capture = pool.lacks_pill().then(|| capture_connection(&mut request));
        let span = RequestSpan::start(self.client.scope(), pool.name(), &mut request);
        let asked = match *request.method() {
            Method::CONNECT => Asked::Tunnel,
            Method::HEAD => Asked::Head,
            _ => Asked::Body,
        };
        let lease =
            Lease::new(Record::start(pool, request.method(), Instant::now()), request.headers(), span);
        let record = lease.request().clone();
        let entered = lease.enter();
        let inner = self.inner.call(request.map(|body| RequestBody::new(body, record)));
        drop(entered);
        ResponseFuture { inner, lease: Some(lease), place: Place::Caller, asked, capture }
    }
}

pin_project! {
    /// Future of [`RequestService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // Taken when the response is there; dropped with the future otherwise. Before the inner one: what that one lets go
        // may be closed on another thread at once, and by then it must be known why.
        lease: Option<Lease>,
        #[pin]
        inner: F,
        place: Place,
        asked: Asked,
        // For the pill of its connection, where that is not known.
        capture: Option<CaptureConnection>,
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Body,
    /// No body, with HEAD.
    Head,
    /// A tunnel, with CONNECT.
    Tunnel,
}

/// Where a request is, as far as its polls show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// With its caller: it was not polled yet.
    Caller,
    /// In the client, and maybe in the queue of its pool.
    Client,
    /// On its way to the connection that it was given.
    Connection,
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    E: Error + 'static,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let waited = *this.place == Place::Client;
        let polling = current::Polling::begin(waited);
        let entered = this.lease.as_ref().and_then(Lease::enter);
        let mut poll = this.inner.poll(cx);
        drop(entered);
        let seen = polling.end();
        if this.capture.is_some() {
            pill::take(this.capture);
            if let Some(connection) = this.lease.as_ref().and_then(|lease| lease.request().connection()) {
                pill::retire(this.capture, &connection);
            }
        }
        if *this.place == Place::Caller {
            *this.place = Place::Client;
        }
        if seen.anything() {
            if seen.given() {
                *this.place = Place::Connection;
            }
            if seen.connect_dropped() {
                connector::dropped_in_poll(&poll);
            }
            if let Some(lease) = this.lease.as_ref() {
                if seen.connect_started() || waited && seen.given() {
                    lease.queued();
                }
                if seen.named()
                    && let Some(connection) = named::take()
                {
                    lease.request().named(&connection, named::task());
                }
            }
        }
        let Poll::Ready(result) = &mut poll else {
            current::tell_acquire(|| this.lease.as_ref()?.request().held_since());
            return Poll::Pending;
        };
        let mut lease = this.lease.take().expect("response future polled after it was ready");
        match result {
            Ok(response) => {
                let now = Instant::now();
                if !lease.request().is_bound()
                    && let Some(ConnectionRef(connection)) = response.extensions_mut().remove()
                {
                    lease.answered_by(&connection, named::task(), now);
                }
                lease.headers(response.status(), response.version(), response.headers(), now);
                if *this.asked == Asked::Tunnel && response.status().is_success() {
                    lease.tunnel();
                }
                let body = response.body();
                if body.is_end_stream() {
                    lease.complete();
                } else {
                    let length = body.size_hint().upper();
                    if length.is_none() && *this.asked == Asked::Body {
                        lease.has_no_length(response.status(), response.headers());
                    }
                    lease.body_left(length);
                }
            }
            Err(error) => lease.fail(error, seen.connect_failed()),
        }
        // All that was read above was read in its place: a response is too large to be moved often.
        poll.map_ok(|response| response.map(|body| ResponseBody::new(body, lease)))
    }
}
