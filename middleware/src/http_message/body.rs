//! [`Bodied`]: a response whose body tells how it ends.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::Answered;

/// A response with a body: `http::Response` and `reqwest::Response`. Sealed.
pub trait Bodied: Answered {
    /// The same response, with a body that may tell somebody how it ends.
    #[doc(hidden)]
    type With<W: Watch>;

    #[doc(hidden)]
    fn with_watch<W: Watch>(self, watch: Option<W>) -> Self::With<W>;
}

/// Who is told how a body ends. Dropped without a word, the body was dropped before its end.
#[doc(hidden)]
pub trait Watch: Send + Sync + 'static {
    /// It was read to its end, or there was nothing to read.
    fn ended(self);

    /// It has failed.
    fn failed(self, error: &(dyn Error + 'static));
}

pin_project! {
    /// A body that may tell how it ends.
    #[derive(Debug)]
    pub struct WatchedBody<B, W> {
        #[pin]
        inner: B,
        // After the body: what that one held is free by the time that somebody is told of its drop.
        watch: Option<W>,
    }
}

impl<B: Body, W: Watch> WatchedBody<B, W> {
    #[inline]
    fn new(inner: B, watch: Option<W>) -> Self {
        if !inner.is_end_stream() {
            return Self { inner, watch };
        }
        if let Some(watch) = watch {
            watch.ended();
        }
        Self { inner, watch: None }
    }
}

impl<B, W> WatchedBody<B, W> {
    /// A body that tells nobody how it ends: of an answer that no call has brought.
    pub fn unjudged(inner: B) -> Self {
        Self { inner, watch: None }
    }

    /// The body itself. Who is told of its end takes it for dropped.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B, W> Body for WatchedBody<B, W>
where
    B: Body,
    B::Error: Error + 'static,
    W: Watch,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let poll = this.inner.as_mut().poll_frame(cx);
        let is_over = match &poll {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => this.inner.is_end_stream(),
            Poll::Ready(_) => true,
        };
        if is_over && let Some(watch) = this.watch.take() {
            match &poll {
                Poll::Ready(Some(Err(error))) => watch.failed(error),
                _ => watch.ended(),
            }
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

impl<B> Bodied for Response<B>
where
    B: Body,
    B::Error: Error + 'static,
{
    type With<W: Watch> = Response<WatchedBody<B, W>>;

    #[inline]
    fn with_watch<W: Watch>(self, watch: Option<W>) -> Self::With<W> {
        self.map(|body| WatchedBody::new(body, watch))
    }
}

#[cfg(feature = "reqwest")]
impl Bodied for reqwest::Response {
    type With<W: Watch> = Self;

    fn with_watch<W: Watch>(self, watch: Option<W>) -> Self {
        // To change the body of such a response is not for nothing.
        match watch {
            Some(watch) => crate::reqwest::map_body(self, |body| WatchedBody::new(body, Some(watch))),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full};

    use super::*;

    /// One piece, and an error.
    struct CutOff(Option<Bytes>);

    impl Body for CutOff {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            let piece = self.0.take().map(Frame::data);
            Poll::Ready(Some(piece.ok_or_else(|| io::Error::other("cut off"))))
        }
    }

    /// Writes down what it is told.
    #[derive(Debug)]
    struct Told(Arc<Mutex<Vec<&'static str>>>);

    impl Told {
        fn say(&self, word: &'static str) {
            self.0.lock().unwrap().push(word);
        }
    }

    impl Watch for Told {
        fn ended(self) {
            self.say("ended");
        }

        fn failed(self, _: &(dyn Error + 'static)) {
            self.say("failed");
        }
    }

    impl Drop for Told {
        fn drop(&mut self) {
            self.say("dropped");
        }
    }

    fn watched<B: Body<Error: Error + 'static>>(
        body: B,
    ) -> (WatchedBody<B, Told>, Arc<Mutex<Vec<&'static str>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let response = Response::new(body).with_watch(Some(Told(Arc::clone(&told))));
        (response.into_body(), told)
    }

    #[tokio::test]
    async fn each_end_is_told_once_and_at_once() {
        let (body, told) = watched(Empty::<Bytes>::new());
        assert_eq!(*told.lock().unwrap(), ["ended", "dropped"], "there is nothing to read");
        drop(body);

        let (body, told) = watched(Full::new(Bytes::from("body")));
        assert_eq!(*told.lock().unwrap(), [""; 0]);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "body");
        assert_eq!(*told.lock().unwrap(), ["ended", "dropped"]);

        let (mut body, told) = watched(CutOff(Some(Bytes::from("half"))));
        body.frame().await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap_err();
        assert_eq!(*told.lock().unwrap(), ["failed", "dropped"]);
        drop(body);

        let (body, told) = watched(Full::new(Bytes::from("body")));
        drop(body);
        assert_eq!(*told.lock().unwrap(), ["dropped"]);
    }
}
