//! [`ResponseBody`]: holds the connection in the books until the body has ended.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::lease::Lease;

pin_project! {
    /// Body of an observed response. Its request ends when it was read to the end, has failed or is dropped.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        // Dropped before the inner one: the connection that one lets go may be closed on another thread at once, and by
        // then it must be known why.
        lease: Lease,
        #[pin]
        inner: B,
    }
}

impl<B: Body> ResponseBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, lease: Lease) -> Self {
        Self { inner, lease }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: Error + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let poll = this.inner.as_mut().poll_frame(cx);
        this.lease.read(poll.is_pending().then(|| cx.waker()));
        match &poll {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) if frame.is_data() && !this.inner.is_end_stream() => {
                this.lease.body_left(this.inner.size_hint().upper());
            }
            Poll::Ready(Some(Err(error))) => this.lease.body_failed(error),
            Poll::Ready(_) => this.lease.complete(),
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
