//! One connection: its state, and how it moves the counts of its pool.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::{Duration, Instant};

use poolscope_semconv::value::{Certainty, CloseReason, ConnectionState, Observation};

use super::pool::{ACTIVE, OPEN, Pool, UPGRADED};
use super::snapshot::{ConnectionSnapshot, Protocol};

/// Set in [`Connection::state`] once the connection is closed.
const IS_CLOSED: u32 = 1 << 31;
/// Set in [`Connection::state`] once the connection has left HTTP.
const IS_UPGRADED: u32 = 1 << 30;
/// The rest of [`Connection::state`]: requests in flight.
const IN_FLIGHT: u32 = IS_UPGRADED - 1;

/// What was seen on a connection that explains its end; the first cause in the order of importance wins.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum CloseCause {
    /// A read gave the end of the stream.
    PeerClosed = 1,
    /// A read or write told of a reset.
    Reset = 2,
    /// A read or write failed in another way.
    Failed = 4,
    /// One side said `Connection: close`, or spoke HTTP/1.0.
    CloseAsked = 8,
    /// A response body was dropped before its end.
    BodyDropped = 16,
    /// A request was dropped before it had its headers.
    RequestDropped = 64,
    /// The peer closed while a request was in flight.
    WhileActive = 32,
}

/// Addresses of a connection, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    pub(crate) local: Option<SocketAddr>,
    pub(crate) peer: Option<SocketAddr>,
}

impl Ends {
    /// True if both addresses are known, so that they name a connection.
    pub(crate) fn is_known(&self) -> bool {
        self.local.is_some() && self.peer.is_some()
    }
}

/// One transport connection of a pool. Lives for as long as somebody refers to it; it counts as open until
/// [`Connection::close`].
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    pool: Arc<Pool>,
    protocol: Protocol,
    ends: Ends,
    opened: Instant,
    /// [`IS_CLOSED`], [`IS_UPGRADED`] and the requests in flight, in one word so that each change sees all three.
    state: AtomicU32,
    requests: AtomicU64,
    /// Time of the last release, in nanoseconds since [`Connection::opened`].
    last_used: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    causes: AtomicU8,
}

impl Connection {
    pub(super) fn new(id: u64, pool: Arc<Pool>, protocol: Protocol, ends: Ends, opened: Instant) -> Self {
        Self {
            id,
            pool,
            protocol,
            ends,
            opened,
            state: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            last_used: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            causes: AtomicU8::new(0),
        }
    }

    /// Identity, unique in its scope.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Address of the other end, if known.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.ends.peer
    }

    pub(crate) fn ends(&self) -> Ends {
        self.ends
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// True if it is open, and no request uses it.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.load(Acquire) == 0
    }

    /// Since when a request could have had it: since its last one ended, or since it was opened.
    pub(crate) fn free_since(&self) -> Instant {
        self.opened + Duration::from_nanos(self.last_used.load(Relaxed))
    }

    /// Requests that it has served or serves.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// A request begins to use the connection; true if it is the first one.
    ///
    /// The pool's count rises before the state shows the request and falls after it no longer does, so that a close on
    /// another thread never takes away what was not added yet.
    pub(crate) fn enter(&self) -> bool {
        let mut state = self.state.load(Acquire);
        loop {
            let becomes_active = state == 0;
            if becomes_active {
                self.pool.counts_add(self.protocol, ACTIVE);
            }
            match self.state.compare_exchange_weak(state, state + 1, AcqRel, Acquire) {
                Ok(_) => {
                    // It is in use again, so what was dropped on it before did it no harm.
                    const HARMLESS: u8 = CloseCause::BodyDropped as u8 | CloseCause::RequestDropped as u8;
                    if self.causes.load(Relaxed) & HARMLESS != 0 {
                        self.causes.fetch_and(!HARMLESS, Relaxed);
                    }
                    return self.requests.fetch_add(1, Relaxed) == 0;
                }
                Err(now) => {
                    if becomes_active {
                        self.pool.counts_sub(self.protocol, ACTIVE);
                    }
                    state = now;
                }
            }
        }
    }

    /// A request has ended its use of the connection. Called once for each [`Connection::enter`].
    pub(crate) fn leave(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.opened).as_nanos();
        self.last_used.store(u64::try_from(nanos).unwrap_or(u64::MAX), Relaxed);
        if self.state.fetch_sub(1, AcqRel) == 1 {
            self.pool.counts_sub(self.protocol, ACTIVE);
        }
    }

    /// The connection has left HTTP and is no longer the pool's.
    pub(crate) fn upgrade(&self) {
        self.pool.counts_add(self.protocol, UPGRADED);
        let before = self.state.fetch_or(IS_UPGRADED, AcqRel);
        if before & (IS_CLOSED | IS_UPGRADED) != 0 {
            self.pool.counts_sub(self.protocol, UPGRADED);
        } else if before & IN_FLIGHT > 0 {
            self.pool.counts_sub(self.protocol, ACTIVE);
        }
    }

    /// Remembers what may explain the end of the connection.
    pub(crate) fn note(&self, cause: CloseCause) {
        let mut causes = cause as u8;
        if matches!(cause, CloseCause::PeerClosed | CloseCause::Reset | CloseCause::Failed)
            && self.state.load(Acquire) & IN_FLIGHT > 0
        {
            causes |= CloseCause::WhileActive as u8;
        }
        self.causes.fetch_or(causes, Relaxed);
    }

    /// Counts bytes that were sent.
    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts bytes that were received.
    pub(crate) fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    /// The connection is gone. The first call counts, later ones do nothing.
    pub(crate) fn close(&self, now: Instant) {
        let (reason, seen) = self.reason(now);
        let certainty = match self.pool.observation() {
            Observation::Exact => seen,
            Observation::Estimated => Certainty::Inferred,
        };
        self.close_because(reason, certainty, now);
    }

    /// True if something was noted after which an HTTP/1 connection is not used again.
    pub(crate) fn is_spent(&self) -> bool {
        self.protocol == Protocol::Http1 && self.causes.load(Relaxed) != 0
    }

    /// Like [`Connection::close`], where the caller knows why.
    pub(crate) fn close_because(&self, reason: CloseReason, certainty: Certainty, now: Instant) {
        let before = self.state.fetch_or(IS_CLOSED, AcqRel);
        if before & IS_CLOSED != 0 {
            return;
        }
        let gone = if before & IS_UPGRADED != 0 {
            OPEN + UPGRADED
        } else if before & IN_FLIGHT > 0 {
            OPEN + ACTIVE
        } else {
            OPEN
        };
        self.pool.closed(self, gone, reason, certainty, now);
    }

    fn saw(&self, cause: CloseCause) -> bool {
        self.causes.load(Relaxed) & cause as u8 != 0
    }

    /// Why the connection ends, from what was seen on it.
    fn reason(&self, now: Instant) -> (CloseReason, Certainty) {
        let saw = |cause| self.saw(cause);
        let state = self.state.load(Acquire);
        if state & IS_UPGRADED != 0 {
            (CloseReason::UpgradeEnded, Certainty::Known)
        } else if saw(CloseCause::CloseAsked) {
            (CloseReason::ConnectionClose, Certainty::Known)
        } else if saw(CloseCause::Reset) {
            (CloseReason::Reset, Certainty::Known)
        } else if saw(CloseCause::Failed) {
            (CloseReason::Error, Certainty::Known)
        } else if saw(CloseCause::PeerClosed) && saw(CloseCause::WhileActive) {
            (CloseReason::PeerClosedActive, Certainty::Known)
        } else if saw(CloseCause::PeerClosed) {
            (CloseReason::PeerClosedIdle, Certainty::Known)
        } else if saw(CloseCause::RequestDropped) {
            (CloseReason::RequestDropped, Certainty::Inferred)
        } else if saw(CloseCause::BodyDropped) {
            (CloseReason::BodyDropped, Certainty::Inferred)
        } else if state & IN_FLIGHT > 0 && self.protocol == Protocol::Http1 {
            // The client has read a response that says so, and the caller has not seen it yet: nothing else ends a
            // connection in the middle of a request without an error.
            (CloseReason::ConnectionClose, Certainty::Inferred)
        } else if self.idle_for(now) >= self.pool.idle_timeout() {
            (CloseReason::IdleTimeout, Certainty::Inferred)
        } else {
            (CloseReason::ClientClosed, Certainty::Inferred)
        }
    }

    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }

    /// Time since a request last used it; its age if none did, zero while one does.
    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        if self.state.load(Acquire) & IN_FLIGHT > 0 {
            return Duration::ZERO;
        }
        self.age(now).saturating_sub(Duration::from_nanos(self.last_used.load(Relaxed)))
    }

    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Relaxed), self.received.load(Relaxed))
    }

    pub(super) fn snapshot(&self, now: Instant) -> ConnectionSnapshot {
        let state = self.state.load(Acquire);
        let (bytes_sent, bytes_received) = self.bytes();
        ConnectionSnapshot {
            id: self.id,
            protocol: self.protocol,
            state: if state & IS_UPGRADED != 0 {
                ConnectionState::Upgraded
            } else if state & IN_FLIGHT > 0 {
                ConnectionState::Active
            } else {
                ConnectionState::Idle
            },
            local: self.ends.local,
            peer: self.ends.peer,
            age: self.age(now),
            idle_for: self.idle_for(now),
            requests: self.requests(),
            in_flight: u64::from(state & IN_FLIGHT),
            bytes_sent,
            bytes_received,
        }
    }
}
