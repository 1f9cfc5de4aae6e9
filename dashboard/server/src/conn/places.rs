//! The places of a listener, and what takes one away.

mod place;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use self::place::Place;
pub(crate) use self::place::{InFlight, Placed};

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

#[cfg(test)]
mod tests;
