//! [`Run`]: a handler that ends with its session, also where it does not listen.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use poolscope_semconv::value::SessionEnd;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::presence::Presence;

/// A session was told to end, its handler did not in time, and was dropped where it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session was told to end ({reason}), and its handler was cut since it did not")]
#[non_exhaustive]
pub struct Cut {
    /// Why it was told to.
    pub reason: SessionEnd,
}

pin_project! {
    /// Future of [`Session::run`](super::Session::run).
    #[must_use = "a handler does nothing unless it is polled"]
    pub struct Run<F> {
        // Gone once it has ended or was cut, so that what it held is given back at once.
        #[pin]
        handler: Option<F>,
        #[pin]
        cut: WaitForCancellationFutureOwned,
        // After the handler: the session is there until nothing is left of that.
        presence: Option<Arc<Presence>>,
        // It goes on although the session was told to end.
        is_told: bool,
    }
}

impl<F> Run<F> {
    pub(super) fn new(handler: F, presence: Arc<Presence>) -> Self {
        let cut = presence.life.cut_token().clone().cancelled_owned();
        Self { handler: Some(handler), cut, presence: Some(presence), is_told: false }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Cut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let handler = this.handler.as_mut().as_pin_mut().expect("handler polled after it was ready");
        // What has ended at the moment when it is cut has ended by itself.
        let ended = handler.poll(cx);
        if ended.is_pending() {
            if let Some(presence) = this.presence.as_ref().filter(|_| !*this.is_told)
                && presence.life.told().is_some()
            {
                *this.is_told = true;
                // Who sweeps did not know that it could become overdue.
                presence.shared.sweep_now.notify_one();
            }
            ready!(this.cut.poll(cx));
        }
        if let (Poll::Pending, Some(presence)) = (&ended, &this.presence) {
            // Counted first: who waits until the session is gone may look then.
            presence.shared.handlers_cut.fetch_add(1, Relaxed);
        }
        this.handler.set(None);
        let told = this.presence.take().and_then(|presence| presence.life.told());
        Poll::Ready(match ended {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => Err(Cut { reason: told.map_or(SessionEnd::Dropped, |told| told.reason) }),
        })
    }
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let life = self.presence.as_ref().map(|presence| &presence.life);
        f.debug_struct("Run").field("life", &life).finish_non_exhaustive()
    }
}
