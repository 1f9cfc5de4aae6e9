//! [`Retry`].

use std::error::Error as StdError;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::call::Call;
use super::future::ResponseFuture;
use super::plan::Plan;
use super::replay::Replay;
use crate::current;
use crate::http_message::Answered;

/// A service whose calls are tried again. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct Retry<S> {
    inner: S,
    plan: Arc<Plan>,
}

impl<S> Retry<S> {
    pub(super) fn new(inner: S, plan: Arc<Plan>) -> Self {
        Self { inner, plan }
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

    fn call(&mut self, request: R) -> Self::Future {
        let call = Call::new(&self.plan);
        let spare = if self.plan.is_safe(&request) { request.replay() } else { None };
        let first = {
            let _resend = current::resend(0);
            self.inner.call(request)
        };
        // The clone is not ready; the future asks it before it is called.
        ResponseFuture::new(self.inner.clone(), spare, call, first)
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
