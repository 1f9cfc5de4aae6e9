//! [`Shutdown`].

use std::task::{Context, Poll};

use tower_service::Service;

use super::body::Cuttable;
use super::error::Error;
use super::future::ResponseFuture;
use crate::Scope;

/// A service whose requests end with the shutdown of a scope. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct Shutdown<S> {
    inner: S,
    scope: Scope,
}

impl<S> Shutdown<S> {
    pub(super) fn new(inner: S, scope: Scope) -> Self {
        Self { inner, scope }
    }
}

impl<S, R> Service<R> for Shutdown<S>
where
    S: Service<R>,
    S::Response: Cuttable,
{
    type Response = <S::Response as Cuttable>::Cuttable;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match self.scope.shutdown_state().begin() {
            Some(under_way) => ResponseFuture::called(self.inner.call(request), under_way),
            None => ResponseFuture::refused(),
        }
    }
}
