//! What a file keeps of a breaker, and how it comes back.

use poolscope_wire::Transition;

use super::super::journal::{Journal, Kind};
use super::super::reports::Reports;
use super::super::restore::SavedBreaker;
use super::{Breaker, Entry, MAX_TRANSITIONS};

impl Breaker {
    /// What a file keeps of it, beside its history.
    pub(in crate::store) fn saved(&self) -> SavedBreaker {
        SavedBreaker {
            service: self.service.to_string(),
            instance: self.instance.to_string(),
            name: self.name.to_string(),
            state: self.state,
            since_ms: self.since_ms,
            limits: self.limits,
            interval_ms: self.reports.interval_ms(),
            last_seen_ms: self.last_seen_ms,
            changes: self.entries.iter().map(|one| (one.transition.clone(), one.concluded)).collect(),
        }
    }

    /// Takes back what a file kept; its history follows.
    pub(in crate::store) fn restore(&mut self, saved: &SavedBreaker) {
        (self.state, self.since_ms, self.limits) = (saved.state, saved.since_ms, saved.limits);
        let newest = saved.changes.len().saturating_sub(MAX_TRANSITIONS);
        let entry = |(transition, concluded): &(Transition, bool)| Entry {
            transition: transition.clone(),
            concluded: *concluded,
        };
        self.entries = saved.changes[newest..].iter().map(entry).collect();
        self.last_seen_ms = saved.last_seen_ms;
        self.reports = Reports::restored(saved.interval_ms, None);
        self.unsaved = false;
    }

    /// Its history is complete.
    pub(in crate::store) fn restored(&mut self, now_ms: u64, journal: &mut Journal) {
        let id = self.id;
        self.history.restored(now_ms, |tier, step| journal.push(Kind::Breaker, id, tier, step));
        let newest_ms = self.history.last_ms();
        self.last_seen_ms = self.last_seen_ms.max(newest_ms.unwrap_or_default());
        self.reports = Reports::restored(self.reports.interval_ms(), newest_ms);
        self.state_at_ms = Some(self.last_seen_ms);
    }

    /// The server ends: the newest report is complete.
    pub(in crate::store) fn settle(&mut self, journal: &mut Journal) {
        let id = self.id;
        self.history.settle_newest(|tier, step| journal.push(Kind::Breaker, id, tier, step));
    }
}
