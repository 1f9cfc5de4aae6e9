//! [`ResponseFuture`].

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use pin_project_lite::pin_project;

use super::classify::Answer;
use super::error::{BreakerOpen, Error};
use super::permit::Permit;
use crate::http_message::Bodied;

pin_project! {
    /// Future of [`Breaker`](super::Breaker).
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
            held: Held,
        },
        Rejected {
            open: Option<BreakerOpen>,
        },
    }
}

/// The permit of a call without an answer.
#[derive(Debug)]
struct Held {
    /// Taken when the answer is there; dropped with the future otherwise.
    permit: Option<Permit>,
    started: Option<Instant>,
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        if let (Some(permit), Some(started)) = (&mut self.permit, self.started) {
            permit.dropped(started);
        }
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn called(inner: F, permit: Permit, started: Option<Instant>) -> Self {
        Self { state: State::Called { inner, held: Held { permit: Some(permit), started } } }
    }

    pub(super) fn rejected(open: BreakerOpen) -> Self {
        Self { state: State::Rejected { open: Some(open) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<R, E>>,
    R: Bodied,
    E: StdError + 'static,
{
    type Output = Result<R::With<Permit>, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { inner, held } => {
                let result = ready!(inner.poll(cx));
                let started = held.started;
                let permit = held.permit.as_mut().expect("response future polled after it was ready");
                Poll::Ready(match result {
                    Ok(response) => {
                        if !permit.answered(&Answer::response(&response), started) {
                            held.permit = None;
                        }
                        Ok(response.with_watch(held.permit.take()))
                    }
                    Err(error) => {
                        permit.answered(&Answer::Error(&error), started);
                        held.permit = None;
                        Err(Error::Inner(error))
                    }
                })
            }
            StateProj::Rejected { open } => {
                let open = open.take().expect("response future polled after it was ready");
                Poll::Ready(Err(Error::Open(open)))
            }
        }
    }
}
