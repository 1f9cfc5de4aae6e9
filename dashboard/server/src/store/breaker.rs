//! One breaker: its state, from the 0/1 series of every report and from the events that come between them.

mod changes;
mod saved;

use std::collections::VecDeque;

use foldhash::HashMap;
use poolscope_semconv::value::{self, BreakerOutcome, BreakerReason};
use poolscope_wire::{BreakerState, ForcedBy, Transition};

use super::capped::Seen;
use super::history::{BreakerFigures, Figures as _, History, Plan, Step};
use super::id::Id;
use super::journal::{Journal, Kind};
use super::reports::Reports;
use super::sample::add;
use super::series::Cumulative;
use crate::model::{BreakerFigure, BreakerReading, Judged, Sender, Value};
use crate::rules::{BreakerFacts, Condition, FLAPPING_MS, Levels, breaker_findings, breaker_sentence};
use crate::words::cut_name;

/// Changes of state that are kept: of a breaker that does its work, those of the whole retention; of one that flaps, the
/// newest. The state of older times is known from its history.
pub(super) const MAX_TRANSITIONS: usize = 300;
/// After so many reports all is known of a breaker that changes seldom.
const LEARNED: u64 = 10;
/// Changes of state that are told with every update.
const TOLD_TRANSITIONS: usize = 50;
/// An event that comes after the report which showed its effect still belongs to it within this time.
const SAME_CHANGE_MS: u64 = 5_000;
/// Reason of a change that was seen by its effect alone.
const UNKNOWN_REASON: &str = "unknown";

/// State in the browser's words.
pub(super) fn parse_state(text: &str) -> Option<BreakerState> {
    Some(match value::BreakerState::parse(text)? {
        value::BreakerState::Closed => BreakerState::Closed,
        value::BreakerState::Open => BreakerState::Open,
        value::BreakerState::HalfOpen => BreakerState::HalfOpen,
        value::BreakerState::ForcedOpen => BreakerState::ForcedOpen,
        value::BreakerState::ForcedClosed => BreakerState::ForcedClosed,
        value::BreakerState::MetricsOnly => BreakerState::MetricsOnly,
    })
}

/// Shares of calls by [`Judged`]; `None` where one is not known.
pub(super) type Shares = [Option<f64>; Judged::COUNT];

/// What a transition event says.
#[derive(Debug, Clone)]
pub(super) struct Change<'a> {
    pub(super) from: BreakerState,
    pub(super) to: BreakerState,
    pub(super) reason: &'a str,
    /// By [`Judged`].
    pub(super) shares: Shares,
    pub(super) window_calls: Option<u64>,
    pub(super) open_for_s: Option<f64>,
    pub(super) forced: Option<ForcedBy>,
}

/// A change of state, and whether it was concluded from a report.
#[derive(Debug)]
struct Entry {
    transition: Transition,
    concluded: bool,
}

/// What the report that is being taken has said so far.
#[derive(Debug, Default)]
struct Pending {
    at_ms: u64,
    /// It is the next report, and not more of the newest or a late one.
    is_next: bool,
    state: Option<BreakerState>,
    reason: Option<Box<str>>,
    shares: Shares,
    open_remaining_s: f64,
    /// Calls by outcome: succeeded, failed, rejected.
    calls: [u64; 3],
}

#[derive(Debug)]
struct Series {
    figure: BreakerFigure,
    outcome: Option<BreakerOutcome>,
    state: Cumulative,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    pub(super) id: Id,
    pub(super) service: Box<str>,
    pub(super) instance: Box<str>,
    pub(super) name: Box<str>,
    pub(super) state: BreakerState,
    pub(super) since_ms: Option<u64>,
    shares: Shares,
    limits: Shares,
    pub(super) window_calls: u64,
    pub(super) next_try_ms: Option<u64>,
    /// The moment that the state is known for; `None` before anything told it.
    state_at_ms: Option<u64>,
    series: HashMap<u64, Series>,
    entries: VecDeque<Entry>,
    /// Changes of state for which there was no room.
    pub(super) dropped: u64,
    pub(super) history: History<BreakerFigures>,
    pending: Pending,
    pub(super) reports: Reports,
    pub(super) condition: Condition,
    pub(super) stale: bool,
    /// Silent for so long that only its history is kept.
    pub(super) hidden: bool,
    pub(super) last_seen_ms: u64,
    /// Changed since the file was written.
    pub(super) unsaved: bool,
    /// Changed since the last update of the live stream.
    pub(super) dirty: bool,
    /// Told by the live stream at least once.
    pub(super) published: bool,
}

impl Breaker {
    pub(super) fn new(
        id: Id,
        sender: Sender<'_>,
        name: &str,
        plan: &Plan,
        max_text: usize,
        now_ms: u64,
    ) -> Self {
        let text = |text| cut_name(text, max_text);
        Self {
            id,
            service: text(sender.service),
            instance: text(sender.instance),
            name: text(name),
            state: BreakerState::default(),
            since_ms: None,
            shares: Shares::default(),
            limits: Shares::default(),
            window_calls: 0,
            next_try_ms: None,
            state_at_ms: None,
            series: HashMap::default(),
            entries: VecDeque::new(),
            dropped: 0,
            history: History::new(plan),
            pending: Pending::default(),
            reports: Reports::default(),
            condition: Condition::new(now_ms),
            stale: false,
            hidden: false,
            last_seen_ms: now_ms,
            unsaved: true,
            dirty: true,
            published: false,
        }
    }

    /// Begins a report; false if it has begun already.
    pub(super) fn begin(&mut self, at_ms: u64, now_ms: u64) -> bool {
        let Some(begun) = self.reports.begin(at_ms, now_ms) else { return false };
        self.last_seen_ms = now_ms;
        self.hidden = false;
        if begun.is_put_back {
            self.rewind(at_ms);
        }
        self.unsaved |= begun.is_next && self.reports.count() == LEARNED;
        self.pending = Pending { at_ms, is_next: begun.is_next, ..Pending::default() };
        true
    }

    pub(super) fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Takes a reading of the report that has begun; false if there is no room for its series.
    pub(super) fn take(&mut self, reading: &BreakerReading<'_>, max_series: usize, max_text: usize) -> bool {
        let Value::Number { value, .. } = reading.reading.value else { return true };
        match reading.figure {
            BreakerFigure::State if value >= 0.5 => self.pending.state = parse_state(reading.label),
            BreakerFigure::State => {}
            BreakerFigure::Ratio(of) => self.pending.shares[of as usize] = Some(value.clamp(0.0, 1.0)),
            BreakerFigure::Limit(of) => self.limits[of as usize] = Some(value.clamp(0.0, 1.0)),
            BreakerFigure::WindowCalls => self.window_calls = value.max(0.0) as u64,
            BreakerFigure::OpenRemaining => self.pending.open_remaining_s = value,
            BreakerFigure::Calls | BreakerFigure::Transitions => {
                return self.take_counter(reading, max_series, max_text);
            }
        }
        true
    }

    fn take_counter(&mut self, reading: &BreakerReading<'_>, max_series: usize, max_text: usize) -> bool {
        let key = reading.reading.series;
        let full = self.series.len() >= max_series;
        let added = match self.series.get_mut(&key) {
            Some(series) => series.state.advance(&reading.reading),
            None if full => return false,
            None => {
                let (state, added) = Cumulative::first(&reading.reading, self.reports.count() > 1);
                let outcome = BreakerOutcome::parse(reading.label);
                self.series.insert(key, Series { figure: reading.figure, outcome, state });
                added
            }
        };
        let outcome = match BreakerOutcome::parse(reading.label) {
            Some(BreakerOutcome::Success) => Some(0),
            Some(BreakerOutcome::Failure) => Some(1),
            Some(BreakerOutcome::Rejected) => Some(2),
            _ => None,
        };
        if let (BreakerFigure::Calls, Some(outcome), Some(added)) = (reading.figure, outcome, &added) {
            add(&mut self.pending.calls[outcome], added.count());
        }
        if reading.figure == BreakerFigure::Transitions && added.is_some_and(|added| added.count() > 0) {
            self.pending.reason = Some(cut_name(reading.label, max_text));
        }
        true
    }

    /// The server's clock was put back: what was noted for moments that are still to come goes.
    fn rewind(&mut self, to_ms: u64) {
        self.history.rewind(to_ms);
        self.series.values_mut().for_each(|series| series.state.rewind());
        self.entries.retain(|entry| entry.transition.at_ms <= to_ms);
        self.state_at_ms = self.state_at_ms.map(|at_ms| at_ms.min(to_ms));
        self.since_ms = self.since_ms.map(|since_ms| since_ms.min(to_ms));
    }

    /// Puts a report into the history. One that is not the next adds to the newest.
    fn keep(&mut self, pending: &Pending, journal: &mut Journal) {
        let [succeeded, failed, rejected] = pending.calls;
        let figures = BreakerFigures {
            state: pending.state.unwrap_or(self.state),
            shares: pending.shares.map(|share| share.map(|share| share as f32)),
            window_calls: self.window_calls,
            succeeded,
            failed,
            rejected,
        };
        let before_ms = self.history.last_ms();
        if !pending.is_next {
            if let Some(newest) = self.history.newest_mut() {
                newest.figures.merge(&figures);
            }
            return;
        }
        let id = self.id;
        let step = Step {
            first_ms: pending.at_ms,
            at_ms: pending.at_ms,
            elapsed_ms: before_ms.map_or(0, |before_ms| pending.at_ms.saturating_sub(before_ms)),
            after_silence: self.reports.is_after_silence(),
            figures,
        };
        self.history.report(step, |tier, step| journal.push(Kind::Breaker, id, tier, step));
    }

    /// Ends a report; true if the state changed.
    pub(super) fn finish(&mut self, journal: &mut Journal) -> bool {
        self.reports.end();
        let pending = std::mem::take(&mut self.pending);
        self.stale = false;
        self.dirty = true;
        self.keep(&pending, journal);
        // A report that was made before the last event says what was true before it.
        if self.state_at_ms.is_some_and(|known| pending.at_ms < known) {
            return false;
        }
        self.shares = pending.shares;
        let Some(state) = pending.state else { return false };
        let first = self.state_at_ms.is_none();
        self.state_at_ms = Some(pending.at_ms);
        let changed = state != self.state;
        if changed && !first {
            let reason = pending.reason.as_deref().unwrap_or(UNKNOWN_REASON).to_owned();
            let transition = transition(
                (pending.at_ms, self.state, state),
                reason,
                pending.shares,
                Some(self.window_calls),
            );
            self.since_ms = Some(pending.at_ms);
            self.push(Entry { transition, concluded: true });
        }
        self.state = state;
        let wait_ms = (pending.open_remaining_s.clamp(0.0, 1e9) * 1e3) as u64;
        self.next_try_ms =
            (state == BreakerState::Open && wait_ms > 0).then(|| pending.at_ms.saturating_add(wait_ms));
        changed || first
    }

    /// Share of such calls in the window.
    pub(super) fn share(&self, of: Judged) -> Option<f64> {
        self.shares[of as usize]
    }

    /// Share of such calls at which it opens.
    pub(super) fn limit(&self, of: Judged) -> Option<f64> {
        self.limits[of as usize]
    }

    /// The newest changes of state, oldest first.
    pub(super) fn newest_transitions(&self) -> Vec<Transition> {
        let first = self.entries.len().saturating_sub(TOLD_TRANSITIONS);
        self.entries.range(first..).map(|entry| entry.transition.clone()).collect()
    }

    /// All changes of state that are kept, oldest first.
    pub(super) fn transitions(&self) -> impl Iterator<Item = &Transition> {
        self.entries.iter().map(|entry| &entry.transition)
    }

    /// Forgets what is too old.
    pub(super) fn forget(&mut self, now_ms: u64, retention_ms: u64) {
        let oldest_ms = now_ms.saturating_sub(retention_ms);
        self.entries.retain(|entry| entry.transition.at_ms >= oldest_ms);
        self.history.forget(now_ms);
    }

    /// What its sentence stands on.
    pub(super) fn facts(&self) -> BreakerFacts {
        let judged = |of: Judged| (self.share(of), self.limit(of));
        BreakerFacts {
            state: self.state,
            reason: self.reason(),
            failed: judged(Judged::Failed),
            slow: judged(Judged::Slow),
            unconnected: judged(Judged::Unconnected),
            window_calls: self.window_calls,
        }
    }

    /// Looks at it by the rules.
    pub(super) fn judge(&mut self, levels: &Levels, now_ms: u64) {
        let is_opening = |entry: &&Entry| {
            let Transition { at_ms, to, .. } = entry.transition;
            to == BreakerState::Open && at_ms.saturating_add(FLAPPING_MS) > now_ms
        };
        let opened = self.entries.iter().filter(is_opening).count() as u64;
        let facts = self.facts();
        let findings = breaker_findings(&facts, opened, levels);
        self.condition.update(&findings, || breaker_sentence(&facts), now_ms);
    }

    /// Why it last changed into the state that it is in.
    pub(super) fn reason(&self) -> Option<BreakerReason> {
        let last = self.entries.iter().rev().find(|entry| entry.transition.to == self.state)?;
        BreakerReason::parse(&last.transition.reason)
    }

    /// Calls that ended so.
    pub(super) fn calls(&self, outcome: BreakerOutcome) -> u64 {
        let calls = self.series.values().filter(|series| series.figure == BreakerFigure::Calls);
        calls
            .filter(|series| series.outcome == Some(outcome))
            .map(|series| series.state.total())
            .fold(0, u64::saturating_add)
    }
}

fn transition(
    (at_ms, from, to): (u64, BreakerState, BreakerState),
    reason: String,
    shares: Shares,
    window_calls: Option<u64>,
) -> Transition {
    let [failure_ratio, slow_call_ratio, connect_failure_ratio] =
        shares.map(|share| share.map(|share| share as f32));
    Transition {
        at_ms,
        from,
        to,
        reason,
        failure_ratio,
        slow_call_ratio,
        connect_failure_ratio,
        window_calls,
        forced: None,
    }
}

impl Seen for Breaker {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }

    fn is_hidden(&self) -> bool {
        self.hidden
    }
}
