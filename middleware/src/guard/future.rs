//! [`ResponseFuture`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::error::{Error, ResourcesExhausted};
use super::shared::Coming;

pin_project! {
    /// Future of [`Guarded`](super::Guarded).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Called {
            #[pin]
            inner: F,
            // Dropped when the answer is there, or with the future.
            coming: Option<Coming>,
        },
        Refused {
            exhausted: Option<ResourcesExhausted>,
        },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn called(inner: F, coming: Option<Coming>) -> Self {
        Self { state: State::Called { inner, coming } }
    }

    pub(super) fn refused(exhausted: ResourcesExhausted) -> Self {
        Self { state: State::Refused { exhausted: Some(exhausted) } }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { inner, coming } => {
                let result = ready!(inner.poll(cx));
                *coming = None;
                Poll::Ready(result.map_err(Error::Inner))
            }
            StateProj::Refused { exhausted } => {
                let exhausted = exhausted.take().expect("response future polled after it was ready");
                Poll::Ready(Err(Error::Exhausted(exhausted)))
            }
        }
    }
}
