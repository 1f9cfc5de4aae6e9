//! What the store tells, in the browser's types.

use std::collections::BTreeSet;

use poolscope_semconv::value::{BreakerOutcome, Observation};
use poolscope_wire as wire;

use super::breaker::Breaker;
use super::events::EventFilter;
use super::history::{BreakerFigures, Step, states};
use super::id::Id;
use super::pool::Pool;
use super::protection::Protection;
use super::session::Session;
use super::{Store, Wanted};
use crate::control::Takers;
use crate::model::{Judged, PoolFigure, PoolKind, ProtectionKind, Sender};
use crate::rules::breaker_sentence;

impl Store {
    /// A breaker with the part of its history that is wanted.
    pub(crate) fn breaker_detail(&self, id: Id, wanted: Wanted, now_ms: u64) -> Option<wire::BreakerDetail> {
        let one = self.breakers.get(id)?;
        let part = one.history.select(wanted, now_ms);
        // What is told of the range as a whole is the same for any number of points.
        let whole = one.history.whole(wanted, now_ms);
        let (from_ms, to_ms) = (part.from_ms, part.to_ms);
        let in_range = one.transitions().filter(|change| (from_ms..=to_ms).contains(&change.at_ms));
        Some(wire::BreakerDetail {
            breaker: breaker(one),
            states: states(&whole, one.transitions(), one.dropped > 0),
            transitions: in_range.cloned().collect(),
            points: part.steps.iter().map(Step::<BreakerFigures>::point).collect(),
            counted: counted(&whole.steps),
            range: part.range(one.reports.interval_ms(), one.history.oldest_ms()),
        })
    }

    /// The usual distance of two reports of a breaker; `None` while it is not known.
    pub(crate) fn breaker_interval_ms(&self, id: Id) -> Option<u64> {
        self.breakers.get(id)?.reports.known_interval_ms()
    }

    /// The same of pools, by their ids: the longest of them.
    pub(crate) fn pools_interval_ms<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Option<u64> {
        let interval_ms = |id| self.pools.get(Id::parse(id)?)?.reports.known_interval_ms();
        ids.filter_map(interval_ms).max()
    }

    pub(super) fn shown_pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.values().filter(|pool| !pool.hidden)
    }

    /// Service, instance and name of a breaker that is shown, and its state.
    pub(crate) fn breaker_names(&self, id: Id) -> Option<([String; 3], wire::BreakerState)> {
        let one = self.breakers.get(id).filter(|one| !one.hidden)?;
        Some(([&one.service, &one.instance, &one.name].map(ToString::to_string), one.state))
    }

    /// Breakers that take orders.
    pub(crate) fn breakers_taking(&self, takers: &Takers) -> BTreeSet<Id> {
        let takes = |one: &&Breaker| takers.takes(&one.service, &one.instance, &one.name);
        self.shown_breakers().filter(takes).map(|one| one.id).collect()
    }

    /// Breakers that show what a guard of resources does, of which each resource tells the name.
    pub(crate) fn guard_breakers(&self) -> BTreeSet<Id> {
        let of = |one: &Protection| {
            let sender = Sender { service: &one.service, instance: &one.instance, ..Sender::default() };
            Id::breaker(sender, &one.guard)
        };
        let resources = self.shown_protection().filter(|one| one.kind == ProtectionKind::Resource);
        resources.map(of).filter(|id| self.breakers.get(*id).is_some()).collect()
    }

    pub(super) fn shown_breakers(&self) -> impl Iterator<Item = &Breaker> {
        self.breakers.values().filter(|breaker| !breaker.hidden)
    }

    pub(super) fn shown_protection(&self) -> impl Iterator<Item = &Protection> {
        self.protection.values().filter(|one| !one.hidden)
    }

    pub(super) fn shown_sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().filter(|one| !one.hidden)
    }

    /// The newest events that are wanted, newest first.
    pub(crate) fn events(&self, filter: EventFilter<'_>, limit: usize) -> Vec<wire::Event> {
        self.events.newest(filter).take(limit).cloned().collect()
    }

    /// How many events are wanted, and how many there are.
    pub(crate) fn event_counts(&self, filter: EventFilter<'_>) -> [usize; 2] {
        [self.events.newest(filter).count(), self.events.len()]
    }
}

pub(super) fn summary(pool: &Pool) -> wire::PoolSummary {
    let minute = pool.last_minute();
    let wait = |share| minute.wait().quantile(share).map(|seconds| seconds as f32);
    wire::PoolSummary {
        id: pool.id.to_string(),
        service: pool.service.to_string(),
        instance: pool.instance.to_string(),
        client: pool.client.to_string(),
        scheme: pool.scheme.to_string(),
        address: pool.address.to_string(),
        port: pool.port,
        protocols: pool.protocols.iter().map(ToString::to_string).collect(),
        kind: match pool.kind {
            PoolKind::Http => wire::PoolKind::Http,
            PoolKind::Database => wire::PoolKind::Database,
        },
        lacks: lacks(pool),
        observation: match pool.observation {
            Observation::Exact => wire::Observation::Exact,
            Observation::Kernel => wire::Observation::Kernel,
            Observation::Estimated => wire::Observation::Estimated,
        },
        health: pool.condition.health(),
        now: pool.points.newest().copied().unwrap_or_default(),
        reuse: minute.reuse().map(|reuse| reuse as f32),
        wait_p50_s: wait(0.5),
        wait_p99_s: wait(0.99),
        requests_total: first_total(pool, &[PoolFigure::Duration, PoolFigure::Use]),
        opened_total: first_total(pool, &[PoolFigure::Opened, PoolFigure::Create]),
        closed_total: first_total(pool, &[PoolFigure::Closed, PoolFigure::Lifetime]),
        failed_total: first_total(pool, &[PoolFigure::Failed]),
        breaker: pool.breaker.clone(),
        last_seen_ms: pool.last_seen_ms,
        stale: pool.stale,
    }
}

/// The total of the first figure that is told. Ours tell everything, some of it only once it has happened; of one that is
/// known from the file alone, nothing is counted yet.
fn first_total(pool: &Pool, figures: &[PoolFigure]) -> Option<u64> {
    let told = figures.iter().find(|figure| pool.figure(**figure).next().is_some());
    told.map(|figure| pool.total(*figure)).or((pool.told.ours && !pool.series.is_empty()).then_some(0))
}

/// What the sender of a pool does not tell.
pub(super) fn lacks(pool: &Pool) -> Vec<wire::Lack> {
    if pool.told.ours {
        return Vec::new();
    }
    let now = pool.points.newest().copied().unwrap_or_default();
    let told = pool.told;
    let is_http = pool.kind == PoolKind::Http;
    let all = [
        (wire::Lack::Connections, now.idle.is_none() && now.active.is_none()),
        (wire::Lack::Waiting, now.pending.is_none()),
        (wire::Lack::InFlight, is_http && now.in_flight.is_none()),
        (wire::Lack::WaitTimes, !told.waits),
        (wire::Lack::UseTimes, !told.uses),
        (wire::Lack::Requests, !told.results && !told.uses),
        (wire::Lack::Results, !told.results),
        (wire::Lack::Opened, !told.creates),
        (wire::Lack::Closed, !told.lives),
        (wire::Lack::CloseReasons, pool.figure(PoolFigure::Closed).next().is_none()),
        (wire::Lack::FailedConnects, true),
        (wire::Lack::Reuse, true),
        (wire::Lack::FineBuckets, pool.has_wide_buckets()),
    ];
    all.into_iter().filter(|(_, lacks)| *lacks).map(|(lack, _)| lack).collect()
}

pub(super) fn breaker(breaker: &Breaker) -> wire::Breaker {
    let ratio = |of| breaker.share(of).map(|ratio| ratio as f32);
    let share = |of| {
        let limit = breaker.limit(of)? as f32;
        Some(wire::Share { ratio: ratio(of), limit })
    };
    wire::Breaker {
        id: breaker.id.to_string(),
        service: breaker.service.to_string(),
        instance: breaker.instance.to_string(),
        name: breaker.name.to_string(),
        state: breaker.state,
        since_ms: breaker.since_ms,
        sentence: breaker_sentence(&breaker.facts()),
        failure_ratio: ratio(Judged::Failed),
        failure_ratio_limit: breaker.limit(Judged::Failed).map(|limit| limit as f32),
        slow_calls: share(Judged::Slow),
        failed_connects: share(Judged::Unconnected),
        window_calls: breaker.window_calls,
        next_try_ms: breaker.next_try_ms,
        succeeded_total: breaker.calls(BreakerOutcome::Success),
        failed_total: breaker.calls(BreakerOutcome::Failure),
        rejected_total: breaker.calls(BreakerOutcome::Rejected),
        transitions: breaker.newest_transitions(),
        last_seen_ms: breaker.last_seen_ms,
        stale: breaker.stale,
    }
}

/// What was counted in some steps.
fn counted(steps: &[Step<BreakerFigures>]) -> wire::BreakerCounts {
    let sum = |read: fn(&BreakerFigures) -> u64| {
        steps.iter().map(|step| read(&step.figures)).fold(0, u64::saturating_add)
    };
    wire::BreakerCounts {
        succeeded: sum(|of| of.succeeded),
        failed: sum(|of| of.failed),
        rejected: sum(|of| of.rejected),
    }
}
