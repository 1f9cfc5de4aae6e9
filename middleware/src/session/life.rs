//! [`Life`]: one session, as its holder and the sweep share it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

#[cfg(feature = "server")]
use poolscope_semconv::value::ServerCloseReason;
use poolscope_semconv::value::SessionEnd;
use tokio_util::sync::CancellationToken;

use super::data::Data;
use super::pulse::{Pulse, nanos};
use super::table::Rules;
use super::traffic::Traffic;
use crate::registry::TraceRef;
use crate::said::cut;
#[cfg(feature = "server")]
use crate::server::Connection;

/// Most bytes of a key that are kept, so that what a session costs is bounded.
pub(super) const LONGEST_KEY: usize = 256;

/// One session. Times are since the begin of its registry.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: u64,
    pub(super) key: Arc<str>,
    pub(super) began: Duration,
    /// What it was begun in: for a WebSocket, the request that opened it.
    pub(super) trace: Option<TraceRef>,
    /// What carries it, if that is known.
    #[cfg(feature = "server")]
    carrier: OnceLock<Connection>,
    /// What opened it, and may carry it.
    #[cfg(feature = "server")]
    opener: Option<Connection>,
    /// Nanoseconds, at which something last happened.
    active: AtomicU64,
    /// Tasks of it that run.
    pub(super) tasks: AtomicU64,
    pub(super) traffic: Traffic,
    pub(super) pulse: Pulse,
    data: Mutex<Data>,
    /// What its holder gave it up for.
    error: OnceLock<String>,
    told: OnceLock<Told>,
    token: CancellationToken,
    /// Cuts the handler that runs under it; most have none.
    cut: OnceLock<CancellationToken>,
}

/// That a session is to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) reason: SessionEnd,
    pub(super) at: Duration,
}

impl Life {
    pub(super) fn new(id: u64, key: &str, now: Duration) -> Self {
        Self {
            id,
            key: cut(key, LONGEST_KEY).into(),
            began: now,
            trace: crate::trace::outer_trace(),
            #[cfg(feature = "server")]
            carrier: OnceLock::new(),
            #[cfg(feature = "server")]
            opener: crate::server::current(),
            active: AtomicU64::new(nanos(now)),
            tasks: AtomicU64::new(0),
            traffic: Traffic::default(),
            pulse: Pulse::new(now),
            data: Mutex::default(),
            error: OnceLock::new(),
            told: OnceLock::new(),
            token: CancellationToken::new(),
            cut: OnceLock::new(),
        }
    }

    /// Something happened.
    #[inline]
    pub(super) fn touch(&self, now: Duration) {
        self.active.store(nanos(now), Relaxed);
    }

    /// When something last happened.
    pub(super) fn active(&self) -> Duration {
        Duration::from_nanos(self.active.load(Relaxed))
    }

    /// What is kept with it.
    pub(super) fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its holder gives it up.
    pub(super) fn failed(&self, error: &str) {
        let _ = self.error.set(error.to_owned());
    }

    pub(super) fn error(&self) -> Option<String> {
        self.error.get().cloned()
    }

    /// Has it end for a reason, which holds if it is the first. Wakes nobody yet.
    pub(super) fn tell(&self, reason: SessionEnd, now: Duration) -> bool {
        self.told.set(Told { reason, at: now }).is_ok()
    }

    /// It is carried by this connection, if it is by none yet.
    #[cfg(feature = "server")]
    pub(super) fn carried_by(&self, connection: &Connection) {
        let _ = self.carrier.set(connection.clone());
    }

    /// It is carried by what opened it, if it is by nothing yet.
    #[cfg(all(feature = "server", feature = "websocket"))]
    pub(super) fn carried_by_opener(&self) {
        if let Some(opener) = &self.opener {
            self.carried_by(opener);
        }
    }

    /// What carries it is of no use any more.
    #[cfg(feature = "server")]
    pub(super) fn give_up(&self, reason: ServerCloseReason) {
        if let Some(carrier) = self.carrier.get() {
            carrier.give_up(reason);
        }
    }

    /// Wakes who waits for its end.
    pub(super) fn wake(&self) {
        self.token.cancel();
    }

    /// Whether it is to end, and why.
    pub(super) fn told(&self) -> Option<Told> {
        self.told.get().copied()
    }

    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Cancelled when its handler is to be cut.
    pub(super) fn cut_token(&self) -> &CancellationToken {
        self.cut.get_or_init(CancellationToken::new)
    }

    /// When its time is over, and why; `None` if it never is.
    pub(super) fn deadline(&self, rules: &Rules) -> Option<(Duration, SessionEnd)> {
        let idle = rules.idle_timeout.map(|idle| (self.active() + idle, SessionEnd::IdleTimeout));
        let max = rules.max_duration.map(|max| (self.began + max, SessionEnd::MaxDuration));
        idle.into_iter().chain(max).min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_cut_between_two_characters() {
        let key = |text: &str| Life::new(1, text, Duration::ZERO).key.to_string();
        assert_eq!(key("room 7"), "room 7");
        assert_eq!(key(&"k".repeat(300)), "k".repeat(256));
        assert_eq!(key(&format!("k{}", "ß".repeat(300))), format!("k{}", "ß".repeat(127)));
    }

    #[test]
    fn the_first_reason_holds() {
        let life = Life::new(1, "", Duration::ZERO);
        assert!(life.tell(SessionEnd::IdleTimeout, Duration::from_secs(1)));
        assert!(!life.tell(SessionEnd::Completed, Duration::from_secs(2)));
        let told = life.told().unwrap();
        assert_eq!((told.reason, told.at), (SessionEnd::IdleTimeout, Duration::from_secs(1)));
    }
}
