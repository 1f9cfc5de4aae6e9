//! An HTTP/1 pool made of hyper-util's parts: a cache of connections, a cap on their number, an idle timeout.

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::pool::cache;
use hyper_util::rt::TokioIo;
use poolscope::ClientScope;
use poolscope::hyper::{
    CloseReason, ConnectLayer, ObservedConnection, ObservedIo, RequestBody, RequestLayer, ResponseBody,
};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt, service_fn};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
pub(crate) type BoxFuture<T, E> = std::pin::Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;
/// What callers send.
pub(crate) type Sent = Full<Bytes>;
/// A response, which gives its connection back to the cache when its body is dropped.
pub(crate) type Answer =
    Response<ResponseBody<http_body_util::combinators::UnsyncBoxBody<Bytes, hyper::Error>>>;

/// Why a request has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolError {
    #[error(transparent)]
    Connect(#[from] BoxError),
    #[error(transparent)]
    Request(#[from] hyper::Error),
}

/// What the pool may do.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Room for connections, idle ones included; pools may share it. Requests wait where there is none.
    pub(crate) room: Arc<Semaphore>,
    /// Idle connections are closed after this time.
    pub(crate) idle_timeout: Duration,
}

/// A pool for one destination.
pub(crate) fn pool(
    client: &ClientScope,
    limits: Limits,
) -> BoxCloneService<Request<Sent>, Answer, PoolError> {
    let connector = ConnectLayer::new(client).layer(HttpConnector::new());
    let cache = cache::builder().build(http1(connector, limits.room));

    // Looks for idle connections until the pool is dropped.
    let (mut expired, in_use) = (cache.clone(), Arc::new(()));
    let pool = Arc::downgrade(&in_use);
    tokio::spawn(async move {
        while pool.strong_count() > 0 {
            tokio::time::sleep(limits.idle_timeout / 4).await;
            expired.retain(|connection| is_fresh(connection, limits.idle_timeout));
        }
    });

    let requests = service_fn(move |request: Request<RequestBody<Sent>>| {
        let (mut cache, in_use) = (cache.clone(), Arc::clone(&in_use));
        async move {
            let mut connection = loop {
                let mut cached = cache.ready().await?.call(request.uri().clone()).await?;
                match cached.ready().await.map(drop) {
                    Ok(()) => break cached,
                    // It has ended while it was in the cache: take the next one.
                    Err(_) if cached.inner().handle().requests() > 0 => {}
                    Err(error) => return Err(PoolError::from(error)),
                }
            };
            let response = connection.call(request).await?;
            // The body holds the connection: it goes back to the cache when the body is dropped.
            Ok(response.map(|body| {
                body.map_frame(move |frame| {
                    let _held = (&connection, &in_use);
                    frame
                })
                .boxed_unsync()
            }))
        }
    });
    RequestLayer::new(client).layer(requests).boxed_clone()
}

/// The rule by which idle connections stay; one that goes has its reason on it.
fn is_fresh<S>(connection: &ObservedConnection<S>, idle_timeout: Duration) -> bool {
    let is_expired = connection.handle().idle_for() >= idle_timeout;
    if is_expired {
        connection.handle().closing(CloseReason::IdleTimeout);
    }
    !is_expired
}

/// Makes connections, each when there is room for it.
pub(crate) fn http1<C, To>(
    connector: C,
    room: Arc<Semaphore>,
) -> impl Service<
    To,
    Response = ObservedConnection<Http1<RequestBody<Sent>>>,
    Error = BoxError,
    Future: Send + Unpin,
> + Clone
where
    C: Service<To, Response = ObservedIo<TokioIo<TcpStream>>, Error = BoxError, Future: Send>,
    C: Clone + Send + 'static,
    To: Send + 'static,
{
    service_fn(move |to: To| {
        let (mut connector, room) = (connector.clone(), Arc::clone(&room));
        Box::pin(async move {
            // The cache takes a connection that comes back meanwhile, and this wait is dropped.
            let place = room.acquire_owned().await?;
            let io = connector.ready().await?.call(to).await?;
            let handle = io.handle();
            let (sender, connection) = handshake(io).await?;
            tokio::spawn(async move {
                // How it ends is in the books; its place is free when it has ended.
                let _ = connection.await;
                drop(place);
            });
            Ok(ObservedConnection::new(Http1(sender), handle))
        })
    })
}

/// One HTTP/1 connection as a service.
#[derive(Debug)]
pub(crate) struct Http1<B>(SendRequest<B>);

impl<B: Body + Send + 'static> Service<Request<B>> for Http1<B> {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // On the wire, the destination of an HTTP/1 request is in its header.
        let uri = std::mem::take(request.uri_mut());
        if let Some(host) = uri.authority().and_then(|to| HeaderValue::from_str(to.as_str()).ok()) {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
        Box::pin(self.0.send_request(request))
    }
}
