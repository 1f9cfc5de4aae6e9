//! [`Run`]: a future as a task of a group, which is counted out once, however it ends.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::entry::{Entry, UnderWay};
use super::handle::TaskError;
use super::shared::Shared;

/// Most bytes of a panic's words that are told.
const LONGEST_MESSAGE: usize = 256;

pin_project! {
    /// See the [module](self).
    pub(super) struct Run<F> {
        #[pin]
        future: Option<F>,
        // Only of a task that is dropped where it waits.
        #[pin]
        told: Option<WaitForCancellationFutureOwned>,
        shared: Arc<Shared>,
        entry: Arc<Entry>,
        is_begun: bool,
        // Whoever waits for the task waits for this to be dropped, which comes after it was counted out.
        under_way: Option<UnderWay>,
    }

    impl<F> PinnedDrop for Run<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.under_way.is_some() {
                // Its runtime is gone, or somebody has aborted it.
                let dropped = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
                let error = dropped.err().map_or(TaskError::Aborted, panicked);
                this.shared.count_out(this.entry, Some(error));
                *this.under_way = None;
            }
        }
    }
}

impl<F> Run<F> {
    pub(super) fn new(
        future: F,
        waits: bool,
        shared: Arc<Shared>,
        entry: Arc<Entry>,
        under_way: UnderWay,
    ) -> Self {
        let told = waits.then(|| entry.token.clone().cancelled_owned());
        Self { future: Some(future), told, shared, entry, is_begun: false, under_way: Some(under_way) }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let is_in_vain = !*this.is_begun && this.told.is_some() && this.entry.token.is_cancelled();
        *this.is_begun = true;
        let polled = catch_unwind(AssertUnwindSafe(|| match this.future.as_mut().as_pin_mut() {
            Some(future) if !is_in_vain => future.poll(cx),
            _ => Poll::Pending,
        }));
        let mut result = match polled {
            // What has ended at the moment when it is told to has ended by itself.
            Ok(Poll::Ready(output)) => Ok(output),
            Ok(Poll::Pending) => match this.told.as_mut().as_pin_mut().map(|told| told.poll(cx)) {
                Some(Poll::Ready(())) => Err(TaskError::Cancelled),
                _ => return Poll::Pending,
            },
            Err(panic) => Err(panicked(panic)),
        };
        // What the future holds is dropped before it is counted out, and may panic too.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| this.future.set(None))) {
            result = Err(panicked(panic));
        }
        this.shared.count_out(this.entry, result.as_ref().err().cloned());
        *this.under_way = None;
        Poll::Ready(result)
    }
}

/// The words of a panic.
fn panicked(panic: Box<dyn Any + Send>) -> TaskError {
    let message = crate::said::cut(&crate::caught::message(panic), LONGEST_MESSAGE).into();
    TaskError::Panicked { message }
}
