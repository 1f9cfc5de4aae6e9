//! [`Guarded`].

use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::error::Error;
use super::future::ResponseFuture;
use super::shared::Shared;

/// A service behind a guard. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S, R> Service<R> for Guarded<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // What is left is known when a call is made, and may be gone by then if it is asked for here.
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match self.shared.admit() {
            Ok(coming) => ResponseFuture::called(self.inner.call(request), coming),
            Err(exhausted) => ResponseFuture::refused(exhausted),
        }
    }
}
