//! [`Limit`] and [`Call`]: one named timeout, and a call under it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Elapsed;
use super::adaptive::{Destinations, Learned};
use crate::current::{self, Acquire};
use crate::event::{Event, Events};
use crate::http_message::{KeptTarget, Target};
use crate::registry::{PoolState, TimeoutStats};

/// The part of a call that a timeout limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// From the call to its end.
    Whole,
    /// Until the request has its connection.
    Acquire,
    /// From then to the head of the response.
    Headers,
    /// Each wait for a piece of the body.
    Read,
}

/// Where the time of a limit comes from.
#[derive(Debug)]
pub(super) enum Time {
    Fixed(Duration),
    Learned(Arc<Destinations>),
}

/// One named timeout, shared by its services.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) name: Arc<str>,
    pub(super) part: Part,
    pub(super) time: Time,
    pub(super) stats: Arc<TimeoutStats>,
    pub(super) events: Arc<Events>,
}

/// A call under a timeout, counted once: when its part ends, when the timeout fires, or when it is dropped before.
#[derive(Debug)]
pub(super) struct Call {
    limit: Arc<Limit>,
    kept: KeptTarget,
    after: Duration,
    learned: Option<Arc<Learned>>,
    start: Instant,
    held: Held,
    ended: bool,
}

/// What is known of the connection of a request whose timeout wants to know.
#[derive(Debug, Clone, Copy)]
enum Held {
    Unknown,
    Waiting,
    /// It has one since the first of the two, which by the clock of timers is the second.
    Since(crate::clock::Instant, Instant),
}

impl Call {
    pub(super) fn new(limit: Arc<Limit>, target: Option<Target<'_>>) -> Self {
        let start = Instant::now();
        let (after, learned) = match &limit.time {
            Time::Fixed(after) => (*after, None),
            Time::Learned(destinations) => {
                let learned = destinations.of(target);
                (learned.limit(start), Some(learned))
            }
        };
        let kept = target.map_or(KeptTarget::Unknown, KeptTarget::from);
        // Before it has a body there is nothing to read.
        let ended = limit.part == Part::Read;
        Self { limit, kept, after, learned, start, held: Held::Unknown, ended }
    }

    pub(super) fn part(&self) -> Part {
        self.limit.part
    }

    pub(super) fn after(&self) -> Duration {
        self.after
    }

    /// True if it has to know whether the request has its connection.
    #[inline]
    pub(super) fn asks_for_acquire(&self) -> bool {
        matches!(self.limit.part, Part::Acquire | Part::Headers)
    }

    /// What the request has told in a poll.
    pub(super) fn told(&mut self, told: Acquire) {
        match (told, self.held) {
            (Acquire::Unknown, _) => {}
            (Acquire::Since(at), Held::Since(known, _)) if at == known => {}
            (Acquire::Waiting, _) => self.held = Held::Waiting,
            (Acquire::Since(at), _) => {
                let now = Instant::now();
                let since = now.checked_sub(at.elapsed()).unwrap_or(now).max(self.start);
                self.held = Held::Since(at, since);
                if self.limit.part == Part::Acquire && !self.ended {
                    self.in_time(since - self.start, true, now);
                }
            }
        }
    }

    /// When it fires as far as was known at the start; `None` if it does not.
    pub(super) fn first_due(&self) -> Option<Instant> {
        if self.ended { None } else { self.start.checked_add(self.after) }
    }

    /// When it fires, as known now.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        match self.held {
            // The time of this part has not begun.
            Held::Waiting if self.limit.part == Part::Headers => now.checked_add(self.after),
            _ if self.ended => None,
            _ => self.began().checked_add(self.after),
        }
    }

    /// When the part began that it limits.
    fn began(&self) -> Instant {
        match self.held {
            Held::Since(_, since) if self.limit.part == Part::Headers => since,
            _ => self.start,
        }
    }

    /// The head is there, and with it the end of what is limited.
    #[inline]
    pub(super) fn answered(&mut self) {
        self.end(true);
    }

    /// It failed, which says nothing about how long an answer takes.
    pub(super) fn failed(&mut self) {
        self.end(false);
    }

    #[inline]
    fn end(&mut self, is_answer: bool) {
        if !self.ended {
            let now = Instant::now();
            self.in_time(now - self.began(), is_answer, now);
        }
    }

    /// The body begins, whose pieces are limited.
    pub(super) fn reads(&mut self) {
        self.ended = false;
    }

    /// The body is over. The longest wait for a piece of it counts.
    pub(super) fn has_read(&mut self, longest: Duration) {
        self.ended = true;
        self.limit.stats.in_time(self.share(longest));
    }

    fn in_time(&mut self, used: Duration, is_answer: bool, now: Instant) {
        self.ended = true;
        self.limit.stats.in_time(self.share(used));
        if is_answer && let Some(learned) = &self.learned {
            learned.record(used, now);
        }
    }

    /// It took too long: all of what is limited, since `began` if that is not the begin of the call.
    pub(super) fn fire(
        &mut self,
        began: Option<Instant>,
        now: Instant,
        pool: Option<Box<PoolState>>,
    ) -> Elapsed {
        self.ended = true;
        let elapsed = now - began.unwrap_or_else(|| self.began());
        self.limit.stats.fired(self.share(elapsed));
        if let Some(learned) = &self.learned {
            // Had it been let go on it would have taken longer, so that the limit is known to be too short for it.
            learned.record(elapsed.max(self.after), now);
        }
        // Around a connector, only a connect layer knows where that connects to: one inside has told it, one outside is asked.
        let is_connect = matches!(self.kept, KeptTarget::Unknown);
        let connect = if is_connect && pool.is_none() { current::attempt() } else { None };
        let pool = pool.or_else(|| connect.map(|connect| Box::new(connect.pool().state())));
        let of_pool = || pool.as_ref().filter(|_| is_connect).map(|pool| pool.name.to_string());
        let fired = Elapsed {
            name: Arc::clone(&self.limit.name),
            limit: self.after,
            elapsed,
            destination: self.kept.text().or_else(of_pool),
            pool,
        };
        self.limit.events.emit(&Event::TimeoutFired(fired.clone()));
        fired
    }

    /// Share of the limit that a time is.
    #[inline]
    fn share(&self, used: Duration) -> f64 {
        nanos(used) / nanos(self.after)
    }
}

/// Nanoseconds: without the division that there is in [`Duration::as_secs_f64`].
#[inline]
fn nanos(time: Duration) -> f64 {
    time.as_secs() as f64 * 1e9 + f64::from(time.subsec_nanos())
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.limit.stats.canceled();
        }
    }
}
