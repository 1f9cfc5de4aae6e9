//! [`Pulse`]: whether the other end of a session is there. Knows no clock: every question comes with its time.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Notify;

use crate::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::sync::{Mutex, MutexGuard};

/// When the other end is asked whether it is there, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Liveness {
    /// It is asked when nothing was heard of it for so long.
    pub(super) interval: Duration,
    /// It has so long to answer a ping.
    pub(super) timeout: Duration,
    /// After so many pings without an answer it is given up. The next one follows at once.
    pub(super) failures: u32,
}

/// What a look at the pulse has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new; look again at this time.
    Wait(Duration),
    /// A ping was not answered, and another one is due; look again at this time.
    Missed(Duration),
    /// As many pings as may be were not answered, the last of them at this time.
    Gone(Duration),
}

/// See the [module](self). Times are since the begin of the registry.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Nanoseconds, at which something last came from the other end.
    heard: AtomicU64,
    /// There is a ping that is due or not answered. Written only under the lock of the ping.
    is_open: AtomicBool,
    ping: Mutex<Ping>,
    due: Notify,
}

#[derive(Debug, Default)]
struct Ping {
    is_asked: bool,
    /// When somebody went to send it. Its time begins with that: a holder who is busy says nothing of the other end.
    sent: Option<Duration>,
    missed: u32,
    missed_in_all: u64,
}

impl Pulse {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            heard: AtomicU64::new(nanos(now)),
            is_open: AtomicBool::new(false),
            ping: Mutex::default(),
            due: Notify::new(),
        }
    }

    fn ping(&self) -> MutexGuard<'_, Ping> {
        self.ping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pings in a row that were not answered.
    pub(super) fn missed(&self) -> u32 {
        self.ping().missed
    }

    /// Pings that were not answered, in all.
    pub(super) fn missed_in_all(&self) -> u64 {
        self.ping().missed_in_all
    }

    /// Something came. Gives the time since the ping was sent that it answers, if it answers one.
    #[inline]
    pub(super) fn hear(&self, now: Duration) -> Option<Duration> {
        self.heard.store(nanos(now), Relaxed);
        if self.is_open.load(Acquire) { self.answer(now) } else { None }
    }

    #[cold]
    fn answer(&self, now: Duration) -> Option<Duration> {
        let mut ping = self.ping();
        let sent = ping.sent.take();
        (ping.is_asked, ping.missed) = (false, 0);
        // Within the lock: a ping that is asked right after it would be closed, and its answer taken for none.
        self.is_open.store(false, Release);
        drop(ping);
        sent.map(|sent| now.saturating_sub(sent))
    }

    /// Somebody is about to send the ping that is due; false if there is none.
    pub(super) fn send(&self, now: Duration) -> bool {
        let mut ping = self.ping();
        let is_due = ping.is_asked && ping.sent.is_none();
        if is_due {
            ping.sent = Some(now);
        }
        is_due
    }

    /// Returns when a ping may be due.
    pub(super) async fn may_be_due(&self) {
        self.due.notified().await;
    }

    /// Looks whether a ping is due, or was not answered in time.
    pub(super) fn look(&self, now: Duration, rule: &Liveness) -> Look {
        let mut ping = self.ping();
        let heard = Duration::from_nanos(self.heard.load(Relaxed));
        let mut is_missed = false;
        match ping.sent {
            _ if !ping.is_asked => {
                let due = heard + rule.interval;
                if due > now {
                    return Look::Wait(due);
                }
            }
            // Whoever sends it later than this has the answer later than the next look.
            None => return Look::Wait(now + rule.timeout),
            Some(sent) => {
                let deadline = sent + rule.timeout;
                if deadline > now {
                    return Look::Wait(deadline);
                }
                ping.missed += 1;
                ping.missed_in_all += 1;
                if ping.missed >= rule.failures {
                    return Look::Gone(deadline);
                }
                is_missed = true;
            }
        }
        (ping.is_asked, ping.sent) = (true, None);
        self.is_open.store(true, Release);
        drop(ping);
        self.due.notify_one();
        if is_missed { Look::Missed(now + rule.timeout) } else { Look::Wait(now + rule.timeout) }
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, poolscope_loom))]
mod races;

#[cfg(all(test, not(poolscope_loom)))]
mod tests {
    use super::*;

    const RULE: Liveness =
        Liveness { interval: Duration::from_secs(10), timeout: Duration::from_secs(2), failures: 2 };

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn who_is_silent_is_asked_and_given_up_after_as_many_pings_as_may_be() {
        let pulse = Pulse::new(at(0));
        assert_eq!(pulse.look(at(9), &RULE), Look::Wait(at(10)));
        assert!(!pulse.send(at(9)), "none is due");
        assert_eq!(pulse.look(at(10), &RULE), Look::Wait(at(12)));
        assert!(pulse.send(at(11)) && !pulse.send(at(11)), "each is sent once");
        assert_eq!(pulse.look(at(12), &RULE), Look::Wait(at(13)));
        assert_eq!(pulse.look(at(13), &RULE), Look::Missed(at(15)));
        assert!(pulse.send(at(13)));
        assert_eq!(pulse.look(at(15), &RULE), Look::Gone(at(15)));
    }

    #[test]
    fn whatever_comes_is_an_answer_and_the_misses_begin_again() {
        let pulse = Pulse::new(at(0));
        pulse.look(at(10), &RULE);
        assert!(pulse.send(at(10)));
        assert_eq!(pulse.look(at(12), &RULE), Look::Missed(at(14)));
        assert!(pulse.send(at(12)));
        assert_eq!((pulse.hear(at(13)), pulse.missed()), (Some(at(1)), 0));
        assert_eq!(pulse.missed_in_all(), 1);
        assert_eq!(pulse.hear(at(13)), None, "a ping is answered once");
        assert_eq!(pulse.look(at(14), &RULE), Look::Wait(at(23)));
    }

    #[test]
    fn a_ping_that_nobody_could_send_is_not_held_against_the_other_end() {
        let pulse = Pulse::new(at(0));
        pulse.look(at(10), &RULE);
        assert_eq!(pulse.look(at(60), &RULE), Look::Wait(at(62)));
        assert_eq!(pulse.hear(at(61)), None, "it was not sent");
        assert_eq!(pulse.look(at(62), &RULE), Look::Wait(at(71)));
    }
}
