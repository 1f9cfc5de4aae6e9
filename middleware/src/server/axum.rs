//! axum: its `Listener`, its make-service, and its routes.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::answer::AnswerFuture;
use super::body::RequestBody;
use super::handle::Server;
use super::io::ServerIo;
use super::listener::{Accept, Listen, ServerListener};
use super::route;
use super::service::Served;

impl<L: Listen> Listener for ServerListener<L> {
    type Io = ServerIo<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        next(self).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Self::local_addr(self)
    }
}

/// The next connection; never ready once the server is closed, as axum wants it.
pub(super) async fn next<A: Accept>(accept: &mut A) -> (ServerIo<A::Io>, A::Addr) {
    match accept.accept().await {
        Some(accepted) => accepted,
        None => pending().await,
    }
}

impl Server {
    /// What `axum::serve` makes its services from: each connection has one that sees its requests. The requests have
    /// `ConnectInfo<SocketAddr>`, where the client has an address.
    pub fn make_service<S>(&self, service: S) -> MakeService<S> {
        MakeService { service }
    }
}

/// The request with the address of its client, for `ConnectInfo`.
pub(super) fn with_peer<B>(mut request: http::Request<B>, peer: Option<SocketAddr>) -> http::Request<B> {
    if let Some(peer) = peer {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    request
}

/// Makes the service of each connection. See [`Server::make_service`].
#[derive(Debug, Clone)]
pub struct MakeService<S> {
    service: S,
}

impl<'a, S, L, T> Service<IncomingStream<'a, L>> for MakeService<S>
where
    S: Clone,
    L: Listener<Io = ServerIo<T>>,
    T: 'static,
{
    type Response = AxumService<S>;
    type Error = Infallible;
    type Future = Ready<Result<AxumService<S>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'a, L>) -> Self::Future {
        let served = stream.io().connection().service(ToBody { inner: self.service.clone() });
        ready(Ok(AxumService { served }))
    }
}

/// Serves the requests of one connection, with the bodies of axum.
#[derive(Debug, Clone)]
pub struct AxumService<S> {
    served: Served<ToBody<S>>,
}

/// Gives the inner service the body that axum has.
#[derive(Debug, Clone)]
struct ToBody<S> {
    inner: S,
}

impl<S> Service<http::Request<RequestBody<Body>>> for ToBody<S>
where
    S: Service<Request>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<RequestBody<Body>>) -> Self::Future {
        self.inner.call(request.map(Body::new))
    }
}

impl<S> Service<Request> for AxumService<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = AxumFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request>::poll_ready(&mut self.served, cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        AxumFuture { answer: Service::call(&mut self.served, request) }
    }
}

pin_project! {
    /// Future of [`AxumService`].
    #[derive(Debug)]
    pub struct AxumFuture<F> {
        #[pin]
        answer: AnswerFuture<F>,
    }
}

impl<F, E> Future for AxumFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().answer.poll(cx));
        Poll::Ready(response.map(|response| response.map(Body::new)))
    }
}

/// Tells the server which route a request matched; for `Router::layer` or `Router::route_layer`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteLayer;

impl<S> Layer<S> for RouteLayer {
    type Service = RouteService<S>;

    fn layer(&self, inner: S) -> RouteService<S> {
        RouteService { inner }
    }
}

/// Service of [`RouteLayer`].
#[derive(Debug, Clone)]
pub struct RouteService<S> {
    inner: S,
}

impl<S, B> Service<http::Request<B>> for RouteService<S>
where
    S: Service<http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if let Some(path) = request.extensions().get::<MatchedPath>() {
            route::matched(path.clone());
        }
        self.inner.call(request)
    }
}
