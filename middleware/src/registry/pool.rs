//! One pool: all connections of one client to one destination.

use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use poolscope_semconv::metric;
use poolscope_semconv::value::{AcquireOutcome, Certainty, CloseReason, Observation};

use super::clients::DEFAULT_IDLE_TIMEOUT;
use super::connection::{Connection, Ends};
use super::histogram::Histogram;
use super::key::{Destination, Scheme};
use super::results::Results;
use super::snapshot::{ConnectionCounts, PoolSnapshot, Protocol};
use crate::event::{ConnectionClosed, ConnectionFailed, Event, Events, PoolName};

/// One open connection in [`Pool::counts`].
pub(super) const OPEN: u64 = 1;
/// One active connection in [`Pool::counts`].
pub(super) const ACTIVE: u64 = 1 << 21;
/// One upgraded connection in [`Pool::counts`].
pub(super) const UPGRADED: u64 = 1 << 42;
/// One field of [`Pool::counts`]: two million connections are more than one process can have to one destination.
const FIELD: u64 = (1 << 21) - 1;

/// What is settled when a client is made and holds for all of its pools.
#[derive(Debug, Clone)]
pub(crate) struct PoolConfig {
    pub(crate) observation: Observation,
    /// Idle connections are closed by the client after this time; what hyper-util and reqwest do unless told otherwise.
    pub(crate) idle_timeout: Duration,
    /// Most connections that a snapshot lists one by one.
    pub(crate) max_listed: usize,
}

/// Open connections and what happened to the closed ones; behind the lock that opening, closing and snapshots take.
#[derive(Debug, Default)]
struct Book {
    open: BTreeMap<u64, Arc<Connection>>,
    opened: u64,
    closed: BTreeMap<(CloseReason, Certainty), u64>,
    /// Bytes of the connections that are closed.
    bytes: (u64, u64),
    /// Protocols that were seen.
    seen: [bool; 2],
}

/// One pool. Everything that a request does to it is an atomic add.
#[derive(Debug)]
pub(crate) struct Pool {
    name: Arc<PoolName>,
    destination: Destination,
    config: PoolConfig,
    events: Arc<Events>,
    started: AtomicU64,
    acquired: AtomicU64,
    released: AtomicU64,
    outcomes: [AtomicU64; AcquireOutcome::COUNT],
    /// Requests that hold a connection of which it is not known yet which one it is: begun and settled.
    unbound: [AtomicU64; 2],
    streams: [AtomicU64; 2],
    /// Open, active and upgraded connections packed into one word, by protocol, so that one read sees all three.
    counts: [AtomicU64; 2],
    failed: AtomicU64,
    wait: Histogram,
    queued: Histogram,
    usage: Histogram,
    create: Histogram,
    lifetime: [Histogram; 2],
    results: Results,
    book: Mutex<Book>,
    /// Open connections by their addresses, for those who see nothing else of a connection.
    by_ends: papaya::HashMap<Ends, Arc<Connection>, foldhash::fast::RandomState>,
}

impl Pool {
    pub(super) fn new(
        name: PoolName,
        destination: Destination,
        config: PoolConfig,
        events: Arc<Events>,
    ) -> Self {
        Self {
            name: Arc::new(name),
            destination,
            config,
            events,
            started: AtomicU64::new(0),
            acquired: AtomicU64::new(0),
            released: AtomicU64::new(0),
            outcomes: Default::default(),
            unbound: Default::default(),
            streams: Default::default(),
            counts: Default::default(),
            failed: AtomicU64::new(0),
            wait: Histogram::new(&metric::CONNECTION_WAIT_TIME),
            queued: Histogram::new(&metric::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE),
            usage: Histogram::new(&metric::CONNECTION_USE_TIME),
            create: Histogram::new(&metric::CONNECTION_CREATE_TIME),
            lifetime: [const { &metric::HTTP_CLIENT_CONNECTION_DURATION }; 2].map(Histogram::new),
            results: Results::new(),
            book: Mutex::default(),
            by_ends: papaya::HashMap::default(),
        }
    }

    /// A pool that nobody looks at.
    pub(super) fn unseen() -> Self {
        let name = PoolName { client: "".into(), scheme: Scheme::Http.as_str(), host: "".into(), port: 0 };
        let destination = Destination { scheme: Scheme::Http, host: "".into(), port: 0 };
        let config =
            PoolConfig { observation: Observation::Exact, idle_timeout: DEFAULT_IDLE_TIMEOUT, max_listed: 0 };
        Self::new(name, destination, config, Arc::default())
    }

    pub(crate) fn name(&self) -> &Arc<PoolName> {
        &self.name
    }

    pub(crate) fn observation(&self) -> Observation {
        self.config.observation
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        self.config.idle_timeout
    }

    pub(crate) fn results(&self) -> &Results {
        &self.results
    }

    // --- what requests do

    /// A request asks for a connection.
    pub(crate) fn acquire_started(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    /// It has one; which one is told to [`Pool::bound`].
    pub(crate) fn acquired(&self, wait: Duration, queued: bool) {
        self.unbound[0].fetch_add(1, Relaxed);
        self.acquired.fetch_add(1, AcqRel);
        self.wait.record(wait);
        if queued {
            self.queued.record(wait);
        }
    }

    /// It is known which connection it has, or it has ended without.
    pub(crate) fn bound(&self, outcome: AcquireOutcome) {
        self.unbound[1].fetch_add(1, AcqRel);
        self.outcomes[outcome.index()].fetch_add(1, Relaxed);
    }

    /// It ended without one.
    pub(crate) fn acquire_ended(&self, outcome: AcquireOutcome) {
        self.outcomes[outcome.index()].fetch_add(1, AcqRel);
    }

    /// It gives its connection back.
    pub(crate) fn released(&self, held: Duration) {
        self.released.fetch_add(1, AcqRel);
        self.usage.record(held);
    }

    pub(crate) fn stream_started(&self) {
        self.streams[0].fetch_add(1, Relaxed);
    }

    pub(crate) fn stream_ended(&self) {
        self.streams[1].fetch_add(1, AcqRel);
    }

    // --- what connections do

    pub(super) fn counts_add(&self, protocol: Protocol, what: u64) {
        self.counts[protocol as usize].fetch_add(what, AcqRel);
    }

    pub(super) fn counts_sub(&self, protocol: Protocol, what: u64) {
        self.counts[protocol as usize].fetch_sub(what, AcqRel);
    }

    /// A connection was established.
    pub(crate) fn opened(
        self: &Arc<Self>,
        id: u64,
        protocol: Protocol,
        ends: Ends,
        took: Duration,
        now: Instant,
    ) -> Arc<Connection> {
        self.create.record(took);
        self.found(id, protocol, ends, now)
    }

    /// A connection is there of which it was not seen how it was established.
    pub(crate) fn found(
        self: &Arc<Self>,
        id: u64,
        protocol: Protocol,
        ends: Ends,
        now: Instant,
    ) -> Arc<Connection> {
        let connection = Arc::new(Connection::new(id, Arc::clone(self), protocol, ends, now));
        let mut book = self.book();
        self.counts_add(protocol, OPEN);
        book.opened += 1;
        book.seen[protocol as usize] = true;
        book.open.insert(id, Arc::clone(&connection));
        if self.config.observation == Observation::Estimated && ends.is_known() {
            self.by_ends.pin().insert(ends, Arc::clone(&connection));
        }
        connection
    }

    /// No connection could be established.
    pub(crate) fn connect_failed(&self, error: &(dyn std::error::Error + 'static)) {
        self.failed.fetch_add(1, Relaxed);
        self.events.emit(&Event::ConnectionFailed(ConnectionFailed {
            pool: Arc::clone(&self.name),
            error_type: crate::classify::error_type(error),
            error: crate::classify::chain(error),
        }));
    }

    /// A connection is gone, and with it what `gone` says.
    pub(super) fn closed(
        &self,
        connection: &Connection,
        gone: u64,
        reason: CloseReason,
        certainty: Certainty,
        now: Instant,
    ) {
        let lifetime = connection.age(now);
        self.lifetime[connection.protocol() as usize].record(lifetime);
        let (sent, received) = connection.bytes();
        let mut book = self.book();
        self.counts_sub(connection.protocol(), gone);
        *book.closed.entry((reason, certainty)).or_default() += 1;
        book.bytes.0 += sent;
        book.bytes.1 += received;
        book.open.remove(&connection.id());
        if self.config.observation == Observation::Estimated {
            // Its addresses may be another connection's already.
            let _ =
                self.by_ends.pin().remove_if(&connection.ends(), |_, found| found.id() == connection.id());
        }
        // The events are told outside of the lock.
        drop(book);
        self.events.emit(&Event::ConnectionClosed(ConnectionClosed {
            pool: Arc::clone(&self.name),
            connection: connection.id(),
            peer: connection.peer(),
            reason,
            certainty,
            lifetime,
            requests: connection.requests(),
        }));
    }

    /// The open connection between two addresses. Takes no lock.
    pub(crate) fn connection_between(&self, ends: Ends) -> Option<Arc<Connection>> {
        self.by_ends.pin().get(&ends).cloned()
    }

    /// Open connections.
    pub(crate) fn open_connections(&self) -> Vec<Arc<Connection>> {
        self.book().open.values().cloned().collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that hold a connection of which it is not known which one it is.
    fn unbound(&self) -> u64 {
        let settled = self.unbound[1].load(Acquire);
        self.unbound[0].load(Acquire).saturating_sub(settled)
    }

    /// Counts of one protocol; `unbound` requests make idle connections active, since each of them uses one. A pool with
    /// connections of both protocols takes them for HTTP/1 requests, which each need a connection of their own.
    fn counts(&self, protocol: Protocol, unbound: u64) -> ConnectionCounts {
        let packed = self.counts[protocol as usize].load(Acquire);
        let open = packed & FIELD;
        let upgraded = ((packed / UPGRADED) & FIELD).min(open);
        let active =
            ((packed / ACTIVE) & FIELD) + if protocol == Protocol::Http1 { unbound } else { unbound.min(1) };
        let active = active.min(open - upgraded);
        ConnectionCounts { idle: open - upgraded - active, active, upgraded }
    }

    pub(super) fn snapshot(&self, now: Instant) -> PoolSnapshot {
        let unbound = self.unbound();
        let book = self.book();
        let connections: Vec<_> = Protocol::ALL
            .into_iter()
            .filter(|protocol| book.seen[*protocol as usize])
            .map(|protocol| {
                let is_theirs = protocol == Protocol::Http1 || !book.seen[Protocol::Http1 as usize];
                (protocol, self.counts(protocol, if is_theirs { unbound } else { 0 }))
            })
            .collect();
        let live_bytes = book.open.values().map(|connection| connection.bytes());
        let bytes = live_bytes.fold(book.bytes, |sum, add| (sum.0 + add.0, sum.1 + add.1));
        let open: Vec<_> = book
            .open
            .values()
            .take(self.config.max_listed)
            .map(|connection| connection.snapshot(now))
            .collect();
        let opened = book.opened;
        let closed =
            book.closed.iter().map(|((reason, certainty), count)| (*reason, *certainty, *count)).collect();
        drop(book);
        // What ends is read before what begins, so that no difference of the two can be negative.
        let released = self.released.load(Acquire);
        let outcomes = AcquireOutcome::ALL
            .iter()
            .map(|outcome| (*outcome, self.outcomes[outcome.index()].load(Acquire)));
        let acquires = outcomes.collect();
        let acquired = self.acquired.load(Acquire);
        let acquires_started = self.started.load(Acquire);
        let streams_ended = self.streams[1].load(Acquire);
        PoolSnapshot {
            client: self.name.client.to_string(),
            scheme: self.destination.scheme.as_str(),
            host: self.destination.host.to_string(),
            port: self.destination.port,
            observation: self.config.observation,
            connections,
            opened,
            closed,
            connect_failed: self.failed.load(Relaxed),
            acquires_started,
            acquired,
            acquires,
            released,
            streams: self.streams[0].load(Acquire).saturating_sub(streams_ended),
            bytes: (self.config.observation == Observation::Exact).then_some(bytes),
            wait: self.wait.snapshot(),
            queued: self.queued.snapshot(),
            usage: self.usage.snapshot(),
            create: self.create.snapshot(),
            lifetime: Protocol::ALL
                .into_iter()
                .map(|protocol| (protocol, self.lifetime[protocol as usize].snapshot()))
                .filter(|(_, lifetime)| lifetime.count() > 0)
                .collect(),
            results: self.results.snapshot(),
            open,
        }
    }
}
