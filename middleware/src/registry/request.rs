//! One request from the call to the end of its body: the state that hyper's and reqwest's layers share.

use std::net::SocketAddr;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
    fence,
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

#[cfg(feature = "tracing")]
use opentelemetry::trace::Span as _;
#[cfg(feature = "tracing")]
use poolscope_semconv::value::ErrorType;
use poolscope_semconv::value::{AcquireOutcome, Observation};

use super::connection::Connection;
use super::exemplar::Traced;
use super::holder::{Holder, TraceRef};
use super::method::KnownMethod;
use super::pool::Pool;
use super::results::Outcome;
use super::senders::{Sender, Task};
use super::snapshot::Protocol;
use crate::clock::Instant;
use crate::current;
use crate::origin::Origin;
#[cfg(feature = "tracing")]
use crate::tracing::TracingSpan;

/// The request waits for a connection.
const PENDING: u8 = 0;
/// It has one, and which one is not known.
const ACQUIRED: u8 = 1;
/// One thread is writing down which one it is.
const BINDING: u8 = 2;
/// It is known which one it has.
const BOUND: u8 = 3;
/// The request is over.
const ENDED: u8 = 4;

/// Idle time before which no server ends keep-alive. A connection that ends sooner under a request is rather one of a server
/// that fails.
const STALE_AFTER: Duration = Duration::from_millis(100);

/// One request. Shared by the caller's future, the response body and, for HTTP/1 over hyper, the connection's task. When
/// it is over, its record goes back to the pool and is used again.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// `None` in a record that waits to be used.
    started: Option<Started>,
    phase: AtomicU8,
    /// True once the connector was called for this request: no idle connection was ready.
    queued: AtomicBool,
    /// Time from start to acquire, in nanoseconds.
    wait: AtomicU64,
    /// Its connection, once that is known. Nobody waits for this lock: it is taken to bind and to end, which don't overlap.
    bound: Mutex<Option<Bound>>,
    /// The connection that will send it, where that is known before; empty for all others, who only see that it is.
    handed: OnceLock<Mutex<Handed>>,
    /// The task that has sent it while it was not known which connection that was for, as a number.
    sent_by: AtomicU64,
    holder: Arc<Holder>,
    /// The span over its wait, where that has to be there from its begin.
    #[cfg(feature = "tracing")]
    waits: Mutex<Option<TracingSpan>>,
}

#[derive(Debug)]
struct Started {
    pool: Arc<Pool>,
    method: KnownMethod,
    at: Instant,
    /// Time that it had waited in the queue of a limit before.
    queued_nanos: u64,
}

#[derive(Debug)]
struct Bound {
    connection: Arc<Connection>,
    outcome: AcquireOutcome,
    /// Time that the connection had been idle before, in nanoseconds.
    idle_nanos: u64,
    /// Bytes that had come over the connection before.
    received: u64,
}

/// A connection that will send a request.
#[derive(Debug)]
struct Handed {
    connection: Arc<Connection>,
    /// False where the client may have tried another one since, without a word.
    is_last: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its body was read to the end.
    Complete,
    /// It failed.
    Failed,
    /// A time limit inside of the client has dropped it, which the caller sees as a failure.
    TimedOut,
    /// It was dropped.
    Dropped,
}

/// The request's connection, as spans and tests tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) connection: u64,
    pub(crate) outcome: AcquireOutcome,
    /// No idle connection was ready.
    pub(crate) was_queued: bool,
    pub(crate) wait: Duration,
    /// Time that it had waited in the queue of a limit before.
    pub(crate) limited: Duration,
    pub(crate) idle_for: Duration,
    pub(crate) peer: Option<SocketAddr>,
}

impl Request {
    /// A request that asks for a connection now.
    #[inline]
    pub(crate) fn start(pool: Arc<Pool>, method: &http::Method, now: Instant) -> Arc<Self> {
        let method = KnownMethod::of(method);
        let started = Started { pool, method, at: now, queued_nanos: current::take_queued() };
        Self::start_with(started, |holder| holder.wait(now, method, Origin::current()))
    }

    #[inline]
    fn start_with(started: Started, wait: impl FnOnce(&Holder)) -> Arc<Self> {
        started.pool.acquire_started();
        let mut record = started.pool.record();
        // Only records that nobody else has are kept, and a new one is nobody else's either.
        if let Some(request) = Arc::get_mut(&mut record) {
            wait(&request.holder);
            *request.phase.get_mut() = PENDING;
            *request.queued.get_mut() = false;
            *request.sent_by.get_mut() = 0;
            request.started = Some(started);
        }
        record
    }

    /// The client sends the request on, to a pool that it asks since `at`. This one is over.
    #[cfg(feature = "reqwest")]
    pub(crate) fn next(&self, pool: Arc<Pool>, at: Instant) -> Arc<Self> {
        let method = self.in_use().method;
        let started = Started { pool, method, at, queued_nanos: 0 };
        Self::start_with(started, |holder| holder.wait_like(&self.holder, at, method))
    }

    /// Makes the record ready to be used again; `None` if it was not used.
    #[inline]
    pub(super) fn clear(&mut self) -> Option<Arc<Pool>> {
        *self.bound.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        self.handed.take();
        self.started.take().map(|started| started.pool)
    }

    pub(super) fn holder(&self) -> &Arc<Holder> {
        &self.holder
    }

    fn in_use(&self) -> &Started {
        self.started.as_ref().expect("a record is given out only with its request")
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.in_use().pool
    }

    /// When it asked for a connection.
    pub(crate) fn started(&self) -> Instant {
        self.in_use().at
    }

    /// Tells the span that it was made under.
    pub(crate) fn trace(&self, trace: TraceRef) {
        self.holder.trace(trace);
    }

    /// The request as one that may stand for others, for what is recorded of it at a moment; `None` if it may not.
    #[inline]
    fn traced(&self, at: Instant) -> Option<Traced> {
        if self.pool().config.exemplars.is_off() { None } else { self.traced_if_wanted(at) }
    }

    #[inline(never)]
    fn traced_if_wanted(&self, at: Instant) -> Option<Traced> {
        let switch = &self.pool().config.exemplars;
        let trace = switch.pass(|| self.holder.sampled(), || self.holder.traced())?;
        Some(Traced { trace, at })
    }

    /// The caller has the head of the answer.
    pub(crate) fn answered(&self, now: Instant) {
        self.holder.answered(now);
    }

    /// The caller has asked for more of the answer's body; with a waker if there was nothing yet.
    pub(crate) fn read(&self, waits: Option<&Waker>) {
        // Where nobody looks for leaks, nobody will wake.
        self.holder.read(waits.filter(|_| self.pool().leak_threshold().is_some()));
    }

    /// True while the request waits for a connection.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.phase.load(Acquire) == PENDING
    }

    /// True while the request has a connection, and it is not known which one.
    pub(super) fn is_unbound(&self) -> bool {
        self.phase.load(Acquire) == ACQUIRED
    }

    /// No idle connection was ready for it.
    pub(crate) fn queued(&self) {
        self.queued.store(true, Relaxed);
    }

    /// True if no idle connection was ready for it.
    pub(crate) fn was_queued(&self) -> bool {
        self.queued.load(Relaxed)
    }

    /// A connection will take the request as soon as it can. The last one counts: a pool may try another one while nothing
    /// was sent.
    pub(crate) fn hand_to(&self, connection: Arc<Connection>) {
        self.hand(Handed { connection, is_last: true });
    }

    fn hand(&self, handed: Handed) {
        match self.handed.get() {
            Some(known) => *known.lock().unwrap_or_else(PoisonError::into_inner) = handed,
            // Only the caller's task hands it on, so that nobody else has been quicker.
            None => drop(self.handed.set(Mutex::new(handed))),
        }
    }

    /// Binds the request to the connection that sends it, if that is known before; `task` tells the task that does.
    #[inline]
    pub(crate) fn bind_handed(&self, task: impl FnOnce() -> Option<Task>) -> bool {
        let Some(handed) = self.handed.get() else { return false };
        let Handed { connection, is_last } = &*handed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            *is_last || !connection.is_closed() && task().is_some_and(|task| connection.is_sent_by(task));
        if is_it {
            self.bind(connection);
        }
        is_it
    }

    /// The client has named an HTTP/2 connection to it, in a poll by the task `polled_by`: one that it has taken out of its
    /// pool for the request, or that has answered it.
    pub(crate) fn named(&self, connection: &Arc<Connection>, polled_by: Option<Task>) {
        if self.is_pending() {
            self.hand(Handed { connection: Arc::clone(connection), is_last: false });
        }
        // Where it is sent on another thread meanwhile, that one may have looked too early.
        if self.phase.load(Acquire) == ACQUIRED {
            self.bind(connection);
            // Either this sees the task, or the task sees what it is bound to.
            fence(SeqCst);
            // A caller's own task sends nothing: whoever asked the request's body there was not the connection.
            if let Some(task) = self.sent_by().filter(|task| Some(*task) != polled_by) {
                connection.is_sent_by(task);
            }
        }
    }

    /// A task sends the request, which binds it if it is known for which HTTP/2 connection the task does so, and else when
    /// that will be known.
    #[inline]
    pub(crate) fn bind_sent(self: &Arc<Self>, task: Task) -> bool {
        match self.pool().senders.sender(task) {
            Sender::Of(connection) => {
                self.bind(&connection);
                true
            }
            Sender::OfSeveral => {
                self.sent_by.store(Task::number(Some(task)), Relaxed);
                false
            }
            Sender::Unknown => self.sent_by_unknown(task),
        }
    }

    #[cold]
    fn sent_by_unknown(self: &Arc<Self>, task: Task) -> bool {
        self.sent_by.store(Task::number(Some(task)), Relaxed);
        fence(SeqCst);
        if let Some(connection) = self.connection() {
            // It was named on the caller's thread since it is acquired, which was too early to tell the task.
            connection.is_sent_by(task);
            return true;
        }
        // Each request over HTTP/1 would wait too, for nothing.
        if self.pool().packed(Protocol::Http1).0 > 0 {
            return false;
        }
        let connection = self.pool().senders.wait(task, self);
        if let Some(connection) = &connection {
            self.bind(connection);
        }
        connection.is_some()
    }

    fn sent_by(&self) -> Option<Task> {
        Task::of(self.sent_by.load(Relaxed))
    }

    /// The request has a connection since `at`; which one comes with [`Request::bind`]. Only the first call counts.
    #[inline]
    pub(crate) fn acquire(&self, at: Instant) {
        if !self.is_pending() {
            return;
        }
        let wait = at.nanos_since(self.started());
        self.wait.store(wait, Relaxed);
        if self.phase.compare_exchange(PENDING, ACQUIRED, AcqRel, Acquire).is_ok() {
            let (limited, was_queued) = (self.in_use().queued_nanos, self.was_queued());
            self.pool().acquired(wait.saturating_add(limited), limited > 0 || was_queued, || self.traced(at));
            self.holder.hold(self.started(), at);
            #[cfg(feature = "tracing")]
            if was_queued {
                self.end_wait(None);
            }
        }
    }

    /// The span over its wait, which has begun.
    #[cfg(feature = "tracing")]
    #[cold]
    pub(crate) fn waits(&self, span: TracingSpan) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(span);
        // The connection's task may have been quicker.
        if !self.is_pending() {
            self.end_wait(None);
        }
    }

    /// Its wait is over; with an error if it was in vain.
    #[cfg(feature = "tracing")]
    #[cold]
    pub(crate) fn end_wait(&self, error: Option<ErrorType>) {
        let span = self.waits.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut span) = span {
            crate::trace::fail(&mut span, error);
            span.end();
        }
    }

    /// Since when it has a connection, if it has one.
    pub(crate) fn held_since(&self) -> Option<Instant> {
        matches!(self.phase.load(Acquire), ACQUIRED | BINDING | BOUND).then(|| self.acquired_at())
    }

    /// When it had a connection; only for one that has.
    fn acquired_at(&self) -> Instant {
        self.started().plus_nanos(self.wait.load(Relaxed))
    }

    /// The request's connection is known. Only the first call counts, and none for a request that is over.
    #[inline]
    pub(crate) fn bind(&self, connection: &Arc<Connection>) {
        if self.phase.compare_exchange(ACQUIRED, BINDING, AcqRel, Acquire).is_err() {
            return;
        }
        self.take(connection);
        if self.phase.compare_exchange(BINDING, BOUND, AcqRel, Acquire).is_err() {
            // It ended on another thread meanwhile, which left this to us.
            self.give_back(connection, self.acquired_at());
        }
    }

    /// Writes down which connection it has, and that the connection has it.
    #[inline]
    fn take(&self, connection: &Arc<Connection>) {
        let at = self.acquired_at();
        // The connection was made while it waited, perhaps by another request's connect.
        if (self.started()..=at).contains(&connection.opened())
            && !self.queued.swap(true, Relaxed)
            && self.in_use().queued_nanos == 0
        {
            self.pool().queued(at.nanos_since(self.started()), || self.traced(at));
        }
        let idle_nanos = connection.idle_nanos(at);
        let outcome = if connection.enter(at) { AcquireOutcome::New } else { self.outcome_of_used() };
        let received = connection.bytes().1;
        *self.bound() = Some(Bound { connection: Arc::clone(connection), outcome, idle_nanos, received });
        let is_own = Arc::ptr_eq(connection.pool(), self.pool());
        self.holder.bound(connection.id(), is_own.then(|| connection.requests()));
        self.pool().bound(outcome, (outcome != AcquireOutcome::New).then_some(idle_nanos));
        if connection.protocol() == Protocol::Http2 {
            // hyper-util counts from the moment at which it looks into its pool, or puts a new connection there.
            let is_older = connection.opened() < self.started();
            connection.taken(if is_older && self.was_queued() { at } else { self.started() });
            // After it counts as bound: a stream that is not bound yet counts too, and none may count twice.
            self.pool().stream_started();
        }
    }

    /// It ends, and was not told its connection: that is the one whose requests its task sends, or else the only one that
    /// there is.
    #[cold]
    fn end_unbound(&self, end: End, now: Instant) {
        let by_task = self.sent_by().and_then(|task| self.pool().senders.connection(task));
        let only = || self.pool().only_http2().filter(|only| only.opened() <= self.acquired_at());
        if let Some(connection) = by_task.or_else(only) {
            return self.take(&connection);
        }
        self.pool().bound(self.outcome_of_used(), None);
        if matches!(end, End::Dropped | End::TimedOut) {
            self.pool().given_up(now);
        }
    }

    /// The request is over; tells the connection that it gives back. Only the first call counts.
    #[inline]
    pub(crate) fn end(&self, end: End, now: Instant) -> Option<Arc<Connection>> {
        let before = self.phase.swap(ENDED, AcqRel);
        let mut given_back = None;
        match before {
            PENDING => self.pool().acquire_ended(match end {
                End::Dropped => AcquireOutcome::Canceled,
                End::Complete | End::Failed | End::TimedOut => AcquireOutcome::Failed,
            }),
            ACQUIRED => self.end_unbound(end, now),
            _ => {}
        }
        if matches!(before, ACQUIRED | BOUND) {
            given_back = self.bound().take().map(|bound| bound.connection);
            if let Some(connection) = &given_back {
                self.give_back(connection, now);
            }
        }
        if matches!(before, ACQUIRED | BINDING | BOUND) {
            self.pool().released(now.nanos_since(self.acquired_at()), || self.traced(now));
        }
        if before != ENDED
            && let Some(leaked) = self.holder.free()
        {
            self.pool().leak_returned(&leaked, now);
        }
        given_back
    }

    /// Outcome of an acquire whose connection had served a request before.
    fn outcome_of_used(&self) -> AcquireOutcome {
        let has_waited = self.was_queued() || self.in_use().queued_nanos > 0;
        if has_waited { AcquireOutcome::Waited } else { AcquireOutcome::Reused }
    }

    fn give_back(&self, connection: &Connection, now: Instant) {
        if connection.protocol() == Protocol::Http2 {
            self.pool().stream_ended();
        }
        connection.leave(now);
    }

    fn bound(&self) -> MutexGuard<'_, Option<Bound>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True once the connection of the request is known, and until it is given back.
    #[inline]
    pub(crate) fn is_bound(&self) -> bool {
        self.phase.load(Acquire) == BOUND
    }

    /// The connection of the request, once it is known and until it is given back.
    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        self.bound().as_ref().map(|bound| Arc::clone(&bound.connection))
    }

    /// What is known of the acquire.
    pub(crate) fn acquired(&self) -> Option<Acquired> {
        self.bound().as_ref().map(|bound| Acquired {
            connection: bound.connection.id(),
            outcome: bound.outcome,
            was_queued: self.was_queued(),
            wait: Duration::from_nanos(self.wait.load(Relaxed)),
            limited: Duration::from_nanos(self.in_use().queued_nanos),
            idle_for: Duration::from_nanos(bound.idle_nanos),
            peer: bound.connection.peer(),
        })
    }

    /// True if it failed, now, in the way of a request that was sent while the peer closed its connection: the connection
    /// had been idle for a while, nothing has come over it since, and it ended within a round trip. A server that takes the
    /// request first and hangs up then needs longer, unless it is very quick.
    pub(crate) fn met_a_stale_connection(&self, now: Instant) -> bool {
        self.bound().as_ref().is_some_and(|bound| {
            let has_idled = Duration::from_nanos(bound.idle_nanos) >= STALE_AFTER;
            let is_quick =
                now.saturating_duration_since(self.acquired_at()) <= bound.connection.stale_within();
            // Several streams of HTTP/2 share what comes. What came over one of HTTP/1, only who sees it all can tell; the
            // kernel counts it for the connection, not for the request.
            let is_silent = match bound.connection.observation() {
                Observation::Exact => bound.connection.bytes().1 == bound.received,
                Observation::Kernel | Observation::Estimated => {
                    bound.connection.protocol() == Protocol::Http1
                }
            };
            has_idled && is_quick && is_silent
        })
    }

    /// Headers came, or the request failed without them.
    #[inline]
    pub(crate) fn result(&self, outcome: Outcome, version: Option<http::Version>, now: Instant) {
        let Started { pool, method, at, .. } = self.in_use();
        pool.results().record(*method, outcome, version, now.nanos_since(*at), || self.traced(now));
    }
}

#[cfg(test)]
mod tests;
