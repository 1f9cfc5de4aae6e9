//! What the client has taken of what was sent to it, as far as the kernel was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{Life, NEVER, is, nanos};
#[cfg(target_os = "linux")]
use crate::kernel::Taken as Told;
#[cfg(not(target_os = "linux"))]
use crate::server::asks::elsewhere::Taken as Told;

/// What was known when the kernel was last asked. Only who asks writes it.
#[derive(Debug)]
pub(super) struct Taken {
    /// Bytes that the client had acknowledged.
    acknowledged: AtomicU64,
    /// Since when it was no more than that, and something was left.
    since: AtomicU64,
    /// Bytes that were sent when nothing was left.
    all_of: AtomicU64,
}

impl Taken {
    pub(super) fn new() -> Self {
        let [acknowledged, all_of] = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { acknowledged, since: AtomicU64::new(NEVER), all_of }
    }
}

impl Life {
    /// The two ends by which the kernel knows it, if it can be asked.
    pub(in crate::server) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        if self.is(is::UNKNOWN) { None } else { self.local.zip(self.peer) }
    }

    pub(in crate::server) fn is_watched(&self) -> bool {
        self.ends().is_some()
    }

    /// The kernel knows of none with these ends.
    pub(in crate::server) fn unknown(&self) {
        self.mark(is::UNKNOWN);
    }

    /// As far as is known, its client has taken all that was sent to it.
    pub(in crate::server) fn has_taken_all(&self) -> bool {
        self.is_watched() && self.taken.all_of.load(Relaxed) == self.bytes().0
    }

    /// The kernel was asked, after so many bytes were sent. Gives since when the client has taken nothing of what is left.
    pub(in crate::server) fn taken(&self, told: Told, sent: u64, now: Duration) -> Option<Duration> {
        let Taken { acknowledged, since, all_of } = &self.taken;
        let is_more = acknowledged.swap(told.acknowledged, Relaxed) != told.acknowledged;
        if told.left == 0 {
            all_of.store(sent, Relaxed);
            since.store(NEVER, Relaxed);
            return None;
        }
        if is_more || since.load(Relaxed) == NEVER {
            since.store(nanos(now), Relaxed);
        }
        Some(Duration::from_nanos(since.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_client_takes_nothing_since_it_last_took_something_and_more_was_left() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 80));
        let life = Life::new(1, Some(addr), Some(addr), Instant::now(), Duration::ZERO, None);
        let at = Duration::from_secs;
        assert!(life.has_taken_all(), "nothing was sent");
        life.sent(100);
        assert!(!life.has_taken_all());
        let look = |acknowledged, left, now| life.taken(Told { acknowledged, left }, life.bytes().0, at(now));
        assert_eq!(look(1, 100, 1), Some(at(1)));
        assert_eq!(look(1, 100, 2), Some(at(1)));
        assert_eq!(look(2, 99, 3), Some(at(3)), "however little it is");
        life.sent(100);
        assert_eq!(look(2, 199, 4), Some(at(3)), "what is sent is not taken");
        assert_eq!(look(201, 0, 5), None);
        assert!(life.has_taken_all());
        life.sent(1);
        assert_eq!(look(201, 1, 9), Some(at(9)), "there was nothing to take before");
        life.unknown();
        assert!(!life.is_watched() && !life.has_taken_all());
    }
}
