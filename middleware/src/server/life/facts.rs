//! What is known of a connection at a moment.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use std::time::Duration;

use poolscope_semconv::value::{ConnectionState, ServerCloseReason};

use super::{Life, NEVER, is};
use crate::registry::ServerConnectionSnapshot;
use crate::server::rules::Facts;

impl Life {
    pub(in crate::server) fn facts(&self) -> Facts {
        let moment =
            |at: &AtomicU64| Some(at.load(Acquire)).filter(|at| *at != NEVER).map(Duration::from_nanos);
        let at = |at: &AtomicU64| Duration::from_nanos(at.load(Relaxed));
        Facts {
            is_served: self.is(is::SERVED),
            is_upgraded: self.is(is::UPGRADED),
            is_http2: self.is(is::HTTP2),
            in_flight: self.in_flight(),
            idle_since: at(&self.idle_since),
            head_since: moment(&self.head_since),
            write_since: moment(&self.write_since),
            is_watched: self.is_watched(),
            owed_since: moment(&self.owed_since).filter(|_| self.owed.load(Acquire) > 0),
            moved_at: at(&self.moved_at),
            old_at: self.old_at,
            told_at: moment(&self.told_at),
            is_shut: self.told() == Some(ServerCloseReason::Shutdown),
        }
    }

    /// Its state; `None` while it is queued.
    pub(in crate::server) fn state(&self) -> Option<ConnectionState> {
        let known = self.known.load(Acquire);
        (known & is::SERVED != 0).then(|| match self.in_flight() {
            0 if known & is::UPGRADED != 0 => ConnectionState::Upgraded,
            0 if self.write_since.load(Acquire) == NEVER => ConnectionState::Idle,
            _ => ConnectionState::Active,
        })
    }

    pub(in crate::server) fn row(&self, now: Duration) -> ServerConnectionSnapshot {
        let (sent, received) = self.bytes();
        let active_requests = self.in_flight();
        let idle_since = Duration::from_nanos(self.idle_since.load(Relaxed));
        ServerConnectionSnapshot {
            id: self.id,
            peer: self.peer,
            state: self.state(),
            age: now.saturating_sub(self.accepted),
            idle: (active_requests == 0).then(|| now.saturating_sub(idle_since)),
            requests: self.requests(),
            active_requests,
            sent,
            received,
            ending: self.told(),
        }
    }
}
