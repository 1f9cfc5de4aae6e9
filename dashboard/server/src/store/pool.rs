//! One pool: its series, the samples of the last minute, and the history.

mod gauges;
mod over;
mod saved;
mod take;

use std::sync::Arc;

use foldhash::HashMap;
use poolscope_semconv::value::{ConnectPhase, Observation};
use poolscope_wire::BreakerState;

use self::over::Over;
use super::buckets::Buckets;
use super::capped::Seen;
use super::history::{History, Plan, PoolFigures, Step};
use super::id::Id;
use super::journal::{Journal, Kind};
use super::lanes::Lanes;
use super::leaks::Leaks;
use super::recent::Recent;
use super::reports::Reports;
use super::sample::Sample;
use super::series::Cumulative;
use super::tallies::Tallies;
use super::told::Told;
use super::window::{RULES_MS, Window};
use crate::model::{Destination, PoolFigure, PoolKind, Sender};
use crate::rules::{Condition, Facts, Levels, Slowness, check, fine_sentence};
use crate::words::cut_name;

/// After so many samples all is known of a pool that changes seldom.
const LEARNED: u64 = 10;
/// And after so many it is looked at again.
const SAVE_AGAIN: u64 = 600;
/// Protocol versions that one pool can have.
const MAX_PROTOCOLS: usize = 4;

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
    pub(super) points: Recent,
    pub(super) history: History<PoolFigures>,
    window: Window,
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
            points: Recent::default(),
            history: History::new(plan),
            window: Window::default(),
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
        self.window.begin(at_ms);
        let count = self.reports.count();
        self.unsaved |= count == LEARNED || count.is_multiple_of(SAVE_AGAIN);
        self.protocols.clear();
        self.observation = Observation::Exact;
        true
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
        self.points.rewind(to_ms);
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
        let Some(current) = self.window.newest_mut() else { return };
        current.gauges = gauges;
        self.leaks.report(gauges.leaked, current.at_ms);
        let mut step = Step::of_sample(current, self.told, self.reports.is_after_silence());
        step.figures.set_leaked(self.leaks.active());
        let point = step.point();
        let id = self.id;
        self.history.report(step, |tier, step| journal.push(Kind::Pool, id, tier, step));
        self.points.push(point, max_points);
        self.stale = false;
        self.dirty = true;
        self.judge(now_ms);
    }

    /// Puts the condition into words again.
    pub(super) fn judge(&mut self, now_ms: u64) {
        let window = self.window.since(RULES_MS);
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
        self.window.minute()
    }

    /// What the newest report told.
    pub(super) fn newest_report(&self) -> Sample {
        self.window.newest().cloned().unwrap_or_default()
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
