//! The listeners, a bounded number, each with a bounded buffer.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use poolscope_wire::Browser;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::conn::{share_of, subscriber_of};

/// Messages that may wait for one listener: about a second of updates.
const BUFFER: usize = 8;
/// Who has read nothing for so long is let go; a browser that wakes up again opens a new stream by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// One listener.
#[derive(Debug)]
struct Subscriber {
    sender: mpsc::Sender<Bytes>,
    /// It has no picture yet, or missed a part of it.
    wants_full: bool,
    lagged: bool,
    /// Since when its buffer is full.
    stuck: Option<Instant>,
    resyncs: u64,
    address: IpAddr,
    since_ms: u64,
}

/// All listeners.
#[derive(Debug)]
pub(crate) struct Streams {
    max: usize,
    subscribers: Mutex<Vec<Subscriber>>,
    resyncs: AtomicU64,
    let_go: AtomicU64,
}

/// There are as many listeners as are allowed.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Streams {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, subscribers: Mutex::default(), resyncs: AtomicU64::new(0), let_go: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a listener, whom the publisher sends the whole picture first. One address leaves some places to others,
    /// unless it is this machine's own.
    pub(crate) fn subscribe(&self, address: IpAddr, now_ms: u64) -> Result<mpsc::Receiver<Bytes>, TooMany> {
        let mut subscribers = self.lock();
        subscribers.retain(|one| !one.sender.is_closed());
        // Of this machine there is one; the network that it would be of is nobody's.
        let own = address.to_canonical();
        let address = if own.is_loopback() { own } else { subscriber_of(address) };
        let of_address = subscribers.iter().filter(|one| one.address == address).count();
        let share = if address.is_loopback() { self.max } else { share_of(self.max) };
        if subscribers.len() >= self.max || of_address >= share {
            return Err(TooMany);
        }
        let (sender, receiver) = mpsc::channel(BUFFER);
        subscribers.push(Subscriber {
            sender,
            wants_full: true,
            lagged: false,
            stuck: None,
            resyncs: 0,
            address,
            since_ms: now_ms,
        });
        Ok(receiver)
    }

    /// All listeners, those first that lag most.
    pub(crate) fn browsers(&self) -> Vec<Browser> {
        let mut browsers: Vec<_> =
            self.lock().iter().filter(|one| !one.sender.is_closed()).map(Subscriber::told).collect();
        browsers.sort_by_key(|one| (!one.lags, u64::MAX - one.queued, u64::MAX - one.resyncs, one.since_ms));
        browsers
    }

    /// Messages that wait for who lags most, and how often somebody got the whole picture again.
    pub(crate) fn lag(&self) -> (u64, u64) {
        let queued = self.lock().iter().map(Subscriber::queued).max().unwrap_or(0);
        (queued, self.resyncs.load(Relaxed))
    }

    /// How many were let go since they read nothing.
    pub(crate) fn let_go(&self) -> u64 {
        self.let_go.load(Relaxed)
    }

    /// How many listen.
    pub(crate) fn open(&self) -> u64 {
        self.lock().iter().filter(|one| !one.sender.is_closed()).count() as u64
    }

    /// Forgets who has gone and lets go who reads nothing; true if somebody is left.
    pub(super) fn anybody(&self) -> bool {
        let mut subscribers = self.lock();
        subscribers.retain_mut(|one| {
            let is_stuck = one.is_stuck(Instant::now());
            self.let_go.fetch_add(u64::from(is_stuck), Relaxed);
            !is_stuck && !one.sender.is_closed()
        });
        !subscribers.is_empty()
    }

    /// True if somebody waits for the whole picture and has room for it. Who lagged has room when all is read: then
    /// the picture is not followed by another lag at once.
    pub(super) fn wants_full(&self) -> bool {
        self.lock().iter().any(Subscriber::is_ready_for_full)
    }

    /// Sends an update to all who have the picture that it belongs to.
    pub(super) fn send_update(&self, message: &Bytes) {
        for one in self.lock().iter_mut().filter(|one| !one.wants_full) {
            if one.sender.try_send(message.clone()).is_err() {
                (one.wants_full, one.lagged) = (true, true);
            }
        }
    }

    /// Sends the whole picture to all who wait for it; `make` is told whether it replaces one.
    pub(super) fn send_full(&self, mut make: impl FnMut(bool) -> Option<Bytes>) {
        for one in self.lock().iter_mut().filter(|one| one.is_ready_for_full()) {
            if let Some(message) = make(one.lagged)
                && one.sender.try_send(message).is_ok()
            {
                one.resyncs += u64::from(one.lagged);
                self.resyncs.fetch_add(u64::from(one.lagged), Relaxed);
                (one.wants_full, one.lagged) = (false, false);
            }
        }
    }

    /// All get the whole picture again.
    pub(super) fn resync(&self) {
        self.lock().iter_mut().for_each(|one| (one.wants_full, one.lagged) = (true, true));
    }

    /// Ends all streams.
    pub(super) fn close(&self) {
        self.lock().clear();
    }
}

impl Subscriber {
    fn is_ready_for_full(&self) -> bool {
        self.wants_full && self.queued() == 0
    }

    fn queued(&self) -> u64 {
        (self.sender.max_capacity() - self.sender.capacity()) as u64
    }

    /// True if it has read nothing for too long.
    fn is_stuck(&mut self, now: Instant) -> bool {
        if self.sender.capacity() > 0 {
            self.stuck = None;
        }
        let is_full = self.sender.capacity() == 0;
        is_full && now.duration_since(*self.stuck.get_or_insert(now)) >= PATIENCE
    }

    fn told(&self) -> Browser {
        Browser {
            network: network(self.address),
            since_ms: self.since_ms,
            queued: self.queued(),
            resyncs: self.resyncs,
            lags: self.lagged,
        }
    }
}

/// Where somebody is, without telling who: all who look see it.
pub(crate) fn network(address: IpAddr) -> String {
    match address {
        own if own.is_loopback() => "this machine".to_owned(),
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.x")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::x")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn full(lagged: bool) -> Option<Bytes> {
        Some(bytes(if lagged { "full again" } else { "full" }))
    }

    #[test]
    fn the_picture_comes_first_and_updates_follow() {
        let streams = Streams::new(1);
        let mut one = streams.subscribe(HERE, 0).unwrap();
        streams.send_update(&bytes("before"));
        streams.send_full(full);
        streams.send_update(&bytes("after"));
        assert_eq!(one.try_recv().unwrap(), "full");
        assert_eq!(one.try_recv().unwrap(), "after");
        assert!(one.try_recv().is_err());
    }

    #[test]
    fn who_lags_gets_the_picture_again_when_all_is_read() {
        let streams = Streams::new(1);
        let mut slow = streams.subscribe(HERE, 0).unwrap();
        streams.send_full(full);
        (0..BUFFER).for_each(|_| streams.send_update(&bytes("update")));
        streams.send_full(full);
        assert!(!streams.wants_full());
        (0..BUFFER).for_each(|_| drop(slow.try_recv().unwrap()));
        assert!(slow.try_recv().is_err());
        assert!(streams.wants_full());
        streams.send_full(full);
        streams.send_update(&bytes("update"));
        assert_eq!(slow.try_recv().unwrap(), "full again");
        assert_eq!(slow.try_recv().unwrap(), "update");
    }

    #[test]
    fn listeners_are_bounded_and_who_leaves_makes_room() {
        let streams = Streams::new(1);
        let one = streams.subscribe(HERE, 0).unwrap();
        assert!(streams.subscribe(HERE, 0).is_err());
        drop(one);
        assert!(!streams.anybody());
        assert!(streams.subscribe(HERE, 0).is_ok());
    }

    #[test]
    fn one_address_leaves_places_to_others_and_is_told_without_its_end() {
        let streams = Streams::new(8);
        let [far, near]: [IpAddr; 2] = [[10, 1, 2, 3].into(), [10, 9, 9, 9].into()];
        let _far: Vec<_> = (0..7).map(|_| streams.subscribe(far, 0).unwrap()).collect();
        assert!(streams.subscribe(far, 0).is_err());
        let _near = streams.subscribe(near, 0).unwrap();
        assert_eq!(streams.browsers()[0].network, "10.1.2.x");
        assert_eq!(network("2001:db8:5::9".parse().unwrap()), "2001:db8:5::x");
        assert_eq!(network(HERE), "this machine");
    }

    #[test]
    fn this_machine_may_have_all_places_however_it_is_called() {
        for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let streams = Streams::new(8);
            let all: Vec<_> = (0..8).map(|_| streams.subscribe(own.parse().unwrap(), 0)).collect();
            assert!(all.iter().all(Result::is_ok), "{own}");
            assert_eq!(streams.browsers()[0].network, "this machine");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_is_let_go_and_who_lags_is_told() {
        let streams = Streams::new(2);
        let (_stuck, mut slow) = (streams.subscribe(HERE, 1).unwrap(), streams.subscribe(HERE, 2).unwrap());
        streams.send_full(full);
        (0..BUFFER).for_each(|_| streams.send_update(&bytes("update")));
        assert!(streams.anybody() && streams.browsers().iter().all(|one| one.lags && one.queued == 8));
        tokio::time::advance(PATIENCE).await;
        while slow.try_recv().is_ok() {}
        assert!(streams.anybody());
        assert_eq!((streams.open(), streams.let_go()), (1, 1));
        streams.send_full(full);
        assert_eq!(streams.browsers()[0].resyncs, 1);
        assert_eq!(streams.lag(), (1, 1));
    }
}
