//! [`Connection`]: a connection for who serves its requests.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::life::Life;
use super::service::Served;
use super::shared::{Held, Shared};

/// A connection that a server has accepted. Cheap to clone; does not keep it open.
#[derive(Clone)]
pub struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) life: Arc<Life>,
}

impl Connection {
    pub(super) fn of(held: &Held) -> Self {
        Self { shared: Arc::clone(&held.shared), life: Arc::clone(&held.life) }
    }

    /// Its number, unique in the scope.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.life.id
    }

    /// Its other end, where it has an address.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.life.peer
    }

    /// The service that serves the requests of this connection, so that they are seen: one of tower, or one of hyper.
    pub fn service<S>(&self, inner: S) -> Served<S> {
        Served::new(inner, self.clone())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("of", &self.shared.name).field("life", &self.life).finish()
    }
}
