//! [`ResponseFuture`].

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use poolscope_semconv::value::ErrorType;
use tokio::time::Sleep;

use super::describe::{Report, Requests};
use super::limit::Call;
use crate::current;

pin_project! {
    /// Future of [`Timeout`](super::Timeout).
    #[derive(Debug)]
    pub struct ResponseFuture<F, K = Requests> {
        // Gone once the timeout has fired, so that what it held is given back at once.
        #[pin]
        pub(super) inner: Option<F>,
        #[pin]
        pub(super) timer: Sleep,
        pub(super) call: Call,
        pub(super) kind: PhantomData<fn(K)>,
    }
}

impl<F, T, E, K> Future for ResponseFuture<F, K>
where
    F: Future<Output = Result<T, E>>,
    K: Report<E>,
{
    type Output = Result<T, K::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this.inner.as_mut().as_pin_mut().expect("timeout polled after it was ready");
        // The response first: when both are ready, throwing away an answer helps nobody.
        if let Poll::Ready(result) = inner.poll(cx) {
            this.call.in_time();
            return Poll::Ready(result.map_err(K::inner));
        }
        if this.timer.poll(cx).is_ready() {
            current::drop_as(ErrorType::Timeout, || this.inner.set(None));
            return Poll::Ready(Err(K::elapsed(this.call.fire())));
        }
        Poll::Pending
    }
}
