//! What the page of a pool tells beside its summary; of several instances together, too.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use poolscope_semconv::value::{ConnectPhase, IoDirection};
use poolscope_wire as wire;

use super::buckets::Buckets;
use super::groups::merge_buckets;
use super::history::{PoolFigures, Step};
use super::id::Id;
use super::pool::{Pool, Series};
use super::query::summary;
use super::{Store, Wanted};
use crate::model::PoolFigure;

impl Store {
    /// A pool with the part of its history that is wanted.
    pub(crate) fn pool(&self, id: Id, wanted: Wanted, now_ms: u64) -> Option<wire::PoolDetail> {
        let pool = self.pools.get(id)?;
        let part = pool.history.select(wanted, now_ms);
        let interval_ms = pool.reports.interval_ms();
        Some(wire::PoolDetail {
            summary: summary(pool),
            points: part.steps.iter().map(Step::<PoolFigures>::point).collect(),
            range: part.range(interval_ms, pool.history.oldest_ms()),
            interval_ms,
            ..totals(&[pool])
        })
    }
}

/// What was counted since the pools are known, with nothing of their history.
pub(super) fn totals(pools: &[&Pool]) -> wire::PoolDetail {
    let is_io = pools.iter().any(|pool| pool.figure(PoolFigure::Io).next().is_some());
    let bytes = |direction: IoDirection| {
        let series = pools.iter().flat_map(|pool| pool.figure(PoolFigure::Io));
        let series = series.filter(|one| *one.label == *direction.as_str());
        is_io.then(|| series.map(Series::total).fold(0, u64::saturating_add))
    };
    wire::PoolDetail {
        closes: by_label(pools, |pool| {
            let has_reasons = pool.figure(PoolFigure::Closed).any(|series| series.total() > 0);
            if has_reasons { PoolFigure::Closed } else { PoolFigure::Lifetime }
        }),
        acquires: by_label(pools, |_| PoolFigure::Acquires),
        results: by_label(pools, |_| PoolFigure::Duration),
        failures: failures(pools),
        connections: connections(pools),
        bytes_sent: bytes(IoDirection::Transmit),
        bytes_received: bytes(IoDirection::Receive),
        ..wire::PoolDetail::default()
    }
}

/// Totals of a figure by label, most frequent first.
fn by_label(pools: &[&Pool], figure: impl Fn(&Pool) -> PoolFigure) -> Vec<wire::CountByReason> {
    let mut counts: BTreeMap<(&str, bool), u64> = BTreeMap::new();
    for pool in pools {
        let figure = figure(pool);
        for series in pool.figure(figure) {
            let inferred = figure == PoolFigure::Closed && series.marked;
            let count = counts.entry((&series.label, inferred)).or_default();
            *count = count.saturating_add(series.total());
        }
    }
    // Series begin at 0, so that a value that never happened is known; it is no news in a list of what did.
    let mut counts: Vec<_> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|((reason, inferred), count)| wire::CountByReason { reason: reason.to_owned(), count, inferred })
        .collect();
    counts.sort_by_key(|one| Reverse(one.count));
    counts
}

/// Connects that failed, by error and part, most frequent first.
fn failures(pools: &[&Pool]) -> Vec<wire::FailedConnects> {
    let mut counts: BTreeMap<(&str, Option<ConnectPhase>), u64> = BTreeMap::new();
    for series in pools.iter().flat_map(|pool| pool.figure(PoolFigure::Failed)) {
        let count = counts.entry((&series.label, series.phase)).or_default();
        *count = count.saturating_add(series.total());
    }
    let mut failures: Vec<_> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|((error, phase), count)| wire::FailedConnects {
            error: error.to_owned(),
            phase: phase.map(|phase| phase.as_str().to_owned()),
            count,
        })
        .collect();
    failures.sort_by_key(|one| Reverse(one.count));
    failures
}

/// What the connections have been like.
fn connections(pools: &[&Pool]) -> wire::Connections {
    let spread = |figure, phase| {
        let tallies = pools.iter().filter_map(|pool| pool.tallies.get(figure, phase));
        merge_buckets(tallies).as_ref().and_then(spread_of)
    };
    let sum = |figure, only: fn(&Series) -> bool| {
        let of = |pool: &&Pool| {
            pool.figure(figure).next()?;
            let counted = pool.figure(figure).filter(|series| only(series));
            Some(counted.map(Series::total).fold(0, u64::saturating_add))
        };
        pools.iter().filter_map(of).reduce(u64::saturating_add)
    };
    let total = |figure| sum(figure, |_| true);
    let phase = |phase: &ConnectPhase| {
        spread(PoolFigure::Phase, Some(*phase)).map(|spread| (phase.as_str().to_owned(), spread))
    };
    wire::Connections {
        create_s: spread(PoolFigure::Create, None),
        phases_s: ConnectPhase::ALL.iter().filter_map(phase).collect(),
        idle_s: spread(PoolFigure::Idle, None),
        // Requests are whole: where a bucket says "more than none, up to one", it is one.
        requests: spread(PoolFigure::Requests, None).map(|spread| wire::Spread {
            p50: spread.p50.ceil(),
            p95: spread.p95.ceil(),
            ..spread
        }),
        rtt_s: spread(PoolFigure::Rtt, None),
        wasted: total(PoolFigure::Wasted),
        abandoned: total(PoolFigure::Abandoned),
        stale_reuse: total(PoolFigure::StaleReuse),
        retransmits: total(PoolFigure::Retransmits),
        leaks: total(PoolFigure::Leaks),
        timeouts: total(PoolFigure::Timeouts),
        refused: sum(PoolFigure::Asked, |series| series.marked),
    }
}

fn spread_of(buckets: &Buckets) -> Option<wire::Spread> {
    let share = |share| buckets.quantile(share).map(|value| value as f32);
    Some(wire::Spread { p50: share(0.5)?, p95: share(0.95)?, count: buckets.count() })
}
