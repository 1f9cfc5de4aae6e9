//! [`Table`]: who is there, and what became of those who were. Knows no clock: every question comes with its time.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use poolscope_semconv::value::SessionEnd;

use super::life::Life;
use super::pulse::{Liveness, Look};
use crate::registry::{SessionSnapshot, SessionTraffic};

/// Most sessions that a snapshot lists one by one; all of them are counted.
const MOST_LISTED: usize = 100;

/// How long sessions may be there, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_duration: Option<Duration>,
    pub(super) max_sessions: usize,
    pub(super) overdue_after: Duration,
    pub(super) liveness: Option<Liveness>,
    /// Most bytes that are kept with one.
    pub(super) max_data: usize,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    Full,
    Closed,
}

/// See the [module](self). Times are since the begin of the registry.
#[derive(Debug)]
pub(super) struct Table {
    rules: Rules,
    /// In the order in which they began.
    there: BTreeMap<u64, Entry>,
    is_closed: bool,
    pub(super) started: u64,
    pub(super) refused: u64,
    pub(super) overdue: u64,
    pub(super) ended: [u64; SessionEnd::COUNT],
    /// What went through those that are gone.
    gone: SessionTraffic,
}

#[derive(Debug)]
struct Entry {
    life: Arc<Life>,
    is_overdue: bool,
}

/// A session whose time is over.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) life: Arc<Life>,
    pub(super) reason: SessionEnd,
    pub(super) deadline: Duration,
}

/// What a look at all sessions has found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) due: Vec<Due>,
    /// Those that have become overdue since the last look.
    pub(super) overdue: Vec<Arc<Life>>,
    /// Those that are overdue, since this look or before, and have tasks.
    pub(super) working: HashSet<u64>,
    /// Nothing is to be done before; `None` unless somebody is told to end.
    pub(super) next: Option<Duration>,
    /// Pings that were not answered in time.
    pub(super) missed: u64,
}

impl Table {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            there: BTreeMap::new(),
            is_closed: false,
            started: 0,
            refused: 0,
            overdue: 0,
            ended: [0; SessionEnd::COUNT],
            gone: SessionTraffic::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.there.len()
    }

    pub(super) fn begin(&mut self, key: &str, now: Duration) -> Result<Arc<Life>, NoRoom> {
        if self.is_closed || self.there.len() >= self.rules.max_sessions {
            self.refused += 1;
            return Err(if self.is_closed { NoRoom::Closed } else { NoRoom::Full });
        }
        self.started += 1;
        let life = Arc::new(Life::new(self.started, key, now));
        self.there.insert(life.id, Entry { life: Arc::clone(&life), is_overdue: false });
        Ok(life)
    }

    /// A session is gone; it has been told why.
    pub(super) fn leave(&mut self, life: &Life, reason: SessionEnd) {
        if let Some(entry) = self.there.remove(&life.id) {
            self.overdue -= u64::from(entry.is_overdue);
            self.ended[reason.index()] += 1;
            self.gone = self.gone + life.traffic.snapshot();
        }
    }

    /// Lets nobody in any more; gives those that are there.
    pub(super) fn close(&mut self) -> Vec<Arc<Life>> {
        self.is_closed = true;
        self.there()
    }

    /// Those that are there.
    pub(super) fn there(&self) -> Vec<Arc<Life>> {
        self.there.values().map(|entry| Arc::clone(&entry.life)).collect()
    }

    /// Looks for sessions whose time is over.
    pub(super) fn look(&mut self, now: Duration) -> Found {
        let Self { rules, there, .. } = self;
        let first_ping = rules.liveness.map(|rule| rule.interval);
        let limits = [rules.idle_timeout, rules.max_duration, first_ping].into_iter().flatten();
        // The deadline of whoever comes next is not sooner; who comes where nobody is says so.
        let mut next = limits.min().filter(|_| !there.is_empty()).map(|shortest| now + shortest);
        let mut at_the_latest = |at: Duration| next = Some(next.map_or(at, |next| next.min(at)));
        let (mut due, mut overdue, mut working, mut missed) = (Vec::new(), Vec::new(), HashSet::new(), 0);
        for Entry { life, is_overdue } in there.values_mut() {
            if let Some(told) = life.told() {
                let ends_at = told.at + rules.overdue_after;
                if ends_at > now {
                    at_the_latest(ends_at);
                    continue;
                }
                if !std::mem::replace(is_overdue, true) {
                    overdue.push(Arc::clone(life));
                }
                if life.tasks.load(Relaxed) > 0 {
                    working.insert(life.id);
                    at_the_latest(now + rules.overdue_after);
                }
                continue;
            }
            let mut end = life.deadline(rules);
            if let Some(rule) = &rules.liveness
                && end.is_none_or(|(deadline, _)| deadline > now)
            {
                match life.pulse.look(now, rule) {
                    Look::Wait(at) => at_the_latest(at),
                    Look::Missed(at) => {
                        missed += 1;
                        at_the_latest(at);
                    }
                    Look::Gone(deadline) => {
                        missed += 1;
                        end = Some((deadline, SessionEnd::Unresponsive));
                    }
                }
            }
            if let Some((deadline, reason)) = end {
                if deadline <= now {
                    due.push(Due { life: Arc::clone(life), reason, deadline });
                    at_the_latest(now + rules.overdue_after);
                } else {
                    at_the_latest(deadline);
                }
            }
        }
        self.overdue += overdue.len() as u64;
        Found { due, overdue, working, next, missed }
    }

    /// Time since the oldest began.
    pub(super) fn oldest(&self, now: Duration) -> Option<Duration> {
        self.there.first_key_value().map(|(_, entry)| now.saturating_sub(entry.life.began))
    }

    /// What went through all sessions.
    pub(super) fn traffic(&self) -> SessionTraffic {
        self.there.values().fold(self.gone, |sum, entry| sum + entry.life.traffic.snapshot())
    }

    /// Sessions one by one: those that are overdue, and then the others, the oldest first.
    pub(super) fn rows(&self, now: Duration) -> Vec<SessionSnapshot> {
        let row = |Entry { life, is_overdue }: &Entry| SessionSnapshot {
            id: life.id,
            key: life.key.to_string(),
            age: now.saturating_sub(life.began),
            idle: now.saturating_sub(life.active()),
            ending: life.told().map(|told| told.reason),
            is_overdue: *is_overdue,
            tasks: life.tasks.load(Relaxed),
            traffic: life.traffic.snapshot(),
            missed_pings: life.pulse.missed(),
            data_bytes: life.data().bytes() as u64,
        };
        let late = self.there.values().filter(|entry| entry.is_overdue).take(self.overdue as usize);
        let others = self.there.values().filter(|entry| !entry.is_overdue);
        late.chain(others).take(MOST_LISTED).map(row).collect()
    }
}
