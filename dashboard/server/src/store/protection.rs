//! What protects calls beside breakers, and what serves: one policy, timeout, limit, probe, resource, server, group of tasks,
//! queue or supervised connection, and its last minute.

mod figures;
mod serving;

use poolscope_semconv::value::{HealthState, SupervisorState};
use poolscope_wire as wire;
use wire::{Health, ProtectionFigures};

use self::figures::{gauges, place};
use super::buckets::Buckets;
use super::capped::Seen;
use super::course::Course;
use super::history::Plan;
use super::id::Id;
use super::journal::{Journal, Kind};
use super::kept::Told;
use super::labelled::{Added, Labelled};
use super::minute::{Minute, QuarterHour};
use super::reports::{Reports, SAME_REPORT_MS};
use super::unsaved::Unsaved;
use crate::config::Limits;
use crate::model::{ProtectionFigure as Figure, ProtectionKind, ProtectionReading, Sender};
use crate::rules::{About, Levels, protection_finding};
use crate::words::{cut_name, cut_text};

/// Calm before what is full is shown as fine again, a limit or a server: a request that waits for a moment would have its
/// row jump. The others need none: they are judged by their last minute, or have thresholds of their own.
const CALM_MS: u64 = 10_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Protection {
    pub(super) id: Id,
    pub(super) kind: ProtectionKind,
    pub(super) service: Box<str>,
    pub(super) instance: Box<str>,
    pub(super) name: Box<str>,
    pub(super) guard: Box<str>,
    pub(super) series: Labelled<Figure>,
    /// Each kind has one distribution.
    spread: Minute<Buckets>,
    /// Requests in flight and waiting, the most of them.
    most: Minute<(u32, u32)>,
    /// Of a server: its requests, and those that failed.
    served: serving::Served,
    /// Of a supervised connection: its state, and how often that has changed.
    supervised: Option<(SupervisorState, u64)>,
    /// And how often it was established.
    established: QuarterHour<u64>,
    /// Of a probe: its state. Of both, since when.
    state: Option<HealthState>,
    since_ms: Option<u64>,
    /// What the event of the newest change told.
    told: Option<(HealthState, String)>,
    pub(super) reports: Reports,
    pub(super) unsaved: Unsaved,
    pub(super) course: Course,
    health: Health,
    /// The rule that the condition is of, and its figure.
    rule: (wire::Rule, Option<wire::Figure>),
    /// Since when what can be full fares better than it is shown.
    better_since_ms: Option<u64>,
    figures: ProtectionFigures,
    stale: bool,
    /// Silent for so long that only its history is kept.
    pub(super) hidden: bool,
    pub(super) last_seen_ms: u64,
    /// Changed since the last update of the live stream.
    pub(super) dirty: bool,
    /// Told by the live stream at least once.
    pub(super) published: bool,
}

impl Protection {
    pub(super) fn new(
        id: Id,
        kind: ProtectionKind,
        sender: Sender<'_>,
        (name, guard): (&str, &str),
        (plan, max_text): (&Plan, usize),
        now_ms: u64,
    ) -> Self {
        let text = |text| cut_name(text, max_text);
        Self {
            id,
            kind,
            service: text(sender.service),
            instance: text(sender.instance),
            name: text(name),
            guard: text(guard),
            series: Labelled::default(),
            spread: Minute::default(),
            most: Minute::default(),
            served: serving::Served::default(),
            supervised: None,
            established: QuarterHour::default(),
            state: None,
            since_ms: None,
            told: None,
            reports: Reports::default(),
            unsaved: Unsaved::default(),
            course: Course::new(plan),
            health: Health { since_ms: now_ms, ..Health::default() },
            rule: Default::default(),
            better_since_ms: None,
            figures: ProtectionFigures::default(),
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
            self.spread.rewind(at_ms);
            self.most.rewind(at_ms);
            self.served.rewind(at_ms);
            self.established.rewind(at_ms);
            self.since_ms = self.since_ms.map(|since_ms| since_ms.min(at_ms));
        }
        (self.last_seen_ms, self.hidden) = (now_ms, false);
        true
    }

    /// Takes a reading of the report that has begun; false if there is no room for its series.
    pub(super) fn take(&mut self, reading: &ProtectionReading<'_>, at_ms: u64, limits: &Limits) -> bool {
        let of = (reading.figure, &*reading.label);
        let added = self.series.take(of, &reading.reading, at_ms, &self.reports, limits);
        match (&added, place(reading.figure, &reading.label)) {
            (Some(Added::Spread(spread)), places) => {
                if let Some(places) = places {
                    places.iter().for_each(|place| self.course.count(*place, spread.count()));
                    self.served.add(spread.count(), places.contains(&serving::FAILED), at_ms);
                }
                self.spread.at(at_ms).add(spread);
                self.course.spread(spread);
            }
            (Some(Added::Count(count)), Some(places)) => {
                if places.contains(&serving::ESTABLISHED) && self.kind == ProtectionKind::Supervisor {
                    let part = self.established.at(at_ms);
                    *part = part.saturating_add(*count);
                }
                places.iter().for_each(|place| self.course.count(*place, *count));
            }
            _ => {}
        }
        added.is_some()
    }

    /// Ends a report.
    pub(super) fn finish(&mut self, levels: &Levels, now_ms: u64, journal: &mut Journal) {
        let id = self.id;
        self.reports.end();
        self.unsaved.change();
        self.stale = false;
        self.dirty = true;
        self.figures = self.read();
        self.course.finish(&self.reports, gauges(&self.figures), |tier, step| {
            journal.push(Kind::Protection, id, tier, step);
        });
        self.judge(levels, now_ms);
    }

    /// Takes what an event tells of a probe's state.
    pub(super) fn change(&mut self, state: HealthState, reason: &str, at_ms: u64, max_text: usize) {
        if self.since_ms.is_some_and(|since| since > at_ms.saturating_add(SAME_REPORT_MS))
            && self.state != Some(state)
        {
            return;
        }
        self.unsaved.change();
        self.told = Some((state, cut_text(reason, max_text).into_string()));
        self.state = Some(state);
        self.since_ms = Some(at_ms);
        if let ProtectionFigures::Probe(figures) = &mut self.figures {
            figures.state = state.as_str().to_owned();
            figures.since_ms = Some(at_ms);
        }
        self.dirty = true;
    }

    /// What happens by time alone.
    pub(super) fn tick(&mut self, levels: &Levels, now_ms: u64) {
        self.course.history.forget(now_ms);
        let stale = self.reports.is_overdue(now_ms);
        self.dirty |= stale != self.stale;
        self.stale = stale;
        self.judge(levels, now_ms);
    }

    /// Looks at it by the rules.
    pub(super) fn judge(&mut self, levels: &Levels, now_ms: u64) {
        let told = self.told.as_ref().filter(|(state, _)| Some(*state) == self.state);
        let reason = told.map(|(_, reason)| reason.as_str()).filter(|reason| !reason.is_empty());
        let finding = protection_finding(&self.name, &self.figures, reason, levels);
        self.rule = (finding.rule, finding.figure);
        let mut severity = finding.severity;
        let can_be_full = matches!(self.kind, ProtectionKind::Limit | ProtectionKind::Server);
        if can_be_full && severity < self.health.severity {
            // Where the clock was put back, the calm begins anew.
            let since_ms = self.better_since_ms.map_or(now_ms, |since_ms| since_ms.min(now_ms));
            self.better_since_ms = Some(since_ms);
            if now_ms - since_ms < CALM_MS {
                severity = self.health.severity;
            }
        } else {
            self.better_since_ms = None;
        }
        self.dirty |= severity != self.health.severity || finding.sentence != self.health.sentence;
        if severity != self.health.severity {
            self.better_since_ms = None;
        }
        self.health.turn(severity, now_ms);
        self.health.sentence = finding.sentence;
    }

    /// What is wrong with it, while it reports.
    pub(super) fn warning(&self) -> Option<wire::Warning> {
        let id = self.id.to_string();
        let about = About {
            what: wire::Subject::Protection,
            id: &id,
            name: &self.name,
            service: &self.service,
            instance: &self.instance,
            link: if self.figures.serves() { "/sessions" } else { "/protection" },
        };
        let (rule, figure) = self.rule;
        let is_wrong = !self.stale && !self.hidden && self.health.severity > wire::Severity::Ok;
        is_wrong.then(|| about.warning(rule, self.health.clone(), figure))
    }

    /// Takes back what a file kept: it is as it was, until it is reported again.
    pub(super) fn restore(&mut self, saved: Told<wire::Protection>) {
        let Told { interval_ms, one } = saved;
        if let ProtectionFigures::Probe(probe) = &one.figures {
            (self.state, self.since_ms) = (HealthState::parse(&probe.state), probe.since_ms);
        }
        if let ProtectionFigures::Supervisor(one) = &one.figures {
            let changed = one.changes.iter().map(|(_, count)| count.total).sum();
            self.supervised = SupervisorState::parse(&one.state).map(|state| (state, changed));
            self.since_ms = one.since_ms;
        }
        (self.figures, self.health, self.last_seen_ms) = (one.figures, one.health, one.last_seen_ms);
        self.reports = Reports::restored(interval_ms, Some(one.last_seen_ms));
    }

    /// Its history is complete.
    pub(super) fn restored(&mut self, now_ms: u64, journal: &mut Journal) {
        let id = self.id;
        let packed = |tier, step: &_| journal.push(Kind::Protection, id, tier, step);
        let newest_ms = self.course.restored(now_ms, packed);
        self.last_seen_ms = self.last_seen_ms.max(newest_ms);
        self.reports = Reports::restored(self.reports.interval_ms(), Some(self.last_seen_ms));
    }

    /// The server ends: the newest report is complete.
    pub(super) fn settle(&mut self, journal: &mut Journal) {
        let id = self.id;
        self.course.history.settle_newest(|tier, step| journal.push(Kind::Protection, id, tier, step));
    }

    /// As the browser gets it.
    pub(super) fn to_wire(&self) -> wire::Protection {
        wire::Protection {
            id: self.id.to_string(),
            service: self.service.to_string(),
            instance: self.instance.to_string(),
            name: self.name.to_string(),
            health: self.health.clone(),
            figures: self.figures.clone(),
            last_seen_ms: self.last_seen_ms,
            stale: self.stale,
        }
    }
}

impl Seen for Protection {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }

    fn is_hidden(&self) -> bool {
        self.hidden
    }
}
