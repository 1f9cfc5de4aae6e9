//! What the newest report of it told, and the last minute, as figures.

use std::collections::BTreeMap;

use poolscope_semconv::value::{HealthState, LimitKind, ProbeOutcome, RetryOutcome, TimeoutOutcome};
use poolscope_wire as wire;
use wire::{Count, ProtectionFigures};

use super::super::course::PER_SECOND;
use super::super::labelled::{percentiles, sum};
use super::Protection;
use crate::model::{ProtectionFigure as Figure, ProtectionKind};

/// Limits of a timeout that are told, and causes and results of a policy.
const MAX_LISTED: usize = 32;

impl Protection {
    /// The figures of the newest report.
    pub(super) fn read(&mut self) -> ProtectionFigures {
        match self.kind {
            ProtectionKind::Retry => ProtectionFigures::Retry(self.retry()),
            ProtectionKind::Timeout => ProtectionFigures::Timeout(self.timeout()),
            ProtectionKind::Limit => ProtectionFigures::Limit(self.limit()),
            ProtectionKind::Probe => ProtectionFigures::Probe(self.probe()),
            ProtectionKind::Resource => ProtectionFigures::Resource(self.resource()),
            ProtectionKind::Server => ProtectionFigures::Server(self.server()),
            ProtectionKind::Tasks => ProtectionFigures::Tasks(self.tasks()),
            ProtectionKind::Queue => ProtectionFigures::Queue(self.queue()),
            ProtectionKind::Supervisor => ProtectionFigures::Supervisor(self.supervisor()),
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

    pub(super) fn counts(&mut self, figure: Figure) -> BTreeMap<String, Count> {
        self.series.counts(figure, &self.reports)
    }

    pub(super) fn gauges(&self, figure: Figure) -> impl Iterator<Item = (&str, f64)> {
        self.series.gauges(figure, &self.reports)
    }

    fn gauge(&self, figure: Figure, label: &str) -> Option<f64> {
        self.gauges(figure).find(|(of, _)| *of == label).map(|(_, value)| value)
    }

    pub(super) fn percentiles(&mut self) -> Option<wire::Percentiles> {
        percentiles(&mut self.spread, &self.reports)
    }
}

/// What was counted, most frequent first, a bounded number.
pub(super) fn by_frequency(counts: BTreeMap<String, Count>) -> Vec<(String, Count)> {
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| count.total > 0).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse((count.minute, count.total)));
    counts.truncate(MAX_LISTED);
    counts
}

/// What holds at a moment, as its history has it: see [`layout_of`](super::super::course::layout_of).
pub(super) fn gauges(figures: &ProtectionFigures) -> [Option<u64>; 4] {
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
        ProtectionFigures::Server(_)
        | ProtectionFigures::Tasks(_)
        | ProtectionFigures::Queue(_)
        | ProtectionFigures::Supervisor(_) => super::serving::gauges(figures),
    }
}

/// Where its history has what was counted of a figure.
pub(super) fn place(figure: Figure, label: &str) -> Option<&'static [usize]> {
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
        _ => super::serving::place(figure, label),
    }
}
