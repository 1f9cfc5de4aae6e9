//! [`Timeout`].

use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::describe::{Cover, Describe, Report, Requests};
use super::future::ResponseFuture;
use super::limit::{Call, Limit};

/// A service whose calls have a limit of time. See the [module](super) for an example.
#[derive(Debug)]
pub struct Timeout<S, K = Requests> {
    inner: S,
    limit: Arc<Limit>,
    kind: PhantomData<fn(K)>,
}

impl<S, K> Timeout<S, K> {
    pub(super) fn new(inner: S, limit: Arc<Limit>) -> Self {
        Self { inner, limit, kind: PhantomData }
    }
}

impl<S: Clone, K> Clone for Timeout<S, K> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.limit))
    }
}

impl<S, R, K> Service<R> for Timeout<S, K>
where
    S: Service<R>,
    K: Describe<R> + Report<S::Error> + Cover<S::Response>,
{
    type Response = K::Response;
    type Error = K::Error;
    type Future = ResponseFuture<S::Future, K>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(K::inner)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let call = Call::new(Arc::clone(&self.limit), K::target(&request));
        ResponseFuture::new(self.inner.call(request), call)
    }
}
