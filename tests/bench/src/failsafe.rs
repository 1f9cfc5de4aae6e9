//! failsafe's breaker as a tower layer, which that crate has not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use failsafe::backoff::EqualJittered;
use failsafe::failure_policy::ConsecutiveFailures;
use failsafe::{StateMachine, backoff, failure_policy};
use http::Response;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

type Breaker = StateMachine<ConsecutiveFailures<EqualJittered>, ()>;

/// Puts one breaker that counts consecutive failures, the cheapest policy that failsafe has, in front of a service.
#[derive(Debug, Clone)]
pub(crate) struct FailsafeLayer(Breaker);

impl FailsafeLayer {
    pub(crate) fn new() -> Self {
        let open_times = backoff::equal_jittered(Duration::from_secs(10), Duration::from_secs(300));
        let policy = failure_policy::consecutive_failures(5, open_times);
        Self(failsafe::Config::new().failure_policy(policy).build())
    }
}

impl<S> Layer<S> for FailsafeLayer {
    type Service = Failsafe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Failsafe { inner, breaker: self.0.clone() }
    }
}

/// A service behind a breaker of failsafe.
#[derive(Debug, Clone)]
pub(crate) struct Failsafe<S> {
    inner: S,
    breaker: Breaker,
}

impl<S, R, B> Service<R> for Failsafe<S>
where
    S: Service<R, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = failsafe::Error<S::Error>;
    type Future = Judged<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(failsafe::Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let called = self.breaker.is_call_permitted().then(|| self.inner.call(request));
        Judged { called, breaker: self.breaker.clone() }
    }
}

pin_project! {
    /// Judges the answer.
    #[derive(Debug)]
    pub(crate) struct Judged<F> {
        // Nothing if the breaker was open.
        #[pin]
        called: Option<F>,
        breaker: Breaker,
    }
}

impl<F, B, E> Future for Judged<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, failsafe::Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(called) = this.called.as_pin_mut() else {
            return Poll::Ready(Err(failsafe::Error::Rejected));
        };
        let result = ready!(called.poll(cx));
        match &result {
            Ok(response) if !response.status().is_server_error() => this.breaker.on_success(),
            _ => this.breaker.on_error(),
        }
        Poll::Ready(result.map_err(failsafe::Error::Inner))
    }
}
