//! [`Sessions`]: those of a scope that shuts down.

use crate::Scope;

/// The registries of sessions of a scope, held until their last figures are sent. One that is made later lets nobody in.
pub(super) struct Sessions {
    #[cfg(feature = "session")]
    all: Vec<std::sync::Arc<crate::session::Shared>>,
}

#[cfg(feature = "session")]
impl Sessions {
    pub(super) fn of(scope: &Scope) -> Self {
        Self { all: scope.open_sessions() }
    }

    /// Tells all of them to end, and lets none begin; tells how many are there.
    pub(super) fn close(&self) -> u64 {
        self.all.iter().map(|sessions| sessions.close() as u64).sum()
    }

    /// Cuts the handlers that run under those that are there.
    pub(super) fn cut(&self) {
        self.all.iter().for_each(|sessions| sessions.cut());
    }

    /// Handlers that were cut so far, by whoever.
    pub(super) fn cut_so_far(&self) -> u64 {
        self.all.iter().map(|sessions| sessions.cut_so_far()).sum()
    }

    /// Sessions that are there.
    pub(super) fn present(&self) -> u64 {
        self.all.iter().map(|sessions| sessions.active() as u64).sum()
    }

    /// Returns when none is there any more.
    pub(super) async fn ended(&self) {
        for sessions in &self.all {
            sessions.all_ended().await;
        }
    }
}

/// There is no session in this build.
#[cfg(not(feature = "session"))]
impl Sessions {
    pub(super) fn of(_: &Scope) -> Self {
        Self {}
    }

    pub(super) fn close(&self) -> u64 {
        0
    }

    pub(super) fn cut(&self) {}

    pub(super) fn cut_so_far(&self) -> u64 {
        0
    }

    pub(super) fn present(&self) -> u64 {
        0
    }

    pub(super) async fn ended(&self) {}
}
