//! What protects calls beside breakers: one policy, timeout, limit, probe or resource, and its last minute.

use std::collections::{BTreeMap, HashMap};

use poolscope_semconv::value::{HealthState, LimitKind, ProbeOutcome, RetryOutcome, TimeoutOutcome};
use poolscope_wire as wire;
use wire::{Count, Health, ProtectionFigures};

use super::buckets::Buckets;
use super::capped::Seen;
use super::id::Id;
use super::minute::Minute;
use super::pool::SAME_REPORT_MS;
use super::rhythm::Rhythm;
use super::series::Cumulative;
use crate::model::{ProtectionFigure as Figure, ProtectionKind, ProtectionReading, Sender, Value};
use crate::rules::{About, Levels, protection_finding};
use crate::words::{cut, cut_name};

/// Limits of a timeout that are told, and causes and results of a policy.
const MAX_LISTED: usize = 32;

/// Calm before a limit is shown as fine again: a request that waits for a moment would have its row jump. The others
/// need none: they are judged by their last minute, or have thresholds of their own.
const CALM_MS: u64 = 10_000;

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
pub(crate) struct Protection {
    pub(super) id: Id,
    kind: ProtectionKind,
    pub(super) service: Box<str>,
    pub(super) instance: Box<str>,
    pub(super) name: Box<str>,
    guard: Box<str>,
    series: HashMap<u64, Series>,
    /// Each kind has one distribution.
    spread: Minute<Buckets>,
    /// Requests in flight and waiting, the most of them.
    most: Minute<(u32, u32)>,
    /// Of a probe: its state, and since when.
    state: Option<HealthState>,
    since_ms: Option<u64>,
    /// What the event of the newest change told.
    told: Option<(HealthState, String)>,
    at_ms: u64,
    in_report: bool,
    late: bool,
    reports: u64,
    rhythm: Rhythm,
    health: Health,
    /// The rule that the condition is of, and its figure.
    rule: (wire::Rule, Option<wire::Figure>),
    /// Since when a limit fares better than it is shown.
    better_since_ms: Option<u64>,
    figures: ProtectionFigures,
    stale: bool,
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
        max_text: usize,
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
            series: HashMap::new(),
            spread: Minute::default(),
            most: Minute::default(),
            state: None,
            since_ms: None,
            told: None,
            at_ms: 0,
            in_report: false,
            late: false,
            reports: 0,
            rhythm: Rhythm::default(),
            health: Health { since_ms: now_ms, ..Health::default() },
            rule: Default::default(),
            better_since_ms: None,
            figures: ProtectionFigures::default(),
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
        reading: &ProtectionReading<'_>,
        at_ms: u64,
        max_series: usize,
        max_text: usize,
    ) -> bool {
        let key = reading.reading.series;
        if self.series.len() >= max_series && !self.series.contains_key(&key) {
            return false;
        }
        let mut added = None;
        let (known, report) = (self.reports > 1, self.reports);
        let is_counted = reading.figure.is_counted();
        let series = self.series.entry(key).or_insert_with(|| {
            let state = match &reading.reading.value {
                Value::Number { delta, .. } if !is_counted => State::Gauge { value: 0.0, kept: *delta },
                value => {
                    let (all, first) = Cumulative::first(&reading.reading, known);
                    added = first;
                    match value {
                        Value::Number { .. } => State::Counter { all, minute: Minute::default() },
                        Value::Histogram { .. } => State::Histogram(all),
                    }
                }
            };
            // No report yet has had it; that tells the new one below.
            Series { figure: reading.figure, label: cut(&reading.label, max_text).into(), state, report: 0 }
        });
        let is_new = std::mem::replace(&mut series.report, report) == 0;
        match (&mut series.state, &reading.reading.value) {
            (State::Gauge { value, .. }, Value::Number { value: told, delta }) if *delta => *value += told,
            (State::Gauge { value, .. }, Value::Number { value: told, .. }) if !self.late => *value = *told,
            (State::Counter { all, minute }, Value::Number { .. }) => {
                let added = if is_new { added } else { all.advance(&reading.reading) };
                let part = minute.at(at_ms);
                *part = part.saturating_add(added.map_or(0, |added| added.count()));
            }
            (State::Histogram(all), Value::Histogram { .. }) => {
                let added = if is_new { added } else { all.advance(&reading.reading) };
                if let Some(added) = added {
                    self.spread.at(at_ms).add(&added);
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
        self.figures = self.read();
        self.judge(levels, now_ms);
    }

    /// Takes what an event tells of a probe's state.
    pub(super) fn change(&mut self, state: HealthState, reason: &str, at_ms: u64, max_text: usize) {
        if self.since_ms.is_some_and(|since| since > at_ms.saturating_add(SAME_REPORT_MS))
            && self.state != Some(state)
        {
            return;
        }
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
        let stale = self.rhythm.is_overdue(now_ms);
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
            let since_ms = *self.better_since_ms.get_or_insert(now_ms);
            if now_ms.saturating_sub(since_ms) < CALM_MS {
                severity = self.health.severity;
            }
        } else {
            self.better_since_ms = None;
        }
        self.dirty |= severity != self.health.severity || finding.sentence != self.health.sentence;
        if severity != self.health.severity {
            self.health = Health { severity, sentence: String::new(), since_ms: now_ms };
            self.better_since_ms = None;
        }
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
            calls: sum(calls.values()),
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
            calls: sum(calls.values()),
            fired: calls.get(TimeoutOutcome::Fired.as_str()).copied().unwrap_or_default(),
            used: self.percentiles(),
        }
    }

    fn limit(&mut self) -> wire::ClientLimitFigures {
        let whole = |figure| self.gauge(figure, "").map(|value| value as u32);
        let (in_use, queued) =
            (whole(Figure::LimitInUse).unwrap_or(0), whole(Figure::LimitQueued).unwrap_or(0));
        let (max, queue_max) = (whole(Figure::LimitMax).unwrap_or(0), whole(Figure::LimitQueueMax));
        let at_ms = self.at_ms;
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
        let is_newer = self.since_ms.is_none_or(|since| since <= self.at_ms);
        if let Some(state) = state.filter(|state| is_newer && self.state != Some(*state)) {
            self.since_ms = self.state.is_some().then_some(self.at_ms);
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
        wire::ResourceFigures { refused: sum(refused.values()), ..figures }
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

    /// Gauges of a figure that hold now, by label.
    fn gauges(&self, figure: Figure) -> impl Iterator<Item = (&str, f64)> {
        let holding = self.series.values().filter(move |series| series.figure == figure);
        holding.filter_map(|series| match series.state {
            State::Gauge { value, kept } if kept || series.report == self.reports => {
                Some((&*series.label, value.max(0.0)))
            }
            _ => None,
        })
    }

    fn gauge(&self, figure: Figure, label: &str) -> Option<f64> {
        self.gauges(figure).find(|(of, _)| *of == label).map(|(_, value)| value)
    }

    fn percentiles(&mut self) -> Option<wire::Percentiles> {
        let mut sum = Buckets::default();
        self.spread.until(self.at_ms).for_each(|part| sum.add(part));
        let share = |share| sum.quantile(share).map(|value| value as f32);
        Some(wire::Percentiles { p50: share(0.5)?, p99: share(0.99)? })
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
        let is_wrong = !self.stale && self.health.severity > wire::Severity::Ok;
        is_wrong.then(|| about.warning(rule, self.health.clone(), figure))
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

fn sum<'a>(counts: impl Iterator<Item = &'a Count>) -> Count {
    counts.fold(Count::default(), |sum, count| Count {
        minute: sum.minute.saturating_add(count.minute),
        total: sum.total.saturating_add(count.total),
    })
}

impl Seen for Protection {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }
}
