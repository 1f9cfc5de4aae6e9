//! The pools of a group as one: sums of what they count, and percentiles of all that they counted.

use poolscope_wire as wire;
use wire::{BreakerState, Health, PoolGroup, PoolLimit, PoolPoint, Severity};

use super::text_of;
use crate::store::buckets::Buckets;
use crate::store::id::Id;
use crate::store::pool::Pool;
use crate::store::query::{lacks, summary};
use crate::store::sample::Sample;

/// The pools of a group as one.
pub(super) fn merge(id: Id, mut members: Vec<&Pool>) -> PoolGroup {
    members.sort_by(|a, b| (&a.instance, a.id).cmp(&(&b.instance, b.id)));
    let current: Vec<&Pool> = members.iter().copied().filter(|pool| !pool.stale).collect();
    let counted = counted(&members);
    let count = |severity| current.iter().filter(|pool| pool.condition.health().severity == severity).count();
    let (bad, warn) = (count(Severity::Bad) as u32, count(Severity::Warn) as u32);
    let minutes: Vec<Sample> = counted.iter().map(|pool| pool.last_minute()).collect();
    let times = Times::of(&minutes);
    let breakers = states(&counted);
    PoolGroup {
        merged: merged(id, &counted, current.is_empty(), &times, &breakers),
        members: members.iter().map(|pool| pool.id.to_string()).collect(),
        current: current.len() as u32,
        bad,
        warn,
        breakers,
        unequal_buckets: times.unequal,
    }
}

/// Those of a group whose figures are its figures: where all have vanished, what they were last is all that there is to
/// tell.
pub(super) fn counted<'a>(members: &[&'a Pool]) -> Vec<&'a Pool> {
    let current: Vec<&Pool> = members.iter().copied().filter(|pool| !pool.stale).collect();
    if current.is_empty() { members.to_vec() } else { current }
}

/// How long everything took in a time, of all pools of a group.
struct Times {
    wait: Buckets,
    held: Buckets,
    duration: Buckets,
    /// Some can't be told, since their buckets have unequal bounds.
    unequal: bool,
}

impl Times {
    fn of(samples: &[Sample]) -> Self {
        let wait = merge_buckets(samples.iter().map(Sample::wait));
        let held = merge_buckets(samples.iter().map(|sample| &sample.held));
        let duration = merge_buckets(samples.iter().map(|sample| &sample.duration));
        let unequal = [&wait, &held, &duration].into_iter().any(Option::is_none);
        let [wait, held, duration] = [wait, held, duration].map(Option::unwrap_or_default);
        Self { wait, held, duration, unequal }
    }
}

/// The states of the breakers that guard pools, worst first, each with how many are in it.
fn states(pools: &[&Pool]) -> Vec<(BreakerState, u32)> {
    const WORST_FIRST: [BreakerState; 6] = [
        BreakerState::Open,
        BreakerState::ForcedOpen,
        BreakerState::HalfOpen,
        BreakerState::ForcedClosed,
        BreakerState::MetricsOnly,
        BreakerState::Closed,
    ];
    let is_in = |state| {
        let of_all = pools.iter().filter_map(|pool| pool.breaker.as_ref());
        (state, of_all.filter(|(_, of)| *of == state).count() as u32)
    };
    WORST_FIRST.map(is_in).into_iter().filter(|(_, count)| *count > 0).collect()
}

fn merged(
    id: Id,
    pools: &[&Pool],
    stale: bool,
    times: &Times,
    breakers: &[(BreakerState, u32)],
) -> wire::PoolSummary {
    let all: Vec<wire::PoolSummary> = pools.iter().map(|pool| summary(pool)).collect();
    let Some(first) = all.first() else { return wire::PoolSummary::default() };
    let minutes: Vec<Sample> = pools.iter().map(|pool| pool.last_minute()).collect();
    let share = |buckets: &Buckets, share| buckets.quantile(share).map(|seconds| seconds as f32);
    // A point tells of its own reports alone, as the points of the history do.
    let reports: Vec<Sample> = pools.iter().map(|pool| pool.newest_report()).collect();
    let reuse = reuse(&reports);
    let newest = Times::of(&reports);
    let worst = breakers.first().map(|(state, _)| *state);
    let worst = all.iter().find(|one| one.breaker.as_ref().map(|(_, state)| *state) == worst);
    let total =
        |read: fn(&wire::PoolSummary) -> Option<u64>| all.iter().filter_map(read).reduce(u64::saturating_add);
    let mut protocols: Vec<String> = all.iter().flat_map(|one| one.protocols.iter().cloned()).collect();
    protocols.sort();
    protocols.dedup();
    let last_seen_ms = all.iter().map(|one| one.last_seen_ms).max().unwrap_or_default();
    // What one of them tells is told, if not by all.
    let mut lacking = lacks(pools[0]);
    lacking.retain(|lack| pools.iter().all(|pool| lacks(pool).contains(lack)));
    wire::PoolSummary {
        id: text_of(id),
        instance: String::new(),
        protocols,
        lacks: lacking,
        observation: all.iter().map(|one| one.observation).max().unwrap_or_default(),
        health: merge_health(all.iter().map(|one| &one.health), stale.then_some(last_seen_ms)),
        now: PoolPoint {
            wait_p50_s: share(&newest.wait, 0.5),
            wait_p99_s: share(&newest.wait, 0.99),
            use_p50_s: share(&newest.held, 0.5),
            use_p99_s: share(&newest.held, 0.99),
            duration_p50_s: share(&newest.duration, 0.5),
            duration_p99_s: share(&newest.duration, 0.99),
            reuse,
            ..merge_points(all.iter().map(|one| &one.now))
        },
        reuse: self::reuse(&minutes),
        wait_p50_s: share(&times.wait, 0.5),
        wait_p99_s: share(&times.wait, 0.99),
        requests_total: total(|one| one.requests_total),
        opened_total: total(|one| one.opened_total),
        closed_total: total(|one| one.closed_total),
        failed_total: total(|one| one.failed_total),
        breaker: worst.and_then(|one| one.breaker.clone()),
        last_seen_ms,
        stale,
        ..first.clone()
    }
}

/// Share of acquires that were served by a connection that was open already.
fn reuse(samples: &[Sample]) -> Option<f32> {
    let sum = |read: fn(&Sample) -> u64| samples.iter().map(read).fold(0, u64::saturating_add);
    let (reused, served) = (sum(|one| one.reused), sum(|one| one.served));
    (served > 0).then(|| (reused as f64 / served as f64) as f32)
}

/// The sum of all that counted something; `None` if their bounds are not the same, which no sum is right for.
pub(in crate::store) fn merge_buckets<'a>(all: impl Iterator<Item = &'a Buckets>) -> Option<Buckets> {
    let mut sum = Buckets::default();
    for one in all.filter(|one| one.count() > 0) {
        if !sum.takes(one) {
            return None;
        }
        sum.add(one);
    }
    Some(sum)
}

/// The worst condition; where it is not that of all, how many have it. Where all are silent, since when.
fn merge_health<'a>(all: impl Iterator<Item = &'a Health>, silent_since_ms: Option<u64>) -> Health {
    let all: Vec<&Health> = all.collect();
    if let [only] = all[..] {
        return only.clone();
    }
    if let Some(since_ms) = silent_since_ms {
        let Health { severity, sentence, .. } = merge_health(all.iter().copied(), None);
        let last = if severity == Severity::Ok { "fine" } else { &sentence };
        let sentence = format!("all {} instances are silent; last heard: {last}", all.len());
        return Health { severity, sentence, since_ms };
    }
    let Some(worst) = all.iter().map(|health| health.severity).max() else { return Health::default() };
    let having: Vec<_> = all.iter().filter(|health| health.severity == worst).collect();
    // A group is well since the last of it is, and not well since the first was not that still is not.
    let since = all.iter().filter(|health| health.severity > Severity::Ok).map(|health| health.since_ms);
    let well_since = || all.iter().map(|health| health.since_ms).max();
    let since_ms = since.min().or_else(well_since).unwrap_or_default();
    let of = format!("{} of {} instances", having.len(), all.len());
    let needing = match (worst, having.len()) {
        (Severity::Ok, _) => {
            let sentence = format!("fine on all {} instances", all.len());
            return Health { severity: worst, sentence, since_ms };
        }
        (Severity::Warn, 1) => "is worth a look",
        (Severity::Warn, _) => "are worth a look",
        (Severity::Bad, 1) => "needs you",
        (Severity::Bad, _) => "need you",
    };
    // Of several that have it, the one that has had it for longest says what it is; one that recovers only if all do.
    let told = having.iter().min_by_key(|health| (health.is_recovering(), health.since_ms));
    let told = told.map_or("", |health| &health.sentence);
    if let Some(was) = told.strip_prefix(Health::RECOVERING) {
        return Health { severity: worst, sentence: format!("{}{of}: {was}", Health::RECOVERING), since_ms };
    }
    Health { severity: worst, sentence: format!("{of} {needing}: {told}"), since_ms }
}

/// Sums of what is told, without percentiles, which are no sums.
pub(super) fn merge_points<'a>(all: impl Iterator<Item = &'a PoolPoint>) -> PoolPoint {
    all.fold(PoolPoint::default(), |sum, one| {
        let count = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        let rate = |a: Option<f32>, b: Option<f32>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        PoolPoint {
            at_ms: sum.at_ms.max(one.at_ms),
            idle: count(sum.idle, one.idle),
            active: count(sum.active, one.active),
            upgraded: count(sum.upgraded, one.upgraded),
            connecting: count(sum.connecting, one.connecting),
            leaked: count(sum.leaked, one.leaked),
            limit: match (sum.limit, one.limit) {
                (Some(a), Some(b)) => Some(PoolLimit {
                    max: a.max.saturating_add(b.max),
                    in_use: a.in_use.saturating_add(b.in_use),
                    queued: a.queued.saturating_add(b.queued),
                    oldest_wait_s: a.oldest_wait_s.max(b.oldest_wait_s),
                }),
                (a, b) => a.or(b),
            },
            max_open: count(sum.max_open, one.max_open),
            idle_max: count(sum.idle_max, one.idle_max),
            idle_min: count(sum.idle_min, one.idle_min),
            pending: count(sum.pending, one.pending),
            in_flight: count(sum.in_flight, one.in_flight),
            requests_per_s: rate(sum.requests_per_s, one.requests_per_s),
            errors_per_s: rate(sum.errors_per_s, one.errors_per_s),
            opened_per_s: rate(sum.opened_per_s, one.opened_per_s),
            closed_per_s: rate(sum.closed_per_s, one.closed_per_s),
            timeouts_per_s: rate(sum.timeouts_per_s, one.timeouts_per_s),
            wasted_per_s: rate(sum.wasted_per_s, one.wasted_per_s),
            ..PoolPoint::default()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self, below: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % below
        }

        fn maybe(&mut self) -> Option<u32> {
            let told = self.next(4) > 0;
            told.then(|| self.next(1_000) as u32)
        }
    }

    #[test]
    fn merged_figures_are_the_sums_of_what_is_told() {
        let mut numbers = Numbers(7);
        for _ in 0..500 {
            let points: Vec<PoolPoint> = (0..1 + numbers.next(8))
                .map(|at_ms| PoolPoint {
                    at_ms,
                    idle: numbers.maybe(),
                    active: numbers.maybe(),
                    pending: numbers.maybe(),
                    requests_per_s: numbers.maybe().map(|count| count as f32),
                    ..PoolPoint::default()
                })
                .collect();
            let merged = merge_points(points.iter());
            let sum =
                |read: fn(&PoolPoint) -> Option<u32>| points.iter().filter_map(read).reduce(|a, b| a + b);
            assert_eq!(merged.idle, sum(|point| point.idle));
            assert_eq!(merged.active, sum(|point| point.active));
            assert_eq!(merged.pending, sum(|point| point.pending));
            assert_eq!(
                merged.requests_per_s.map(|rate| rate as u32),
                sum(|p| p.requests_per_s.map(|r| r as u32))
            );
            assert_eq!(merged.at_ms, points.len() as u64 - 1, "the newest");
        }
    }

    #[test]
    fn merged_percentiles_are_those_of_all_that_was_counted() {
        let mut numbers = Numbers(11);
        let bounds: std::sync::Arc<[f64]> = [0.001, 0.01, 0.1, 1.0].into();
        for _ in 0..200 {
            let parts: Vec<Vec<u64>> =
                (0..1 + numbers.next(6)).map(|_| (0..5).map(|_| numbers.next(50)).collect()).collect();
            let sum = |index| parts.iter().map(|part: &Vec<u64>| part[index]).sum();
            let all: Vec<u64> = (0..5).map(sum).collect();
            let whole = Buckets::new(bounds.clone(), all);
            let parts: Vec<Buckets> =
                parts.into_iter().map(|counts| Buckets::new(bounds.clone(), counts)).collect();
            let merged = merge_buckets(parts.iter()).unwrap();
            assert_eq!(merged.count(), parts.iter().map(Buckets::count).sum::<u64>());
            assert_eq!(merged.quantile(0.99), whole.quantile(0.99));
            assert_eq!(merged.quantile(0.5), whole.quantile(0.5));
        }
    }

    #[test]
    fn unequal_bounds_are_told_and_not_guessed_over() {
        let buckets = |bounds: &[f64], counts: &[u64]| Buckets::new(bounds.into(), counts.to_vec());
        let (one, other) = (buckets(&[1.0, 2.0], &[1, 2, 3]), buckets(&[1.0, 5.0], &[1, 0, 0]));
        assert_eq!(merge_buckets([&one, &other].into_iter()), None);
        // What counted nothing has no say.
        let none = buckets(&[9.0], &[0, 0]);
        assert_eq!(merge_buckets([&none, &one, &Buckets::default()].into_iter()), Some(one));
    }

    #[test]
    fn the_worst_condition_is_told_with_how_many_have_it() {
        let health =
            |severity, sentence: &str, since_ms| Health { severity, sentence: sentence.to_owned(), since_ms };
        let fine = health(Severity::Ok, "fine", 1);
        let (new, old) = (health(Severity::Bad, "12 wait", 9), health(Severity::Bad, "3 wait", 5));
        let merged = merge_health([&fine, &new, &old].into_iter(), None);
        assert_eq!(merged, health(Severity::Bad, "2 of 3 instances need you: 3 wait", 5));
        assert_eq!(merge_health([&fine, &fine].into_iter(), None).sentence, "fine on all 2 instances");
        let longer = health(Severity::Warn, "low reuse", 3);
        assert_eq!(merge_health([&new, &longer].into_iter(), None).since_ms, 3, "it was never well since");
        let well = health(Severity::Ok, "fine", 8);
        assert_eq!(merge_health([&fine, &well].into_iter(), None).since_ms, 8, "the last that became fine");
        let better = health(Severity::Bad, "recovering: 7 waited", 2);
        let sentence = |all: &[&Health]| merge_health(all.iter().copied(), None).sentence;
        assert_eq!(sentence(&[&better, &new, &fine]), "2 of 3 instances need you: 12 wait");
        assert_eq!(sentence(&[&better, &better, &fine]), "recovering: 2 of 3 instances: 7 waited");
        assert_eq!(merge_health([&new].into_iter(), None), new, "one alone speaks for itself");
        let silent = health(Severity::Ok, "all 2 instances are silent; last heard: fine", 70);
        assert_eq!(merge_health([&fine, &fine].into_iter(), Some(70)), silent);
        let sentence = "all 2 instances are silent; last heard: 1 of 2 instances needs you: 12 wait";
        assert_eq!(merge_health([&fine, &new].into_iter(), Some(70)), health(Severity::Bad, sentence, 70));
    }
}
