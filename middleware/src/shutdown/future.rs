//! [`ResponseFuture`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use poolscope_semconv::value::ErrorType;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::body::Cuttable;
use super::error::{Cut, Error, Refused};
use super::state::UnderWay;
use crate::current;

pin_project! {
    /// Future of [`Shutdown`](super::Shutdown).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // Gone once it was cut, so that what it held is given back at once.
        #[pin]
        inner: Option<F>,
        // Made when it has to wait, in its own place.
        #[pin]
        cut: Option<WaitForCancellationFutureOwned>,
        // After the inner one, so that nothing is left of it when it counts as ended. None if it was refused.
        under_way: Option<UnderWay>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn called(inner: F, under_way: UnderWay) -> Self {
        Self { inner: Some(inner), cut: None, under_way: Some(under_way) }
    }

    pub(super) fn refused() -> Self {
        Self { inner: None, cut: None, under_way: None }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<R, E>>,
    R: Cuttable,
{
    type Output = Result<R::Cuttable, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(Error::Refused(Refused(()))));
        };
        if let Poll::Ready(result) = inner.poll(cx) {
            let under_way = this.under_way.take().expect("response future polled after it was ready");
            return Poll::Ready(match result {
                Ok(response) => Ok(response.cuttable(under_way)),
                Err(error) => Err(Error::Inner(error)),
            });
        }
        if this.cut.is_none()
            && let Some(under_way) = this.under_way
        {
            this.cut.set(Some(under_way.cancelled()));
        }
        if let Some(cut) = this.cut.as_mut().as_pin_mut() {
            ready!(cut.poll(cx));
        }
        current::drop_as(ErrorType::Shutdown, || this.inner.set(None));
        if let Some(under_way) = this.under_way.take() {
            under_way.was_cut();
        }
        Poll::Ready(Err(Error::Cut(Cut(()))))
    }
}
