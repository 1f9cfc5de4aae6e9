//! [`AnswerFuture`].

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::ResponseBody;
use super::life::is;
use super::request::Guard;

pin_project! {
    /// Future of [`Served`](super::Served).
    #[derive(Debug)]
    pub struct AnswerFuture<F> {
        // Gone once its connection was cut, so that what it held is given back at once.
        #[pin]
        inner: Option<F>,
        // After the inner one, so that nothing is left of it when it counts as ended.
        guard: Option<Guard>,
    }
}

impl<F> AnswerFuture<F> {
    pub(super) fn new(inner: F, guard: Guard) -> Self {
        Self { inner: Some(inner), guard: Some(guard) }
    }
}

impl<F, R, E> Future for AnswerFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const TWICE: &str = "answer future polled after it was ready";
        let mut this = self.project();
        let guard = this.guard.as_mut().expect(TWICE);
        let inner = this.inner.as_mut().as_pin_mut().expect(TWICE);
        let polled = guard.poll(|| inner.poll(cx));
        match polled {
            Poll::Ready(Ok(mut response)) => {
                let answer = guard.answered(&mut response);
                let guard = this.guard.take().expect(TWICE);
                this.inner.set(None);
                Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, guard, answer))))
            }
            Poll::Ready(Err(error)) => {
                this.guard.take().expect(TWICE).failed();
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                let life = &guard.life;
                if life.is(is::HTTP2) {
                    // Its transport ends it.
                    return Poll::Pending;
                }
                life.waits_for_answer(cx.waker());
                if !life.is(is::CUT) {
                    return Poll::Pending;
                }
                // Nothing of what hyper does with it gets anywhere: the transport is cut.
                this.inner.set(None);
                this.guard.take().expect(TWICE).was_cut();
                let mut response = Response::new(ResponseBody::none());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                Poll::Ready(Ok(response))
            }
        }
    }
}
