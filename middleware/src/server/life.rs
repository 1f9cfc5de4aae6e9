//! [`Life`]: one connection of a server, as its transport, its requests and the sweep share it.

use std::net::SocketAddr;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::task::Waker;
use std::time::Duration;

use atomic_waker::AtomicWaker;
use crossbeam_queue::ArrayQueue;
use poolscope_semconv::value::{ConnectionState, ServerCloseReason};
use tokio::time::Instant;

use super::request::Guard;
use super::rules::Facts;
use crate::registry::ServerConnectionSnapshot;

/// Stands for a moment that is not.
const NEVER: u64 = u64::MAX;

/// Bits of what is known of a connection.
pub(super) mod is {
    /// Its handshake is over, and it was handed out.
    pub(in crate::server) const SERVED: u16 = 1;
    /// It left HTTP.
    pub(in crate::server) const UPGRADED: u16 = 2;
    /// It speaks HTTP/2.
    pub(in crate::server) const HTTP2: u16 = 4;
    /// The last answer, or what it answers, says that no request may follow.
    pub(in crate::server) const LAST: u16 = 8;
    /// An answer was given whose head was not written yet.
    pub(in crate::server) const ANSWERED: u16 = 16;
    /// The program has ended its sending side.
    pub(in crate::server) const SHUT_DOWN: u16 = 32;
    /// Whoever drives it ends it in order when it is told to.
    pub(in crate::server) const DRIVEN: u16 = 64;
    /// It is to end now.
    pub(in crate::server) const CUT: u16 = 128;
    /// There is an answer that was handed out whole, and that its transport has not sent yet.
    pub(in crate::server) const UNSENT: u16 = 256;
    /// Its transport is gone.
    pub(in crate::server) const GONE: u16 = 512;
    /// The kernel ends it when its client has taken nothing for the write timeout.
    pub(in crate::server) const BOUNDED: u16 = 1024;
}

/// One connection. Times are since the begin of its server.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: u64,
    pub(super) peer: Option<SocketAddr>,
    epoch: Instant,
    pub(super) accepted: Duration,
    old_at: Option<Duration>,
    known: AtomicU16,
    sent: AtomicU64,
    received: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU64,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    write_since: AtomicU64,
    /// Parts of answers over HTTP/2 that were handed out and of which no more was asked for.
    owed: AtomicU64,
    owed_since: AtomicU64,
    moved_at: AtomicU64,
    /// The request whose answer was handed out whole and is not sent yet; over HTTP/1, where answers go one after the other.
    unsent: ArrayQueue<Guard>,
    /// Why it is to end, or has ended, as far as the program knows: the reason's place, plus 1.
    told: AtomicU8,
    told_at: AtomicU64,
    /// What was seen of its end, likewise.
    seen: AtomicU8,
    is_panicked: AtomicBool,
    reads: AtomicWaker,
    writes: AtomicWaker,
    handler: AtomicWaker,
    driver: AtomicWaker,
}

impl Life {
    pub(super) fn new(
        id: u64,
        peer: Option<SocketAddr>,
        epoch: Instant,
        accepted: Duration,
        max_age: Option<Duration>,
    ) -> Self {
        let never = || AtomicU64::new(NEVER);
        Self {
            id,
            peer,
            epoch,
            accepted,
            old_at: max_age.map(|age| accepted.saturating_add(age)),
            known: AtomicU16::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            idle_since: AtomicU64::new(nanos(accepted)),
            head_since: never(),
            write_since: never(),
            owed: AtomicU64::new(0),
            owed_since: never(),
            moved_at: AtomicU64::new(nanos(accepted)),
            unsent: ArrayQueue::new(1),
            told: AtomicU8::new(0),
            told_at: never(),
            seen: AtomicU8::new(0),
            is_panicked: AtomicBool::new(false),
            reads: AtomicWaker::new(),
            writes: AtomicWaker::new(),
            handler: AtomicWaker::new(),
            driver: AtomicWaker::new(),
        }
    }

    #[inline]
    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    #[inline]
    fn now_nanos(&self) -> u64 {
        nanos(self.now())
    }

    /// True if all of these bits are set.
    #[inline]
    pub(super) fn is(&self, bits: u16) -> bool {
        self.known.load(Acquire) & bits == bits
    }

    /// Sets bits; gives those that were set before.
    pub(super) fn mark(&self, bits: u16) -> u16 {
        self.known.fetch_or(bits, AcqRel)
    }

    /// Clears a bit; true if it was set.
    pub(super) fn unmark(&self, bit: u16) -> bool {
        self.is(bit) && self.known.fetch_and(!bit, AcqRel) & bit != 0
    }

    /// It is handed out: from now on its times count.
    pub(super) fn served(&self) {
        let now = self.now_nanos();
        self.idle_since.store(now, Relaxed);
        self.moved_at.store(now, Relaxed);
        self.mark(is::SERVED);
    }

    // --- its transport

    /// It speaks HTTP/2: what has come is the begin of no head.
    pub(super) fn speaks_http2(&self) {
        self.mark(is::HTTP2);
        self.head_since.store(NEVER, Relaxed);
    }

    /// Bytes have come.
    #[inline]
    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
        let known = self.known.load(Acquire);
        if known & is::UPGRADED != 0 {
            self.moved_at.store(self.now_nanos(), Relaxed);
        } else if known & is::HTTP2 == 0 && self.in_flight() == 0 && self.head_since.load(Relaxed) == NEVER {
            // Over HTTP/2 much comes that belongs to no head.
            self.head_since.store(self.now_nanos(), Relaxed);
        }
    }

    /// Bytes have gone.
    #[inline]
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
        self.goes_on();
        if self.is(is::UPGRADED) {
            self.moved_at.store(self.now_nanos(), Relaxed);
        }
    }

    /// A write does not go on.
    pub(super) fn stuck(&self, waker: &Waker) {
        if self.write_since.load(Relaxed) == NEVER {
            self.write_since.store(self.now_nanos(), Relaxed);
        }
        self.writes.register(waker);
    }

    /// A write goes on.
    #[inline]
    pub(super) fn goes_on(&self) {
        if self.write_since.load(Relaxed) != NEVER {
            // It was not idle meanwhile.
            self.idle_since.store(self.now_nanos(), Relaxed);
            self.write_since.store(NEVER, Release);
        }
    }

    /// Everything that was given to it to be sent has gone.
    pub(super) fn is_flushed(&self) -> bool {
        self.write_since.load(Relaxed) == NEVER && !self.is(is::ANSWERED)
    }

    pub(super) fn waits_to_read(&self, waker: &Waker) {
        self.reads.register(waker);
    }

    pub(super) fn waits_for_answer(&self, waker: &Waker) {
        self.handler.register(waker);
    }

    pub(super) fn waits_for_end(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    // --- its requests

    /// The head of a request is there.
    #[inline]
    pub(super) fn begin_request(&self) {
        self.in_flight.fetch_add(1, AcqRel);
        self.requests.fetch_add(1, Relaxed);
        self.head_since.store(NEVER, Relaxed);
    }

    /// The answer to a request is over.
    #[inline]
    pub(super) fn end_request(&self) {
        self.idle_since.store(self.now_nanos(), Relaxed);
        self.in_flight.fetch_sub(1, AcqRel);
        if self.told().is_some() {
            // Its transport waits for this.
            self.reads.wake();
        }
    }

    /// The answer to a request was handed out whole: it is over when its transport has sent it.
    pub(super) fn keep(&self, guard: Guard) {
        // With the answer to a pipelined request behind it, nobody knows any more when the first was sent.
        self.unsent.force_push(guard).into_iter().for_each(Guard::sent);
        if self.mark(is::UNSENT) & is::GONE != 0 {
            drop(self.unsent.pop());
        }
    }

    /// Its transport has sent what it was given.
    #[inline]
    pub(super) fn flushed(&self) {
        self.goes_on();
        if self.unmark(is::UNSENT) {
            self.unsent.pop().into_iter().for_each(Guard::sent);
        }
    }

    /// Its transport is gone: what it has not sent, it never will.
    pub(super) fn gone(&self) {
        if self.mark(is::GONE) & is::UNSENT != 0 {
            // Tells why, as it is dropped.
            drop(self.unsent.pop());
        }
    }

    /// A part of an answer was handed out, to be sent.
    #[inline]
    pub(super) fn owes(&self) {
        self.owed_since.store(self.now_nanos(), Relaxed);
        self.owed.fetch_add(1, AcqRel);
    }

    /// Something of an answer's body has gone.
    pub(super) fn takes(&self) {
        if self.owed.load(Acquire) > 0 {
            self.owed_since.store(self.now_nanos(), Relaxed);
        }
    }

    /// More was asked for, or nothing more will be.
    #[inline]
    pub(super) fn owes_no_more(&self) {
        self.owed_since.store(self.now_nanos(), Relaxed);
        self.owed.fetch_sub(1, AcqRel);
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Acquire)
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Relaxed), self.received.load(Relaxed))
    }

    pub(super) fn panicked(&self) {
        self.is_panicked.store(true, Relaxed);
    }

    // --- its end

    /// Has it end for a reason, when its requests have ended; the first reason holds.
    pub(super) fn tell(&self, reason: ServerCloseReason) -> bool {
        let is_first = self.told.compare_exchange(0, place(reason), AcqRel, Acquire).is_ok();
        if is_first {
            self.told_at.store(self.now_nanos(), Release);
            self.wake();
        }
        is_first
    }

    /// Has it end now: for a reason that it was told, or for this one. A shutdown that has to cut takes the place of one that
    /// does not.
    pub(super) fn cut(&self, reason: ServerCloseReason) {
        if !self.tell(reason) && reason == ServerCloseReason::ShutdownCut {
            let shutdown = place(ServerCloseReason::Shutdown);
            let _ = self.told.compare_exchange(shutdown, place(reason), AcqRel, Acquire);
        }
        self.mark(is::CUT);
        self.wake();
    }

    fn wake(&self) {
        for waker in [&self.reads, &self.writes, &self.handler, &self.driver] {
            waker.wake();
        }
    }

    /// Why it is to end, if it is.
    pub(super) fn told(&self) -> Option<ServerCloseReason> {
        reason_at(self.told.load(Acquire))
    }

    /// Something was seen that ends it. The first holds.
    pub(super) fn see(&self, reason: ServerCloseReason) {
        let _ = self.seen.compare_exchange(0, place(reason), AcqRel, Acquire);
    }

    /// What was seen of its end.
    pub(super) fn seen(&self) -> Option<ServerCloseReason> {
        reason_at(self.seen.load(Acquire))
    }

    /// Why it has ended.
    pub(super) fn reason(&self) -> ServerCloseReason {
        use ServerCloseReason::{ConnectionClose, Dropped, Panicked, UpgradeEnded};
        if self.is_panicked.load(Relaxed) {
            return Panicked;
        }
        if let Some(reason) = self.told().or_else(|| self.seen()) {
            let is_usual = reason == ServerCloseReason::ClientClosed;
            return if is_usual && self.is(is::UPGRADED) { UpgradeEnded } else { reason };
        }
        match () {
            () if self.is(is::UPGRADED) => UpgradeEnded,
            () if self.is(is::LAST) && self.is(is::SHUT_DOWN) => ConnectionClose,
            () => Dropped,
        }
    }

    // --- what is known of it

    pub(super) fn facts(&self) -> Facts {
        let moment =
            |at: &AtomicU64| Some(at.load(Acquire)).filter(|at| *at != NEVER).map(Duration::from_nanos);
        let at = |at: &AtomicU64| Duration::from_nanos(at.load(Relaxed));
        Facts {
            is_served: self.is(is::SERVED),
            is_upgraded: self.is(is::UPGRADED),
            in_flight: self.in_flight(),
            idle_since: at(&self.idle_since),
            head_since: moment(&self.head_since),
            write_since: moment(&self.write_since),
            is_bounded: self.is(is::BOUNDED),
            owed_since: moment(&self.owed_since).filter(|_| self.owed.load(Acquire) > 0),
            moved_at: at(&self.moved_at),
            old_at: self.old_at,
            told_at: moment(&self.told_at),
            is_shut: self.told() == Some(ServerCloseReason::Shutdown),
        }
    }

    /// Its state; `None` while it is queued.
    pub(super) fn state(&self) -> Option<ConnectionState> {
        let known = self.known.load(Acquire);
        (known & is::SERVED != 0).then(|| match self.in_flight() {
            0 if known & is::UPGRADED != 0 => ConnectionState::Upgraded,
            0 if self.write_since.load(Acquire) == NEVER => ConnectionState::Idle,
            _ => ConnectionState::Active,
        })
    }

    pub(super) fn row(&self, now: Duration) -> ServerConnectionSnapshot {
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

fn place(reason: ServerCloseReason) -> u8 {
    reason.index() as u8 + 1
}

fn reason_at(place: u8) -> Option<ServerCloseReason> {
    ServerCloseReason::ALL.get(usize::from(place).checked_sub(1)?).copied()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use ServerCloseReason::*;

    use super::*;

    fn life() -> Life {
        Life::new(1, None, Instant::now(), Duration::ZERO, None)
    }

    #[test]
    fn the_first_reason_holds_and_a_cut_of_the_shutdown_is_told() {
        let life = life();
        life.see(ClientReset);
        assert!(life.tell(MaxAge));
        assert!(!life.tell(Shutdown));
        life.cut(ShutdownCut);
        assert_eq!(life.reason(), MaxAge);
        let life = self::life();
        life.tell(Shutdown);
        life.cut(ShutdownCut);
        assert!(life.is(is::CUT));
        assert_eq!(life.reason(), ShutdownCut);
    }

    #[test]
    fn what_was_seen_is_told_where_nobody_had_a_reason() {
        for (marks, seen, reason) in [
            (0, None, Dropped),
            (is::SHUT_DOWN, None, Dropped),
            (is::SHUT_DOWN | is::LAST, None, ConnectionClose),
            (is::UPGRADED, None, UpgradeEnded),
            (is::UPGRADED, Some(ClientClosed), UpgradeEnded),
            (is::UPGRADED, Some(ClientReset), ClientReset),
            (is::LAST, Some(ClientClosed), ClientClosed),
        ] {
            let life = life();
            life.mark(marks);
            if let Some(seen) = seen {
                life.see(seen);
            }
            assert_eq!(life.reason(), reason, "{marks} {seen:?}");
        }
    }
}
