//! [`State`]: how far the shutdown of a scope is, and what is under way.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How far the shutdown of a scope is, and what is under way.
#[derive(Debug, Default)]
pub(crate) struct State {
    under_way: TaskTracker,
    cut: CancellationToken,
}

impl State {
    /// A request begins; `None` once the shutdown has begun.
    #[inline]
    pub(super) fn begin(&self) -> Option<UnderWay> {
        // Counted first: whoever closes the tracker in between waits for this one.
        let token = self.under_way.token();
        (!self.under_way.is_closed()).then(|| UnderWay { _token: token, cut: self.cut.clone() })
    }

    /// Requests that are under way.
    pub(super) fn count(&self) -> u64 {
        self.under_way.len() as u64
    }

    /// New requests are refused from now on.
    pub(super) fn close(&self) {
        self.under_way.close();
    }

    /// Returns when nothing is under way any more.
    pub(super) async fn ended(&self) {
        self.under_way.wait().await;
    }

    /// Ends what is under way.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    _token: TaskTrackerToken,
    cut: CancellationToken,
}

impl UnderWay {
    /// Asked after a poll that was pending: true if the request is to be cut, and else its task is woken when it is.
    /// Registers at the first time, so that a request that never waits does not.
    pub(super) fn poll_cut(
        &self,
        waiting: &mut Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let waiting = waiting.get_or_insert_with(|| Box::pin(self.cut.clone().cancelled_owned()));
        waiting.as_mut().poll(cx)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    pub(super) fn token(&self) -> CancellationToken {
        self.cut.clone()
    }
}
