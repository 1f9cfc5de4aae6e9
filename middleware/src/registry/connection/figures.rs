//! What a connection tells of itself at a moment.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use poolscope_semconv::value::{ConnectionState, Observation};

use super::super::snapshot::ConnectionSnapshot;
use super::super::upkeep::Upkeep;
use super::{Connection, IN_FLIGHT, IS_UPGRADED};
use crate::clock::Instant;

impl Connection {
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }

    /// Time since a request last used it; its age if none did, zero while one does.
    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.idle_nanos(now))
    }

    /// The same in nanoseconds.
    pub(in crate::registry) fn idle_nanos(&self, now: Instant) -> u64 {
        if self.state.load(Acquire) & IN_FLIGHT > 0 {
            return 0;
        }
        now.nanos_since(self.opened).saturating_sub(self.last_used.load(Relaxed))
    }

    /// Time since requests use it without a break; zero while none does.
    pub(in crate::registry) fn active_for(&self, now: Instant) -> Duration {
        if self.state.load(Acquire) & IN_FLIGHT == 0 {
            return Duration::ZERO;
        }
        self.age(now).saturating_sub(Duration::from_nanos(self.active_since.load(Relaxed)))
    }

    /// Time in which requests used it. It may be told a little too long while one begins.
    pub(in crate::registry) fn active_time(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.active_time.load(Relaxed)) + self.active_for(now)
    }

    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Relaxed), self.received.load(Relaxed))
    }

    pub(in crate::registry) fn snapshot(&self, now: Instant) -> ConnectionSnapshot {
        let state = self.state.load(Acquire);
        let (bytes_sent, bytes_received) =
            (self.observation() != Observation::Estimated).then(|| self.bytes()).unzip();
        ConnectionSnapshot {
            id: self.id,
            protocol: self.protocol(),
            state: if state & IS_UPGRADED != 0 {
                ConnectionState::Upgraded
            } else if state & IN_FLIGHT > 0 {
                ConnectionState::Active
            } else {
                ConnectionState::Idle
            },
            local: self.made.ends.local,
            peer: self.made.ends.peer,
            age: self.age(now),
            idle_for: self.idle_for(now),
            active_for: self.active_for(now),
            active_time: self.active_time(now),
            requests: self.requests(),
            in_flight: u64::from(state & IN_FLIGHT),
            draining: self.upkeep().and_then(Upkeep::retired),
            bytes_sent,
            bytes_received,
            rtt: self.tcp_known().map(|(rtt, _)| rtt),
            retransmits: self.tcp_known().map(|(_, segments)| segments),
        }
    }
}
