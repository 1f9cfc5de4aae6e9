//! [`ResponseFuture`].

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use poolscope_semconv::value::ErrorType;

use super::describe::{Cover, Kind, Report, Requests, Running};
use super::limit::Call;
use super::timer::poll_due;
use crate::current;

pin_project! {
    /// Future of [`Timeout`](super::Timeout).
    #[derive(Debug)]
    pub struct ResponseFuture<F, K = Requests>
    where
        K: Kind,
    {
        // Gone once the timeout has fired, so that what it held is given back at once.
        #[pin]
        inner: Option<F>,
        // Set when the inner future is pending for the first time: many are not.
        #[pin]
        timer: K::Timer,
        call: Running,
        kind: PhantomData<fn(K)>,
    }
}

impl<F, K: Kind> ResponseFuture<F, K> {
    #[inline]
    pub(super) fn new(inner: F, call: Call) -> Self {
        Self { inner: Some(inner), timer: K::Timer::default(), call: Running(Some(call)), kind: PhantomData }
    }
}

impl<F, T, E, K> Future for ResponseFuture<F, K>
where
    F: Future<Output = Result<T, E>>,
    K: Report<E> + Cover<T>,
{
    type Output = Result<K::Response, K::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this.inner.as_mut().as_pin_mut().expect("timeout polled after it was ready");
        let call = this.call.0.as_mut().expect("timeout polled after it was ready");
        let polled = if call.asks_for_acquire() {
            let (polled, told) = current::watch(|| inner.poll(cx));
            call.told(told);
            polled
        } else {
            inner.poll(cx)
        };
        // The response first: when both are ready, throwing away an answer helps nobody.
        if let Poll::Ready(result) = polled {
            return Poll::Ready(match result {
                Ok(response) => Ok(K::answered(response, this.call)),
                Err(error) => {
                    call.failed();
                    Err(K::inner(error))
                }
            });
        }
        let now = ready!(poll_due(this.timer, cx, call.first_due(), |now| call.due(now)));
        let pool = current::drop_as(ErrorType::Timeout, || this.inner.set(None));
        Poll::Ready(Err(K::elapsed(call.fire(None, now, pool))))
    }
}
