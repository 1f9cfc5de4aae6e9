//! [`ShutdownBody`]: a body that ends with the shutdown of its scope.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use poolscope_semconv::value::ErrorType;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::error::{Cut, Error};
use super::state::UnderWay;
use crate::current;
use crate::http_message::Sealed;

/// A response whose body can be cut: `http::Response` and `reqwest::Response`. Sealed.
pub trait Cuttable: Sealed {
    /// The same response, with a body that can be cut.
    type Cuttable;

    #[doc(hidden)]
    fn cuttable(self, under_way: UnderWay) -> Self::Cuttable;
}

pin_project! {
    /// A body that ends with the shutdown of its scope: by an error, if it is not over by then.
    #[derive(Debug)]
    pub struct ShutdownBody<B> {
        // Gone once it was cut.
        #[pin]
        inner: Option<B>,
        // In a box, so that a body can be moved that could be before.
        cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        // Gone once the body has ended.
        under_way: Option<UnderWay>,
    }
}

impl<B: Body> ShutdownBody<B> {
    fn new(inner: B, under_way: UnderWay) -> Self {
        let under_way = Some(under_way).filter(|_| !inner.is_end_stream());
        Self { inner: Some(inner), cut: None, under_way }
    }
}

impl<B: Body> Body for ShutdownBody<B> {
    type Data = B::Data;
    type Error = Error<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let Some(under_way) = this.under_way.as_ref() else {
            return inner.poll_frame(cx).map_err(Error::Inner);
        };
        // A body that never waits is cut too.
        if !under_way.is_cut() {
            match inner.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => {
                    if !matches!(frame, Some(Ok(_))) || inner.is_end_stream() {
                        *this.under_way = None;
                    }
                    return Poll::Ready(frame.map(|frame| frame.map_err(Error::Inner)));
                }
                Poll::Pending => ready!(under_way.poll_cut(this.cut, cx)),
            }
        }
        current::drop_as(ErrorType::Shutdown, || this.inner.set(None));
        if let Some(under_way) = this.under_way.take() {
            under_way.was_cut();
        }
        Poll::Ready(Some(Err(Error::Cut(Cut(())))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body> Cuttable for Response<B> {
    type Cuttable = Response<ShutdownBody<B>>;

    fn cuttable(self, under_way: UnderWay) -> Self::Cuttable {
        self.map(|body| ShutdownBody::new(body, under_way))
    }
}

#[cfg(feature = "reqwest")]
impl Cuttable for reqwest::Response {
    type Cuttable = Self;

    fn cuttable(self, under_way: UnderWay) -> Self {
        crate::reqwest::map_body(self, |body| ShutdownBody::new(body, under_way))
    }
}
