//! The end of a server, and waiting for it.

use std::pin::pin;

use poolscope_semconv::value::ServerCloseReason;

use super::{Shared, Table};

/// How far the end of a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum Stage {
    Open,
    /// It accepts no more.
    Closed,
    /// What is left is cut.
    Cut,
}

impl Shared {
    async fn until(&self, is_so: impl Fn(&Table) -> bool) {
        loop {
            let mut left = pin!(self.left.notified());
            // Listens first, so that the last one is not missed.
            left.as_mut().enable();
            if is_so(&self.table()) {
                return;
            }
            left.await;
        }
    }

    /// Returns when there is room for one more.
    pub(in crate::server) async fn room(&self) {
        let max = self.rules.max_connections.unwrap_or(usize::MAX);
        self.until(|table| table.there.len() < max).await;
    }

    /// Returns when no connection is there, and none is being refused.
    pub(crate) async fn all_ended(&self) {
        self.until(|table| table.there.is_empty() && table.refusals == 0).await;
    }

    /// Accepts no more, and has all connections end when their requests have. Tells how many are there.
    pub(crate) fn close(&self) -> u64 {
        self.step(Stage::Closed);
        let there: Vec<_> = self.table().there.values().cloned().collect();
        for life in &there {
            life.tell(ServerCloseReason::Shutdown);
        }
        self.sweep_now.notify_one();
        there.len() as u64
    }

    /// Cuts what is there; tells how many.
    pub(crate) fn cut(&self) -> u64 {
        self.step(Stage::Cut);
        let there: Vec<_> = self.table().there.values().cloned().collect();
        for life in &there {
            life.cut(ServerCloseReason::ShutdownCut);
        }
        there.len() as u64
    }

    /// Goes on to a stage, never back.
    fn step(&self, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let is_new = *stage < to;
            *stage = (*stage).max(to);
            is_new
        });
    }

    /// Connections that are there.
    #[cfg(feature = "shutdown")]
    pub(crate) fn present(&self) -> u64 {
        self.table().there.len() as u64
    }
}
