//! [`RequestLayer`]: sees the requests of a reqwest client.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Version;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpInfo;
use pin_project_lite::pin_project;
use reqwest::{Body, Request, Response, ResponseBuilderExt, Url};
use tower_layer::Layer;
use tower_service::Service;

use super::closes;
use crate::body::ResponseBody;
use crate::clock::Instant;
use crate::connector::ends_of;
use crate::current;
use crate::lease::Lease;
use crate::registry::{
    ClientScope, Connection, DestinationRef, Ends, Established, Protocol, Request as Record,
};
use crate::trace::RequestSpan;

/// Sees requests from the call to the end of the response body. See the [module](super) for an example.
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
        Self { client: client.clone().observation(closes::observation()) }
    }
}

#[cfg(feature = "reqwest-middleware")]
impl RequestLayer {
    pub(super) fn client(&self) -> &ClientScope {
        &self.client
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestService { inner, client: self.client.clone() }
    }
}

/// A client whose requests are seen. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct RequestService<S> {
    inner: S,
    client: ClientScope,
}

impl<S> Service<Request> for RequestService<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Error + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (request, lease) = start(&self.client, request);
        ResponseFuture::new(self.inner.call(request), lease, &self.client)
    }
}

/// A request begins.
pub(super) fn start(client: &ClientScope, mut request: Request) -> (Request, Lease) {
    let pool = client.pool(&destination(request.url()));
    let method = request.method().clone();
    // The headers are taken out for the span to write into, so that it can read the URL if it needs it.
    let mut headers = std::mem::take(request.headers_mut());
    let url = || request.url().to_string();
    let span = RequestSpan::start(client.scope(), pool.name(), &method, &mut headers, url);
    *request.headers_mut() = headers;
    (request, Lease::new(Record::start(pool, method, Instant::now()), span))
}

fn destination(url: &Url) -> DestinationRef<'_> {
    DestinationRef::new(url.scheme(), url.host_str().unwrap_or_default(), url.port_or_known_default())
}

pin_project! {
    /// Future of [`RequestService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // Taken when the response is there; dropped with the future otherwise.
        lease: Option<Lease>,
        client: ClientScope,
        polled: bool,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, lease: Lease, client: &ClientScope) -> Self {
        Self { inner, lease: Some(lease), client: client.clone(), polled: false }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Error + 'static,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polling = current::Polling::begin(false);
        let poll = this.inner.poll(cx);
        let seen = polling.end();
        let first_poll = !std::mem::replace(this.polled, true);
        if let Some(lease) = this.lease.as_ref() {
            let request = lease.request();
            if seen.connect_started() {
                request.queued();
            }
            // No connect in the first poll means that an idle connection was there, or that HTTP/2 waits for the one that
            // is being made; a connect that ended in a poll of this request is the one it gets.
            let found = first_poll && !seen.connect_started() && request.pool().has_open();
            if poll.is_pending() && (found || seen.connected()) {
                request.acquire(if first_poll { request.started() } else { Instant::now() });
            }
        }
        let result = ready!(poll);
        let mut lease = this.lease.take().expect("response future polled after it was ready");
        match result {
            Ok(response) => Poll::Ready(Ok(observe(response, lease, this.client))),
            Err(error) => {
                if let Some(connection) = connection_of_error(&error, &lease) {
                    bind(&lease, &connection);
                }
                lease.fail(&error, seen.connect_failed());
                Poll::Ready(Err(error))
            }
        }
    }
}

/// Finds the connection of a response, and puts the lease into its body. What comes back is the same
/// `reqwest::Response`: URL, status, version, headers, extensions and remote address stay.
fn observe(response: Response, mut lease: Lease, client: &ClientScope) -> Response {
    let now = Instant::now();
    let url = response.url().clone();
    if let Some(ends) = response.extensions().get::<HttpInfo>().map(ends_of) {
        // After a redirect the answer comes from another pool than the one that was asked.
        let pool = client.pool(&destination(&url));
        if !Arc::ptr_eq(&pool, lease.request().pool()) {
            redirected(&lease, now);
        }
        let connection = pool.connection_between(ends).unwrap_or_else(|| {
            // Nobody told of its connect, or it was taken for closed.
            let is_http2 = response.version() == Version::HTTP_2;
            let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
            let made = Established { protocol, ends, ..Established::default() };
            let connection = pool.opened(client.next_connection_id(), made, now);
            closes::watch(client.scope(), &connection);
            connection
        });
        bind(&lease, &connection);
    }
    lease.headers(response.status(), response.version(), response.headers(), now);

    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    // reqwest keeps the URL in an extension that only its own builder can make.
    let marker = http::Response::builder().url(url).body(());
    if let Ok(mut marker) = marker {
        parts.extensions.extend(std::mem::take(marker.extensions_mut()));
    }
    let body = Body::wrap(ResponseBody::new(body, lease));
    http::Response::from_parts(parts, body).into()
}

/// The request was sent elsewhere after a first answer: a connection of its own pool gave that answer. Which one is not
/// told; one that was made for the request and served nobody since must be it.
fn redirected(lease: &Lease, now: Instant) {
    let request = lease.request();
    let made_for_it = |connection: &Arc<Connection>| {
        connection.requests() == 0 && connection.is_idle() && connection.free_since() >= request.started()
    };
    if let Some(connection) = request.pool().open_connections().into_iter().find(made_for_it) {
        connection.enter();
        connection.leave(now);
    }
}

/// Tells a request its connection, and when it got it if that was not seen.
fn bind(lease: &Lease, connection: &Arc<Connection>) {
    let now = Instant::now();
    let request = lease.request();
    if request.is_pending() {
        // It waited for a connect, its own or another's, or for the connection's previous response.
        request.acquire(connection.free_since().max(request.started()).min(now));
    }
    request.bind(connection);
}

/// The connection on which a request failed, if hyper-util names it.
fn connection_of_error(error: &(dyn Error + 'static), lease: &Lease) -> Option<Arc<Connection>> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(info) = error.downcast_ref::<legacy::Error>().and_then(legacy::Error::connect_info) {
            let mut extras = http::Extensions::new();
            info.get_extras(&mut extras);
            let ends: Ends = extras.get::<HttpInfo>().map(ends_of)?;
            return lease.request().pool().connection_between(ends);
        }
        cause = error.source();
    }
    None
}
