//! The listeners, a bounded number, each with a bounded buffer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Messages that may wait for one listener: about a second of updates.
const BUFFER: usize = 8;

/// One listener.
#[derive(Debug)]
struct Subscriber {
    sender: mpsc::Sender<Bytes>,
    /// It has no picture yet, or missed a part of it.
    wants_full: bool,
    lagged: bool,
}

/// All listeners.
#[derive(Debug)]
pub(crate) struct Streams {
    max: usize,
    subscribers: Mutex<Vec<Subscriber>>,
}

/// There are as many listeners as are allowed.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Streams {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, subscribers: Mutex::new(Vec::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a listener, whom the publisher sends the whole picture first.
    pub(crate) fn subscribe(&self) -> Result<mpsc::Receiver<Bytes>, TooMany> {
        let mut subscribers = self.lock();
        subscribers.retain(|one| !one.sender.is_closed());
        if subscribers.len() >= self.max {
            return Err(TooMany);
        }
        let (sender, receiver) = mpsc::channel(BUFFER);
        subscribers.push(Subscriber { sender, wants_full: true, lagged: false });
        Ok(receiver)
    }

    /// How many listen.
    pub(crate) fn open(&self) -> u64 {
        self.lock().iter().filter(|one| !one.sender.is_closed()).count() as u64
    }

    /// Forgets who has gone; true if somebody is left.
    pub(super) fn anybody(&self) -> bool {
        let mut subscribers = self.lock();
        subscribers.retain(|one| !one.sender.is_closed());
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
                (one.wants_full, one.lagged) = (false, false);
            }
        }
    }

    /// Ends all streams.
    pub(super) fn close(&self) {
        self.lock().clear();
    }
}

impl Subscriber {
    fn is_ready_for_full(&self) -> bool {
        self.wants_full && self.sender.capacity() == self.sender.max_capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn full(lagged: bool) -> Option<Bytes> {
        Some(bytes(if lagged { "full again" } else { "full" }))
    }

    #[test]
    fn the_picture_comes_first_and_updates_follow() {
        let streams = Streams::new(1);
        let mut one = streams.subscribe().unwrap();
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
        let mut slow = streams.subscribe().unwrap();
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
        let one = streams.subscribe().unwrap();
        assert!(streams.subscribe().is_err());
        drop(one);
        assert!(!streams.anybody());
        assert!(streams.subscribe().is_ok());
    }
}
