//! [`Retry`].

use std::borrow::Borrow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tower_service::Service;

use super::call::Call;
use super::future::ResponseFuture;
use super::plan::Plan;
use super::replay::Replay;
use crate::current;
use crate::http_message::Answered;

/// A service whose calls are tried again. See the [module](super) for an example.
#[derive(Clone)]
pub struct Retry<S> {
    inner: S,
    common: Arc<Common<S>>,
}

impl<S: Clone> Retry<S> {
    pub(super) fn new(inner: S, plan: Arc<Plan>) -> Self {
        let common = Arc::new(Common { plan, model: Mutex::new(inner.clone()) });
        Self { inner, common }
    }
}

impl<S: fmt::Debug> fmt::Debug for Retry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("inner", &self.inner).field("plan", &self.common.plan).finish()
    }
}

/// What the clones of a service and their calls have in common.
pub(super) struct Common<S> {
    plan: Arc<Plan>,
    /// What a call clones when it tries again. To clone the service for each call, in case that it may have to, would cost a
    /// count up and down for each layer inside. Behind a lock, because not every service can be looked at by two threads.
    model: Mutex<S>,
}

impl<S: Clone> Common<S> {
    /// A service of its own for a call that tries again; not ready.
    pub(super) fn service(&self) -> S {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S> Borrow<Plan> for Common<S> {
    fn borrow(&self) -> &Plan {
        &self.plan
    }
}

impl<S, R> Service<R> for Retry<S>
where
    S: Service<R> + Clone,
    S::Response: Answered,
    S::Error: StdError + 'static,
    R: Replay,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let call = Call::new(&self.common);
        let spare = if self.common.plan.is_safe(&request) { request.replay() } else { None };
        let first = {
            let _resend = current::resend(0);
            self.inner.call(request)
        };
        ResponseFuture::new(spare, call, first)
    }
}

#[cfg(all(test, feature = "trace"))]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use tower::{Layer, ServiceExt, service_fn};

    use super::super::{RetryLayer, RetryPolicy};
    use crate::{Scope, current};

    #[tokio::test(start_paused = true)]
    async fn each_attempt_starts_as_the_resend_that_it_is() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let seen_by_service = Arc::clone(&seen);
        let service = service_fn(move |_: Request<()>| {
            seen_by_service.lock().unwrap().push(current::resends());
            std::future::ready(Ok::<_, io::Error>(Response::builder().status(503).body(()).unwrap()))
        });
        let policy = RetryPolicy::new(&Scope::new(), "p");
        RetryLayer::new(policy).layer(service).oneshot(Request::new(())).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
        assert_eq!(current::resends(), 0);
    }
}
