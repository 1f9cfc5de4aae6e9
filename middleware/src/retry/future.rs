//! [`ResponseFuture`].

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::call::Call;
use super::replay::Replay;
use super::service::Common;
use crate::http_message::Answered;

pin_project! {
    /// Future of [`Retry`](super::Retry).
    pub struct ResponseFuture<S, R>
    where
        S: Service<R>,
    {
        // What the next attempt sends; none if the request can't be sent twice.
        spare: Option<R>,
        call: Call<Common<S>>,
        #[pin]
        state: State<S, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F> {
        Attempt {
            #[pin]
            inner: F,
        },
        Waiting {
            #[pin]
            timer: Sleep,
        },
        GettingReady {
            service: S,
        },
    }
}

impl<S: Service<R>, R> ResponseFuture<S, R> {
    #[inline]
    pub(super) fn new(spare: Option<R>, call: Call<Common<S>>, first: S::Future) -> Self {
        Self { spare, call, state: State::Attempt { inner: first } }
    }
}

impl<S, R> Future for ResponseFuture<S, R>
where
    S: Service<R> + Clone,
    S::Response: Answered,
    S::Error: StdError + 'static,
    R: Replay,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Attempt { inner } => {
                    let result = ready!(inner.poll(cx));
                    let destination = || this.spare.as_ref().and_then(|spare| spare.target().text());
                    match this.call.judge(&result, this.spare.is_some(), destination) {
                        Some(delay) => {
                            // What is not wanted gives its connection back before the wait, not after it.
                            drop(result);
                            this.state.set(State::Waiting { timer: tokio::time::sleep(delay) });
                        }
                        None => return Poll::Ready(result),
                    }
                }
                StateProj::Waiting { timer } => {
                    ready!(timer.poll(cx));
                    this.state.set(State::GettingReady { service: this.call.common().service() });
                }
                StateProj::GettingReady { service } => {
                    let ready = ready!(service.poll_ready(cx));
                    let request = this.spare.take().expect("response future polled after it was ready");
                    if let Err(error) = ready {
                        this.call.fail(&error, || request.target().text());
                        return Poll::Ready(Err(error));
                    }
                    *this.spare = request.replay();
                    let inner = this.call.resend(|| service.call(request));
                    this.state.set(State::Attempt { inner });
                }
            }
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for ResponseFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("call", &self.call).finish_non_exhaustive()
    }
}
