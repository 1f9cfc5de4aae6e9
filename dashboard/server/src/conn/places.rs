//! The places of a listener, and what takes one away.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// One address may take all but one of so many parts of what there is.
pub(crate) const ADDRESS_SHARE: usize = 8;
/// What has asked for nothing yet, or waits for its peer, keeps its place so long at least: honest peers go on at once.
const GRACE: Duration = Duration::from_millis(250);
/// Bytes of answers that wait to be taken: beyond it, who takes none of them for a while has to go.
const MAX_HELD: usize = 64 * 1024 * 1024;
/// A peer that takes nothing is told from one that is slow after so long at least: answers that go on have a byte a second.
const MIN_STALL: Duration = Duration::from_secs(5);

/// What one address may take of so many.
pub(crate) fn share_of(max: usize) -> usize {
    max - max / ADDRESS_SHARE
}

/// Who asks, as far as shares go: a subscriber to IPv6 has a whole network of addresses.
pub(crate) fn subscriber_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Why a connection was ended before its peer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    /// Its request did not arrive in time.
    SlowHead,
    /// Nobody used it.
    Idle,
    /// It took nothing of its answer.
    Stalled,
    /// Another one needed its place.
    MadeRoom,
    /// Its address had its share already.
    Share,
    /// It is no TLS, or its certificate is not taken.
    Handshake,
}

impl Cut {
    pub(crate) const ALL: [Self; 6] =
        [Self::SlowHead, Self::Idle, Self::Stalled, Self::MadeRoom, Self::Share, Self::Handshake];

    /// As a label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SlowHead => "slow_request",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::MadeRoom => "made_room",
            Self::Share => "address_share",
            Self::Handshake => "tls_handshake",
        }
    }
}

/// How long connections may take for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) header: Duration,
    pub(crate) idle: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    /// What one address may take; `None` where all come from one.
    share: Option<usize>,
    patience: Patience,
    started: Instant,
    taken: Mutex<Taken>,
    /// Rung when there may be room again.
    room: Notify,
    /// Bytes of answers that wait to be taken.
    held: AtomicUsize,
    accepted: AtomicU64,
    waits: AtomicU64,
    cuts: [AtomicU64; Cut::ALL.len()],
}

/// Why a connection has no place.
#[derive(Debug)]
enum NoPlace {
    /// Its address has its share.
    Share,
    /// All are taken, and all who have one are busy.
    Busy,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    all: HashMap<u64, Arc<Place>>,
}

impl Places {
    pub(crate) fn new(max: usize, shared: bool, patience: Patience) -> Self {
        let max = max.max(1);
        Self {
            max,
            share: shared.then(|| share_of(max)),
            patience,
            started: Instant::now(),
            taken: Mutex::default(),
            room: Notify::new(),
            held: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            cuts: Default::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the start, which was at 1: 0 stands for never.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Waits until a connection could be taken: a place is free, or can be made free.
    pub(crate) async fn room(&self) {
        let has_room = || {
            let (taken, now_ms) = (self.lock(), self.now_ms());
            taken.all.len() < self.max || taken.all.values().any(|place| place.can_go(now_ms))
        };
        if has_room() {
            return;
        }
        self.waits.fetch_add(1, Relaxed);
        loop {
            let room = self.room.notified();
            if has_room() {
                return;
            }
            // Time alone makes room as well.
            let _ = timeout(GRACE / 2, room).await;
        }
    }

    /// Finds a place for a connection that was accepted, and waits for it where all are busy; `None` if its address has
    /// its share already.
    pub(crate) async fn find(self: &Arc<Self>, address: IpAddr) -> Option<Placed> {
        self.accepted.fetch_add(1, Relaxed);
        loop {
            match self.take(address) {
                Ok(placed) => return Some(placed),
                Err(NoPlace::Share) => return None,
                // Who could have made room when this one was accepted may be busy by now.
                Err(NoPlace::Busy) => self.room().await,
            }
        }
    }

    fn take(self: &Arc<Self>, address: IpAddr) -> Result<Placed, NoPlace> {
        let subscriber = subscriber_of(address);
        let mut taken = self.lock();
        let of_address = taken.all.values().filter(|place| place.subscriber == subscriber).count();
        if self.share.is_some_and(|share| of_address >= share)
            && !self.make_room(&mut taken, Some(subscriber))
        {
            self.count(Cut::Share);
            return Err(NoPlace::Share);
        }
        if taken.all.len() >= self.max && !self.make_room(&mut taken, None) {
            return Err(NoPlace::Busy);
        }
        let id = taken.next;
        taken.next += 1;
        let place = Arc::new(Place::new(subscriber, self.now_ms()));
        taken.all.insert(id, place.clone());
        drop(taken);
        Ok(Placed { places: self.clone(), id, place })
    }

    /// Cuts the connection that has waited for its peer for longest; those first that never got anything done.
    fn make_room(&self, taken: &mut Taken, of: Option<IpAddr>) -> bool {
        let now_ms = self.now_ms();
        let waiting = taken.all.iter().filter(|(_, place)| {
            place.can_go(now_ms) && of.is_none_or(|subscriber| place.subscriber == subscriber)
        });
        let longest = waiting.min_by_key(|(_, place)| {
            (place.completed.load(Relaxed), !place.is_idle(), place.waits_since_ms.load(Relaxed))
        });
        let Some(id) = longest.map(|(id, _)| *id) else { return false };
        if let Some(place) = taken.all.remove(&id) {
            self.cut(&place, Cut::MadeRoom);
        }
        true
    }

    fn cut(&self, place: &Place, why: Cut) {
        if !place.is_cut.swap(true, Relaxed) {
            self.count(why);
            place.cut.notify_one();
        }
    }

    pub(crate) fn count(&self, why: Cut) {
        self.cuts[why as usize].fetch_add(1, Relaxed);
    }

    /// Cuts all that have taken too long, and where answers hold too much, those that are taken the least.
    pub(crate) fn sweep(&self) {
        let now_ms = self.now_ms();
        let since = |ms: u64| Duration::from_millis(now_ms.saturating_sub(ms));
        let taken = self.lock();
        for place in taken.all.values() {
            if let Some(why) = place.overdue(self.patience, since) {
                self.cut(place, why);
            }
        }
        let mut excess = self.held.load(Relaxed).saturating_sub(MAX_HELD);
        if excess == 0 {
            return;
        }
        let mut waiting: Vec<_> = taken
            .all
            .values()
            .filter(|place| place.waits_for_peer() && place.held.load(Relaxed) > 0)
            .map(|place| (place.waits_since_ms.load(Relaxed), place))
            .filter(|(since_ms, _)| since(*since_ms) >= MIN_STALL)
            .collect();
        waiting.sort_unstable_by_key(|(since_ms, _)| *since_ms);
        for (_, place) in waiting {
            self.cut(place, Cut::Stalled);
            excess = excess.saturating_sub(place.held.load(Relaxed));
            if excess == 0 {
                break;
            }
        }
    }

    /// How often to sweep.
    pub(crate) fn sweep_every(&self) -> Duration {
        (self.patience.header.min(self.patience.idle) / 4).min(Duration::from_secs(1))
    }

    /// Connections at this moment, and how many there can be.
    pub(crate) fn used(&self) -> (usize, usize) {
        (self.lock().all.len(), self.max)
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// How often all places were busy when another connection came.
    pub(crate) fn waits(&self) -> u64 {
        self.waits.load(Relaxed)
    }

    pub(crate) fn cuts(&self, why: Cut) -> u64 {
        self.cuts[why as usize].load(Relaxed)
    }
}

/// What a connection is doing.
#[derive(Debug)]
pub(crate) struct Place {
    subscriber: IpAddr,
    in_flight: AtomicUsize,
    /// Of these, requests that wait for the peer: it has to send more of them, or to take more of their answers.
    waiting: AtomicUsize,
    /// Bytes of answers that wait to be taken.
    held: AtomicUsize,
    /// It has sent something at least once: browsers open connections that they may never use.
    has_sent: AtomicBool,
    /// It has asked for something at least once.
    served: AtomicBool,
    /// It has got an answer at least once.
    completed: AtomicBool,
    /// It asks by HTTP/1, where each byte between two requests belongs to the next.
    is_http1: AtomicBool,
    /// When it became idle, or something last went on with its requests.
    waits_since_ms: AtomicU64,
    /// When the head of the next request began; 0 while it has not.
    head_since_ms: AtomicU64,
    last_byte_ms: AtomicU64,
    is_cut: AtomicBool,
    cut: Notify,
}

impl Place {
    fn new(subscriber: IpAddr, now_ms: u64) -> Self {
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

    fn is_idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0
    }

    /// Nothing goes on here without its peer.
    fn waits_for_peer(&self) -> bool {
        self.waiting.load(Relaxed) >= self.in_flight.load(Relaxed)
    }

    /// It can make room: it waits for its peer, and not only just so if it is new or busy.
    fn can_go(&self, now_ms: u64) -> bool {
        let is_known = self.is_idle() && self.completed.load(Relaxed);
        let waits_ms = now_ms.saturating_sub(self.waits_since_ms.load(Relaxed));
        is_known || (self.waits_for_peer() && Duration::from_millis(waits_ms) >= GRACE)
    }

    fn overdue(&self, patience: Patience, since: impl Fn(u64) -> Duration) -> Option<Cut> {
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
    places: Arc<Places>,
    id: u64,
    place: Arc<Place>,
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

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { header: Duration::from_secs(10), idle: Duration::from_secs(60) };

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn is_cut(placed: &Placed) -> bool {
        placed.place.is_cut.load(Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_asked_makes_room_first_and_who_is_busy_stays() {
        let places = Arc::new(Places::new(3, false, PATIENCE));
        let [busy, used, new] = [1, 2, 3].map(|last| Arc::new(places.take(address(last)).unwrap()));
        let _request = busy.begin(true);
        drop(used.begin(true));
        tokio::time::advance(Duration::from_secs(1)).await;
        let next = places.take(address(4)).unwrap();
        assert!(is_cut(&new) && !is_cut(&used) && !is_cut(&busy));
        let next = Arc::new(next);
        let _request = next.begin(true);
        let last = Arc::new(places.take(address(5)).unwrap());
        assert!(is_cut(&used) && !is_cut(&busy));
        let request = last.begin(true);
        // All are busy now.
        let waiting = places.room();
        tokio::pin!(waiting);
        assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err());
        // One that was accepted before they were is not turned away.
        let accepted = places.find(address(6));
        tokio::pin!(accepted);
        assert!(timeout(Duration::from_secs(1), &mut accepted).await.is_err());
        drop(request);
        timeout(Duration::from_secs(1), waiting).await.unwrap();
        let _found = timeout(Duration::from_secs(1), accepted).await.unwrap().unwrap();
        assert_eq!((places.cuts(Cut::MadeRoom), places.waits()), (3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_leaves_some_places_to_others() {
        let places = Arc::new(Places::new(8, true, PATIENCE));
        let mine: Vec<_> = (0..7).map(|_| Arc::new(places.take(address(1)).unwrap())).collect();
        let requests: Vec<_> = mine.iter().map(|placed| placed.begin(true)).collect();
        assert!(matches!(places.take(address(1)), Err(NoPlace::Share)));
        assert!(places.take(address(2)).is_ok());
        drop(requests);
        assert!(places.take(address(1)).is_ok());
        assert_eq!((places.cuts(Cut::Share), places.cuts(Cut::MadeRoom)), (1, 1));
        let network: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "2001:db8::2:0:0:1".parse().unwrap()];
        assert_eq!(subscriber_of(network[0]), subscriber_of(network[1]));
        assert_eq!(subscriber_of("::ffff:10.0.0.1".parse().unwrap()), address(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_cut_for_its_reason() {
        let places = Arc::new(Places::new(9, false, PATIENCE));
        let [never, dripping, h2, idle, stalled, fine] =
            [1, 2, 3, 4, 5, 6].map(|last| Arc::new(places.take(address(last)).unwrap()));
        for placed in [&dripping, &idle] {
            drop(placed.begin(true));
        }
        drop(h2.begin(false));
        let (_stalled, _fine) = (stalled.begin(true), fine.begin(true));
        dripping.read();
        // Bytes between requests of HTTP/2 are no request.
        h2.read();
        tokio::time::advance(Duration::from_secs(10)).await;
        dripping.read();
        places.sweep();
        assert!(is_cut(&never) && is_cut(&dripping) && !is_cut(&h2) && !is_cut(&idle));
        assert_eq!((places.cuts(Cut::SlowHead), places.cuts(Cut::Idle)), (1, 1));
        tokio::time::advance(Duration::from_secs(50)).await;
        fine.wrote();
        places.sweep();
        assert!(is_cut(&idle) && is_cut(&h2) && is_cut(&stalled) && !is_cut(&fine));
        assert_eq!((places.cuts(Cut::Idle), places.cuts(Cut::Stalled)), (3, 1));
        assert_eq!(places.used(), (6, 9));
        drop((never, dripping));
        assert_eq!(places.used(), (4, 9));
    }
}
