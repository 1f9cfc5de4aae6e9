//! A timer that is made only when somebody has to wait, and moved only when it rings too early.

use std::fmt::Debug;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Where a timer is kept. In place, it allocates nothing; in a box, what it is in can be moved, as clients want it of
/// connects and callers of bodies.
pub trait Slot: Default + Debug {
    /// The timer, set to a moment if there is none yet.
    fn get_or_set(self: Pin<&mut Self>, due: Instant) -> Option<Pin<&mut Sleep>>;

    /// There is none any more.
    fn clear(self: Pin<&mut Self>);
}

impl Slot for Option<Sleep> {
    fn get_or_set(mut self: Pin<&mut Self>, due: Instant) -> Option<Pin<&mut Sleep>> {
        if self.is_none() {
            self.set(Some(sleep_until(due)));
        }
        self.as_pin_mut()
    }

    fn clear(mut self: Pin<&mut Self>) {
        self.set(None);
    }
}

impl Slot for Option<Pin<Box<Sleep>>> {
    fn get_or_set(self: Pin<&mut Self>, due: Instant) -> Option<Pin<&mut Sleep>> {
        Some(self.get_mut().get_or_insert_with(|| Box::pin(sleep_until(due))).as_mut())
    }

    fn clear(self: Pin<&mut Self>) {
        *self.get_mut() = None;
    }
}

/// Ready, with the time, once the moment has come that `due` tells, which is at first `first`; never while there is none.
/// It may tell a later one each time: the timer is moved when it rings, so that most calls set one timer once.
pub(super) fn poll_due(
    mut slot: Pin<&mut impl Slot>,
    cx: &mut Context<'_>,
    first: Option<Instant>,
    due: impl Fn(Instant) -> Option<Instant>,
) -> Poll<Instant> {
    let Some(first) = first else {
        slot.clear();
        return Poll::Pending;
    };
    while let Some(mut timer) = slot.as_mut().get_or_set(first) {
        ready!(timer.as_mut().poll(cx));
        let now = Instant::now();
        match due(now) {
            Some(due) if due <= now => return Poll::Ready(now),
            Some(later) => timer.reset(later),
            None => break,
        }
    }
    slot.clear();
    Poll::Pending
}
