//! [`FallbackLayer`]: an answer in place of a rejection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::error::{BreakerOpen, Error};

/// Answers in place of a breaker that does not let a call through. Goes right around the [`Breaker`](super::Breaker); what
/// is left as an error is that of the service under it.
///
/// ```
/// use http::{Request, Response};
/// use poolscope::{Scope, breaker::{BreakerLayer, BreakerOpen, FallbackLayer, Force, JudgedBody}};
/// use tower::{Layer, Service, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = BreakerLayer::new(&Scope::new());
/// let service = service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new("fresh".to_owned())) });
/// let mut client = FallbackLayer::new(|open: &BreakerOpen| {
///     Response::new(JudgedBody::unjudged(format!("stale, since {} is open", open.name)))
/// })
/// .layer(layer.layer(service));
///
/// client.ready().await?.call(Request::get("http://pay.example/").body(())?).await?;
/// layer.handle().force("http://pay.example:80", Force::Open);
/// let answer = client.ready().await?.call(Request::get("http://pay.example/").body(())?).await?;
/// assert_eq!(answer.into_body().into_inner(), "stale, since http://pay.example:80 is open");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FallbackLayer<F> {
    answer: F,
}

impl<F> FallbackLayer<F> {
    /// A layer whose answers this makes.
    pub fn new(answer: F) -> Self {
        Self { answer }
    }
}

impl<S, F: Clone> Layer<S> for FallbackLayer<F> {
    type Service = Fallback<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback { inner, answer: self.answer.clone() }
    }
}

/// A service with answers in place of rejections. See [`FallbackLayer`].
#[derive(Debug, Clone)]
pub struct Fallback<S, F> {
    inner: S,
    answer: F,
}

impl<S, F, R, E> Service<R> for Fallback<S, F>
where
    S: Service<R, Error = Error<E>>,
    F: Fn(&BreakerOpen) -> S::Response + Clone,
{
    type Response = S::Response;
    type Error = E;
    type Future = FallbackFuture<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        match ready!(self.inner.poll_ready(cx)) {
            Err(Error::Inner(error)) => Poll::Ready(Err(error)),
            // A breaker rejects calls, and is always ready for one.
            Err(Error::Open(_)) | Ok(()) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: R) -> Self::Future {
        FallbackFuture { inner: self.inner.call(request), answer: self.answer.clone() }
    }
}

pin_project! {
    /// Future of [`Fallback`].
    #[derive(Debug)]
    pub struct FallbackFuture<U, F> {
        #[pin]
        inner: U,
        answer: F,
    }
}

impl<U, F, R, E> Future for FallbackFuture<U, F>
where
    U: Future<Output = Result<R, Error<E>>>,
    F: Fn(&BreakerOpen) -> R,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.inner.poll(cx)) {
            Ok(response) => Ok(response),
            Err(Error::Open(open)) => Ok((this.answer)(&open)),
            Err(Error::Inner(error)) => Err(error),
        })
    }
}
