//! [`Server`].

use std::sync::Arc;

use tokio::time::timeout;

use super::ending::QUIET;
use super::listener::{Listen, ServerListener};
use super::shared::{Shared, Stage};
use crate::registry::ServerSnapshot;

/// A server: one listener, and all that it accepts. Cheap to clone; clones are one. See the [module](super) for examples.
///
/// Its figures are there for as long as it or one of its connections lives.
#[derive(Debug, Clone)]
pub struct Server {
    pub(super) shared: Arc<Shared>,
}

impl Server {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Accepts from a listener, within the limits of this server, and counts.
    ///
    /// A server is meant for one listener; a second one shares its limits and its figures.
    pub fn listen<L: Listen>(&self, listener: L) -> ServerListener<L> {
        ServerListener::new(Arc::clone(&self.shared), listener)
    }

    /// Accepts no more: the listener closes its socket as soon as it is asked for a connection or waits for one, and connects
    /// are refused by the kernel. Idle connections end at once, others when their requests have. Tells how many are there.
    pub fn close(&self) -> u64 {
        self.shared.close()
    }

    /// Cuts the connections that are there, after it has [closed](Self::close). Tells how many.
    pub fn cut(&self) -> u64 {
        self.shared.close();
        self.shared.cut()
    }

    /// Ready when the server has closed, by [`Server::close`] or with its scope, and either all of its connections have ended, or
    /// 200 ms have passed: what `axum::serve` wants for `with_graceful_shutdown`. Told at once, axum would have idle connections
    /// closed on which a request is just coming.
    pub fn shutting_down(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stage = self.shared.stage.subscribe();
        // Not held: who waits for its end must not keep it alive.
        let server = Arc::downgrade(&self.shared);
        async move {
            let _ = stage.wait_for(|stage| *stage != Stage::Open).await;
            if let Some(shared) = server.upgrade() {
                let _ = timeout(QUIET * 2, shared.all_ended()).await;
            }
        }
    }

    /// Returns when no connection is there any more. Others may come after that, unless it was [closed](Self::close).
    pub async fn all_ended(&self) {
        self.shared.all_ended().await;
    }

    /// Everything that is known of the server; the same is in the snapshots of the scope.
    #[must_use]
    pub fn snapshot(&self) -> ServerSnapshot {
        self.shared.snapshot()
    }
}
