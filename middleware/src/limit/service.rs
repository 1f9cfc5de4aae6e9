//! [`Limit`].

use std::error::Error as StdError;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::error::Error;
use super::future::ResponseFuture;
use super::place::Places;
use super::plan::Plan;
use super::turn::{Asking, Turn};
use crate::http_message::{Bodied, Destined};
use crate::trace;

/// A service under a limit. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct Limit<S> {
    inner: S,
    plan: Arc<Plan>,
}

impl<S> Limit<S> {
    pub(super) fn new(inner: S, plan: Arc<Plan>) -> Self {
        Self { inner, plan }
    }
}

impl<S, R> Service<R> for Limit<S>
where
    S: Service<R> + Clone,
    S::Response: Bodied,
    S::Error: StdError + 'static,
    R: Destined,
{
    type Response = <S::Response as Bodied>::With<Places>;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Which limit a request is under depends on its destination, which is not known here.
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        // Telemetry that waits for those that it tells of would be told too late.
        if trace::is_suppressed() {
            return ResponseFuture::called(self.inner.call(request), None);
        }
        let pool = request.target().pool(&self.plan.client);
        match Turn::ask(&self.plan, pool) {
            Asking::In(mut places) => {
                places.begin();
                ResponseFuture::called(self.inner.call(request), Some(places))
            }
            // The clone is not ready; the future asks it before it is called.
            Asking::Waiting(turn) => {
                ResponseFuture::waiting(turn, self.plan.acquire_timeout, self.inner.clone(), request)
            }
            Asking::Refused(refused) => ResponseFuture::refused(refused),
        }
    }
}
