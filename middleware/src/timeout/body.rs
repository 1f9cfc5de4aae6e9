//! [`TimeoutBody`]: a body whose reading has a limit of time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use poolscope_semconv::value::ErrorType;
use tokio::time::{Instant, Sleep};

use super::error::Error;
use super::limit::{Call, Part};
use super::timer::poll_due;
use crate::current;
use crate::http_message::Sealed;

/// A response whose body a timeout can limit: `http::Response` and `reqwest::Response`. Sealed.
pub trait Timed: Sealed {
    /// The same response, with a body that has a limit.
    type Timed;

    #[doc(hidden)]
    fn timed(self, time: Option<BodyTime>) -> Self::Timed;
}

/// What limits the time of a body.
#[doc(hidden)]
#[derive(Debug)]
pub struct BodyTime {
    call: Call,
    /// Since when a piece of the body is awaited.
    waits_since: Option<Instant>,
    longest: Duration,
}

impl BodyTime {
    pub(super) fn new(mut call: Call) -> Self {
        if call.part() == Part::Read {
            call.reads();
        }
        Self { call, waits_since: None, longest: Duration::ZERO }
    }

    fn is_read(&self) -> bool {
        self.call.part() == Part::Read
    }

    /// When the timeout fires while the body is pending.
    fn due(&self) -> Option<Instant> {
        match self.waits_since {
            Some(since) if self.is_read() => since.checked_add(self.call.after()),
            _ => self.call.first_due(),
        }
    }

    /// The time of the whole is over, whatever may be ready by now.
    fn is_over(&self) -> Option<Instant> {
        if self.is_read() {
            return None;
        }
        let (now, due) = (Instant::now(), self.call.first_due()?);
        (due < now).then_some(now)
    }

    fn is_pending(&mut self) {
        if self.is_read() && self.waits_since.is_none() {
            self.waits_since = Some(Instant::now());
        }
    }

    /// A piece is there.
    fn got(&mut self) {
        if let Some(since) = self.waits_since.take() {
            self.longest = self.longest.max(since.elapsed());
        }
    }

    fn ended(&mut self) {
        self.got();
        if self.is_read() { self.call.has_read(self.longest) } else { self.call.answered() }
    }

    fn failed(&mut self) {
        self.got();
        if self.is_read() { self.call.has_read(self.longest) } else { self.call.failed() }
    }
}

pin_project! {
    /// Body under a timeout: [`TimeoutBuilder::read`](super::TimeoutBuilder::read) or
    /// [`TimeoutBuilder::to_body_end`](super::TimeoutBuilder::to_body_end).
    ///
    /// When the timeout fires, the rest of the body is dropped at once, and with it the request.
    #[derive(Debug)]
    pub struct TimeoutBody<B> {
        // Gone once the timeout has fired.
        #[pin]
        inner: Option<B>,
        // Made when somebody has to wait. In a box, so that a body can be moved that could be before.
        timer: Option<Pin<Box<Sleep>>>,
        // Gone once the body has ended.
        time: Option<BodyTime>,
    }
}

impl<B: Body> TimeoutBody<B> {
    fn new(inner: B, mut time: Option<BodyTime>) -> Self {
        if inner.is_end_stream()
            && let Some(mut time) = time.take()
        {
            time.ended();
        }
        Self { inner: Some(inner), timer: None, time }
    }
}

impl<B: Body> Body for TimeoutBody<B> {
    type Data = B::Data;
    type Error = Error<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let Some(time) = this.time.as_mut() else {
            return inner.poll_frame(cx).map_err(Error::Inner);
        };
        let fired = match time.is_over() {
            Some(now) => now,
            None => match inner.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => {
                    match &frame {
                        Some(Err(_)) => time.failed(),
                        Some(Ok(_)) if !inner.is_end_stream() => {
                            time.got();
                            return Poll::Ready(frame.map(|frame| frame.map_err(Error::Inner)));
                        }
                        _ => time.ended(),
                    }
                    (*this.time, *this.timer) = (None, None);
                    return Poll::Ready(frame.map(|frame| frame.map_err(Error::Inner)));
                }
                Poll::Pending => {
                    time.is_pending();
                    let due = time.due();
                    ready!(poll_due(Pin::new(this.timer), cx, due, |_| due))
                }
            },
        };
        let pool = current::drop_as(ErrorType::Timeout, || this.inner.set(None));
        let elapsed = time.call.fire(time.waits_since, fired, pool);
        (*this.time, *this.timer) = (None, None);
        Poll::Ready(Some(Err(Error::Elapsed(elapsed))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body> Timed for Response<B> {
    type Timed = Response<TimeoutBody<B>>;

    fn timed(self, time: Option<BodyTime>) -> Self::Timed {
        self.map(|body| TimeoutBody::new(body, time))
    }
}

#[cfg(feature = "reqwest")]
impl Timed for reqwest::Response {
    type Timed = Self;

    fn timed(self, time: Option<BodyTime>) -> Self {
        crate::reqwest::map_body(self, |body| TimeoutBody::new(body, time))
    }
}
