//! One connection: its state, and how it moves the counts of its pool.

mod figures;

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use poolscope_semconv::value::{Certainty, CloseReason, Observation};

use super::key::Scheme;
use super::pool::{ACTIVE, OPEN, Pool, UPGRADED};
use super::reason::{CloseCause, Ending, HARMLESS, HAS_ENDED, reason};
use super::senders::Task;
use super::snapshot::Protocol;
use super::upkeep::Upkeep;
use crate::clock::Instant;
use crate::trace::SetupSpan;

/// Set in [`Connection::state`] once the connection is closed.
const IS_CLOSED: u32 = 1 << 31;
/// Set in [`Connection::state`] once the connection has left HTTP.
const IS_UPGRADED: u32 = 1 << 30;
/// The rest of [`Connection::state`]: requests in flight.
const IN_FLIGHT: u32 = IS_UPGRADED - 1;

/// Addresses of a connection, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

const PEER_CLOSED: u32 = CloseCause::PeerClosed as u32;

/// What TLS says last takes no more than this with any cipher of today, and a request takes more.
const LAST_WORD: u64 = 32;

/// Least time in which a stale connection shows itself: a loopback has no round trip to speak of, but on a machine that is
/// busy elsewhere each side may have to wait for its turn.
const STALE_WITHIN: Duration = Duration::from_millis(10);

impl Hash for Ends {
    /// By the ports: of the connections of one pool, each has its own on our side, but for those from another address.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let port = |end: Option<SocketAddr>| end.map_or(0, |end| u32::from(end.port()));
        state.write_u32(port(self.local) << 16 | port(self.peer));
    }
}

/// What is known of a connection when it is established.
#[derive(Debug, Default)]
pub(crate) struct Established {
    /// At least one round trip to the other end: how long the connect took, or the part of it that was nothing else where
    /// that was seen; zero if neither was.
    pub(crate) round_trip: Duration,
    pub(crate) ends: Ends,
    pub(crate) protocol: Protocol,
    /// Span over the set-up, for requests to link to.
    pub(crate) setup: SetupSpan,
    /// Lives for as long as the client does that made the connection.
    pub(crate) client: Option<Weak<ConnectorLife>>,
}

/// Held by every clone of a connector, and so for as long as the client lives.
#[derive(Debug)]
pub(crate) struct ConnectorLife;

/// What the kernel tells of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpFigures {
    pub(crate) rtt: Duration,
    pub(crate) retransmits: u32,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// One transport connection of a pool. Lives for as long as somebody refers to it; it counts as open until
/// [`Connection::close`].
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    pool: Arc<Pool>,
    made: Established,
    opened: Instant,
    /// [`IS_CLOSED`], [`IS_UPGRADED`] and the requests in flight, in one word so that each change sees all three.
    state: AtomicU32,
    requests: AtomicU64,
    /// Time of the last release, in nanoseconds since [`Connection::opened`].
    last_used: AtomicU64,
    /// Since when requests use it without a break, counted likewise; of no meaning while none does.
    active_since: AtomicU64,
    /// Time in which requests used it until it was last idle, in nanoseconds.
    active_time: AtomicU64,
    /// Time at which the last request took it, counted likewise; of an HTTP/2 connection only.
    last_taken: AtomicU64,
    /// Time at which it was closed, counted likewise; 0 while it is open.
    closed_at: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    /// Bytes that were sent to set it up, where the kernel told them: of TLS, and of a proxy that was asked for a tunnel.
    greeting: AtomicU64,
    /// Round trip time in nanoseconds and segments sent again, if the kernel told them.
    tcp: [AtomicU64; 2],
    has_tcp: AtomicBool,
    /// True once a request has taken it without being seen to use it.
    has_taker: AtomicBool,
    /// The task that sends its requests, where that is known; of an HTTP/2 connection only.
    sender: AtomicU64,
    /// True once it is known to be gone; then it is closed in the books when its requests are over.
    is_gone: AtomicBool,
    causes: AtomicU32,
    /// Why its owner is about to close it.
    stated: OnceLock<CloseReason>,
    kernel_watch: OnceLock<KernelWatch>,
    /// Where its client replaces connections.
    upkeep: Option<Box<Upkeep>>,
}

/// Whatever tells the connection of its close, kept for as long as the connection is.
struct KernelWatch(#[expect(dead_code, reason = "kept alive")] Arc<dyn Any + Send + Sync>);

impl fmt::Debug for KernelWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KernelWatch")
    }
}

impl Connection {
    pub(super) fn new(id: u64, pool: Arc<Pool>, made: Established, opened: Instant) -> Self {
        let upkeep = pool.hygiene().map(|rules| Box::new(Upkeep::new(rules, id)));
        Self {
            id,
            pool,
            made,
            opened,
            state: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            last_used: AtomicU64::new(0),
            active_since: AtomicU64::new(0),
            active_time: AtomicU64::new(0),
            last_taken: AtomicU64::new(0),
            closed_at: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            greeting: AtomicU64::new(0),
            tcp: Default::default(),
            has_tcp: AtomicBool::new(false),
            has_taker: AtomicBool::new(false),
            sender: AtomicU64::new(0),
            is_gone: AtomicBool::new(false),
            causes: AtomicU32::new(0),
            stated: OnceLock::new(),
            kernel_watch: OnceLock::new(),
            upkeep,
        }
    }

    /// What is kept of it where its client replaces connections.
    #[inline]
    pub(crate) fn upkeep(&self) -> Option<&Upkeep> {
        self.upkeep.as_deref()
    }

    /// Identity, unique in its scope.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Address of the other end, if known.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.made.ends.peer
    }

    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    pub(crate) fn ends(&self) -> Ends {
        self.made.ends
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.made.protocol
    }

    /// How it is observed: like its pool, but that its close is concluded where the kernel does not watch it.
    pub(crate) fn observation(&self) -> Observation {
        match self.pool.observation() {
            Observation::Kernel if self.kernel_watch.get().is_none() => Observation::Estimated,
            observation => observation,
        }
    }

    /// The kernel watches it for as long as `watch` lives.
    pub(crate) fn watched_by(&self, watch: Arc<dyn Any + Send + Sync>) {
        let _ = self.kernel_watch.set(KernelWatch(watch));
    }

    /// A request takes it, and may never tell that it did.
    pub(crate) fn taken_unseen(&self) {
        self.has_taker.store(true, Relaxed);
    }

    /// True once it is known which task sends its requests.
    #[inline]
    pub(crate) fn has_sender(&self) -> bool {
        self.sender.load(Relaxed) != 0
    }

    /// True if a task is the one that sends its requests: the first that is said to be.
    pub(crate) fn is_sent_by(self: &Arc<Self>, task: Task) -> bool {
        match Task::of(self.sender.load(Relaxed)) {
            Some(known) => known == task,
            None => self.learn_sender(task),
        }
    }

    #[cold]
    fn learn_sender(self: &Arc<Self>, task: Task) -> bool {
        let number = Task::number(Some(task));
        if let Err(known) = self.sender.compare_exchange(0, number, AcqRel, Acquire) {
            return known == number;
        }
        for sent in self.pool.senders.learn(task, self) {
            sent.bind(self);
        }
        if self.is_closed() {
            // Whoever closed it may not have known the task yet.
            self.pool.senders.forget(task, self);
        }
        true
    }

    /// True if it served a request, seen or not.
    pub(super) fn is_used(&self) -> bool {
        let is_told = self.observation() == Observation::Kernel && self.protocol() == Protocol::Http1;
        let seems_used = if is_told {
            // Whoever waited for the connection may have taken another one that came back.
            !self.is_silent_at(self.bytes().0)
        } else {
            self.has_taker.load(Relaxed)
        };
        self.requests() > 0 || seems_used
    }

    /// Nothing but its set-up has gone over it yet, for which the kernel counted so many bytes.
    pub(crate) fn greeted(&self, sent: u64) {
        self.greeting.store(sent, Relaxed);
    }

    /// True if no request can be among so many bytes that have gone over a connection that the kernel watches. HTTP/2 has
    /// something to say before the first one, but not over a connection that the negotiation of another made needless.
    pub(crate) fn is_silent_at(&self, sent: u64) -> bool {
        let last_word = if self.pool.scheme() == Scheme::Https { LAST_WORD } else { 0 };
        sent <= self.greeting.load(Relaxed) + last_word
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// It is gone: the kernel says so, or its transport was dropped. It is closed in the books as soon as its request has
    /// told why.
    pub(crate) fn gone(&self) {
        self.is_gone.store(true, Relaxed);
    }

    /// True once it is gone, whether it is closed in the books or not.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Relaxed)
    }

    /// True once it is closed in the books.
    pub(super) fn is_closed(&self) -> bool {
        self.state.load(Acquire) & IS_CLOSED != 0
    }

    /// True if it was closed so long ago.
    pub(super) fn is_closed_since(&self, time: Duration, now: Instant) -> bool {
        let closed_for = self.age(now).saturating_sub(Duration::from_nanos(self.closed_at.load(Relaxed)));
        self.is_closed() && closed_for >= time
    }

    /// True if a request uses it.
    pub(crate) fn is_active(&self) -> bool {
        self.state.load(Acquire) & IN_FLIGHT > 0
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

    /// A request uses the connection since `at`; true if it is the first one.
    ///
    /// The pool's count rises before the state shows the request and falls after it no longer does, so that a close on
    /// another thread never takes away what was not added yet.
    pub(crate) fn enter(&self, at: Instant) -> bool {
        let mut state = self.state.load(Acquire);
        loop {
            let becomes_active = state == 0;
            if becomes_active {
                self.pool.counts_add(self.protocol(), ACTIVE);
            }
            match self.state.compare_exchange_weak(state, state + 1, AcqRel, Acquire) {
                Ok(_) => {
                    if becomes_active {
                        // A request may be told of late; what was counted before is not counted again.
                        let since = at.nanos_since(self.opened).max(self.last_used.load(Relaxed));
                        self.active_since.store(since, Relaxed);
                    }
                    // It is in use again, so what was dropped on it before did it no harm.
                    if self.causes.load(Relaxed) & HARMLESS != 0 {
                        self.causes.fetch_and(!HARMLESS, Relaxed);
                    }
                    return self.requests.fetch_add(1, Relaxed) == 0;
                }
                Err(now) => {
                    if becomes_active {
                        self.pool.counts_sub(self.protocol(), ACTIVE);
                    }
                    state = now;
                }
            }
        }
    }

    /// A request has ended its use of the connection. Called once for each [`Connection::enter`].
    pub(crate) fn leave(&self, now: Instant) {
        let now = now.nanos_since(self.opened);
        self.last_used.store(now, Relaxed);
        // Read before the state is idle: from then on it is the next request's.
        let since = self.active_since.load(Relaxed);
        if self.state.fetch_sub(1, AcqRel) == 1 {
            self.active_time.fetch_add(now.saturating_sub(since), Relaxed);
            self.pool.counts_sub(self.protocol(), ACTIVE);
        }
    }

    /// When a request of an HTTP/2 connection took it. A request may be told of late, so that the latest one counts.
    pub(crate) fn taken(&self, at: Instant) {
        self.last_taken.fetch_max(at.nanos_since(self.opened), Relaxed);
    }

    /// True if it has been idle for as long as its pool keeps idle connections. hyper-util counts that of an HTTP/2
    /// connection from the moment at which its last request took it, not from the end of that request.
    pub(crate) fn has_idled(&self, now: Instant) -> bool {
        let idle_for = match self.protocol() {
            Protocol::Http1 => self.idle_for(now),
            Protocol::Http2 => {
                self.age(now).saturating_sub(Duration::from_nanos(self.last_taken.load(Relaxed)))
            }
        };
        idle_for >= self.pool.idle_timeout()
    }

    /// The connection has left HTTP and is no longer the pool's.
    pub(crate) fn upgrade(&self) {
        self.pool.counts_add(self.protocol(), UPGRADED);
        let before = self.state.fetch_or(IS_UPGRADED, AcqRel);
        if before & (IS_CLOSED | IS_UPGRADED) != 0 {
            self.pool.counts_sub(self.protocol(), UPGRADED);
        } else if before & IN_FLIGHT > 0 {
            self.pool.counts_sub(self.protocol(), ACTIVE);
        }
    }

    /// Remembers what may explain the end of the connection.
    pub(crate) fn note(&self, cause: CloseCause) {
        let mut causes = cause as u32;
        if matches!(cause, CloseCause::PeerClosed | CloseCause::Reset | CloseCause::Failed)
            && self.state.load(Acquire) & IN_FLIGHT > 0
        {
            causes |= CloseCause::WhileActive as u32;
        }
        if matches!(cause, CloseCause::RequestDropped | CloseCause::BodyDropped) && self.has_lost_client() {
            causes |= CloseCause::AfterClient as u32;
        }
        self.causes.fetch_or(causes, Relaxed);
    }

    /// True if our side has shut it down in order.
    pub(crate) fn was_shut_down(&self) -> bool {
        self.causes.load(Relaxed) & CloseCause::ShutDown as u32 != 0
    }

    /// True if an HTTP/1 connection ends in order and nobody has said why, as after an answer that asks for it, under a
    /// request that has not told what its answer says.
    pub(crate) fn ends_before_it_is_explained(&self) -> bool {
        let causes = self.causes.load(Relaxed);
        self.protocol() == Protocol::Http1
            && self.state.load(Acquire) & (IN_FLIGHT | IS_UPGRADED | IS_CLOSED) == 1
            && self.bytes().1 > 0
            && self.stated.get().is_none()
            && causes & CloseCause::ShutDown as u32 != 0
            && match causes & HAS_ENDED {
                0 | PEER_CLOSED => true,
                // It was to end, and may have ended too soon.
                ended => ended == PEER_CLOSED | CloseCause::CloseAsked as u32,
            }
    }

    /// Its owner is about to close it, and says why. Only the first call counts, and none once it has come to an end by
    /// itself.
    pub(crate) fn closing(&self, reason: CloseReason) {
        if self.causes.load(Relaxed) & HAS_ENDED == 0 {
            let _ = self.stated.set(reason);
        }
    }

    /// Its end was asked for, for a reason that holds although the peer may have been quick to obey.
    pub(super) fn closes_as_asked(&self, reason: CloseReason) {
        let _ = self.stated.set(reason);
    }

    /// Counts bytes that were sent.
    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts bytes that were received.
    pub(crate) fn add_received(&self, bytes: usize) {
        // An answer that nobody asked for is noted; a request that comes after it shows that it was harmless.
        if self.state.load(Acquire) == 0 && self.protocol() == Protocol::Http1 {
            self.note(CloseCause::Unasked);
        }
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    /// What the kernel knows of the connection, at last when it is closed.
    pub(crate) fn tcp(&self, tcp: TcpFigures) {
        self.sent.store(tcp.sent, Relaxed);
        self.received.store(tcp.received, Relaxed);
        self.tcp[0].store(u64::try_from(tcp.rtt.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        self.tcp[1].store(u64::from(tcp.retransmits), Relaxed);
        self.has_tcp.store(true, Relaxed);
    }

    /// Round trip time and segments sent again, where the kernel told them.
    pub(crate) fn tcp_known(&self) -> Option<(Duration, u64)> {
        self.has_tcp
            .load(Relaxed)
            .then(|| (Duration::from_nanos(self.tcp[0].load(Relaxed)), self.tcp[1].load(Relaxed)))
    }

    /// The connection is gone. The first call counts, later ones do nothing.
    pub(crate) fn close(&self, now: Instant) {
        let (reason, seen) = self.reason(now);
        let certainty = match self.observation() {
            Observation::Exact | Observation::Kernel => seen,
            Observation::Estimated => Certainty::Inferred,
        };
        self.close_because(reason, certainty, now);
    }

    /// True if it has come to its end by itself, whether it is closed already or not.
    pub(crate) fn has_ended(&self) -> bool {
        self.causes.load(Relaxed) & HAS_ENDED != 0
    }

    /// True if it is open and speaks HTTP.
    pub(super) fn is_in_pool(&self) -> bool {
        self.state.load(Acquire) & (IS_CLOSED | IS_UPGRADED) == 0
    }

    /// True if something was noted after which an HTTP/1 connection is not used again.
    pub(crate) fn is_spent(&self) -> bool {
        self.protocol() == Protocol::Http1 && self.causes.load(Relaxed) != 0
    }

    /// Like [`Connection::close`], where the caller knows why.
    pub(crate) fn close_because(&self, reason: CloseReason, certainty: Certainty, now: Instant) {
        let before = self.state.fetch_or(IS_CLOSED, AcqRel);
        if before & IS_CLOSED != 0 {
            return;
        }
        self.closed_at.store(now.nanos_since(self.opened), Relaxed);
        self.forget_pill();
        if let Some(task) = Task::of(self.sender.load(Acquire)) {
            self.pool.senders.forget(task, self);
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

    /// Why the connection ends, from what was seen on it.
    fn reason(&self, now: Instant) -> (CloseReason, Certainty) {
        let state = self.state.load(Acquire);
        let is_exact = self.observation() == Observation::Exact;
        reason(&Ending {
            stated: self.stated.get().copied(),
            causes: self.causes.load(Relaxed),
            is_upgraded: state & IS_UPGRADED != 0,
            // One that is gone and not yet closed was in use when it went.
            is_active: state & IN_FLIGHT > 0 || is_exact && self.is_gone(),
            protocol: self.protocol(),
            is_unused: !self.is_used(),
            has_another: self.pool.has_other(self.protocol()),
            is_exact,
            client_is_gone: self.has_lost_client(),
            has_idled: self.has_idled(now),
        })
    }

    /// True if the client that made it is gone with all of its clones.
    fn has_lost_client(&self) -> bool {
        self.made.client.as_ref().is_some_and(|client| client.strong_count() == 0)
    }

    /// How long a peer that had closed the connection before a request came takes to show it: a round trip.
    pub(super) fn stale_within(&self) -> Duration {
        let told = self.tcp_known().map(|(rtt, _)| 2 * rtt);
        told.unwrap_or(self.made.round_trip).max(STALE_WITHIN)
    }

    /// Span over the set-up of the connection.
    pub(crate) fn setup(&self) -> &SetupSpan {
        &self.made.setup
    }
}
