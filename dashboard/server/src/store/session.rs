//! One registry of sessions: who is there, how they end, and its last minutes.

use std::collections::{BTreeMap, HashMap, VecDeque};

use poolscope_semconv::value::SessionEnd;
use poolscope_wire as wire;
use wire::{Count, Rule, SessionPoint};

use super::buckets::Buckets;
use super::capped::Seen;
use super::id::Id;
use super::minute::Minute;
use super::pool::SAME_REPORT_MS;
use super::rhythm::Rhythm;
use super::series::Cumulative;
use crate::model::{Sender, SessionFigure as Figure, SessionReading, Value};
use crate::rules::{Condition, Finding, Levels};
use crate::words::{self, cut, cut_name};

/// Points that are kept: what a sparkline shows, at one report a second.
const MAX_POINTS: usize = 240;

#[derive(Debug)]
struct Series {
    figure: Figure,
    label: Box<str>,
    state: State,
    /// Report in which it last came.
    report: u64,
}

#[derive(Debug)]
enum State {
    /// A sender of deltas tells a gauge only when it changes, so it is kept over reports that are silent about it.
    Gauge {
        value: f64,
        kept: bool,
    },
    Counter {
        all: Cumulative,
        minute: Minute<u64>,
    },
    Histogram(Cumulative),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) id: Id,
    pub(super) service: Box<str>,
    pub(super) instance: Box<str>,
    pub(super) name: Box<str>,
    series: HashMap<u64, Series>,
    life: Minute<Buckets>,
    pub(super) points: VecDeque<SessionPoint>,
    /// Counted since the point before.
    started: u64,
    ended: u64,
    at_ms: u64,
    in_report: bool,
    late: bool,
    reports: u64,
    rhythm: Rhythm,
    pub(super) condition: Condition,
    pub(super) stale: bool,
    pub(super) last_seen_ms: u64,
    /// Changed since the last update of the live stream.
    pub(super) dirty: bool,
    /// Told by the live stream at least once.
    pub(super) published: bool,
}

impl Session {
    pub(super) fn new(id: Id, sender: Sender<'_>, name: &str, max_text: usize, now_ms: u64) -> Self {
        let text = |text| cut_name(text, max_text);
        Self {
            id,
            service: text(sender.service),
            instance: text(sender.instance),
            name: text(name),
            series: HashMap::new(),
            life: Minute::default(),
            points: VecDeque::new(),
            started: 0,
            ended: 0,
            at_ms: 0,
            in_report: false,
            late: false,
            reports: 0,
            rhythm: Rhythm::default(),
            condition: Condition::new(now_ms),
            stale: false,
            last_seen_ms: now_ms,
            dirty: true,
            published: false,
        }
    }

    /// Begins a report; false if it has begun already.
    pub(super) fn begin(&mut self, at_ms: u64, now_ms: u64) -> bool {
        if std::mem::replace(&mut self.in_report, true) {
            return false;
        }
        self.last_seen_ms = now_ms;
        self.rhythm.beat(now_ms);
        self.late = at_ms.saturating_add(SAME_REPORT_MS) < self.at_ms;
        if at_ms > self.at_ms.saturating_add(SAME_REPORT_MS) || self.reports == 0 {
            self.reports += 1;
            self.at_ms = at_ms;
        }
        true
    }

    /// Takes a reading of the report that has begun; false if there is no room for its series.
    pub(super) fn take(
        &mut self,
        reading: &SessionReading<'_>,
        at_ms: u64,
        max_series: usize,
        max_text: usize,
    ) -> bool {
        let key = reading.reading.series;
        if self.series.len() >= max_series && !self.series.contains_key(&key) {
            return false;
        }
        let mut first = None;
        let (known, report) = (self.reports > 1, self.reports);
        let series = self.series.entry(key).or_insert_with(|| {
            let state = match &reading.reading.value {
                Value::Number { delta, .. } if !reading.figure.is_counted() => {
                    State::Gauge { value: 0.0, kept: *delta }
                }
                value => {
                    let (all, added) = Cumulative::first(&reading.reading, known);
                    first = added;
                    match value {
                        Value::Number { .. } => State::Counter { all, minute: Minute::default() },
                        Value::Histogram { .. } => State::Histogram(all),
                    }
                }
            };
            // No report yet has had it; that tells the new one below.
            Series { figure: reading.figure, label: cut(reading.label, max_text).into(), state, report: 0 }
        });
        let is_new = std::mem::replace(&mut series.report, report) == 0;
        match (&mut series.state, &reading.reading.value) {
            (State::Gauge { value, .. }, Value::Number { value: told, delta }) if *delta => *value += told,
            (State::Gauge { value, .. }, Value::Number { value: told, .. }) if !self.late => *value = *told,
            (State::Counter { all, minute }, Value::Number { .. }) => {
                let added = if is_new { first } else { all.advance(&reading.reading) };
                let added = added.map_or(0, |added| added.count());
                let part = minute.at(at_ms);
                *part = part.saturating_add(added);
                match reading.figure {
                    Figure::Started => self.started = self.started.saturating_add(added),
                    Figure::Ended => self.ended = self.ended.saturating_add(added),
                    _ => {}
                }
            }
            (State::Histogram(all), Value::Histogram { .. }) => {
                let added = if is_new { first } else { all.advance(&reading.reading) };
                if let Some(added) = added {
                    self.life.at(at_ms).add(&added);
                }
            }
            _ => {}
        }
        true
    }

    /// Ends a report.
    pub(super) fn finish(&mut self, levels: &Levels, now_ms: u64) {
        self.in_report = false;
        self.stale = false;
        self.dirty = true;
        let whole = |figure| self.gauge(figure).unwrap_or(0.0) as u32;
        let before_ms = self.points.back().map(|last| last.at_ms);
        if before_ms.is_none_or(|before| before < self.at_ms) {
            let elapsed_s = before_ms.map_or(0.0, |before| (self.at_ms - before) as f64 / 1e3);
            let rate = |count: u64| if elapsed_s > 0.0 { (count as f64 / elapsed_s) as f32 } else { 0.0 };
            let point = SessionPoint {
                at_ms: self.at_ms,
                active: whole(Figure::Active),
                overdue: whole(Figure::Overdue),
                started_per_s: rate(self.started),
                ended_per_s: rate(self.ended),
            };
            (self.started, self.ended) = (0, 0);
            self.points.push_back(point);
            if self.points.len() > MAX_POINTS {
                self.points.pop_front();
            }
        }
        self.judge(levels, now_ms);
    }

    /// What happens by time alone.
    pub(super) fn tick(&mut self, levels: &Levels, now_ms: u64) {
        let stale = self.rhythm.is_overdue(now_ms);
        self.dirty |= stale != self.stale;
        self.stale = stale;
        self.judge(levels, now_ms);
    }

    fn judge(&mut self, levels: &Levels, now_ms: u64) {
        let now = self.points.back().copied().unwrap_or_default();
        let found = levels.judge(Rule::SessionOverdue, f64::from(now.overdue)).filter(|_| now.overdue > 0);
        let overdue = found.map(|(severity, figure)| {
            let who = match now.overdue {
                1 => "1 session was told to end and is".to_owned(),
                many => format!("{many} sessions were told to end and are"),
            };
            let sentence = format!("{who} still there after the time for it");
            Finding { rule: Rule::SessionOverdue, severity, figure: Some(figure), sentence }
        });
        let fine = || match now.active {
            0 => "fine: nobody is there".to_owned(),
            active => format!("fine: {} there", words::count(u64::from(active), "session")),
        };
        self.dirty |= self.condition.update(overdue.as_slice(), fine, now_ms);
    }

    fn gauge(&self, figure: Figure) -> Option<f64> {
        let of_figure = self.series.values().filter(|series| series.figure == figure);
        let values = of_figure.filter_map(|series| match series.state {
            State::Gauge { value, kept } if kept || series.report == self.reports => Some(value.max(0.0)),
            _ => None,
        });
        values.reduce(|sum, value| sum + value)
    }

    /// Counts of a figure by label.
    fn counts(&mut self, figure: Figure) -> BTreeMap<String, Count> {
        let mut counts: BTreeMap<String, Count> = BTreeMap::new();
        for series in self.series.values_mut().filter(|series| series.figure == figure) {
            let State::Counter { all, minute } = &mut series.state else { continue };
            let count = counts.entry(series.label.to_string()).or_default();
            let in_minute = minute.until(self.at_ms).fold(0, |sum: u64, part| sum.saturating_add(*part));
            count.minute = count.minute.saturating_add(in_minute);
            count.total = count.total.saturating_add(all.total());
        }
        counts
    }

    fn count(&mut self, figure: Figure) -> Count {
        self.counts(figure).into_values().fold(Count::default(), |sum, count| Count {
            minute: sum.minute.saturating_add(count.minute),
            total: sum.total.saturating_add(count.total),
        })
    }

    /// As the browser gets it.
    pub(super) fn read(&mut self) -> wire::Sessions {
        let mut ends: Vec<_> = self.counts(Figure::Ended).into_iter().filter(|(_, n)| n.total > 0).collect();
        ends.sort_by_key(|(reason, n)| {
            // How they should end goes last: the list is read for the others.
            (reason == SessionEnd::Completed.as_str(), std::cmp::Reverse((n.minute, n.total)))
        });
        let mut life = Buckets::default();
        self.life.until(self.at_ms).for_each(|part| life.add(part));
        let share = |share| life.quantile(share).map(|value| value as f32);
        let life_s = share(0.5).zip(share(0.99)).map(|(p50, p99)| wire::Percentiles { p50, p99 });
        let now = self.points.back().copied().unwrap_or_default();
        wire::Sessions {
            id: self.id.to_string(),
            service: self.service.to_string(),
            instance: self.instance.to_string(),
            name: self.name.to_string(),
            health: self.condition.health(),
            now,
            limit: self.gauge(Figure::Limit).map(|limit| limit as u64),
            started: self.count(Figure::Started),
            refused: self.count(Figure::Refused),
            ends,
            oldest_age_s: self.gauge(Figure::OldestAge).filter(|_| now.active > 0).map(|age| age as f32),
            life_s,
            late_sweeps: self.count(Figure::LateSweeps),
            last_seen_ms: self.last_seen_ms,
            stale: self.stale,
        }
    }
}

impl Seen for Session {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }
}
