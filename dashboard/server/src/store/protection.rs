//! What protects calls beside breakers: one policy, timeout, limit, probe or resource, and its last minute.

use std::collections::BTreeMap;

use poolscope_semconv::value::{HealthState, LimitKind, ProbeOutcome, RetryOutcome, TimeoutOutcome};
use poolscope_wire as wire;
use wire::{Count, Health, ProtectionFigures};

use super::buckets::Buckets;
use super::capped::Seen;
use super::course::{Course, PER_SECOND};
use super::history::Plan;
use super::id::Id;
use super::journal::{Journal, Kind};
use super::kept::Told;
use super::labelled::{Added, Labelled, percentiles, sum};
use super::minute::Minute;
use super::reports::{Reports, SAME_REPORT_MS};
use super::unsaved::Unsaved;
use crate::config::Limits;
use crate::model::{ProtectionFigure as Figure, ProtectionKind, ProtectionReading, Sender};
use crate::rules::{About, Levels, protection_finding};
use crate::words::{cut, cut_name};

/// Limits of a timeout that are told, and causes and results of a policy.
const MAX_LISTED: usize = 32;

/// Calm before a limit is shown as fine again: a request that waits for a moment would have its row jump. The others
/// need none: they are judged by their last minute, or have thresholds of their own.
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
    /// Of a probe: its state, and since when.
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
    /// Since when a limit fares better than it is shown.
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
            (Some(Added::Spread(spread)), _) => {
                self.spread.at(at_ms).add(spread);
                self.course.spread(spread);
            }
            (Some(Added::Count(count)), Some(places)) => {
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
        self.told = Some((state, cut(reason, max_text).to_owned()));
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
        if self.kind == ProtectionKind::Limit && severity < self.health.severity {
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

    /// The figures of the newest report.
    fn read(&mut self) -> ProtectionFigures {
        match self.kind {
            ProtectionKind::Retry => ProtectionFigures::Retry(self.retry()),
            ProtectionKind::Timeout => ProtectionFigures::Timeout(self.timeout()),
            ProtectionKind::Limit => ProtectionFigures::Limit(self.limit()),
            ProtectionKind::Probe => ProtectionFigures::Probe(self.probe()),
            ProtectionKind::Resource => ProtectionFigures::Resource(self.resource()),
        }
    }

    fn retry(&mut self) -> wire::RetryFigures {
        let calls = self.counts(Figure::RetryCalls);
        let of = |outcome: RetryOutcome| calls.get(outcome.as_str()).copied().unwrap_or_default();
        wire::RetryFigures {
            calls: sum(calls.values().copied()),
            after_retry: of(RetryOutcome::AfterRetry),
            exhausted: of(RetryOutcome::Exhausted),
            budget_refused: of(RetryOutcome::BudgetRefused),
            not_replayable: of(RetryOutcome::NotReplayable),
            causes: by_frequency(self.counts(Figure::RetryAttempts)),
            results: by_frequency(self.counts(Figure::RetryResults)),
            wait_s: self.percentiles(),
        }
    }

    fn timeout(&mut self) -> wire::TimeoutFigures {
        let calls = self.counts(Figure::TimeoutCalls);
        let mut limits: Vec<_> = self
            .gauges(Figure::TimeoutLimit)
            .map(|(destination, limit)| wire::TimeoutLimit {
                destination: destination.to_owned(),
                limit_s: limit as f32,
            })
            .collect();
        limits
            .sort_by(|a, b| b.limit_s.total_cmp(&a.limit_s).then_with(|| a.destination.cmp(&b.destination)));
        let more_limits = limits.len().saturating_sub(MAX_LISTED) as u64;
        limits.truncate(MAX_LISTED);
        wire::TimeoutFigures {
            limits,
            more_limits,
            calls: sum(calls.values().copied()),
            fired: calls.get(TimeoutOutcome::Fired.as_str()).copied().unwrap_or_default(),
            used: self.percentiles(),
        }
    }

    fn limit(&mut self) -> wire::ClientLimitFigures {
        let whole = |figure| self.gauge(figure, "").map(|value| value as u32);
        let (in_use, queued) =
            (whole(Figure::LimitInUse).unwrap_or(0), whole(Figure::LimitQueued).unwrap_or(0));
        let (max, queue_max) = (whole(Figure::LimitMax).unwrap_or(0), whole(Figure::LimitQueueMax));
        let at_ms = self.reports.newest_ms();
        let now = self.most.at(at_ms);
        *now = (now.0.max(in_use), now.1.max(queued));
        let most = |a: (u32, u32), b: &(u32, u32)| (a.0.max(b.0), a.1.max(b.1));
        let (most_in_use, most_queued) = self.most.until(at_ms).fold((0, 0), most);
        wire::ClientLimitFigures { max, in_use, queued, queue_max, most_in_use, most_queued }
    }

    fn probe(&mut self) -> wire::ProbeFigures {
        let probes = self.counts(Figure::Probes);
        let of = |outcome: ProbeOutcome| probes.get(outcome.as_str()).copied().unwrap_or_default();
        let told = self.gauges(Figure::ProbeState).find(|(_, value)| *value >= 0.5);
        let state = told.and_then(|(label, _)| HealthState::parse(label));
        // An event may have told a change that this report is older than.
        let is_newer = self.since_ms.is_none_or(|since| since <= self.reports.newest_ms());
        if let Some(state) = state.filter(|state| is_newer && self.state != Some(*state)) {
            self.since_ms = self.state.is_some().then_some(self.reports.newest_ms());
            self.state = Some(state);
        }
        wire::ProbeFigures {
            state: self.state.unwrap_or(HealthState::Unknown).as_str().to_owned(),
            since_ms: self.since_ms,
            succeeded: of(ProbeOutcome::Success),
            slow: of(ProbeOutcome::Slow),
            failed: of(ProbeOutcome::Failure),
            duration_s: self.percentiles(),
        }
    }

    fn resource(&mut self) -> wire::ResourceFigures {
        let whole = |figure, label| self.gauge(figure, label).map(|value| value as u64);
        let figures = wire::ResourceFigures {
            guard: self.guard.to_string(),
            usage: whole(Figure::ResourceUsage, ""),
            peak: whole(Figure::ResourcePeak, ""),
            soft: whole(Figure::ResourceLimit, LimitKind::Soft.as_str()),
            hard: whole(Figure::ResourceLimit, LimitKind::Hard.as_str()),
            refused: Count::default(),
        };
        let refused = self.counts(Figure::ResourceRefused);
        wire::ResourceFigures { refused: sum(refused.values().copied()), ..figures }
    }

    fn counts(&mut self, figure: Figure) -> BTreeMap<String, Count> {
        self.series.counts(figure, &self.reports)
    }

    fn gauges(&self, figure: Figure) -> impl Iterator<Item = (&str, f64)> {
        self.series.gauges(figure, &self.reports)
    }

    fn gauge(&self, figure: Figure, label: &str) -> Option<f64> {
        self.gauges(figure).find(|(of, _)| *of == label).map(|(_, value)| value)
    }

    fn percentiles(&mut self) -> Option<wire::Percentiles> {
        percentiles(&mut self.spread, &self.reports)
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
            link: "/protection",
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

/// What was counted, most frequent first, a bounded number.
fn by_frequency(counts: BTreeMap<String, Count>) -> Vec<(String, Count)> {
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| count.total > 0).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse((count.minute, count.total)));
    counts.truncate(MAX_LISTED);
    counts
}

/// What holds at a moment, as its history has it: see [`super::course::layout_of`].
fn gauges(figures: &ProtectionFigures) -> [Option<u64>; 4] {
    match figures {
        ProtectionFigures::Limit(limit) => {
            let whole = |count: u32| Some(u64::from(count));
            [whole(limit.in_use), whole(limit.queued), whole(limit.max), limit.queue_max.map(u64::from)]
        }
        ProtectionFigures::Timeout(timeout) => {
            let micros = |limit: &wire::TimeoutLimit| (f64::from(limit.limit_s) * PER_SECOND) as u64;
            [timeout.limits.first().map(micros), timeout.limits.last().map(micros), None, None]
        }
        ProtectionFigures::Resource(resource) => {
            [resource.usage, resource.peak, resource.soft, resource.hard]
        }
        ProtectionFigures::Retry(_) | ProtectionFigures::Probe(_) => [None; 4],
    }
}

/// Where its history has what was counted of a figure.
fn place(figure: Figure, label: &str) -> Option<&'static [usize]> {
    match figure {
        Figure::RetryCalls => Some(match RetryOutcome::parse(label) {
            Some(RetryOutcome::AfterRetry) => &[0, 1],
            Some(RetryOutcome::Exhausted) => &[0, 2],
            Some(RetryOutcome::BudgetRefused) => &[0, 3],
            Some(RetryOutcome::NotReplayable) => &[0, 4],
            _ => &[0],
        }),
        Figure::RetryAttempts => Some(&[5]),
        Figure::TimeoutCalls if label == TimeoutOutcome::Fired.as_str() => Some(&[0, 1]),
        Figure::TimeoutCalls | Figure::ResourceRefused => Some(&[0]),
        Figure::Probes => match ProbeOutcome::parse(label)? {
            ProbeOutcome::Success => Some(&[0]),
            ProbeOutcome::Slow => Some(&[1]),
            ProbeOutcome::Failure => Some(&[2]),
        },
        _ => None,
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
