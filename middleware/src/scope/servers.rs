//! The servers of a scope.

use std::sync::Arc;
#[cfg(feature = "shutdown")]
use std::sync::{PoisonError, Weak};

use super::Scope;
use crate::registry::{Board, ExemplarSwitch, ServerSnapshot};
use crate::server::ServerBuilder;
#[cfg(feature = "shutdown")]
use crate::server::Shared;

impl Scope {
    /// A server with a name, one listener and all that it accepts: see [`server`](crate::server).
    pub fn server(&self, name: impl Into<String>) -> ServerBuilder {
        ServerBuilder::new(self, name.into())
    }

    /// Has a server closed when the program ends.
    #[cfg(feature = "shutdown")]
    pub(crate) fn end_server_at_end(&self, server: &Arc<Shared>) {
        let mut known = self.inner.open_servers.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|server| server.strong_count() > 0);
        known.push(Arc::downgrade(server));
        drop(known);
        // The shutdown looks at those that are known after it has begun.
        if self.shutdown_state().has_begun() {
            server.close();
        }
    }

    /// Servers that are there.
    #[cfg(feature = "shutdown")]
    pub(crate) fn open_servers(&self) -> Vec<Arc<Shared>> {
        let known = self.inner.open_servers.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter_map(Weak::upgrade).collect()
    }

    /// Servers.
    pub(crate) fn server_board(&self) -> &Board<ServerSnapshot> {
        &self.inner.servers
    }

    /// Which requests may stand for others.
    pub(crate) fn exemplars(&self) -> &Arc<ExemplarSwitch> {
        &self.inner.exemplars
    }
}
