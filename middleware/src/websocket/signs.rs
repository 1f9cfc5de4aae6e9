//! [`Signs`]: whether a transport moves, while there is no message yet.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;

/// A socket says nothing of a message that has come in part, or was taken in part. But its transport wakes who waits when it can
/// go on, and that it can because the other end has sent something, or has taken something. So whoever waits is given a waker
/// that remembers that it was used.
///
/// A transport that is out of the budget of its task wakes for nothing; `select!` does not ask it then.
#[derive(Debug)]
pub(super) struct Signs {
    noted: Arc<Noted>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Noted {
    task: AtomicWaker,
    is_moved: AtomicBool,
}

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_moved.store(true, Relaxed);
        self.task.wake();
    }
}

/// What became of something that a transport does. At least one of both is so.
pub(super) struct Watched<T> {
    /// What it gives, if it is done.
    pub(super) done: Option<T>,
    /// It had to wait for the transport, which has moved.
    pub(super) is_moved: bool,
}

impl Signs {
    pub(super) fn new() -> Self {
        let noted = Arc::<Noted>::default();
        Self { waker: Waker::from(Arc::clone(&noted)), noted }
    }

    /// Waits for something that a transport does, or until the transport has moved. Can be dropped and asked again at any time.
    pub(super) async fn watch<T>(&self, mut does: impl Future<Output = T> + Unpin) -> Watched<T> {
        poll_fn(|cx| {
            // First, so that who wakes from now on finds it.
            self.noted.task.register(cx.waker());
            let is_moved = self.noted.is_moved.swap(false, Relaxed);
            match Pin::new(&mut does).poll(&mut Context::from_waker(&self.waker)) {
                Poll::Ready(done) => Poll::Ready(Watched { done: Some(done), is_moved }),
                Poll::Pending if is_moved => Poll::Ready(Watched { done: None, is_moved }),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}
