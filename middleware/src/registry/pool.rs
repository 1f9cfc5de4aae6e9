//! One pool: all connections of one client to one destination.

use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use papaya::Equivalent;
use poolscope_semconv::metric;
use poolscope_semconv::value::{AcquireOutcome, Certainty, CloseReason, ConnectPhase, Observation};

use super::attempt::{Failure, Phase};
use super::clients::DEFAULT_IDLE_TIMEOUT;
#[cfg(feature = "limit")]
use super::clients::overflow;
use super::connection::{Connection, Ends, Established};
use super::exemplar::{ExemplarSwitch, Traced};
use super::histogram::Histogram;
use super::holder::Holder;
use super::key::{Destination, DestinationRef, Scheme};
use super::last;
use super::leak::Leaks;
use super::limit::Limit;
use super::lookups::Lookups;
use super::request::Request;
use super::results::Results;
use super::senders::Senders;
use super::snapshot::Protocol;
use super::upkeep::{Rotation, Rules};
use crate::clock::Instant;
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
    /// How long an answer may be left alone before its connection is reported as leaked; `None` for ever.
    pub(crate) leak_threshold: Option<Duration>,
    /// When connections are replaced; `None` for never.
    pub(crate) hygiene: Option<Rules>,
    /// Which requests may stand for others in telemetry.
    pub(crate) exemplars: Arc<ExemplarSwitch>,
}

/// How long after a request was given up its connection is closed, at the latest.
const GIVEN_UP_SHOWS: Duration = Duration::from_millis(500);

/// How long after the close of its connection an answer that was read before still finds it.
const LATE_ANSWER: Duration = Duration::from_secs(10);

/// Requests that a pool keeps to use again when they are over, so that the next ones allocate nothing. More at a time
/// than these are allocated.
const SPARE_REQUESTS: usize = 128;

/// Open connections and what happened to the closed ones; behind the lock that opening, closing and snapshots take.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) open: BTreeMap<u64, Arc<Connection>>,
    pub(super) opened: u64,
    pub(super) closed: BTreeMap<(CloseReason, Certainty), u64>,
    /// Closed without having served a request.
    pub(super) wasted: u64,
    /// Connects that failed.
    pub(super) failures: BTreeMap<Failure, u64>,
    /// Bytes of the connections that are closed.
    pub(super) bytes: (u64, u64),
    /// Segments that were sent again over the connections that are closed; `None` until the kernel told of one.
    pub(super) retransmits: Option<u64>,
    /// Protocols that were seen.
    pub(super) seen: [bool; 2],
}

/// Times and counts of a pool, by bucket.
#[derive(Debug)]
pub(super) struct Histograms {
    pub(super) wait: Histogram,
    pub(super) queued: Histogram,
    pub(super) usage: Histogram,
    pub(super) idle: Histogram,
    pub(super) create: Histogram,
    pub(super) phases: [Histogram; ConnectPhase::COUNT],
    pub(super) lifetime: [Histogram; 2],
    pub(super) requests: Histogram,
    pub(super) rtt: Histogram,
}

impl Histograms {
    fn new() -> Self {
        Self {
            wait: Histogram::new(&metric::CONNECTION_WAIT_TIME),
            queued: Histogram::new(&metric::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE),
            usage: Histogram::new(&metric::CONNECTION_USE_TIME),
            idle: Histogram::new(&metric::CONNECTION_IDLE_TIME),
            create: Histogram::new(&metric::CONNECTION_CREATE_TIME),
            phases: std::array::from_fn(|_| Histogram::new(&metric::CONNECTION_PHASE_TIME)),
            lifetime: std::array::from_fn(|_| Histogram::new(&metric::HTTP_CLIENT_CONNECTION_DURATION)),
            requests: Histogram::new(&metric::CONNECTION_REQUESTS),
            rtt: Histogram::new(&metric::CONNECTION_RTT),
        }
    }
}

/// One pool. Everything that a request does to it is an atomic add.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) name: Arc<PoolName>,
    pub(super) destination: Destination,
    pub(super) config: PoolConfig,
    events: Arc<Events>,
    pub(super) started: AtomicU64,
    pub(super) acquired: AtomicU64,
    pub(super) released: AtomicU64,
    pub(super) outcomes: [AtomicU64; AcquireOutcome::COUNT],
    pub(super) streams: [AtomicU64; 2],
    /// Connects that have begun and that have ended.
    pub(super) connects: [AtomicU64; 2],
    /// True if the last connect that ended has failed.
    pub(super) connect_fails: AtomicBool,
    pub(super) abandoned: AtomicU64,
    pub(super) stale: AtomicU64,
    /// Requests that were dropped while it was not known which connection they had, and when the last one was.
    given_up: [AtomicU64; 2],
    /// Open, active and upgraded connections packed into one word, by protocol, so that one read sees all three.
    counts: [AtomicU64; 2],
    pub(super) times: Histograms,
    pub(super) lookups: Lookups,
    results: Results,
    pub(super) leaks: Leaks,
    pub(super) limit: Limit,
    spare: ArrayQueue<Arc<Request>>,
    holders: Mutex<Vec<Weak<Holder>>>,
    book: Mutex<Book>,
    /// Open connections by their addresses, for those who see nothing else of a connection.
    by_ends: papaya::HashMap<Ends, Arc<Connection>, foldhash::fast::RandomState>,
    pub(super) senders: Senders,
    pub(super) rotation: Rotation,
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
            streams: Default::default(),
            connects: Default::default(),
            connect_fails: AtomicBool::new(false),
            abandoned: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            given_up: Default::default(),
            counts: Default::default(),
            times: Histograms::new(),
            lookups: Lookups::default(),
            results: Results::new(),
            leaks: Leaks::default(),
            limit: Limit::new(),
            spare: ArrayQueue::new(SPARE_REQUESTS),
            holders: Mutex::default(),
            book: Mutex::default(),
            by_ends: papaya::HashMap::default(),
            senders: Senders::default(),
            rotation: Rotation::default(),
        }
    }

    /// A pool that nobody looks at.
    pub(crate) fn unseen() -> Self {
        let name = PoolName { client: "".into(), scheme: Scheme::Http.as_str(), host: "".into(), port: 0 };
        let destination = Destination { scheme: Scheme::Http, host: "".into(), port: 0 };
        let config = PoolConfig {
            observation: Observation::Exact,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            max_listed: 0,
            leak_threshold: None,
            hygiene: None,
            exemplars: Arc::default(),
        };
        Self::new(name, destination, config, Arc::default())
    }

    pub(crate) fn name(&self) -> &Arc<PoolName> {
        &self.name
    }

    /// True if requests to the destination belong to it.
    #[inline]
    pub(crate) fn is_of(&self, destination: &DestinationRef<'_>) -> bool {
        destination.equivalent(&self.destination)
    }

    /// True if it is the pool of a destination.
    #[cfg(feature = "limit")]
    pub(crate) fn is(&self, destination: &Destination) -> bool {
        self.destination == *destination
    }

    /// True if it is the pool of all destinations beyond the limit of pools.
    #[cfg(feature = "limit")]
    pub(crate) fn is_of_many(&self) -> bool {
        self.destination == overflow()
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.destination.scheme
    }

    /// The host, if it is an address, which needs no look-up.
    pub(super) fn host_address(&self) -> Option<std::net::IpAddr> {
        self.destination.host.trim_matches(['[', ']']).parse().ok()
    }

    pub(crate) fn observation(&self) -> Observation {
        self.config.observation
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        self.config.idle_timeout
    }

    #[inline]
    pub(crate) fn hygiene(&self) -> Option<Rules> {
        self.config.hygiene
    }

    pub(crate) fn leak_threshold(&self) -> Option<Duration> {
        self.config.leak_threshold
    }

    pub(crate) fn results(&self) -> &Results {
        &self.results
    }

    #[cfg(feature = "limit")]
    #[inline]
    pub(crate) fn limit(&self) -> &Limit {
        &self.limit
    }

    pub(crate) fn emit(&self, event: &Event) {
        self.events.emit(event);
    }

    // --- what requests do

    /// A record for one more request, used before or new.
    #[inline]
    pub(super) fn record(&self) -> Arc<Request> {
        last::spare(self).or_else(|| self.spare.pop()).unwrap_or_else(|| self.new_record())
    }

    #[cold]
    fn new_record(&self) -> Arc<Request> {
        let request = Arc::new(Request::default());
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        // What is gone is swept out only where the list would grow, so that a wave of requests is not swept for each.
        if holders.len() == holders.capacity() {
            holders.retain(|holder| holder.strong_count() > 0);
            let len = holders.len();
            holders.reserve(len + SPARE_REQUESTS);
        }
        holders.push(Arc::downgrade(request.holder()));
        request
    }

    /// Takes the record of a request that is over, if nobody else has it any more.
    #[inline]
    pub(crate) fn take_back(mut record: Arc<Request>) {
        if let Some(pool) = Arc::get_mut(&mut record).and_then(Request::clear)
            && let Some(record) = last::keep(&pool, record)
        {
            pool.put_back(record);
        }
    }

    /// Keeps a record for whichever thread needs one.
    pub(super) fn put_back(&self, record: Arc<Request>) {
        // A pool that has enough of them lets it go.
        let _ = self.spare.push(record);
    }

    /// The requests that wait for a connection or hold one.
    pub(super) fn holders(&self) -> Vec<Arc<Holder>> {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.retain(|holder| holder.strong_count() > 0);
        holders.iter().filter_map(Weak::upgrade).collect()
    }

    /// A request asks for a connection.
    pub(crate) fn acquire_started(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    /// Requests that have asked for a connection.
    pub(super) fn requests(&self) -> u64 {
        self.started.load(Relaxed)
    }

    /// It has one; which one is told to [`Pool::bound`].
    pub(crate) fn acquired(&self, wait_nanos: u64, queued: bool, traced: impl Fn() -> Option<Traced>) {
        self.acquired.fetch_add(1, AcqRel);
        self.times.wait.record_traced(wait_nanos, &traced);
        if queued {
            self.queued(wait_nanos, traced);
        }
    }

    /// It found no connection ready, and had to wait.
    pub(super) fn queued(&self, wait_nanos: u64, traced: impl Fn() -> Option<Traced>) {
        self.times.queued.record_traced(wait_nanos, traced);
    }

    /// It is known which connection it has, or it has ended without. `idle_nanos` is how long the connection had not been
    /// used, if it had been used before.
    pub(crate) fn bound(&self, outcome: AcquireOutcome, idle_nanos: Option<u64>) {
        self.outcomes[outcome.index()].fetch_add(1, AcqRel);
        if let Some(idle_nanos) = idle_nanos {
            self.times.idle.record_raw(idle_nanos);
        }
    }

    /// It ended without one.
    pub(crate) fn acquire_ended(&self, outcome: AcquireOutcome) {
        self.outcomes[outcome.index()].fetch_add(1, AcqRel);
    }

    /// It gives its connection back.
    pub(crate) fn released(&self, held_nanos: u64, traced: impl Fn() -> Option<Traced>) {
        self.released.fetch_add(1, AcqRel);
        self.times.usage.record_traced(held_nanos, traced);
    }

    /// It failed because the peer had closed the connection before.
    pub(crate) fn was_stale(&self) {
        self.stale.fetch_add(1, Relaxed);
    }

    /// It was dropped, and its connection, which is not known, is about to be closed for it.
    pub(super) fn given_up(&self, now: Instant) {
        self.given_up[1].store(now.as_nanos(), Relaxed);
        self.given_up[0].fetch_add(1, AcqRel);
    }

    /// True if a request was dropped a moment ago whose connection this may be. Each such request explains one close.
    pub(crate) fn explains_close(&self, now: Instant) -> bool {
        let last = Instant::from_nanos(self.given_up[1].load(Relaxed));
        if now.saturating_duration_since(last) > GIVEN_UP_SHOWS {
            self.given_up[0].store(0, Relaxed);
            return false;
        }
        self.given_up[0].fetch_update(AcqRel, Acquire, |left| left.checked_sub(1)).is_ok()
    }

    pub(crate) fn stream_started(&self) {
        self.streams[0].fetch_add(1, Relaxed);
    }

    pub(crate) fn stream_ended(&self) {
        self.streams[1].fetch_add(1, AcqRel);
    }

    // --- what connects do

    pub(super) fn connect_started(&self) {
        self.connects[0].fetch_add(1, Relaxed);
    }

    pub(super) fn connect_succeeded(&self, took: Duration, phases: &[Phase]) {
        self.connects[1].fetch_add(1, AcqRel);
        self.connect_fails.store(false, Relaxed);
        self.times.create.record(took);
        for part in phases {
            self.times.phases[part.phase.index()].record(part.end - part.begin);
        }
    }

    /// No connection could be established.
    pub(super) fn connect_failed(&self, failure: Failure, error: String) {
        self.connects[1].fetch_add(1, AcqRel);
        self.connect_fails.store(true, Relaxed);
        *self.book().failures.entry(failure).or_default() += 1;
        self.emit(&Event::ConnectionFailed(ConnectionFailed {
            pool: Arc::clone(&self.name),
            error_type: failure.error_type,
            phase: failure.phase,
            error,
        }));
    }

    /// A connect was given up.
    pub(super) fn connect_abandoned(&self) {
        self.connects[1].fetch_add(1, AcqRel);
        self.abandoned.fetch_add(1, Relaxed);
    }

    // --- what connections do

    pub(super) fn counts_add(&self, protocol: Protocol, what: u64) {
        self.counts[protocol as usize].fetch_add(what, AcqRel);
    }

    pub(super) fn counts_sub(&self, protocol: Protocol, what: u64) {
        self.counts[protocol as usize].fetch_sub(what, AcqRel);
    }

    /// A connection is there.
    pub(crate) fn opened(self: &Arc<Self>, id: u64, made: Established, now: Instant) -> Arc<Connection> {
        let (ends, protocol) = (made.ends, made.protocol);
        let connection = Arc::new(Connection::new(id, Arc::clone(self), made, now));
        self.lacks_pill_of(&connection);
        let mut book = self.book();
        self.counts_add(protocol, OPEN);
        book.opened += 1;
        book.seen[protocol as usize] = true;
        book.open.insert(id, Arc::clone(&connection));
        if self.config.observation != Observation::Exact && ends.is_known() {
            self.by_ends.pin().insert(ends, Arc::clone(&connection));
        }
        connection
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
        let requests = connection.requests();
        let bytes = connection.bytes();
        let tcp = connection.tcp_known();
        // A connector that is observed alone sees no requests, so it can't say that there were none.
        let sees_requests = self.started.load(Relaxed) > 0;
        self.times.lifetime[connection.protocol() as usize].record(lifetime);
        if sees_requests {
            self.times.requests.record_raw(requests);
        }
        let mut book = self.book();
        self.counts_sub(connection.protocol(), gone);
        *book.closed.entry((reason, certainty)).or_default() += 1;
        let is_wasted = sees_requests && !connection.is_used();
        book.wasted += u64::from(is_wasted);
        book.bytes = (book.bytes.0 + bytes.0, book.bytes.1 + bytes.1);
        if let Some((rtt, retransmits)) = tcp {
            self.times.rtt.record(rtt);
            *book.retransmits.get_or_insert(0) += retransmits;
        }
        book.open.remove(&connection.id());
        // The events are told outside of the lock.
        drop(book);
        self.emit(&Event::ConnectionClosed(ConnectionClosed {
            pool: Arc::clone(&self.name),
            connection: connection.id(),
            peer: connection.peer(),
            reason,
            certainty,
            lifetime,
            requests,
            active_time: sees_requests.then(|| connection.active_time(now)),
            is_wasted,
            bytes: self.sees_bytes().then_some(bytes),
            rtt: tcp.map(|(rtt, _)| rtt),
            retransmits: tcp.map(|(_, segments)| segments),
        }));
    }

    /// Forgets connections that were closed a while ago; until then, a caller who is late with an answer finds its own.
    pub(crate) fn forget_closed(&self, now: Instant) {
        if self.config.observation != Observation::Exact {
            self.by_ends.pin().retain(|_, connection| !connection.is_closed_since(LATE_ANSWER, now));
        }
    }

    /// The connection between two addresses, open or closed a moment ago. Takes no lock.
    pub(crate) fn connection_between(&self, ends: Ends) -> Option<Arc<Connection>> {
        self.by_ends.pin().get(&ends).cloned()
    }

    /// Connections that are open, as one number.
    #[cfg(feature = "guard")]
    pub(crate) fn open_count(&self) -> u64 {
        Protocol::ALL.into_iter().map(|protocol| self.packed(protocol).0).sum()
    }

    pub(crate) fn open_connections(&self) -> Vec<Arc<Connection>> {
        self.book().open.values().cloned().collect()
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the bytes of connections are seen.
    pub(super) fn sees_bytes(&self) -> bool {
        self.config.observation != Observation::Estimated
    }

    /// Requests that hold a connection of which it is not known which one it is.
    pub(super) fn unbound(&self) -> u64 {
        use AcquireOutcome::{New, Reused, Waited};
        let settled: u64 =
            [New, Reused, Waited].iter().map(|outcome| self.outcomes[outcome.index()].load(Acquire)).sum();
        self.acquired.load(Acquire).saturating_sub(settled)
    }

    /// Requests that wait for a connection, and those that ever had one.
    #[cfg(feature = "guard")]
    pub(crate) fn acquires(&self) -> (u64, u64) {
        let ended = |outcome: AcquireOutcome| self.outcomes[outcome.index()].load(Acquire);
        let acquired = self.acquired.load(Acquire);
        let ended = acquired + ended(AcquireOutcome::Failed) + ended(AcquireOutcome::Canceled);
        (self.started.load(Acquire).saturating_sub(ended), acquired)
    }

    /// True if a request waits for a connection, or holds one of which it is not known which one it is.
    pub(crate) fn is_asked(&self) -> bool {
        let settled: u64 = self.outcomes.iter().map(|outcome| outcome.load(Acquire)).sum();
        self.started.load(Acquire) > settled
    }

    /// Open, active and upgraded connections of one protocol.
    pub(super) fn packed(&self, protocol: Protocol) -> (u64, u64, u64) {
        let packed = self.counts[protocol as usize].load(Acquire);
        let open = packed & FIELD;
        (open, (packed / ACTIVE) & FIELD, ((packed / UPGRADED) & FIELD).min(open))
    }

    /// True if there is an open connection.
    pub(crate) fn has_open(&self) -> bool {
        [Protocol::Http1, Protocol::Http2].into_iter().any(|protocol| self.packed(protocol).0 > 0)
    }

    /// True if there is an open HTTP/2 connection.
    #[inline]
    pub(crate) fn has_http2(&self) -> bool {
        self.counts[Protocol::Http2 as usize].load(Acquire) & FIELD != 0
    }

    /// The only connection that there is, if it is an HTTP/2 one: then all streams are its.
    pub(super) fn only_http2(&self) -> Option<Arc<Connection>> {
        if !self.has_http2() || self.packed(Protocol::Http1).0 > 0 {
            return None;
        }
        let book = self.book();
        let mut open = book.open.values().filter(|connection| !connection.is_gone());
        open.next().filter(|_| open.next().is_none()).cloned()
    }

    /// True if there is another open connection of the same protocol.
    pub(super) fn has_other(&self, protocol: Protocol) -> bool {
        self.packed(protocol).0 > 1
    }
}
