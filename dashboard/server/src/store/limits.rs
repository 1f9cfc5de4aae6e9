//! The bounds of the store, and how full they are.

use poolscope_wire as wire;

use super::Store;
use super::breaker::{Breaker, MAX_TRANSITIONS};
use super::early::MAX_WAITING;
use super::warning_log::MAX_WARNINGS;

impl Store {
    /// The bounds and how full they are.
    pub(crate) fn limits(&self) -> Vec<wire::Limit> {
        let limit =
            |name: &str, used: usize, max: usize, hits| wire::Limit::new(name, used as u64, max as u64, hits);
        let bytes = |name: &str, used: usize, max: usize, hits| {
            wire::Limit::of_bytes(name, used as u64, max as u64, hits)
        };
        let series = self.pools.values().map(|pool| pool.series.len()).max().unwrap_or(0);
        let lanes = self.pools.values().map(|pool| pool.lanes.len()).max().unwrap_or(0);
        let stretches = self.pools.values().map(|pool| pool.lanes.longest()).max().unwrap_or(0);
        let reports = self.pools.values().map(|pool| pool.history.raw_steps()).max().unwrap_or(0);
        let early = self.pools.values().map(|pool| pool.history.early_raw_steps()).sum();
        let breaker_series = self.breakers.values().map(Breaker::series_count).max().unwrap_or(0);
        let hidden = self.pools.len() - self.shown_pools().count();
        let protection_series = self.protection.values().map(|one| one.series.len()).max().unwrap_or(0);
        let session_series = self.sessions.values().map(|one| one.series.len()).max().unwrap_or(0);
        let protection = self.shown_protection().count();
        let sessions = self.shown_sessions().count();
        let changes = self.breakers.values().map(|one| one.transitions().count()).max().unwrap_or(0);
        let dropped_changes = self.breakers.values().map(|breaker| breaker.dropped).sum();
        let history = (self.history_bytes(), self.max_history_bytes);
        let limits = &self.limits;
        vec![
            limit("pools", self.pools.len(), limits.max_pools, self.pools.hits()),
            limit("series of a pool", series, limits.max_series, self.dropped_series),
            limit(wire::Limit::SILENT_POOLS, hidden, limits.max_pools, self.pools.hidden_hits()),
            limit("reports of a pool kept as they came", reports, limits.max_points, early),
            bytes("bytes of history", history.0, history.1, self.dropped_steps),
            limit("breakers", self.breakers.len(), limits.max_breakers, self.breakers.hits()),
            limit("series of a breaker", breaker_series, limits.max_series, self.full_series[2]),
            limit("changes of a breaker", changes, MAX_TRANSITIONS, dropped_changes),
            limit("other protection", protection, limits.max_protection, self.protection.hits()),
            limit("series of other protection", protection_series, limits.max_series, self.full_series[0]),
            limit("series of sessions", session_series, limits.max_series, self.full_series[1]),
            limit("sessions", sessions, limits.max_protection, self.sessions.hits()),
            limit("past warnings", self.warning_log.len(), MAX_WARNINGS, self.warning_log.dropped()),
            limit("instances", self.instances.len(), limits.max_instances, self.instances.hits()),
            limit(wire::Limit::EVENTS, self.events.len(), limits.max_events, self.events.dropped()),
            limit("closes that wait for their pool", self.early.len(), MAX_WAITING, self.early.dropped),
            limit(
                "connections of a pool",
                lanes,
                limits.max_lanes,
                self.pools.values().map(|pool| pool.lanes.dropped).sum(),
            ),
            limit(
                "stretches of a connection",
                stretches,
                limits.max_lane_segments,
                self.lane_budget.coarsened[0],
            ),
            limit(
                "stretches of all connections",
                self.lane_budget.used,
                limits.max_segments,
                self.lane_budget.coarsened[1],
            ),
            limit("attributes of an event", 0, limits.max_event_attributes, self.events.dropped_attributes),
            bytes("bytes of a text", 0, limits.max_text_bytes, self.events.cuts + self.cut_names),
        ]
        .into_iter()
        .chain(self.journal.limit())
        .collect()
    }
}
