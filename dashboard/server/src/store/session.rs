//! One registry of sessions: who is there, how they end, and its last minutes.

use std::collections::VecDeque;

use poolscope_semconv::value::{IoDirection, PingOutcome, SessionEnd};
use poolscope_wire as wire;
use wire::{Count, SessionPoint};

use super::buckets::Buckets;
use super::capped::Seen;
use super::course::Course;
use super::history::{PlainFigures, Plan, Step};
use super::id::Id;
use super::journal::{Journal, Kind};
use super::kept::Told;
use super::labelled::{Added, Labelled, percentiles, sum};
use super::minute::Minute;
use super::reports::Reports;
use super::unsaved::Unsaved;
use crate::config::Limits;
use crate::model::{Sender, SessionFigure as Figure, SessionReading};
use crate::rules::{Condition, Levels, SessionFacts, session_findings, session_fine};
use crate::words::cut_name;

/// Points that are kept: what a sparkline shows, at one report a second.
const MAX_POINTS: usize = 240;

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) id: Id,
    pub(super) service: Box<str>,
    pub(super) instance: Box<str>,
    pub(super) name: Box<str>,
    pub(super) series: Labelled<Figure>,
    life: Minute<Buckets>,
    pub(super) points: VecDeque<SessionPoint>,
    /// Counted since the point before.
    started: u64,
    ended: u64,
    pub(super) reports: Reports,
    /// What was told of it before a restart of the server, until it is reported again.
    before: Option<Box<wire::Sessions>>,
    pub(super) unsaved: Unsaved,
    pub(super) course: Course,
    pub(super) condition: Condition,
    pub(super) stale: bool,
    /// Silent for so long that only its history is kept.
    pub(super) hidden: bool,
    pub(super) last_seen_ms: u64,
    /// Changed since the last update of the live stream.
    pub(super) dirty: bool,
    /// Told by the live stream at least once.
    pub(super) published: bool,
}

impl Session {
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
            series: Labelled::default(),
            life: Minute::default(),
            points: VecDeque::new(),
            started: 0,
            ended: 0,
            reports: Reports::default(),
            before: None,
            unsaved: Unsaved::default(),
            course: Course::new(plan),
            condition: Condition::new(now_ms),
            stale: false,
            hidden: false,
            last_seen_ms: now_ms,
            dirty: true,
            published: false,
        }
    }

    /// Begins a report; false if it has begun already.
    pub(super) fn begin(&mut self, at_ms: u64, now_ms: u64) -> bool {
        let Some(begun) = self.reports.begin(at_ms, now_ms) else { return false };
        self.course.begin(begun, at_ms);
        if begun.is_put_back {
            self.series.rewind(at_ms);
            self.life.rewind(at_ms);
            self.points.retain(|point| point.at_ms <= at_ms);
        }
        (self.last_seen_ms, self.hidden) = (now_ms, false);
        true
    }

    /// Takes a reading of the report that has begun; false if there is no room for its series.
    pub(super) fn take(&mut self, reading: &SessionReading<'_>, at_ms: u64, limits: &Limits) -> bool {
        let of = (reading.figure, reading.label);
        let Some(added) = self.series.take(of, &reading.reading, at_ms, &self.reports, limits) else {
            return false;
        };
        match (&added, place(reading.figure, reading.label)) {
            (Added::Count(count), Some(place)) => self.course.count(place, *count),
            (Added::Spread(life), _) => self.course.spread(life),
            _ => {}
        }
        match (reading.figure, added) {
            (Figure::Started, Added::Count(count)) => self.started = self.started.saturating_add(count),
            (Figure::Ended, Added::Count(count)) => self.ended = self.ended.saturating_add(count),
            (_, Added::Spread(life)) => self.life.at(at_ms).add(&life),
            _ => {}
        }
        true
    }

    /// Ends a report.
    pub(super) fn finish(&mut self, levels: &Levels, now_ms: u64, journal: &mut Journal) {
        let id = self.id;
        self.reports.end();
        self.before = None;
        self.unsaved.change();
        self.stale = false;
        self.dirty = true;
        let gauges = [Figure::Active, Figure::Overdue, Figure::Limit]
            .map(|figure| self.gauge(figure).map(|value| value as u64));
        self.course.finish(&self.reports, [gauges[0], gauges[1], gauges[2], None], |tier, step| {
            journal.push(Kind::Session, id, tier, step);
        });
        let whole = |figure| self.gauge(figure).unwrap_or(0.0) as u32;
        let before_ms = self.points.back().map(|last| last.at_ms);
        if before_ms.is_none_or(|before| before < self.reports.newest_ms()) {
            let elapsed_s = before_ms.map_or(0.0, |before| (self.reports.newest_ms() - before) as f64 / 1e3);
            let rate = |count: u64| if elapsed_s > 0.0 { (count as f64 / elapsed_s) as f32 } else { 0.0 };
            let point = SessionPoint {
                at_ms: self.reports.newest_ms(),
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
        self.course.history.forget(now_ms);
        let stale = self.reports.is_overdue(now_ms);
        self.dirty |= stale != self.stale;
        self.stale = stale;
        self.judge(levels, now_ms);
    }

    fn judge(&mut self, levels: &Levels, now_ms: u64) {
        let now = self.points.back().copied().unwrap_or_default();
        let mut facts = SessionFacts {
            active: now.active,
            overdue: now.overdue,
            refused: self.count(Figure::Refused).minute,
            missed_pings: self.count_of(Figure::Pings, PingOutcome::Missed.as_str()).minute,
            handlers_cut: self.count(Figure::HandlersCut).minute,
            late_sweeps: self.count(Figure::LateSweeps).minute,
            oldest_age_s: self.gauge(Figure::OldestAge),
            ..SessionFacts::default()
        };
        for (reason, count) in self.series.counts(Figure::Ended, &self.reports) {
            facts.end(&reason, count.minute);
        }
        let found = session_findings(&facts, levels);
        self.dirty |= self.condition.update(&found, || session_fine(&facts), now_ms);
    }

    fn gauge(&self, figure: Figure) -> Option<f64> {
        self.series.gauges(figure, &self.reports).map(|(_, value)| value).reduce(|sum, value| sum + value)
    }

    fn count(&mut self, figure: Figure) -> Count {
        sum(self.series.counts(figure, &self.reports).into_values())
    }

    fn count_of(&mut self, figure: Figure, label: &str) -> Count {
        self.series.counts(figure, &self.reports).remove(label).unwrap_or_default()
    }

    /// Takes back what a file kept.
    pub(super) fn restore(&mut self, saved: Told<wire::Sessions>) {
        let Told { interval_ms, one } = saved;
        self.last_seen_ms = one.last_seen_ms;
        self.reports = Reports::restored(interval_ms, Some(one.last_seen_ms));
        self.condition = Condition::new(one.health.since_ms);
        self.before = Some(Box::new(one));
    }

    /// Its history is complete.
    pub(super) fn restored(&mut self, now_ms: u64, journal: &mut Journal) {
        let id = self.id;
        let newest_ms = self.course.restored(now_ms, |tier, step: &_| {
            journal.push(Kind::Session, id, tier, step);
        });
        self.last_seen_ms = self.last_seen_ms.max(newest_ms);
        self.reports = Reports::restored(self.reports.interval_ms(), Some(self.last_seen_ms));
        self.points = self.course.newest(MAX_POINTS, now_ms).iter().map(point).collect();
        let told = self.before.as_ref().map(|before| before.now);
        let is_newest = |told: &SessionPoint| told.at_ms > self.points.back().map_or(0, |last| last.at_ms);
        self.points.extend(told.filter(is_newest));
    }

    /// The server ends: the newest report is complete.
    pub(super) fn settle(&mut self, journal: &mut Journal) {
        let id = self.id;
        self.course.history.settle_newest(|tier, step| journal.push(Kind::Session, id, tier, step));
    }

    /// As the browser gets it.
    pub(super) fn read(&mut self) -> wire::Sessions {
        if let Some(before) = &self.before {
            return wire::Sessions {
                health: self.condition.health(),
                stale: self.stale,
                ..(**before).clone()
            };
        }
        let ends = self.series.counts(Figure::Ended, &self.reports).into_iter();
        let mut ends: Vec<_> = ends.filter(|(_, n)| n.total > 0).collect();
        ends.sort_by_key(|(reason, n)| {
            // How they should end goes last: the list is read for the others.
            (reason == SessionEnd::Completed.as_str(), std::cmp::Reverse((n.minute, n.total)))
        });
        let life_s = percentiles(&mut self.life, &self.reports);
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
            handlers_cut: self.count(Figure::HandlersCut),
            late_sweeps: self.count(Figure::LateSweeps),
            received: self.count_of(Figure::Messages, IoDirection::Receive.as_str()),
            sent: self.count_of(Figure::Messages, IoDirection::Transmit.as_str()),
            errors: self.count(Figure::Errors),
            missed_pings: self.count_of(Figure::Pings, PingOutcome::Missed.as_str()),
            last_seen_ms: self.last_seen_ms,
            stale: self.stale,
        }
    }
}

/// Where its history has how sessions ended: see [`super::course::SESSIONS`].
const ENDS: [(usize, SessionEnd); SessionEnd::COUNT] = [
    (2, SessionEnd::Completed),
    (3, SessionEnd::Error),
    (4, SessionEnd::IdleTimeout),
    (5, SessionEnd::MaxDuration),
    (6, SessionEnd::Shutdown),
    (7, SessionEnd::Dropped),
    (8, SessionEnd::Panicked),
    (10, SessionEnd::Unresponsive),
    (11, SessionEnd::Evicted),
];

/// Where its history has what was counted of a figure: see [`super::course::SESSIONS`].
fn place(figure: Figure, label: &str) -> Option<usize> {
    match figure {
        Figure::Started => Some(0),
        Figure::Refused => Some(1),
        Figure::Ended => {
            let end = SessionEnd::parse(label)?;
            ENDS.iter().find(|(_, one)| *one == end).map(|(place, _)| *place)
        }
        Figure::LateSweeps => Some(9),
        _ => None,
    }
}

/// What a step of its history was: see [`super::course::SESSIONS`].
fn point(step: &Step<PlainFigures>) -> SessionPoint {
    let [active, overdue, ..] = step.figures.gauges.map(|gauge| gauge.unwrap_or_default() as u32);
    let rates = step.rates();
    let ended_per_s = ENDS.iter().map(|(place, _)| rates[*place]).sum();
    SessionPoint { at_ms: step.at_ms, active, overdue, started_per_s: rates[0], ended_per_s }
}

impl Seen for Session {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }

    fn is_hidden(&self) -> bool {
        self.hidden
    }
}
