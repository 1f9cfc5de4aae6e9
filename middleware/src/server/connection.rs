//! [`Connection`]: a connection for who serves its requests.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

#[cfg(feature = "session")]
use poolscope_semconv::value::ServerCloseReason;

use super::life::Life;
#[cfg(feature = "session")]
use super::life::is;
use super::service::Served;
use super::shared::{Held, Shared};

/// A connection that a server has accepted. Cheap to clone; does not keep it open.
///
/// One that left HTTP over HTTP/1 may carry a session: that of a WebSocket of axum, if it began while the request was served (in the
/// handler itself, not in a task or in what runs after the upgrade), and what was told so by `Session::carried_by` (feature
/// `session`). Ends that session as unresponsive, or takes its client a message of its WebSocket not in time, the connection is
/// reset, so that nothing more is sent to somebody who is gone: on Linux, as soon as its transport is asked for something, as a
/// `Socket` does, or dropped.
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

    /// It is of no use to what it carries.
    #[cfg(feature = "session")]
    pub(crate) fn give_up(&self, reason: ServerCloseReason) {
        // Over HTTP/2, that is one stream, and the others have nothing to do with it; and requests have nothing to do with it.
        if self.life.is(is::UPGRADED) && !self.life.is(is::HTTP2) {
            self.life.cut(reason);
        }
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
