//! [`RequestBody`] and [`ResponseBody`].

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use poolscope_semconv::value::ServerCloseReason;
use tokio::time::{Instant, Sleep, sleep};

use super::life::{Life, is};
use super::request::{Answer, Guard};

/// Why the body of a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError<E> {
    /// Nothing of it came for as long as the server's read timeout.
    Stalled(Duration),
    /// The body itself failed.
    Inner(E),
}

impl<E: fmt::Display> fmt::Display for BodyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled(timeout) => write!(f, "nothing of the request's body came for {timeout:?}"),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for BodyError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Stalled(_) => None,
            Self::Inner(error) => error.source(),
        }
    }
}

pin_project! {
    /// The body of a request, which may not stand still for longer than the server's read timeout.
    #[derive(Debug)]
    pub struct RequestBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: B,
        life: Arc<Life>,
        timeout: Option<Duration>,
        // Made when it first has to wait, and kept.
        timer: Option<Pin<Box<Sleep>>>,
        is_waiting: bool,
        is_over: bool,
    }

    impl<B> PinnedDrop for RequestBody<B>
    where
        B: Body,
    {
        fn drop(this: Pin<&mut Self>) {
            if !this.is_over && !this.inner.is_end_stream() && !this.life.is(is::HTTP2) {
                // hyper reads it no further, and no request may follow.
                this.life.mark(is::LAST);
            }
        }
    }
}

impl<B: Body> RequestBody<B> {
    pub(super) fn new(inner: B, life: Arc<Life>, timeout: Option<Duration>) -> Self {
        Self { inner, life, timeout, timer: None, is_waiting: false, is_over: false }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            *this.is_waiting = false;
            *this.is_over = frame.is_none();
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Inner)));
        }
        let Some(timeout) = *this.timeout else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if !std::mem::replace(this.is_waiting, true) {
            timer.as_mut().reset(Instant::now() + timeout);
        }
        ready!(timer.as_mut().poll(cx));
        if !this.life.is(is::HTTP2) {
            this.life.tell(ServerCloseReason::ReadTimeout);
        }
        Poll::Ready(Some(Err(BodyError::Stalled(timeout))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project! {
    /// The body of an answer. Its end is that of the request.
    #[derive(Debug)]
    pub struct ResponseBody<B>
    where
        B: Body,
    {
        // None in the place of an answer whose connection was cut.
        #[pin]
        inner: Option<B>,
        guard: Option<Guard>,
        left: Option<u64>,
        // A part was handed out, and no more was asked for yet.
        is_owed: bool,
    }

    impl<B> PinnedDrop for ResponseBody<B>
    where
        B: Body,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let Some(guard) = this.guard.take() else { return };
            if std::mem::take(this.is_owed) {
                guard.life.owes_no_more();
            }
            // hyper does not ask again when it has as much as the head said.
            let is_over = *this.left == Some(0) || this.inner.as_pin_mut().is_some_and(|inner| inner.is_end_stream());
            if is_over {
                guard.over();
            }
        }
    }
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn new(inner: B, guard: Guard, answer: Answer) -> Self {
        let guard = if answer.is_over {
            guard.over();
            None
        } else {
            Some(guard)
        };
        Self { inner: Some(inner), guard, left: answer.left, is_owed: false }
    }

    pub(super) fn none() -> Self {
        Self { inner: None, guard: None, left: None, is_owed: false }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let Some(guard) = this.guard.as_ref() else { return inner.poll_frame(cx) };
        if std::mem::take(this.is_owed) {
            guard.life.owes_no_more();
        }
        let inside = guard.enter();
        let polled = inner.poll_frame(cx);
        drop(inside);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining) as u64;
                *this.left = this.left.map(|left| left.saturating_sub(bytes));
                let is_last = this.inner.as_ref().as_pin_ref().is_some_and(|inner| inner.is_end_stream());
                if is_last {
                    this.guard.take().into_iter().for_each(Guard::over);
                } else if guard.life.is(is::HTTP2) {
                    // Over HTTP/1, hyper asks for more until its transport does not go on.
                    guard.life.owes();
                    *this.is_owed = true;
                }
            }
            Poll::Ready(Some(Err(_))) => this.guard.take().into_iter().for_each(Guard::body_failed),
            Poll::Ready(None) => this.guard.take().into_iter().for_each(Guard::over),
            Poll::Pending if guard.life.is(is::HTTP2) => {}
            Poll::Pending => {
                guard.life.waits_for_answer(cx.waker());
                if guard.life.is(is::CUT) {
                    this.guard.take().into_iter().for_each(Guard::was_cut);
                    this.inner.set(None);
                    return Poll::Ready(None);
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
