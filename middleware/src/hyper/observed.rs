//! [`ObservedConnection`]: one connection of a pool that is composed of services.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use poolscope_semconv::value::CloseReason;
use tower_service::Service;

use super::io::ObservedIo;
use super::named::ConnectionRef;
use super::request_body;
use crate::clock::Instant;
use crate::current;
use crate::registry::{Connection, Protocol};

impl<T> ObservedIo<T> {
    /// The connection's entry in the books, to be taken before the transport goes into a handshake. From now on,
    /// [`hygiene`](crate::hygiene) leaves the connection alone: who takes this owns the pool, and decides when it goes.
    #[must_use]
    pub fn handle(&self) -> ConnectionHandle {
        self.connection().left_to_its_owner();
        ConnectionHandle(Arc::clone(self.connection()))
    }
}

/// One connection's entry in the books. Cheap to clone; it keeps neither the connection open nor its pool's count up.
///
/// It tells the owner of a pool what a rule for closing needs, and takes the reason once the owner has decided. See
/// [`ObservedConnection`] for an example.
#[derive(Debug, Clone)]
pub struct ConnectionHandle(Arc<Connection>);

impl ConnectionHandle {
    /// Identity, unique in its scope; the same as in snapshots and events.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// What it speaks, as its connector told.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.0.protocol()
    }

    /// Address of the other end, if its connector told it.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer()
    }

    /// Time since it was established.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.0.age(Instant::now())
    }

    /// Time since the last request on it ended; its age if there was none, zero while there is one. Requests are seen by
    /// the [`RequestLayer`](super::RequestLayer): without it, this is the age.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        self.0.idle_for(Instant::now())
    }

    /// Requests that it has served or serves, as the [`RequestLayer`](super::RequestLayer) saw them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.requests()
    }

    /// Says why the connection is about to be closed, so that its close has this reason, and the reason is known instead
    /// of concluded. It closes nothing: drop the connection's service for that.
    ///
    /// Only the first reason counts. None counts for a connection that has come to its end without the caller, nor for one
    /// that fails under a request before it is closed.
    pub fn closing(&self, reason: CloseReason) {
        self.0.closing(reason);
    }
}

/// The service of one connection: between the handshake that makes it and the pool that keeps it.
///
/// Each request learns here which connection it was given, so it is bound to it in the moment that it is sent, over
/// HTTP/1 and HTTP/2, and in a runtime of any kind. That a request waited in the pool for this moment is seen when it is
/// polled in the task that called the [`RequestLayer`](super::RequestLayer)'s service, not from another task.
///
/// ```
/// use std::time::Duration;
/// use poolscope::hyper::{CloseReason, ObservedConnection, ObservedIo};
///
/// /// What the pool keeps, made of what the handshake of hyper gave.
/// fn pooled<T, S>(handshake: impl FnOnce(ObservedIo<T>) -> S, io: ObservedIo<T>) -> ObservedConnection<S> {
///     let handle = io.handle();
///     ObservedConnection::new(handshake(io), handle)
/// }
///
/// /// For `retain` of hyper-util's caches.
/// fn is_fresh<S>(connection: &ObservedConnection<S>) -> bool {
///     let handle = connection.handle();
///     let expired = handle.idle_for() > Duration::from_secs(90);
///     if expired {
///         handle.closing(CloseReason::IdleTimeout);
///     }
///     !expired
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ObservedConnection<S> {
    inner: S,
    handle: ConnectionHandle,
}

impl<S> ObservedConnection<S> {
    /// Observes the service that sends requests on the connection of the handle.
    #[must_use]
    pub fn new(inner: S, handle: ConnectionHandle) -> Self {
        Self { inner, handle }
    }

    /// The connection's entry in the books.
    #[must_use]
    pub fn handle(&self) -> &ConnectionHandle {
        &self.handle
    }

    /// The service that sends requests.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for ObservedConnection<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ObservedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The pool has chosen: what comes from here on is no longer a wait for the pool.
        current::given();
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        current::given();
        let connection = &self.handle.0;
        let is_told = request_body::hand_over(request.body(), connection, current::has_waited());
        ObservedFuture { inner: self.inner.call(request), untold: (!is_told).then(|| Arc::clone(connection)) }
    }
}

pin_project! {
    /// Future of [`ObservedConnection`].
    #[derive(Debug)]
    pub struct ObservedFuture<F> {
        #[pin]
        inner: F,
        // Where the request's body has been replaced on the way, the response tells the connection.
        untold: Option<Arc<Connection>>,
    }
}

impl<F, R, E> Future for ObservedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx));
        if let (Ok(response), Some(connection)) = (&mut result, this.untold.take()) {
            response.extensions_mut().insert(ConnectionRef(connection));
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;

    use http_body_util::{BodyExt, Empty};
    use poolscope_semconv::value::{AcquireOutcome, Certainty};
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::hyper::{RequestBody, RequestLayer};
    use crate::registry::{CloseCause, DestinationRef, Established, PoolSnapshot};
    use crate::{ClientScope, Scope};

    type Sent = RequestBody<Empty<&'static [u8]>>;

    fn open(client: &ClientScope, protocol: Protocol) -> ConnectionHandle {
        let pool = client.pool(&DestinationRef::new("http", "host", None));
        let made = Established { protocol, ..Established::default() };
        ConnectionHandle(pool.opened(client.scope().next_id(), made, Instant::now()))
    }

    fn get() -> Request<Empty<&'static [u8]>> {
        Request::get("http://host/").body(Empty::new()).unwrap()
    }

    fn pool(client: &ClientScope) -> PoolSnapshot {
        client.scope().snapshot().pools.remove(0)
    }

    /// Does with a request what hyper's connection does: asks the body before it sends.
    async fn send<B: Body>(request: Request<B>) -> Result<Response<Empty<&'static [u8]>>, Infallible> {
        let _ = request.body().is_end_stream();
        Ok(Response::new(Empty::new()))
    }

    #[test]
    fn a_reason_that_the_owner_says_is_known() {
        let client = Scope::new().client("test");
        let handle = open(&client, Protocol::Http1);
        handle.closing(CloseReason::IdleTimeout);
        handle.closing(CloseReason::Error);
        handle.0.close(Instant::now());
        assert_eq!(pool(&client).closed, [(CloseReason::IdleTimeout, Certainty::Known, 1)]);
    }

    #[test]
    fn a_connection_that_ended_by_itself_keeps_its_own_reason() {
        let client = Scope::new().client("test");
        let handle = open(&client, Protocol::Http1);
        handle.0.note(CloseCause::PeerClosed);
        handle.closing(CloseReason::IdleTimeout);
        handle.0.close(Instant::now());
        assert_eq!(pool(&client).closed, [(CloseReason::PeerClosedIdle, Certainty::Known, 1)]);
    }

    #[test]
    fn a_connection_that_breaks_before_its_owner_closes_it_was_broken() {
        let client = Scope::new().client("test");
        let [drained, broken] = [open(&client, Protocol::Http2), open(&client, Protocol::Http2)];
        for handle in [&drained, &broken] {
            handle.closing(CloseReason::ClientClosed);
        }
        drained.0.note(CloseCause::Reset);
        broken.0.enter(Instant::now());
        broken.0.note(CloseCause::Reset);
        drained.0.close(Instant::now());
        broken.0.close(Instant::now());
        let known = |reason| (reason, Certainty::Known, 1);
        assert_eq!(pool(&client).closed, [known(CloseReason::Reset), known(CloseReason::ClientClosed)]);
    }

    #[tokio::test]
    async fn a_request_is_pending_until_the_connection_takes_it() {
        let client = Scope::new().client("test");
        for protocol in Protocol::ALL {
            let handle = open(&client, protocol);
            let books = client.clone();
            let connection = service_fn(move |request: Request<Sent>| {
                let before = pool(&books);
                assert_eq!((before.pending(), before.in_flight()), (1, 0));
                send(request)
            });
            let service =
                RequestLayer::new(&client).layer(ObservedConnection::new(connection, handle.clone()));
            let response = service.oneshot(get()).await.unwrap();
            assert_eq!(handle.requests(), 1);
            response.into_body().collect().await.unwrap();
        }
        assert_eq!(pool(&client).outcome(AcquireOutcome::New), 2);
    }

    #[tokio::test]
    async fn a_request_is_found_in_a_wrapped_body_and_without_its_body() {
        let client = Scope::new().client("test");
        let handle = open(&client, Protocol::Http1);
        let observed =
            ObservedConnection::new(service_fn(|request: Request<_>| send::<_>(request)), handle.clone());
        let wrapped = observed.clone().map_request(|request: Request<Sent>| request.map(BodyExt::boxed));
        RequestLayer::new(&client).layer(wrapped).oneshot(get()).await.unwrap();
        assert_eq!(handle.requests(), 1);

        let observed = ObservedConnection::new(service_fn(send::<Empty<&'static [u8]>>), handle.clone());
        let replaced = observed.map_request(|request: Request<Sent>| request.map(|_| Empty::new()));
        RequestLayer::new(&client).layer(replaced).oneshot(get()).await.unwrap();
        assert_eq!(handle.requests(), 2);
    }

    #[tokio::test]
    async fn of_two_connections_that_were_tried_the_last_one_counts() {
        let client = Scope::new().client("test");
        let [refuses, takes] = [open(&client, Protocol::Http1), open(&client, Protocol::Http1)];
        let (first, second) = (refuses.clone(), takes.clone());
        let service = service_fn(move |request: Request<Sent>| {
            assert!(request_body::hand_over(request.body(), &first.0, false));
            ObservedConnection::new(service_fn(send), second.clone()).oneshot(request)
        });
        RequestLayer::new(&client).layer(service).oneshot(get()).await.unwrap();
        assert_eq!((refuses.requests(), takes.requests()), (0, 1));
    }

    /// A connection that is ready only when it is asked for the second time.
    #[derive(Clone)]
    struct LateReady(bool);

    impl Service<Request<Sent>> for LateReady {
        type Response = Response<Empty<&'static [u8]>>;
        type Error = io::Error;
        type Future = std::future::Ready<io::Result<Self::Response>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(Ok(()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }

        fn call(&mut self, request: Request<Sent>) -> Self::Future {
            let _ = request.body().is_end_stream();
            std::future::ready(Ok(Response::new(Empty::new())))
        }
    }

    #[tokio::test]
    async fn to_wait_in_the_pool_is_to_wait_and_to_wait_for_the_connection_is_not() {
        let client = Scope::new().client("test");
        let handle = open(&client, Protocol::Http1);
        // The first request on a connection is neither of the two.
        handle.0.enter(Instant::now());
        handle.0.leave(Instant::now());
        for (queues, ready, outcome, count) in [
            (false, true, AcquireOutcome::Reused, 1),
            (false, false, AcquireOutcome::Reused, 2),
            (true, true, AcquireOutcome::Waited, 1),
            (true, false, AcquireOutcome::Waited, 2),
        ] {
            let service = service_fn(|request: Request<Sent>| {
                let observed = ObservedConnection::new(LateReady(ready), handle.clone());
                async move {
                    if queues {
                        tokio::task::yield_now().await;
                    }
                    observed.oneshot(request).await
                }
            });
            RequestLayer::new(&client).layer(service).oneshot(get()).await.unwrap();
            assert_eq!(pool(&client).outcome(outcome), count, "queues: {queues}, ready: {ready}");
        }
        assert_eq!(pool(&client).queued.count(), 2);
    }
}
