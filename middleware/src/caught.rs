//! Code of the user's that may panic.

use std::any::Any;
#[cfg(feature = "supervisor")]
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "supervisor")]
use std::pin::pin;
#[cfg(feature = "supervisor")]
use std::task::Poll;

/// What became of it.
#[cfg(feature = "supervisor")]
pub(crate) enum Caught<T> {
    Done(T),
    /// It panicked, and said this.
    Panicked(String),
}

/// Makes a future and runs it to its end, or to its panic.
#[cfg(feature = "supervisor")]
pub(crate) async fn caught<F: Future>(make: impl FnOnce() -> F) -> Caught<F::Output> {
    let panicked = |panic| Caught::Panicked(message(panic));
    let future = match catch_unwind(AssertUnwindSafe(make)) {
        Ok(future) => future,
        Err(panic) => return panicked(panic),
    };
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(done)) => Poll::Ready(Caught::Done(done)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(panicked(panic)),
    })
    .await
}

/// What a panic said.
pub(crate) fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("without a message").to_owned();
    // What was thrown may panic when it is dropped.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    text
}
