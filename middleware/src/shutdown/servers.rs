//! [`Servers`]: those of a scope that shuts down.

use crate::Scope;
#[cfg(feature = "server")]
use crate::registry::Rows;

/// The servers of a scope, held until their last figures are sent.
pub(super) struct Servers {
    #[cfg(feature = "server")]
    all: Vec<std::sync::Arc<crate::server::Shared>>,
}

#[cfg(feature = "server")]
impl Servers {
    pub(super) fn of(scope: &Scope) -> Self {
        Self { all: scope.open_servers() }
    }

    /// Has all of them accept no more; tells how many connections are there.
    pub(super) fn close(&self) -> u64 {
        self.all.iter().map(|server| server.close()).sum()
    }

    /// Cuts the connections that are there; tells how many.
    pub(super) fn cut(&self) -> u64 {
        self.all.iter().map(|server| server.cut()).sum()
    }

    /// Requests whose answer is not over.
    pub(super) fn requests(&self) -> u64 {
        self.all.iter().flat_map(|server| server.rows()).map(|seen| seen.active_requests).sum()
    }

    /// Connections that are there.
    pub(super) fn present(&self) -> u64 {
        self.all.iter().map(|server| server.present()).sum()
    }

    /// Returns when none is there any more.
    pub(super) async fn ended(&self) {
        for server in &self.all {
            server.all_ended().await;
        }
    }
}

/// There is no server in this build.
#[cfg(not(feature = "server"))]
impl Servers {
    pub(super) fn of(_: &Scope) -> Self {
        Self {}
    }

    pub(super) fn close(&self) -> u64 {
        0
    }

    pub(super) fn cut(&self) -> u64 {
        0
    }

    pub(super) fn requests(&self) -> u64 {
        0
    }

    pub(super) fn present(&self) -> u64 {
        0
    }

    pub(super) async fn ended(&self) {}
}
