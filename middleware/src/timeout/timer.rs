//! A timer that is moved only when it rings too early, so that most calls set one timer once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

/// Ready once the moment has come that `due` tells, with the time, or once it tells none. It may tell a later one each time.
pub(super) fn poll_due(
    mut timer: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
    due: impl Fn(Instant) -> Option<Instant>,
) -> Poll<Option<Instant>> {
    loop {
        ready!(timer.as_mut().poll(cx));
        let now = Instant::now();
        match due(now) {
            Some(later) if later > now => timer.as_mut().reset(later),
            due => return Poll::Ready(due.map(|_| now)),
        }
    }
}
