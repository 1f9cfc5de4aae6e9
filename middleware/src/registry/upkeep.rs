//! [`Upkeep`]: when a connection is to be replaced, and how far that has come.
//!
//! A connection that is to go is *retired*: it takes no new request if that can be had, and closes when no request uses it.
//! Nothing is ever cut. How it ends is up to its transport (see `hyper::retire`), which may end it
//!
//! - over HTTP/1, when its next request has taken it out of the pool's use; or, if none comes, when it has been idle for a
//!   moment and nobody asks for a connection. What the client hands it in that same moment comes back unsent, and the client
//!   sends it over another one; unless the connection is new, for then hyper-util gives up. So one that has served nothing
//!   may go only when whoever had it made is gone. It does not end while it may be asked for, since hyper's channel to a
//!   connection can lose what is pushed into it at the very instant at which it is closed, and the request waits for ever.
//! - over HTTP/2, when its [`Pill`] has told the pool not to give it out any more, every request that asked before that has
//!   its connection, and none is on this one. Nor is the pool told before everybody has a connection who asked before the
//!   pill was known: hyper-util has given a new one to all who waited for it, and fails whoever finds it out of use by the
//!   time. Nor before everybody has who asked before it was retired: whoever asks later, and may need a new connection
//!   because this one goes, brings the pill of that.

use std::cell::LazyCell;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use atomic_waker::AtomicWaker;
use foldhash::fast::RandomState;
use http::StatusCode;
use poolscope_semconv::value::{CloseReason, ErrorType, Observation};

use super::connection::Connection;
use super::pool::Pool;
use super::request::Request;
use super::snapshot::Protocol;
use crate::clock::Instant;
use crate::watch::Watch;

/// How often the connections of a client are looked after at least.
const LOOK: Duration = Duration::from_millis(100);

/// How often while one of them is to go and could.
const LOOK_AT_RETIRED: Duration = Duration::from_millis(10);

/// How long an HTTP/1 connection has been idle before it may end by itself.
const QUIET: Duration = Duration::from_millis(5);

/// Until then what one thread has written is seen by all others, by a wide margin.
const SEEN_WITHIN: Duration = Duration::from_millis(1);

/// Why a connection of reqwest can be to go. Each reason has tickets of its own.
const TICKET_REASONS: [CloseReason; 2] = [CloseReason::MaxAge, CloseReason::Evicted];

/// When the connections of a client are replaced. See [`Hygiene`](crate::hygiene::Hygiene).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rules {
    pub(crate) max_age: Option<Duration>,
    /// Share of the age by which a connection may go earlier, from 0 to 1.
    pub(crate) jitter: f64,
    pub(crate) poison_on_errors: bool,
    /// Timeouts in a row; 0 for never.
    pub(crate) poison_after_timeouts: u32,
    pub(crate) evict_on_5xx: bool,
}

impl Rules {
    /// Age at which a connection goes; `random` decides how much earlier than at the maximum.
    fn age(&self, random: u64) -> Option<Duration> {
        let share = random as f64 / u64::MAX as f64 * self.jitter;
        self.max_age.map(|max| max.saturating_sub(max.mul_f64(share)))
    }

    /// Age that no connection goes before.
    fn least_age(&self) -> Option<Duration> {
        self.age(u64::MAX)
    }

    /// What the outcome of a request says of its HTTP/2 connection, on which `timeouts` came in a row before.
    fn failure(&self, class: ErrorType, timeouts: u32) -> bool {
        match class {
            ErrorType::Timeout => {
                self.poison_after_timeouts > 0 && timeouts + 1 >= self.poison_after_timeouts
            }
            ErrorType::ConnectionReset
            | ErrorType::StreamReset
            | ErrorType::IncompleteMessage
            | ErrorType::Protocol => self.poison_on_errors,
            _ => false,
        }
    }
}

/// What takes an HTTP/2 connection out of its pool's use.
pub(crate) trait Pill: fmt::Debug + Send + Sync {
    /// Takes it out of use; false if this is not the pill of that connection.
    fn poison(&self, connection: &Connection) -> bool;
}

/// Upkeep of one connection. All but the [`Pill`] is atomics.
#[derive(Debug)]
pub(crate) struct Upkeep {
    rules: Rules,
    /// Age at which it goes.
    age: Option<Duration>,
    /// Why it is to go: 0, or one more than the number of the reason.
    retired: AtomicU8,
    /// Since when it is to go; 0 while that is being written down.
    retired_at: AtomicU64,
    /// When the pool was told not to give it out any more; 0 if it was not.
    poisoned_at: AtomicU64,
    /// No request can be on its way to it any more but one that comes back unharmed.
    may_end: AtomicBool,
    /// A request over it has asked for its end.
    is_asked: AtomicBool,
    /// The owner of its pool decides when it goes, and nobody else.
    is_owned: AtomicBool,
    /// Timeouts since its last answer.
    timeouts: AtomicU32,
    /// Its pill, and when that was known: the pool had the connection by then.
    pill: Mutex<Option<(Instant, Box<dyn Pill>)>>,
    /// True once it does not lack its pill any more.
    is_settled: AtomicBool,
    /// True while it is one of the pool's [`Rotation::ready`].
    is_ready: AtomicBool,
    /// True while it is one of the pool's [`Rotation::draining`].
    is_draining: AtomicBool,
    /// Wakes the task that drives it.
    waker: AtomicWaker,
}

impl Upkeep {
    pub(super) fn new(rules: Rules, id: u64) -> Self {
        // Random for each process, which is all that is asked of it.
        static RANDOM: LazyLock<RandomState> = LazyLock::new(RandomState::default);
        Self {
            rules,
            age: rules.age(RANDOM.hash_one(id)),
            retired: AtomicU8::new(0),
            retired_at: AtomicU64::new(0),
            poisoned_at: AtomicU64::new(0),
            may_end: AtomicBool::new(false),
            is_asked: AtomicBool::new(false),
            is_owned: AtomicBool::new(false),
            timeouts: AtomicU32::new(0),
            pill: Mutex::default(),
            is_settled: AtomicBool::new(false),
            is_ready: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Why it is to go, if it is.
    #[inline]
    pub(crate) fn retired(&self) -> Option<CloseReason> {
        let number = self.retired.load(Acquire);
        let reason = number.checked_sub(1).map(|index| CloseReason::ALL[usize::from(index)]);
        reason.filter(|_| !self.is_owned())
    }

    fn is_owned(&self) -> bool {
        self.is_owned.load(Acquire)
    }

    /// True if it may end although it never served a request, or over HTTP/2.
    pub(crate) fn may_end(&self) -> bool {
        self.may_end.load(Acquire)
    }

    /// True if nothing has come for so many requests that it is not to be waited for.
    pub(crate) fn is_dead(&self) -> bool {
        let most = self.rules.poison_after_timeouts;
        most > 0 && self.timeouts.load(Relaxed) >= most
    }

    /// Has a task be woken when the connection may go.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Says why it is to go; false if that was said before.
    fn retire(&self, reason: CloseReason) -> bool {
        let number = u8::try_from(reason.index() + 1).unwrap_or(u8::MAX);
        self.retired.compare_exchange(0, number, AcqRel, Acquire).is_ok()
    }

    fn pill(&self) -> MutexGuard<'_, Option<(Instant, Box<dyn Pill>)>> {
        self.pill.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when its pill is known.
    fn pilled_at(&self) -> Option<Instant> {
        self.pill().as_ref().map(|(at, _)| *at)
    }

    /// Time until it is to go for its age.
    fn time_left(&self, age: Duration) -> Option<Duration> {
        self.age.map(|most| most.saturating_sub(age))
    }
}

impl Connection {
    /// Has it closed as soon as no request uses it; false if it was to go already, or can't.
    pub(crate) fn retire(&self, reason: CloseReason) -> bool {
        let is_left = |upkeep: &&Upkeep| self.is_in_pool() && !upkeep.is_owned();
        let Some(upkeep) = self.upkeep().filter(is_left) else { return false };
        let is_first = upkeep.retire(reason);
        if is_first {
            self.not_ready(upkeep);
            self.count_draining(upkeep);
            upkeep.retired_at.store(Instant::now().as_nanos(), Release);
            upkeep.wake();
            self.pool().rotation.call_watch();
        }
        is_first
    }

    /// Leaves it alone: the owner of its pool hands it out in ways that are not known, and may do so at the instant at which
    /// it would end.
    #[cfg(feature = "hyper")]
    pub(crate) fn left_to_its_owner(&self) {
        if let Some(upkeep) = self.upkeep() {
            upkeep.is_owned.store(true, Release);
            self.forget_pill();
        }
    }

    /// A retired HTTP/1 connection is counted until it is closed, so that a request that gets it takes it out of use.
    fn count_draining(&self, upkeep: &Upkeep) {
        if self.protocol() == Protocol::Http1 && self.pool().observation() == Observation::Exact {
            self.pool().rotation.draining.fetch_add(1, AcqRel);
            upkeep.is_draining.store(true, Release);
            if !self.is_in_pool() {
                self.not_draining(upkeep);
            }
        }
    }

    pub(super) fn not_draining(&self, upkeep: &Upkeep) {
        if upkeep.is_draining.swap(false, AcqRel) {
            self.pool().rotation.draining.fetch_sub(1, AcqRel);
        }
    }

    /// True if a retired HTTP/1 connection can end with nobody on the way to it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_idle() && self.idle_for(Instant::now()) >= QUIET && !self.pool().is_asked()
    }

    /// True if it would close at once if it were to go. An HTTP/2 connection that its pool may give out all the same waits
    /// for a request to bring its pill.
    fn can_close_idle(&self) -> bool {
        self.is_idle()
            && (!self.needs_pill() || self.upkeep().is_some_and(|upkeep| upkeep.pilled_at().is_some()))
    }

    /// Gives an HTTP/2 connection what takes it out of its pool's use.
    pub(crate) fn give_pill(&self, pill: Box<dyn Pill>) {
        let Some(upkeep) = self.upkeep() else { return };
        if !self.is_in_pool() || upkeep.is_settled.swap(true, AcqRel) {
            return;
        }
        self.pool().rotation.lacking.fetch_sub(1, AcqRel);
        *upkeep.pill() = Some((Instant::now(), pill));
        self.pool().rotation.ready.fetch_add(1, AcqRel);
        upkeep.is_ready.store(true, Release);
        if upkeep.retired().is_some() {
            self.not_ready(upkeep);
        }
        if !self.is_in_pool() {
            // It was closed meanwhile, and would keep itself by its pill.
            self.forget_pill();
        }
    }

    /// Has its pool give it out no more, as soon as nobody waits for what the pool gave out when it was new.
    fn poison(&self, upkeep: &Upkeep, now: Instant, undecided: impl FnOnce() -> Option<Instant>) {
        let (Some(had), retired @ 1..) = (upkeep.pilled_at(), upkeep.retired_at.load(Acquire)) else {
            return;
        };
        if !is_over(had.max(Instant::from_nanos(retired)), undecided, now) {
            return;
        }
        let Some(pill) = self.take_pill(upkeep) else { return };
        if pill.poison(self) {
            if let Some(reason) = upkeep.retired() {
                // From now on it ends when its last request does, at the hand of the client.
                self.closing(reason);
            }
            upkeep.poisoned_at.store(Instant::now().as_nanos(), Release);
        } else if upkeep.is_settled.swap(false, AcqRel) {
            self.pool().rotation.lacking.fetch_add(1, AcqRel);
            if !self.is_in_pool() {
                self.forget_pill();
            }
        }
    }

    /// It is closed, and needs no pill.
    pub(super) fn forget_pill(&self) {
        let Some(upkeep) = self.upkeep() else { return };
        if self.needs_pill() && !upkeep.is_settled.swap(true, AcqRel) {
            self.pool().rotation.lacking.fetch_sub(1, AcqRel);
        }
        self.not_draining(upkeep);
        drop(self.take_pill(upkeep));
    }

    fn take_pill(&self, upkeep: &Upkeep) -> Option<Box<dyn Pill>> {
        self.not_ready(upkeep);
        // What it holds may go with it, so not under the lock.
        let taken = upkeep.pill().take();
        taken.map(|(_, pill)| pill)
    }

    fn not_ready(&self, upkeep: &Upkeep) {
        if upkeep.is_ready.swap(false, AcqRel) {
            self.pool().rotation.ready.fetch_sub(1, AcqRel);
        }
    }

    /// A request has asked for its end, since a connection of its pool is to be replaced for the reason of the `ticket`: it,
    /// or another one in whose place it goes.
    #[cfg(feature = "reqwest")]
    pub(crate) fn closes_for_another(&self, ticket: CloseReason) {
        let Some(upkeep) = self.upkeep() else { return };
        upkeep.is_asked.store(true, Release);
        self.closes_as_asked(upkeep.retired().unwrap_or(ticket));
    }

    fn needs_pill(&self) -> bool {
        self.protocol() == Protocol::Http2 && self.pool().observation() == Observation::Exact
    }

    /// One that is to go may do so if nobody who asked early enough to be on the way to it still asks; `undecided` tells
    /// since when the one who asks for longest does.
    fn let_go(&self, upkeep: &Upkeep, undecided: impl Fn() -> Option<Instant>, now: Instant) {
        let may_end = match self.protocol() {
            // A request that asked after it was opened can only have found it in the pool.
            Protocol::Http1 => self.requests() == 0 && is_over(self.opened(), undecided, now),
            Protocol::Http2 => match upkeep.poisoned_at.load(Acquire) {
                0 => return self.poison(upkeep, now, undecided),
                at => is_over(Instant::from_nanos(at), undecided, now),
            },
        };
        if may_end {
            upkeep.may_end.store(true, Release);
        }
        if self.is_idle() {
            upkeep.wake();
        }
    }
}

/// True if everybody who asked for a connection by some moment has one or has given up; `undecided` tells since when the one
/// who asks for longest does.
fn is_over(moment: Instant, undecided: impl FnOnce() -> Option<Instant>, now: Instant) -> bool {
    let seen = moment + SEEN_WITHIN;
    now > seen && undecided().is_none_or(|asked| asked > seen)
}

impl Request {
    /// What its answer says of its connection.
    #[inline]
    pub(crate) fn judge_answer(&self, status: StatusCode) {
        if let Some(rules) = self.pool().hygiene()
            && (rules.poison_after_timeouts > 0 || rules.evict_on_5xx && status.is_server_error())
        {
            self.answer_judged(rules, status);
        }
    }

    fn answer_judged(&self, rules: Rules, status: StatusCode) {
        let Some(connection) = self.connection() else { return };
        if rules.evict_on_5xx && status.is_server_error() {
            connection.retire(CloseReason::Evicted);
        }
        if let Some(upkeep) = connection.upkeep()
            && upkeep.timeouts.load(Relaxed) > 0
        {
            upkeep.timeouts.store(0, Relaxed);
        }
    }

    /// What its failure says of its connection. HTTP/1 ends with it, whatever it is.
    pub(crate) fn judge_failure(&self, class: ErrorType) {
        if self.pool().hygiene().is_none() {
            return;
        }
        if let Some(connection) = self.connection().filter(|connection| connection.needs_pill())
            && let Some(upkeep) = connection.upkeep()
        {
            let is_timeout = class == ErrorType::Timeout;
            let timeouts = if is_timeout { upkeep.timeouts.fetch_add(1, AcqRel) } else { 0 };
            if upkeep.rules.failure(class, timeouts) {
                connection.retire(CloseReason::Poisoned);
            }
        }
    }
}

/// What a pool keeps to replace its connections.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    /// HTTP/2 connections whose pill is not known.
    lacking: AtomicU32,
    /// Those whose pill is known, and which are not to go.
    ready: AtomicU32,
    /// HTTP/1 connections that are to go.
    draining: AtomicU32,
    /// Requests that may ask for the end of the connection that they get, where no other way is open; by
    /// [`TICKET_REASONS`].
    tickets: [AtomicU32; TICKET_REASONS.len()],
    /// When the tickets were last given out.
    ticketed_at: AtomicU64,
    /// Who looks after the pool.
    watch: OnceLock<Weak<Watch>>,
}

impl Rotation {
    pub(super) fn watched_by(&self, watch: Weak<Watch>) {
        let _ = self.watch.set(watch);
    }

    /// A connection is to go.
    fn call_watch(&self) {
        if let Some(watch) = self.watch.get().and_then(Weak::upgrade) {
            watch.call();
        }
    }
}

impl Pool {
    /// A connection was opened whose pill is not known yet.
    pub(super) fn lacks_pill_of(&self, connection: &Connection) {
        if connection.upkeep().is_some() && connection.needs_pill() {
            self.rotation.lacking.fetch_add(1, AcqRel);
        }
    }

    /// True if the next request is to bring the pill of the connection that it gets.
    #[inline]
    pub(crate) fn lacks_pill(&self) -> bool {
        self.config.hygiene.is_some()
            && (self.rotation.lacking.load(Acquire) > 0
                || self.rotation.draining.load(Acquire) > 0
                // It may need a new connection, if only because the last one is to go.
                || self.rotation.ready.load(Acquire) == 0 && self.packed(Protocol::Http1).0 == 0)
    }

    /// Retires connections that are old enough, and lets go those that may. Tells when to be called again, if this pool
    /// replaces connections.
    pub(crate) fn look_after_connections(&self, now: Instant) -> Option<Duration> {
        let rules = self.config.hygiene?;
        let mut next = rules.least_age().map_or(LOOK, |age| age.min(LOOK)).max(LOOK_AT_RETIRED);
        let undecided = LazyCell::new(|| self.undecided_since());
        let is_exact = self.observation() == Observation::Exact;
        let sees_requests = self.requests() > 0;
        let mut due = [0; TICKET_REASONS.len()];
        for connection in self.open_connections() {
            let Some(upkeep) = connection.upkeep().filter(|upkeep| !upkeep.is_owned()) else { continue };
            if upkeep.retired().is_none() {
                let Some(left) = upkeep.time_left(connection.age(now)) else { continue };
                if !left.is_zero() {
                    next = next.min(left.max(SEEN_WITHIN));
                    continue;
                }
                connection.retire(CloseReason::MaxAge);
            }
            if !is_exact {
                // One that was asked stays in the books until its end is known.
                let is_due = connection.protocol() == Protocol::Http1 && !upkeep.is_asked.load(Acquire);
                let reason = upkeep.retired().filter(|_| is_due);
                if let Some(at) = TICKET_REASONS.iter().position(|known| Some(*known) == reason) {
                    due[at] += 1;
                }
            } else if sees_requests {
                connection.let_go(upkeep, || *undecided, now);
                if connection.is_idle() || upkeep.pilled_at().is_some() {
                    next = next.min(LOOK_AT_RETIRED);
                }
            }
        }
        if !is_exact {
            self.give_tickets(due, now);
        }
        Some(next)
    }

    /// Since when the request asks that asks for longest and may still get any connection.
    fn undecided_since(&self) -> Option<Instant> {
        self.holders().iter().filter_map(|holder| holder.undecided_since()).min()
    }

    /// One for each connection that is to go and was not asked, and not again at once: a request can't choose its connection,
    /// so the pool would be emptied otherwise.
    fn give_tickets(&self, due: [u32; TICKET_REASONS.len()], now: Instant) {
        let last = Instant::from_nanos(self.rotation.ticketed_at.load(Relaxed));
        if now.saturating_duration_since(last) >= LOOK {
            self.rotation.ticketed_at.store(now.as_nanos(), Relaxed);
            for (tickets, due) in self.rotation.tickets.iter().zip(due) {
                tickets.store(due, Relaxed);
            }
        }
    }

    /// Why the next request is to ask for the end of its connection, if it is and `can`.
    #[inline]
    pub(crate) fn take_ticket(&self, can: impl FnOnce() -> bool) -> Option<CloseReason> {
        let tickets = &self.rotation.tickets;
        if tickets.iter().all(|tickets| tickets.load(Relaxed) == 0) || self.has_http2() || !can() {
            return None;
        }
        let take =
            |tickets: &AtomicU32| tickets.fetch_update(AcqRel, Acquire, |left| left.checked_sub(1)).is_ok();
        tickets.iter().position(take).map(|at| TICKET_REASONS[at])
    }

    /// Has its idle connections closed; tells how many.
    pub(crate) fn close_idle(&self) -> usize {
        // Where no requests are seen, nobody knows what is idle.
        if self.observation() != Observation::Exact || self.requests() == 0 {
            return 0;
        }
        let closes =
            |known: &&Arc<Connection>| known.can_close_idle() && known.retire(CloseReason::Requested);
        self.open_connections().iter().filter(closes).count()
    }
}

#[cfg(test)]
#[path = "upkeep_tests.rs"]
mod tests;
