//! [`ResponseFuture`].

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::describe::{Report, Requests};
use super::limit::Call;

pin_project! {
    /// Future of [`Timeout`](super::Timeout).
    #[derive(Debug)]
    pub struct ResponseFuture<F, K = Requests> {
        #[pin]
        pub(super) inner: F,
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
        let this = self.project();
        // The response first: when both are ready, throwing away an answer helps nobody.
        if let Poll::Ready(result) = this.inner.poll(cx) {
            this.call.in_time();
            return Poll::Ready(result.map_err(K::inner));
        }
        if this.timer.poll(cx).is_ready() {
            return Poll::Ready(Err(K::elapsed(this.call.fire())));
        }
        Poll::Pending
    }
}
