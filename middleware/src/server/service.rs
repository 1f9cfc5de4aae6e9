//! [`Served`]: the requests of one connection, seen.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::answer::AnswerFuture;
use super::body::{RequestBody, ResponseBody};
use super::connection::Connection;
use super::request::Guard;

/// Serves the requests of one connection, and sees them. See [`Connection::service`].
///
/// A service of tower as well as one of hyper, as the inner one is.
#[derive(Debug, Clone)]
pub struct Served<S> {
    inner: S,
    connection: Connection,
}

impl<S> Served<S> {
    pub(super) fn new(inner: S, connection: Connection) -> Self {
        Self { inner, connection }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

/// Begins a request, and calls what serves it.
fn serve<B: Body, F>(
    connection: &Connection,
    request: Request<B>,
    call: impl FnOnce(Request<RequestBody<B>>) -> F,
) -> AnswerFuture<F> {
    let mut guard = Guard::begin(connection, &request);
    #[cfg(feature = "axum")]
    let request = super::axum::with_peer(request, connection.peer());
    let timeout = connection.shared.rules.read_timeout;
    let request = request.map(|body| RequestBody::new(body, connection.life.clone(), timeout));
    let future = guard.poll(|| call(request));
    AnswerFuture::new(future, guard)
}

impl<S, B, R> Service<Request<B>> for Served<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    B: Body,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { inner, connection } = self;
        serve(connection, request, |request| inner.call(request))
    }
}

impl<S, B, R> hyper::service::Service<Request<B>> for Served<S>
where
    S: hyper::service::Service<Request<RequestBody<B>>, Response = Response<R>>,
    B: Body,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Future>;

    fn call(&self, request: Request<B>) -> Self::Future {
        serve(&self.connection, request, |request| self.inner.call(request))
    }
}
