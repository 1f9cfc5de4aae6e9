//! What a row says about a pool. Pure.

use poolscope_wire::{BreakerState, PoolGroup, PoolSummary, Severity, SparkPoint};

use crate::{
    chart::spark::Spark,
    format,
    state::{ring::Ring, store::PoolEntry},
    words,
};

/// Sparklines move on by so much.
const SPARK_STEP_MS: u64 = 2_000;

/// Where the sparklines of all rows end at a moment of the server's clock.
#[must_use]
pub fn spark_end(now_ms: u64) -> u64 {
    now_ms.next_multiple_of(SPARK_STEP_MS)
}

/// What a row says about a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolView {
    /// What the user called the client, or the destination.
    pub name: String,
    /// Where its connections go; empty if that is its name.
    pub destination: String,
    /// Protocol, service and instance in one line.
    pub origin: String,
    /// Instance of the service; empty for several.
    pub instance: String,
    /// How bad it is.
    pub severity: Severity,
    /// True if it is better by now than that.
    pub recovering: bool,
    /// How it is, in words.
    pub sentence: String,
    /// True if it should have been reported by now.
    pub stale: bool,
    /// When it was last reported.
    pub last_seen_ms: u64,
    /// A tilde where figures are concluded, not seen.
    pub tilde: &'static str,
    /// Connections in use.
    pub active: String,
    /// Connections without a request.
    pub idle: String,
    /// Connections that left HTTP.
    pub upgraded: u32,
    /// Active, idle and upgraded as shares of the most connections of the last minutes.
    pub shares: [f64; 3],
    /// Requests that wait for a connection.
    pub pending: String,
    /// True if any waits.
    pub is_waiting: bool,
    /// Median wait.
    pub wait_p50: String,
    /// 99th percentile of the wait.
    pub wait_p99: String,
    /// How long connections are in use and requests take, where that is told; empty otherwise.
    pub times: String,
    /// Share of requests on open connections.
    pub reuse: String,
    /// Requests per second.
    pub requests: String,
    /// Failed requests per second, if any failed.
    pub errors: Option<String>,
    /// Name and state of its breaker.
    pub breaker: Option<(String, BreakerState)>,
    /// Its last two minutes.
    pub spark: Spark,
}

impl PoolView {
    /// What a row says about a pool, with a sparkline that ends at a moment of the server's clock.
    pub fn new(entry: &PoolEntry, spark_end_ms: u64) -> Self {
        let pool = &entry.summary;
        let now = &pool.now;
        let most = most_open(pool, &entry.ring);
        let share = |part: Option<u32>| f64::from(part.unwrap_or(0)) / f64::from(most.max(1));
        let tilde = if pool.is_estimated() { "~" } else { "" };
        Self {
            name: words::pool_name(pool),
            destination: if pool.client.is_empty() { String::new() } else { words::destination(pool) },
            origin: origin(pool),
            instance: pool.instance.clone(),
            severity: pool.health.severity,
            recovering: pool.health.is_recovering(),
            sentence: pool.health.sentence.clone(),
            stale: pool.stale,
            last_seen_ms: if pool.stale { pool.last_seen_ms } else { 0 },
            tilde,
            active: format::count_or_unknown(now.active),
            idle: now.idle.map_or_else(
                || format::UNKNOWN.to_owned(),
                |idle| format!("{tilde}{}", format::count(u64::from(idle))),
            ),
            upgraded: now.upgraded.unwrap_or(0),
            shares: [now.active, now.idle, now.upgraded].map(share),
            pending: format::count_or_unknown(now.pending),
            is_waiting: now.pending.is_some_and(|pending| pending > 0),
            wait_p50: format::duration_or_unknown(pool.wait_p50_s),
            wait_p99: format::duration_or_unknown(pool.wait_p99_s),
            times: times(pool),
            reuse: format::percent_or_unknown(pool.reuse),
            requests: format::number_or_unknown(now.requests_per_s),
            errors: now
                .errors_per_s
                .filter(|errors| *errors > 0.0)
                .map(|errors| format::number(f64::from(errors))),
            breaker: pool.breaker.clone(),
            spark: Spark::new(&entry.ring, spark_end_ms),
        }
    }
}

/// What a row says about a group of pools beside what it says about a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    /// How many instances there are, and how many of them are heard.
    pub instances: String,
    /// States of their breakers; empty if they have none.
    pub breakers: String,
    /// True if there are no percentiles of all of it.
    pub unequal: bool,
}

impl GroupView {
    /// What a row says about a group.
    pub fn new(group: &PoolGroup) -> Self {
        let (all, current) = (group.members.len() as u64, u64::from(group.current));
        let states = group.breakers.iter().map(|(state, count)| (*state, u64::from(*count)));
        Self {
            instances: if all == current {
                format!("{} instances", format::count(all))
            } else {
                // Short, since it stands beside a name; who is gone is told above the list.
                format!("{} of {} instances", format::count(current), format::count(all))
            },
            breakers: words::breaker_states(states),
            unequal: group.unequal_buckets,
        }
    }
}

/// Percentiles for which a row has no column.
fn times(pool: &PoolSummary) -> String {
    let now = &pool.now;
    let pair = |name: &str, p50: Option<f32>, p99: Option<f32>| {
        let (p50, p99) = (p50?, p99?);
        let [p50, p99] = [p50, p99].map(|seconds| format::duration_or_unknown(Some(seconds)));
        Some(format!("{name} p50 {p50}, p99 {p99}"))
    };
    let parts = [
        pair("connection in use", now.use_p50_s, now.use_p99_s),
        pair("request", now.duration_p50_s, now.duration_p99_s),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
}

/// Protocol, service and instance in one line.
fn origin(pool: &PoolSummary) -> String {
    let protocols = words::protocols(pool);
    let parts = [protocols.as_str(), &pool.service, &pool.instance];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" \u{b7} ")
}

/// The most connections that were open in the last minutes.
fn most_open(pool: &PoolSummary, ring: &Ring) -> u32 {
    ring.iter()
        .chain([&SparkPoint::from(&pool.now)])
        .map(|point| {
            let open = [point.active, point.idle, point.upgraded];
            open.into_iter().flatten().fold(0, u32::saturating_add)
        })
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Observation, PoolPoint};

    use super::*;

    #[test]
    fn times_without_a_column_are_told_in_words() {
        let mut entry = PoolEntry::default();
        assert_eq!(PoolView::new(&entry, 0).times, "");
        entry.summary.now =
            PoolPoint { use_p50_s: Some(0.012), use_p99_s: Some(0.08), ..PoolPoint::default() };
        assert_eq!(PoolView::new(&entry, 0).times, "connection in use p50 12 ms, p99 80 ms");
    }

    #[test]
    fn estimated_figures_carry_a_tilde_and_unknown_ones_a_dash() {
        let mut entry = PoolEntry::default();
        entry.summary.now = PoolPoint { active: Some(1), idle: Some(3), ..PoolPoint::default() };
        let exact = PoolView::new(&entry, 0);
        assert_eq!((exact.idle.as_str(), exact.reuse.as_str()), ("3", format::UNKNOWN));
        assert_eq!(exact.shares, [0.25, 0.75, 0.0]);
        entry.summary.observation = Observation::Kernel;
        assert_eq!(PoolView::new(&entry, 0).idle, "3", "what the kernel tells is no estimate");
        entry.summary.observation = Observation::Estimated;
        assert_eq!(PoolView::new(&entry, 0).idle, "~3");
    }

    #[test]
    fn what_a_sender_does_not_tell_is_a_dash_and_no_zero() {
        let view = PoolView::new(&PoolEntry::default(), 0);
        assert_eq!([view.active, view.idle, view.pending, view.requests], [format::UNKNOWN; 4]);
        assert_eq!((view.is_waiting, view.errors), (false, None));
    }

    #[test]
    fn a_pool_without_connections_has_an_empty_bar() {
        assert_eq!(PoolView::new(&PoolEntry::default(), 0).shares, [0.0; 3]);
    }
}
