//! Events: what happened, typed, told to listeners at once.

#[cfg(any(feature = "otlp", feature = "otlp-sdk", feature = "tracing"))]
pub(crate) mod record;
#[cfg(any(feature = "otlp", feature = "otlp-sdk", feature = "tracing"))]
mod servers;

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use poolscope_semconv::value::{
    BreakerReason, BreakerState, Certainty, CloseReason, ConnectPhase, ErrorType, HealthState,
    QueueDropReason, SessionEnd, SupervisorReason, SupervisorState,
};
use poolscope_semconv::value::{RejectReason, ServerCloseReason};

use crate::origin::Origin;
use crate::registry::{PoolState, TaskOwner};
use crate::said::Said;

/// Timers come a little late by nature; what is not more than that, or than a tenth of the limit, is not worth a word.
const LATE: Duration = Duration::from_millis(10);

/// Something that happened. Rare by nature: nothing here is told for a request that goes well.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A connection was closed.
    ConnectionClosed(ConnectionClosed),
    /// A connection could not be established.
    ConnectionFailed(ConnectionFailed),
    /// A connection is held for longer than the leak threshold, and nobody reads its response.
    LeakSuspected(Leak),
    /// A connection that was reported as leaked was given back, is read again, or is closed.
    LeakReturned(Leak),
    /// A breaker changed its state.
    BreakerTransition(BreakerTransition),
    /// A named timeout fired.
    TimeoutFired(TimeoutFired),
    /// A call used up its retries and still failed.
    RetryExhausted(RetryExhausted),
    /// A limit of requests in flight refuses requests. At most one a second for each pool, which counts all of them.
    LimitExceeded(LimitExceeded),
    /// A resource of the process has reached its soft limit.
    ResourceWarning(ResourceUse),
    /// A resource of the process has reached its hard limit: requests are refused.
    ResourceExhausted(ResourceUse),
    /// A resource of the process is below its limits again.
    ResourceRecovered(ResourceUse),
    /// What probes say of a destination has changed.
    HealthChanged(HealthChanged),
    /// A session ended in another way than that it was completed.
    SessionEnded(EndOfSession),
    /// A session was told to end and is still there after the time that it had for it.
    SessionOverdue(EndOfSession),
    /// A connection of a server was closed otherwise than in order by its client or by an answer.
    ServerConnectionClosed(ServerConnectionClosed),
    /// A server turns connections away. At most one a second for each server, which counts all of them.
    ServerRejecting(ServerRejecting),
    /// A task panicked.
    TaskPanicked(EndOfTask),
    /// A task was told to end, did not in time, and was cut.
    TaskAborted(EndOfTask),
    /// A queue drops items. At most one a second for each queue, which counts all of them.
    QueueDropping(DroppedItems),
    /// A supervised connection changed its state.
    SupervisorChanged(SupervisorTransition),
}

/// The pool that an event belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolName {
    /// Name of the client.
    pub client: Arc<str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host of the destination.
    pub host: Arc<str>,
    /// Port of the destination.
    pub port: u16,
}

impl fmt::Display for PoolName {
    /// Its destination.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// A supervised connection changed its state.
#[derive(Debug, Clone, PartialEq)]
pub struct SupervisorTransition {
    /// Name of the supervisor.
    pub name: Arc<str>,
    /// State before.
    pub from: SupervisorState,
    /// State after.
    pub to: SupervisorState,
    /// Why.
    pub reason: SupervisorReason,
    /// Attempts since the connection was last stable, the one under way included.
    pub attempt: u32,
    /// Time until the next attempt, if one waits.
    pub delay: Option<Duration>,
    /// What the error said, if there was one.
    pub error: Option<String>,
}

/// A connection was closed.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionClosed {
    /// Its pool.
    pub pool: Arc<PoolName>,
    /// Its identity.
    pub connection: u64,
    /// Its other end, if known.
    pub peer: Option<SocketAddr>,
    /// Why.
    pub reason: CloseReason,
    /// Whether the reason was seen or concluded.
    pub certainty: Certainty,
    /// How long it was open.
    pub lifetime: Duration,
    /// Requests that it served.
    pub requests: u64,
    /// Time in which at least one request used it; `None` where requests aren't seen.
    pub active_time: Option<Duration>,
    /// True if it was closed without having served a request: it was set up in vain.
    pub is_wasted: bool,
    /// Bytes sent and received, where they are seen.
    pub bytes: Option<(u64, u64)>,
    /// Shortest round trip in the last minutes, where the kernel told.
    pub rtt: Option<Duration>,
    /// TCP segments sent again, where the kernel told.
    pub retransmits: Option<u64>,
}

/// A connection could not be established.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionFailed {
    /// Its pool.
    pub pool: Arc<PoolName>,
    /// Class of the error.
    pub error_type: ErrorType,
    /// The part that failed, if it can be told.
    pub phase: Option<ConnectPhase>,
    /// The error with its causes.
    pub error: String,
}

/// A connection that somebody seems to have forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// Its pool.
    pub pool: Arc<PoolName>,
    /// Its identity, if it is known.
    pub connection: Option<u64>,
    /// Method of the request that took it, `_OTHER` if the convention does not know it.
    pub method: &'static str,
    /// How long it has been held.
    pub held: Duration,
    /// Trace that the request was made under.
    pub trace_id: Option<u128>,
    /// Span that the request was made under.
    pub span_id: Option<u64>,
    /// Who took it, if the program has told.
    pub origin: Option<Origin>,
}

/// A breaker changed its state.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerTransition {
    /// The destination, or the key that the user chose.
    pub name: Arc<str>,
    /// State before.
    pub from: BreakerState,
    /// State after.
    pub to: BreakerState,
    /// Why.
    pub reason: BreakerReason,
    /// Share of failed calls in the window by which it opened; `None` below the minimum of calls, and of other changes.
    pub failure_ratio: Option<f64>,
    /// Share of calls that took too long, likewise, where that is judged.
    pub slow_call_ratio: Option<f64>,
    /// Share of calls for which nothing could be connected, likewise.
    pub connect_failure_ratio: Option<f64>,
    /// Calls in the window by which it opened; 0 of other changes.
    pub window_calls: u64,
    /// How long it stays open, if it opened.
    pub open_for: Option<Duration>,
    /// Who moved it from the dashboard, if somebody did.
    pub forced: Option<Forced>,
}

/// A breaker was moved from the dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forced {
    /// Who asked for it, in the dashboard's words.
    pub by: Arc<str>,
    /// Why, in the words of who asked.
    pub why: Arc<str>,
    /// How long it is held; `None` if it was let go.
    pub lasts: Option<Duration>,
}

/// A named timeout fired: the event, and the error of what it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeoutFired {
    /// Name of the timeout.
    pub name: Arc<str>,
    /// Its limit.
    pub limit: Duration,
    /// Time that had really passed.
    pub elapsed: Duration,
    /// Destination of the request, if it named one.
    pub destination: Option<String>,
    /// The pool of the request at that moment, if it was in one.
    pub pool: Option<Box<PoolState>>,
}

impl fmt::Display for TimeoutFired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limit, elapsed, destination, pool } = self;
        write!(f, "timeout {name} fired after {}", Said(*limit))?;
        let late = elapsed.saturating_sub(*limit);
        let late = (late > LATE.max(*limit / 10)).then(|| format!("{} late", Said(late)));
        let pool = pool.as_ref().map(ToString::to_string);
        let mut parts = [late.as_ref(), destination.as_ref(), pool.as_ref()].into_iter().flatten();
        if let Some(first) = parts.next() {
            write!(f, " ({first}")?;
            parts.try_for_each(|part| write!(f, "; {part}"))?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl std::error::Error for TimeoutFired {}

/// A call used up its retries and still failed.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryExhausted {
    /// Name of the policy.
    pub name: Arc<str>,
    /// Attempts, the first included.
    pub attempts: u32,
    /// What the last attempt failed with: a status code or an `error.type`.
    pub reason: String,
    /// Destination of the request, if it named one.
    pub destination: Option<String>,
}

/// A limit of requests in flight refuses requests.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitExceeded {
    /// The pool that they asked for.
    pub pool: Arc<PoolName>,
    /// Most requests that may be in flight.
    pub max: u32,
    /// Requests in flight.
    pub in_use: u64,
    /// Requests that wait for their turn.
    pub queued: u64,
    /// Requests that were refused since that was last told, those included that waited for too long.
    pub refused: u64,
}

/// How much of a resource the process uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceUse {
    /// Name of the guard.
    pub guard: Arc<str>,
    /// `open_files`, `memory`, `connections`, or what the program counts itself.
    pub resource: Arc<str>,
    /// How much is used, bytes of memory or a count; where requests are refused, with what the calls that have just begun
    /// may take.
    pub current: u64,
    /// From here on there is a warning.
    pub soft_limit: u64,
    /// From here on requests are refused.
    pub hard_limit: u64,
}

/// What probes say of a destination has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChanged {
    /// Name of the probe: the destination, unless the user chose another.
    pub name: Arc<str>,
    /// State before.
    pub from: HealthState,
    /// State after.
    pub to: HealthState,
    /// Why, in words.
    pub reason: String,
    /// Destination of the probes.
    pub destination: Option<String>,
}

/// A session that has ended, or should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfSession {
    /// Name of its registry.
    pub name: Arc<str>,
    /// Its number, unique in the registry.
    pub id: u64,
    /// What the program calls it.
    pub key: Arc<str>,
    /// Why it ended, or was told to.
    pub reason: SessionEnd,
    /// Time since it began.
    pub duration: Duration,
    /// Time since something last happened in it.
    pub idle: Duration,
    /// Time since there was the reason; next to none where the holder had it.
    pub ending: Duration,
    /// What its holder gave up for.
    pub error: Option<String>,
    /// Trace that it was begun in, that of the request which opened it say.
    pub trace_id: Option<u128>,
    /// Span that it was begun in.
    pub span_id: Option<u64>,
}

/// A connection of a server was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConnectionClosed {
    /// Name of the server.
    pub name: Arc<str>,
    /// Its identity.
    pub connection: u64,
    /// Its other end, where it has an address.
    pub peer: Option<SocketAddr>,
    /// Why.
    pub reason: ServerCloseReason,
    /// How long it was open.
    pub lifetime: Duration,
    /// Requests that began on it.
    pub requests: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
}

/// A server turns connections away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRejecting {
    /// Name of the server.
    pub name: Arc<str>,
    /// Why.
    pub reason: RejectReason,
    /// Connections that were turned away for it since that was last told.
    pub rejected: u64,
    /// Most of what there are too many of.
    pub limit: u64,
}

/// A task that did not end by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfTask {
    /// Name of its group.
    pub group: Arc<str>,
    /// What the program calls it.
    pub name: Arc<str>,
    /// The session that it belonged to, if it was one of a session.
    pub owner: Option<TaskOwner>,
    /// How long it ran.
    pub duration: Duration,
    /// What the panic says, of one that panicked.
    pub panic: Option<Arc<str>>,
}

/// A queue drops items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedItems {
    /// Name of the queue.
    pub queue: Arc<str>,
    /// Why the last of them was dropped.
    pub reason: QueueDropReason,
    /// Items that were dropped since that was last told.
    pub dropped: u64,
    /// Most items of the queue.
    pub capacity: u64,
}

/// Wants to know what happens. Called where it happens, so it must be quick and must not block.
///
/// ```
/// use poolscope::{Event, Scope};
///
/// let scope = Scope::new();
/// scope.listen(|event: &Event| if let Event::BreakerTransition(change) = event {
///     eprintln!("breaker {} is {}", change.name, change.to);
/// });
/// ```
pub trait Listener: Send + Sync + 'static {
    /// Something happened.
    fn on_event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Listener for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

/// The listeners of a scope.
#[derive(Default)]
pub(crate) struct Events {
    any: AtomicBool,
    listeners: RwLock<Vec<Arc<dyn Listener>>>,
    panics: AtomicU64,
}

impl Events {
    pub(crate) fn listen(&self, listener: Arc<dyn Listener>) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
        self.any.store(true, Relaxed);
    }

    /// Tells an event to every listener. A panic of one is caught, since events happen in `Drop` and under requests.
    pub(crate) fn emit(&self, event: &Event) {
        if !self.any.load(Relaxed) {
            return;
        }
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in listeners {
            if catch_unwind(AssertUnwindSafe(|| listener.on_event(event))).is_err() {
                self.panics.fetch_add(1, Relaxed);
            }
        }
    }

    /// How often a listener has panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("panics", &self.panics()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_panics_stops_no_other() {
        let events = Events::default();
        let heard = Arc::new(AtomicU64::new(0));
        events.listen(Arc::new(|_: &Event| panic!("a bad listener")));
        let count = Arc::clone(&heard);
        events.listen(Arc::new(move |_: &Event| {
            count.fetch_add(1, Relaxed);
        }));
        let event = Event::TimeoutFired(TimeoutFired {
            name: "attempt".into(),
            limit: Duration::from_secs(1),
            elapsed: Duration::from_secs(1),
            destination: None,
            pool: None,
        });
        events.emit(&event);
        assert_eq!((heard.load(Relaxed), events.panics()), (1, 1));
    }
}
