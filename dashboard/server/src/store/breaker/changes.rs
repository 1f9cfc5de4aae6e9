//! Changes of state that events tell, put together with what reports have shown of them.

use poolscope_wire::{BreakerState, Transition};

use super::{Breaker, Change, Entry, MAX_TRANSITIONS, SAME_CHANGE_MS, Shares, transition};
use crate::words::cut_name;

impl Breaker {
    /// Takes a transition event; true if the state changed.
    pub(in crate::store) fn change(
        &mut self,
        change: &Change<'_>,
        at_ms: u64,
        now_ms: u64,
        max_text: usize,
    ) -> bool {
        self.last_seen_ms = now_ms;
        self.stale = false;
        self.dirty = true;
        let reason = cut_name(change.reason, max_text).into_string();
        let transition = Transition {
            forced: change.forced.clone(),
            ..transition((at_ms, change.from, change.to), reason, change.shares, change.window_calls)
        };
        if self.entries.iter().any(|entry| !entry.concluded && entry.transition == transition) {
            return false;
        }
        let effect = self.entries.iter().position(|entry| {
            let seen = &entry.transition;
            entry.concluded
                && seen.from == change.from
                && (at_ms..=at_ms.saturating_add(SAME_CHANGE_MS)).contains(&seen.at_ms)
        });
        if let Some(index) = effect {
            let seen = &mut self.entries[index].transition;
            if seen.to != change.to {
                // The report has seen several changes as one; this is the first of them, and the rest is still to be told.
                seen.from = change.to;
                self.push(Entry { transition, concluded: false });
                return false;
            }
            // Its effect was seen already; now when and why are known as well.
            if self.since_ms == Some(self.entries[index].transition.at_ms) {
                self.since_ms = Some(at_ms);
            }
            self.entries[index] = Entry { transition, concluded: false };
            return false;
        }
        self.push(Entry { transition, concluded: false });
        if self.state_at_ms.is_some_and(|known| at_ms < known) {
            return false;
        }
        self.state_at_ms = Some(at_ms);
        self.state = change.to;
        self.since_ms = Some(at_ms);
        // A breaker that opens, or lets calls try, still has the window that it opened for. Every other begins anew.
        if !matches!(change.to, BreakerState::Open | BreakerState::HalfOpen) {
            self.shares = Shares::default();
            self.window_calls = 0;
        }
        if change.shares.iter().any(Option::is_some) {
            self.shares = change.shares;
        }
        self.window_calls = change.window_calls.filter(|calls| *calls > 0).unwrap_or(self.window_calls);
        self.next_try_ms = change
            .open_for_s
            .filter(|_| change.to == BreakerState::Open)
            .map(|seconds| at_ms.saturating_add((seconds.clamp(0.0, 1e9) * 1e3) as u64));
        true
    }

    pub(super) fn push(&mut self, entry: Entry) {
        let place = self.entries.partition_point(|known| known.transition.at_ms <= entry.transition.at_ms);
        self.entries.insert(place, entry);
        if self.entries.len() > MAX_TRANSITIONS {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.unsaved = true;
    }
}
