//! [`RequestLayer`]: sees the requests of a reqwest client.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Version;
use http::header::{CONNECTION, HeaderValue};
use http_body::Body as _;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpInfo;
use pin_project_lite::pin_project;
use reqwest::{Body, Request, Response, ResponseBuilderExt, Url};
use tower_layer::Layer;
use tower_service::Service;

use super::closes;
use super::redirect::{self, Hops, Shown, Step};
use crate::body::ResponseBody;
use crate::clock::Instant;
use crate::connector::{self, ends_of};
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
        let entered = lease.enter();
        let inner = self.inner.call(request);
        drop(entered);
        ResponseFuture::new(inner, lease, &self.client)
    }
}

/// A request begins.
pub(super) fn start(client: &ClientScope, mut request: Request) -> (Request, Lease) {
    let pool = client.pool(&destination(request.url()));
    // One that says itself what becomes of its connection leaves the ticket to the next.
    let replaces = pool.take_ticket(|| !request.headers().contains_key(CONNECTION));
    if replaces.is_some() {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let span = RequestSpan::start(client.scope(), pool.name(), &mut request);
    let mut lease =
        Lease::new(Record::start(pool, request.method(), Instant::now()), request.headers(), span);
    if let Some(reason) = replaces {
        lease.replaces(reason);
    }
    (request, lease)
}

pub(crate) fn destination(url: &Url) -> DestinationRef<'_> {
    // The URL standard has hosts of HTTP in lower case.
    DestinationRef::lower_case(url.scheme(), url.host_str().unwrap_or_default(), url.port_or_known_default())
}

pin_project! {
    /// Future of [`RequestService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // Taken when the response is there; dropped with the future otherwise, before what it waits for.
        lease: Option<Lease>,
        #[pin]
        inner: F,
        client: ClientScope,
        polled: bool,
        hops: Hops,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, lease: Lease, client: &ClientScope) -> Self {
        Self { inner, lease: Some(lease), client: client.clone(), polled: false, hops: Hops::Sent }
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
        let entered = this.lease.as_ref().and_then(Lease::enter);
        let mut poll = this.inner.poll(cx);
        drop(entered);
        let seen = polling.end();
        if seen.connect_dropped() {
            connector::dropped_in_poll(&poll);
        }
        let shown = Shown {
            is_first: !std::mem::replace(this.polled, true),
            is_pending: poll.is_pending(),
            sends: seen.sends(),
            is_told: seen.redirected(),
        };
        if let Some(lease) = this.lease.as_mut() {
            let step = match this.hops {
                Hops::Sent if shown.is_plain() => Step::plain(shown),
                hops => hops.step(shown, Instant::now),
            };
            if let Some(at) = step.left {
                redirect::leave(lease, this.client, None, at);
            }
            if let Some(pool) = seen.connects_to() {
                lease.goes_on(&pool);
            }
            if seen.connect_started() {
                lease.queued();
            }
            let request = lease.request();
            // No connect in the first poll, of the request or of a hop of it, means that an idle connection was there, or
            // that HTTP/2 waits for the one that is being made; a connect that ended in a poll of this request is the one
            // it gets.
            let found = step.is_first && !seen.connect_started() && request.pool().has_open();
            if poll.is_pending() && (found || seen.connected()) {
                request.acquire(if step.is_first { request.started() } else { Instant::now() });
            }
            if step.is_redirected {
                redirect::follow(lease, this.client);
            }
        }
        let Poll::Ready(result) = &mut poll else {
            current::tell_acquire(|| this.lease.as_ref()?.request().held_since());
            return Poll::Pending;
        };
        let mut lease = this.lease.take().expect("response future polled after it was ready");
        match result {
            Ok(response) => answered(&mut lease, response, this.client),
            Err(error) => {
                let named = connection_of_error(error, this.client);
                match &named {
                    Some(connection) => lease.goes_on(connection.pool()),
                    None => lease.stay(),
                }
                // What a policy refuses to follow was answered.
                if let Some(connection) = named.or_else(|| {
                    is_redirect(error).then(|| redirect::served(lease.request(), Instant::now())).flatten()
                }) {
                    bind(&lease, &connection, Instant::now());
                }
                lease.fail(error, seen.connect_failed());
            }
        }
        if lease.is_over() { poll } else { poll.map_ok(|response| with_lease(response, lease)) }
    }
}

/// Finds the connection of a response, and counts it.
fn answered(lease: &mut Lease, response: &Response, client: &ClientScope) {
    let now = Instant::now();
    if let Some(ends) = response.extensions().get::<HttpInfo>().map(ends_of) {
        let destination = destination(response.url());
        // A service in between may have lost the URL of the response, so its connection is asked first.
        let is_here = lease.between().is_none() && lease.request().pool().connection_between(ends).is_some();
        if !is_here && (lease.between().is_some() || !lease.request().pool().is_of(&destination)) {
            // After a redirect the answer comes from another pool than the one that was asked.
            let pool = client.pool(&destination);
            if lease.between().is_none() && !Arc::ptr_eq(&pool, lease.request().pool()) {
                redirect::leave(lease, client, None, now);
            }
            lease.goes_on(&pool);
        }
        let pool = lease.request().pool();
        // One that is long gone is not opened anew for an answer that comes late.
        let connection = pool.connection_between(ends).or_else(|| {
            (!closes::is_gone(ends)).then(|| {
                // Nobody told of its connect, or it was taken for closed.
                let is_http2 = response.version() == Version::HTTP_2;
                let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
                let made = Established { protocol, ends, ..Established::default() };
                let connection = pool.opened(client.next_connection_id(), made, now);
                closes::watch(client.scope(), &connection);
                connection
            })
        });
        if let Some(connection) = connection {
            bind(lease, &connection, now);
        }
    }
    lease.headers(response.status(), response.version(), response.headers(), now);
    let length = response.content_length();
    lease.body_left(length);
    // Over HTTP/2 trailers may follow also where nothing else does.
    if length == Some(0) && response.version() != Version::HTTP_2 {
        lease.complete();
    }
}

/// Puts the lease into the body of a response.
fn with_lease(response: Response, mut lease: Lease) -> Response {
    map_body(response, |body| {
        if body.is_end_stream() {
            lease.complete();
        }
        ResponseBody::new(body, lease)
    })
}

/// Changes the body of a response. What comes back is the same `reqwest::Response`: URL, status, version, headers,
/// extensions and remote address stay.
pub(crate) fn map_body<B>(response: Response, change: impl FnOnce(Body) -> B) -> Response
where
    B: http_body::Body<Data = <Body as http_body::Body>::Data, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Sync
        + 'static,
{
    let url = response.url().clone();
    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    // reqwest keeps the URL in an extension that only its own way to build a response can make.
    let mut marked = http::Response::builder();
    if let Some(extensions) = marked.extensions_mut() {
        *extensions = std::mem::take(&mut parts.extensions);
    }
    if let Ok(mut marked) = marked.url(url).body(()) {
        parts.extensions = std::mem::take(marked.extensions_mut());
    }
    http::Response::from_parts(parts, Body::wrap(change(body))).into()
}

/// Tells a request its connection, and when it got it if that was not seen.
pub(super) fn bind(lease: &Lease, connection: &Arc<Connection>, now: Instant) {
    let request = lease.request();
    if request.is_pending() {
        // It waited for a connect, its own or another's, or for the connection's previous response.
        request.acquire(connection.free_since().max(request.started()).min(now));
    }
    request.bind(connection);
}

fn is_redirect(error: &(dyn Error + 'static)) -> bool {
    let cause = |error: &(dyn Error + 'static)| error.downcast_ref().is_some_and(reqwest::Error::is_redirect);
    cause(error) || error.source().is_some_and(cause)
}

/// The connection on which a request failed, if hyper-util names it.
fn connection_of_error(error: &(dyn Error + 'static), client: &ClientScope) -> Option<Arc<Connection>> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(info) = error.downcast_ref::<legacy::Error>().and_then(legacy::Error::connect_info) {
            let mut extras = http::Extensions::new();
            info.get_extras(&mut extras);
            let ends: Ends = extras.get::<HttpInfo>().map(ends_of)?;
            return client.pools().iter().find_map(|pool| pool.connection_between(ends));
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::Scope;

    const URL: &str = "http://host.example/path";

    /// An answer with this body, as it comes out of the layer.
    async fn answer(scope: &Scope, body: &'static str) -> Response {
        let inner = service_fn(move |request: Request| async move {
            let builder = http::Response::builder().status(203).header("name", "value");
            let response = builder.url(request.url().clone()).extension(7_u8).body(body).unwrap();
            Ok::<_, Infallible>(Response::from(response))
        });
        let service = RequestLayer::new(&scope.client("test")).layer(inner);
        service.oneshot(Request::new(http::Method::GET, URL.parse().unwrap())).await.unwrap()
    }

    fn is_same(response: &Response) {
        assert_eq!((response.url().as_str(), response.status().as_u16()), (URL, 203));
        assert_eq!(response.headers()["name"], "value");
        assert_eq!(response.extensions().get(), Some(&7_u8));
    }

    #[tokio::test]
    async fn a_request_without_a_body_to_read_is_over_with_its_head() {
        let scope = Scope::new();
        let response = answer(&scope, "").await;
        assert_eq!((scope.snapshot().pools[0].in_flight(), scope.snapshot().pools[0].released), (0, 1));
        is_same(&response);
        assert_eq!(response.bytes().await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_request_with_a_body_is_over_when_it_is_read_or_dropped() {
        let scope = Scope::new();
        let (read, dropped) = (answer(&scope, "body").await, answer(&scope, "body").await);
        is_same(&read);
        assert_eq!(scope.snapshot().pools[0].in_flight(), 2);
        assert_eq!(read.bytes().await.unwrap(), "body");
        assert_eq!(scope.snapshot().pools[0].in_flight(), 1);
        drop(dropped);
        assert_eq!((scope.snapshot().pools[0].in_flight(), scope.snapshot().pools[0].released), (0, 2));
    }
}
