//! [`State`]: how far the shutdown of a scope is, and what is under way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Release},
};
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How far the shutdown of a scope is, and what is under way.
#[derive(Debug, Default)]
pub(crate) struct State {
    has_begun: AtomicBool,
    under_way: TaskTracker,
    cut: Arc<Cutting>,
}

/// Whether requests are to be cut, and how many were.
#[derive(Debug, Default)]
struct Cutting {
    token: CancellationToken,
    cut: AtomicU64,
}

impl State {
    /// A request begins; `None` once the shutdown has begun.
    #[inline]
    pub(super) fn begin(&self) -> Option<UnderWay> {
        // Counted first: whoever closes the tracker in between waits for this one.
        let token = self.under_way.token();
        (!self.under_way.is_closed()).then(|| UnderWay { _token: token, cut: Arc::clone(&self.cut) })
    }

    /// Requests that are under way.
    pub(super) fn count(&self) -> u64 {
        self.under_way.len() as u64
    }

    /// Requests that were cut so far, by whichever shutdown.
    pub(super) fn cut_so_far(&self) -> u64 {
        self.cut.cut.load(Acquire)
    }

    /// It has begun: nothing new is to come from outside.
    pub(super) fn begin_end(&self) {
        self.has_begun.store(true, Release);
    }

    /// New requests are refused from now on.
    pub(super) fn close(&self) {
        self.begin_end();
        self.under_way.close();
    }

    /// It has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Acquire)
    }

    /// Returns when nothing is under way any more.
    pub(super) async fn ended(&self) {
        self.under_way.wait().await;
    }

    /// Ends what is under way.
    pub(super) fn cut(&self) {
        self.cut.token.cancel();
    }
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    _token: TaskTrackerToken,
    cut: Arc<Cutting>,
}

impl UnderWay {
    /// Asked after a poll that was pending: true if the request is to be cut, and else its task is woken when it is.
    /// Registers at the first time, so that a request that never waits does not.
    pub(super) fn poll_cut(
        &self,
        waiting: &mut Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let waiting = waiting.get_or_insert_with(|| Box::pin(self.cancelled()));
        waiting.as_mut().poll(cx)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.token.is_cancelled()
    }

    pub(super) fn cancelled(&self) -> WaitForCancellationFutureOwned {
        self.cut.token.clone().cancelled_owned()
    }

    /// It is over because it was cut. Counted before it is no longer under way.
    pub(super) fn was_cut(self) {
        self.cut.cut.fetch_add(1, Release);
    }
}
