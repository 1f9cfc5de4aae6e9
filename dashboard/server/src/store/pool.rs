//! One pool: its series, the samples of the last minute, and the history.

mod gauges;
mod over;
mod saved;

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::HashMap;
use poolscope_semconv::event;
use poolscope_semconv::value::{AcquireOutcome, CloseReason, ConnectPhase, Observation};
use poolscope_wire::{BreakerState, PoolPoint};

use self::over::Over;
use super::buckets::Buckets;
use super::capped::Seen;
use super::history::{History, Plan, PoolFigures, Step};
use super::id::Id;
use super::journal::{Journal, Kind};
use super::lanes::{Budget, Lanes};
use super::leaks::Leaks;
use super::reports::Reports;
use super::sample::{Sample, add};
use super::series::{Cumulative, whole, young_age_s};
use super::tallies::Tallies;
use super::told::Told;
use crate::model::{Destination, EventRecord, PoolFigure, PoolKind, PoolReading, Sender, Value};
use crate::rules::{Cause, Condition, Facts, Levels, Slowness, check, fine_sentence};
use crate::words::{cut, cut_name};

/// The window of the summary's percentiles.
const WINDOW_MS: u64 = 60_000;
/// The window that the rules judge: long enough for a share to mean something, short enough to see a recovery.
const RULES_MS: u64 = 15_000;
/// The newest points are at hand for so long: what a sparkline shows.
pub(super) const RECENT_MS: u64 = 120_000;
/// And so many of them at least, which is what the rules compare.
const RECENT_POINTS: usize = 2;
/// After so many samples all is known of a pool that changes seldom.
const LEARNED: u64 = 10;
/// And after so many it is looked at again.
const SAVE_AGAIN: u64 = 600;
/// Protocol versions that one pool can have.
const MAX_PROTOCOLS: usize = 4;

/// Whether `at_ms` lies in the window that ends at `end_ms`.
fn within(at_ms: u64, end_ms: u64, window_ms: u64) -> bool {
    at_ms.saturating_add(window_ms) > end_ms
}

/// A series of a pool.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) figure: PoolFigure,
    pub(super) label: Box<str>,
    pub(super) marked: bool,
    pub(super) phase: Option<ConnectPhase>,
    state: State,
    /// Sample in which it was last reported.
    sample: u64,
    seen_ms: u64,
}

#[derive(Debug)]
enum State {
    /// A sender of deltas tells a gauge only when it changes, so it is kept over reports that are silent about it.
    Gauge {
        value: f64,
        kept: bool,
    },
    Cumulative(Cumulative),
    /// Silent for so long that only what it had counted is kept.
    Over(u64),
}

impl Series {
    /// All that the series counted.
    pub(super) fn total(&self) -> u64 {
        match &self.state {
            State::Cumulative(series) => series.total(),
            State::Gauge { .. } => 0,
            State::Over(total) => *total,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) id: Id,
    pub(super) kind: PoolKind,
    pub(super) service: Box<str>,
    pub(super) instance: Box<str>,
    pub(super) client: Box<str>,
    pub(super) scheme: Box<str>,
    pub(super) address: Box<str>,
    pub(super) port: u16,
    pub(super) series: HashMap<u64, Series>,
    over: Over,
    /// The newest points.
    pub(super) points: VecDeque<PoolPoint>,
    pub(super) history: History<PoolFigures>,
    window: VecDeque<Sample>,
    pub(super) reports: Reports,
    pub(super) protocols: Vec<Box<str>>,
    pub(super) observation: Observation,
    pub(super) tallies: Tallies,
    pub(super) told: Told,
    leaks: Leaks,
    pub(super) lanes: Lanes,
    pub(super) breaker: Option<(String, BreakerState)>,
    pub(super) condition: Condition,
    pub(super) levels: Arc<Levels>,
    pub(super) stale: bool,
    /// Silent for so long that only its history is kept.
    pub(super) hidden: bool,
    pub(super) last_seen_ms: u64,
    /// Changed since the last update of the live stream.
    pub(super) dirty: bool,
    /// Told by the live stream at least once.
    pub(super) published: bool,
    /// Changed, beside its history, since the file was written.
    pub(super) unsaved: bool,
}

impl Pool {
    pub(super) fn new(
        id: Id,
        sender: Sender<'_>,
        destination: Destination<'_>,
        plan: &Plan,
        max_text: usize,
        now_ms: u64,
    ) -> Self {
        let text = |text| cut_name(text, max_text);
        Self {
            id,
            kind: destination.kind,
            service: text(sender.service),
            instance: text(sender.instance),
            client: text(destination.client),
            scheme: text(destination.scheme),
            address: text(destination.address),
            port: destination.port,
            series: HashMap::default(),
            over: Over::default(),
            points: VecDeque::new(),
            history: History::new(plan),
            window: VecDeque::new(),
            reports: Reports::default(),
            protocols: Vec::new(),
            observation: Observation::Exact,
            tallies: Tallies::default(),
            told: Told::default(),
            leaks: Leaks::default(),
            lanes: Lanes::default(),
            breaker: None,
            condition: Condition::new(now_ms),
            levels: Arc::new(Levels::new(&[])),
            stale: false,
            hidden: false,
            last_seen_ms: now_ms,
            dirty: true,
            published: false,
            unsaved: true,
        }
    }

    /// Begins a report, which is the newest sample again if it is as old as that; false if it has begun already.
    pub(super) fn begin(&mut self, at_ms: u64, now_ms: u64) -> bool {
        let Some(begun) = self.reports.begin(at_ms, now_ms) else { return false };
        self.last_seen_ms = now_ms;
        self.hidden = false;
        if begun.is_put_back {
            self.rewind(at_ms);
        }
        if !begun.is_next {
            return true;
        }
        let sample = match self.window.back() {
            Some(last) => Sample {
                at_ms,
                elapsed_s: (at_ms - last.at_ms) as f64 / 1e3,
                gauges: last.gauges,
                ..Sample::default()
            },
            None => Sample { at_ms, ..Sample::default() },
        };
        self.window.push_back(sample);
        let count = self.reports.count();
        self.unsaved |= count == LEARNED || count.is_multiple_of(SAVE_AGAIN);
        self.protocols.clear();
        self.observation = Observation::Exact;
        true
    }

    /// Takes a reading of the report that has begun; false if there is no room for its series.
    pub(super) fn take(&mut self, reading: &PoolReading<'_>, max_series: usize, max_text: usize) -> bool {
        self.observation = self.observation.max(reading.observation);
        if let Some(protocol) = reading.protocol
            && self.protocols.len() < MAX_PROTOCOLS
            && !self.protocols.iter().any(|known| **known == *protocol)
        {
            self.protocols.push(protocol.into());
            self.protocols.sort_unstable();
        }
        let key = reading.reading.series;
        if self.series.len() >= max_series && !self.series.contains_key(&key) {
            return false;
        }
        self.told.learn(reading.figure);
        if reading.figure.is_gauge() {
            self.take_gauge(reading, max_text);
        } else {
            self.take_cumulative(reading, max_text);
        }
        true
    }

    fn take_gauge(&mut self, reading: &PoolReading<'_>, max_text: usize) {
        let Value::Number { value, delta } = reading.reading.value else { return };
        if self.reports.is_late() && !delta {
            return;
        }
        let sample = self.reports.count();
        let series = self.series.entry(reading.reading.series).or_insert_with(|| Series {
            figure: reading.figure,
            label: cut(&reading.label, max_text).into(),
            marked: reading.marked,
            phase: None,
            state: State::Gauge { value: 0.0, kept: delta },
            sample,
            seen_ms: 0,
        });
        (series.sample, series.seen_ms) = (sample, self.last_seen_ms);
        if let State::Gauge { value: held, .. } = &mut series.state {
            *held = if delta { *held + value } else { value };
        }
    }

    fn take_cumulative(&mut self, reading: &PoolReading<'_>, max_text: usize) {
        let sample = self.reports.count();
        let known = sample > 1;
        let mut added = None;
        // Beside what was added since the report before, a distribution has what a series that is new here counted before.
        let mut earlier = None;
        match self.series.get_mut(&reading.reading.series) {
            Some(series) => {
                (series.sample, series.seen_ms) = (sample, self.last_seen_ms);
                if let State::Cumulative(state) = &mut series.state {
                    added = state.advance(&reading.reading);
                }
            }
            None => {
                let key = reading.reading.series;
                let (state, first) = match self.over.take_back(key) {
                    Some(before) => Cumulative::again(&reading.reading, before),
                    None => {
                        let knows_all = self.over.knows_all();
                        let (mut state, first) = Cumulative::first(&reading.reading, known && knows_all);
                        if first.is_none() && knows_all {
                            earlier = Some(whole(&reading.reading.value));
                        } else if first.is_none() {
                            // It may be one that made room so long ago that nobody knows it any more.
                            state.leave_out_first();
                        }
                        (state, first)
                    }
                };
                added = first;
                let series = Series {
                    figure: reading.figure,
                    label: cut(&reading.label, max_text).into(),
                    marked: reading.marked,
                    phase: reading.phase,
                    state: State::Cumulative(state),
                    sample,
                    seen_ms: self.last_seen_ms,
                };
                self.series.insert(reading.reading.series, series);
            }
        }
        if let Some(counted) = added.as_ref().or(earlier.as_ref()) {
            self.tallies.add(reading.figure, reading.phase, counted);
        }
        let (Some(added), Some(current)) = (added, self.window.back_mut()) else { return };
        if !known && let Some(age_s) = young_age_s(&reading.reading) {
            // The first report of a pool that has just begun: its beginning is the report before.
            current.elapsed_s = current.elapsed_s.max(age_s);
        }
        let count = added.count();
        match reading.figure {
            PoolFigure::Acquires => match AcquireOutcome::parse(&reading.label) {
                Some(AcquireOutcome::Reused | AcquireOutcome::Waited) => {
                    add(&mut current.reused, count);
                    add(&mut current.served, count);
                }
                Some(AcquireOutcome::New) => add(&mut current.served, count),
                _ => {}
            },
            PoolFigure::Opened => add(&mut current.opened, count),
            PoolFigure::Failed => current.failed.add(Cause::of(&reading.label, reading.phase), count),
            PoolFigure::Wasted => add(current.wasted.get_or_insert(0), count),
            PoolFigure::StaleReuse => add(&mut current.stale_reuse, count),
            PoolFigure::Timeouts => add(&mut current.timeouts, count),
            PoolFigure::Create => add(&mut current.created, count),
            PoolFigure::Asked if reading.marked => add(&mut current.refused, count),
            PoolFigure::Closed => {
                add(current.closed.get_or_insert(0), count);
                if *reading.label == *CloseReason::PeerClosedIdle.as_str() {
                    add(&mut current.closed_idle_by_peer, count);
                }
            }
            PoolFigure::Phase if reading.phase == Some(ConnectPhase::Dns) => current.dns.add(&added),
            PoolFigure::Phase if reading.phase == Some(ConnectPhase::Tls) => current.tls.add(&added),
            PoolFigure::Lifetime => add(&mut current.ended, count),
            PoolFigure::Wait => current.wait.add(&added),
            PoolFigure::Queue => current.queue.add(&added),
            PoolFigure::Use => current.held.add(&added),
            PoolFigure::Duration => {
                add(&mut current.requests, count);
                if reading.marked {
                    add(&mut current.errors, count);
                }
                current.duration.add(&added);
            }
            _ => {}
        }
    }

    /// Takes what an event of the pool tells beyond its own line.
    pub(super) fn take_event(
        &mut self,
        record: &EventRecord<'_>,
        at_ms: u64,
        now_ms: u64,
        max_text: usize,
        budget: &mut Budget,
    ) {
        match record.name {
            event::LEAK_SUSPECTED => {
                self.leaks.suspected(record, at_ms, max_text);
                self.lanes.leaked(record, at_ms, max_text, budget);
            }
            event::LEAK_RETURNED => {
                self.leaks.returned(record, at_ms);
                self.lanes.returned(record, at_ms, max_text);
            }
            event::CONNECTION_CLOSED => return self.lanes.closed(record, at_ms, max_text, budget),
            event::POOL_SNAPSHOT => return self.lanes.snapshot(record, at_ms, budget),
            _ => return,
        }
        let leaked = self.leaks.active();
        if let Some(newest) = self.points.back_mut() {
            newest.leaked = leaked;
            self.dirty = true;
        }
        if let Some(newest) = self.history.newest_mut() {
            newest.figures.set_leaked(leaked);
        }
        self.judge(now_ms);
    }

    /// Where there is no room for another series, those make some that were silent for so long.
    pub(super) fn make_room(&mut self, now_ms: u64, silent_ms: u64, max_series: usize) {
        if self.series.len() < max_series {
            return;
        }
        let goes = |_: &u64, series: &mut Series| {
            // A gauge of which only changes are told is never silent.
            let is_kept = matches!(series.state, State::Gauge { kept: true, .. });
            !is_kept && now_ms.saturating_sub(series.seen_ms) > silent_ms
        };
        for (id, series) in self.series.extract_if(goes) {
            self.over.keep(id, series, max_series);
        }
    }

    /// The server's clock was put back: what was noted for moments that are still to come goes.
    fn rewind(&mut self, to_ms: u64) {
        self.window.clear();
        self.points.retain(|point| point.at_ms <= to_ms);
        self.lanes.rewind(to_ms);
        for series in self.series.values_mut() {
            if let State::Cumulative(series) = &mut series.state {
                series.rewind();
            }
        }
        self.history.rewind(to_ms);
    }

    /// Ends a report: its point stands in the history.
    pub(super) fn finish(&mut self, now_ms: u64, max_points: usize, journal: &mut Journal) {
        self.reports.end();
        let gauges = self.gauges();
        let Some(current) = self.window.back_mut() else { return };
        current.gauges = gauges;
        self.leaks.report(gauges.leaked, current.at_ms);
        let mut step = Step::of_sample(current, self.told, self.reports.is_after_silence());
        step.figures.set_leaked(self.leaks.active());
        let point = step.point();
        let id = self.id;
        self.history.report(step, |tier, step| journal.push(Kind::Pool, id, tier, step));
        match self.points.back_mut() {
            Some(last) if last.at_ms == point.at_ms => *last = point,
            _ => self.points.push_back(point),
        }
        while self.points.len() > max_points.max(RECENT_POINTS)
            || self.points.len() > RECENT_POINTS
                && self.points.front().is_some_and(|first| !within(first.at_ms, point.at_ms, RECENT_MS))
        {
            self.points.pop_front();
        }
        while self.window.len() > max_points.max(1)
            || self.window.front().is_some_and(|first| !within(first.at_ms, point.at_ms, WINDOW_MS))
        {
            self.window.pop_front();
        }
        self.stale = false;
        self.dirty = true;
        self.judge(now_ms);
    }

    /// Puts the condition into words again.
    pub(super) fn judge(&mut self, now_ms: u64) {
        let window = self.sum_since(RULES_MS);
        let mut newest = self.points.iter().rev();
        // Of a sender that is silent, nobody knows whether it still holds what it held.
        let held_until_ms = if self.stale { self.last_seen_ms } else { now_ms };
        let slowness = |buckets: &Buckets| Slowness { p95_s: buckets.quantile(0.95), count: buckets.count() };
        let facts = Facts {
            levels: &self.levels,
            now: newest.next().copied().unwrap_or_default(),
            before: newest.next().copied(),
            seconds: window.elapsed_s,
            reuse: window.reuse(),
            acquires: window.served,
            wait_p50_s: window.wait().quantile(0.5),
            wait_p99_s: window.wait().quantile(0.99),
            waits: window.wait().count(),
            requests: window.requests(self.told).unwrap_or_default(),
            errors: window.errors,
            opened: window.opened(self.told).unwrap_or_default(),
            failed: window.failed,
            closed: window.closed(),
            wasted: window.wasted.unwrap_or_default(),
            closed_idle_by_peer: window.closed_idle_by_peer,
            dns: slowness(&window.dns),
            tls: slowness(&window.tls),
            stale_reuse: window.stale_reuse,
            refused: window.refused,
            timeouts: window.timeouts,
            leak: self.leaks.longest(held_until_ms),
            breaker: self.breaker.as_ref(),
            estimated: self.observation == Observation::Estimated,
        };
        if self.condition.update(&check(&facts), || fine_sentence(&facts), now_ms) {
            self.dirty = true;
        }
    }

    /// True if it tells how long something took, and its buckets are too wide to tell that.
    pub(super) fn has_wide_buckets(&self) -> bool {
        let minute = self.last_minute();
        [minute.wait(), &minute.held, &minute.duration].into_iter().any(Buckets::is_too_wide)
    }

    /// What happened in the last minute.
    pub(super) fn last_minute(&self) -> Sample {
        self.sum_since(WINDOW_MS)
    }

    /// What the newest report told.
    pub(super) fn newest_report(&self) -> Sample {
        self.window.back().cloned().unwrap_or_default()
    }

    /// What happened in a window; at least the newest report, however far the reports are apart.
    fn sum_since(&self, window_ms: u64) -> Sample {
        let end_ms = self.window.back().map_or(0, |last| last.at_ms);
        Sample::sum(self.window.iter().filter(|sample| within(sample.at_ms, end_ms, window_ms)))
    }

    /// Total of the series of a figure.
    pub(super) fn total(&self, figure: PoolFigure) -> u64 {
        self.figure(figure).map(Series::total).fold(0, u64::saturating_add)
    }

    /// The series of a figure, also those that are over.
    pub(super) fn figure(&self, figure: PoolFigure) -> impl Iterator<Item = &Series> {
        self.series.values().chain(self.over.iter()).filter(move |series| series.figure == figure)
    }
}

impl Seen for Pool {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }

    fn is_hidden(&self) -> bool {
        self.hidden
    }
}
