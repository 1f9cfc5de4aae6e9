//! One place: what the connection that has it is doing, and how it is given back.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Cut, GRACE, MIN_STALL, Patience, Places};

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) subscriber: IpAddr,
    in_flight: AtomicUsize,
    /// Of these, requests that wait for the peer: it has to send more of them, or to take more of their answers.
    pub(super) waiting: AtomicUsize,
    /// Bytes of answers that wait to be taken.
    pub(super) held: AtomicUsize,
    /// It has sent something at least once: browsers open connections that they may never use.
    has_sent: AtomicBool,
    /// It has asked for something at least once.
    served: AtomicBool,
    /// It has got an answer at least once.
    pub(super) completed: AtomicBool,
    /// It asks by HTTP/1, where each byte between two requests belongs to the next.
    is_http1: AtomicBool,
    /// When it became idle, or something last went on with its requests.
    pub(super) waits_since_ms: AtomicU64,
    /// When the head of the next request began; 0 while it has not.
    head_since_ms: AtomicU64,
    last_byte_ms: AtomicU64,
    pub(super) is_cut: AtomicBool,
    pub(super) cut: Notify,
}

impl Place {
    pub(super) fn new(subscriber: IpAddr, now_ms: u64) -> Self {
        Self {
            subscriber,
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            has_sent: AtomicBool::new(false),
            served: AtomicBool::new(false),
            completed: AtomicBool::new(false),
            is_http1: AtomicBool::new(false),
            waits_since_ms: AtomicU64::new(now_ms),
            head_since_ms: AtomicU64::new(now_ms),
            last_byte_ms: AtomicU64::new(now_ms),
            is_cut: AtomicBool::new(false),
            cut: Notify::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0
    }

    /// Nothing goes on here without its peer.
    pub(super) fn waits_for_peer(&self) -> bool {
        self.waiting.load(Relaxed) >= self.in_flight.load(Relaxed)
    }

    /// It can make room: it waits for its peer, and not only just so if it is new or busy.
    pub(super) fn can_go(&self, now_ms: u64) -> bool {
        let is_known = self.is_idle() && self.completed.load(Relaxed);
        let waits_ms = now_ms.saturating_sub(self.waits_since_ms.load(Relaxed));
        is_known || (self.waits_for_peer() && Duration::from_millis(waits_ms) >= GRACE)
    }

    pub(super) fn overdue(&self, patience: Patience, since: impl Fn(u64) -> Duration) -> Option<Cut> {
        if !self.is_idle() {
            // Bytes that move need not be of the answer.
            let moved = match self.waits_for_peer() {
                true => self.waits_since_ms.load(Relaxed),
                false => self.last_byte_ms.load(Relaxed),
            };
            return (since(moved) >= patience.idle.max(MIN_STALL)).then_some(Cut::Stalled);
        }
        let head = self.head_since_ms.load(Relaxed);
        let has_begun = head > 0 && (self.is_http1.load(Relaxed) || !self.served.load(Relaxed));
        if has_begun && since(head) >= patience.header {
            return Some(if self.has_sent.load(Relaxed) { Cut::SlowHead } else { Cut::Idle });
        }
        (since(self.waits_since_ms.load(Relaxed)) >= patience.idle).then_some(Cut::Idle)
    }
}

/// A place that is taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(super) places: Arc<Places>,
    pub(super) id: u64,
    pub(super) place: Arc<Place>,
}

impl Placed {
    /// Done when the connection has to end.
    pub(crate) async fn cut(&self) {
        self.place.cut.notified().await;
    }

    /// True once it has asked for something by HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.place.served.load(Relaxed) && !self.place.is_http1.load(Relaxed)
    }

    /// Bytes were read.
    pub(crate) fn read(&self) {
        let now_ms = self.places.now_ms();
        self.place.last_byte_ms.store(now_ms, Relaxed);
        self.place.has_sent.store(true, Relaxed);
        if self.place.is_idle() && self.place.head_since_ms.load(Relaxed) == 0 {
            self.place.head_since_ms.store(now_ms, Relaxed);
        }
    }

    /// Bytes were written.
    pub(crate) fn wrote(&self) {
        self.place.last_byte_ms.store(self.places.now_ms(), Relaxed);
    }

    /// TLS did not come about.
    pub(crate) fn no_handshake(&self) {
        self.places.count(Cut::Handshake);
    }

    /// A request begins; it ends when what is given is dropped.
    pub(crate) fn begin(self: &Arc<Self>, is_http1: bool) -> InFlight {
        let (place, now_ms) = (&self.place, self.places.now_ms());
        if place.in_flight.fetch_add(1, Relaxed) == 0 {
            place.waits_since_ms.store(now_ms, Relaxed);
        }
        place.served.store(true, Relaxed);
        place.is_http1.store(is_http1, Relaxed);
        place.head_since_ms.store(0, Relaxed);
        place.last_byte_ms.store(now_ms, Relaxed);
        InFlight { placed: self.clone(), waits: AtomicBool::new(false), held: AtomicUsize::new(0) }
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        self.places.lock().all.remove(&self.id);
        self.places.room.notify_one();
    }
}

/// A request whose answer has not ended.
#[derive(Debug)]
pub(crate) struct InFlight {
    placed: Arc<Placed>,
    waits: AtomicBool,
    held: AtomicUsize,
}

impl InFlight {
    /// Whether it is the peer's turn, who has to send or to take more.
    pub(crate) fn waits_for_peer(&self, waits: bool) {
        if self.waits.swap(waits, Relaxed) == waits {
            return;
        }
        let Placed { places, place, .. } = &*self.placed;
        place.waits_since_ms.store(places.now_ms(), Relaxed);
        if waits {
            place.waiting.fetch_add(1, Relaxed);
        } else {
            place.waiting.fetch_sub(1, Relaxed);
        }
    }

    /// So many bytes of its answer wait to be taken.
    pub(crate) fn holds(&self, bytes: usize) {
        let before = self.held.swap(bytes, Relaxed);
        let Placed { places, place, .. } = &*self.placed;
        for held in [&places.held, &place.held] {
            // Wraps to what is right, whichever is larger.
            held.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.holds(0);
        self.waits_for_peer(false);
        let Placed { places, place, .. } = &*self.placed;
        place.completed.store(true, Relaxed);
        place.waits_since_ms.store(places.now_ms(), Relaxed);
        if place.in_flight.fetch_sub(1, Relaxed) == 1 {
            places.room.notify_one();
        }
    }
}
