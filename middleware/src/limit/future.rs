//! [`ResponseFuture`].

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::error::{Error, Refused};
use super::place::Places;
use super::turn::Turn;
use crate::current;
use crate::http_message::Bodied;

pin_project! {
    /// Future of [`Limit`](super::Limit).
    pub struct ResponseFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, S::Future, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, R> {
        // In boxes: who waits has the time to make them, and the future of who does not is moved by each layer outside, so it
        // had better be small.
        Waiting {
            turn: Box<Turn>,
            timer: Pin<Box<Sleep>>,
            held: Option<Box<(S, R)>>,
        },
        GettingReady {
            places: Option<Places>,
            queued: Duration,
            held: Option<Box<(S, R)>>,
        },
        Called {
            #[pin]
            inner: F,
            // After the inner one, so that its connection is free before the next request is let in.
            places: Option<Places>,
        },
        Refused {
            refused: Option<Refused>,
        },
    }
}

impl<S: Service<R>, R> ResponseFuture<S, R> {
    #[inline]
    pub(super) fn called(inner: S::Future, places: Option<Places>) -> Self {
        Self { state: State::Called { places, inner } }
    }

    pub(super) fn waiting(turn: Turn, timeout: Duration, service: S, request: R) -> Self {
        let timer = Box::pin(tokio::time::sleep(timeout));
        Self {
            state: State::Waiting { turn: Box::new(turn), timer, held: Some(Box::new((service, request))) },
        }
    }

    pub(super) fn refused(refused: Refused) -> Self {
        Self { state: State::Refused { refused: Some(refused) } }
    }
}

impl<S, R> Future for ResponseFuture<S, R>
where
    S: Service<R>,
    S::Response: Bodied,
    S::Error: StdError + 'static,
{
    type Output = Result<<S::Response as Bodied>::With<Places>, Error<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Called { places, inner } => {
                    let result = ready!(inner.poll(cx));
                    let mut places = places.take();
                    if let Some(places) = &mut places {
                        places.answered(&result);
                    }
                    return Poll::Ready(match result {
                        Ok(response) => Ok(response.with_watch(places)),
                        Err(error) => Err(Error::Inner(error)),
                    });
                }
                StateProj::Waiting { turn, timer, held } => {
                    let Poll::Ready(turned) = turn.poll(cx) else {
                        ready!(timer.as_mut().poll(cx));
                        return Poll::Ready(Err(Error::Refused(turn.time_out())));
                    };
                    let (places, queued) = turned.map_err(Error::Refused)?;
                    let held = held.take();
                    state.set(State::GettingReady { places: Some(places), queued, held });
                }
                StateProj::GettingReady { places, queued, held } => {
                    let (service, _) = &mut **held.as_mut().expect("held until the service is called");
                    ready!(service.poll_ready(cx)).map_err(Error::Inner)?;
                    let (mut service, request) = *held.take().expect("held until the service is called");
                    let mut places = places.take();
                    places.iter_mut().for_each(Places::begin);
                    let nanos = u64::try_from(queued.as_nanos()).unwrap_or(u64::MAX).max(1);
                    let inner = current::with_queued(nanos, || service.call(request));
                    state.set(State::Called { places, inner });
                }
                StateProj::Refused { refused } => {
                    let refused = refused.take().expect("response future polled after it was ready");
                    return Poll::Ready(Err(Error::Refused(refused)));
                }
            }
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for ResponseFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting { .. } => "waiting",
            State::GettingReady { .. } => "getting ready",
            State::Called { .. } => "called",
            State::Refused { .. } => "refused",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
