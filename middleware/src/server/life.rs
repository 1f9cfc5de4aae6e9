//! [`Life`]: one connection of a server, as its transport, its requests and the sweep share it.

use std::net::SocketAddr;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::task::Waker;
use std::time::Duration;

use atomic_waker::AtomicWaker;
use crossbeam_queue::ArrayQueue;
use tokio::time::Instant;

use self::taken::Taken;
use super::request::Guard;
use crate::registry::KnownMethod;

mod answers;
mod end;
mod facts;
pub(super) mod is;
mod taken;

/// Stands for a moment that is not.
const NEVER: u64 = u64::MAX;

/// One connection. Times are since the begin of its server.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: u64,
    /// Of this end, if the kernel can be asked about it.
    local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    epoch: Instant,
    pub(super) accepted: Duration,
    old_at: Option<Duration>,
    known: AtomicU16,
    sent: AtomicU64,
    received: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU64,
    /// The same by method.
    in_flight_by: [AtomicU32; KnownMethod::COUNT],
    idle_since: AtomicU64,
    head_since: AtomicU64,
    write_since: AtomicU64,
    /// Parts of answers over HTTP/2 that were handed out and of which no more was asked for.
    owed: AtomicU64,
    owed_since: AtomicU64,
    moved_at: AtomicU64,
    taken: Taken,
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
        local: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        epoch: Instant,
        accepted: Duration,
        max_age: Option<Duration>,
    ) -> Self {
        let never = || AtomicU64::new(NEVER);
        Self {
            id,
            local,
            peer,
            epoch,
            accepted,
            old_at: max_age.map(|age| accepted.saturating_add(age)),
            known: AtomicU16::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            in_flight_by: Default::default(),
            idle_since: AtomicU64::new(nanos(accepted)),
            head_since: never(),
            write_since: never(),
            owed: AtomicU64::new(0),
            owed_since: never(),
            moved_at: AtomicU64::new(nanos(accepted)),
            taken: Taken::new(),
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
    pub(super) fn begin_request(&self, method: KnownMethod) {
        self.in_flight.fetch_add(1, AcqRel);
        self.in_flight_by[method.index()].fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.head_since.store(NEVER, Relaxed);
    }

    /// The answer to a request is over.
    #[inline]
    pub(super) fn end_request(&self, method: KnownMethod) {
        self.idle_since.store(self.now_nanos(), Relaxed);
        self.in_flight_by[method.index()].fetch_sub(1, Relaxed);
        self.in_flight.fetch_sub(1, AcqRel);
        if self.told().is_some() {
            // Its transport waits for this.
            self.reads.wake();
        }
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Acquire)
    }

    /// Requests in flight by the method's index.
    pub(super) fn in_flight_by(&self) -> impl Iterator<Item = u64> {
        self.in_flight_by.iter().map(|count| count.load(Relaxed).into())
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
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER - 1)
}
