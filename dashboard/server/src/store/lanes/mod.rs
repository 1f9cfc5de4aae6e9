//! The connections of a pool one by one: what snapshots of the pool, closes and leaks tell of each, in bounded memory.
//!
//! A sender tells totals of each connection now and then; what is between two of them is one stretch of its lane, in use
//! for a share of its time. Stretches that are alike are one. A lane that has too many loses detail where it is oldest; a
//! pool that has too many connections forgets closed ones, and then takes no more.

mod lane;
mod query;
mod row;
mod saved;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use poolscope_semconv::attr;
use poolscope_semconv::value::Certainty;
use poolscope_wire::{LaneClose, LaneLeak};

use self::lane::Lane;
use self::row::Row;
use super::rhythm::Rhythm;
use super::unsaved::Unsaved;
use crate::config::Limits;
use crate::model::EventRecord;
use crate::words::cut_name;

pub(crate) use self::query::{LaneQuery, LaneSort};
pub(super) use self::saved::SavedLanes;

/// A connection that a complete snapshot does not have is gone; its close may still be on its way for as long.
const CLOSE_COMES_WITHIN_MS: u64 = 5_000;

/// So many segments take as much memory as a lane without any does.
const LANE_COST: usize = 8;
/// And as one leak of a lane.
const LEAK_COST: usize = 20;

/// Room for the lanes of all pools together, in segments.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) used: usize,
    max: usize,
    max_lanes: usize,
    max_segments: usize,
    retention_ms: u64,
    /// How often a lane lost detail because it had too many segments, or all lanes together had.
    pub(super) coarsened: [u64; 2],
}

impl Budget {
    pub(super) fn new(limits: &Limits, retention_ms: u64) -> Self {
        Self {
            used: 0,
            max: limits.max_segments,
            max_lanes: limits.max_lanes,
            max_segments: limits.max_lane_segments.max(4),
            retention_ms,
            coarsened: [0; 2],
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<u64, Lane>,
    /// The sender tells connections one by one.
    told: bool,
    rhythm: Rhythm,
    /// Open connections by the newest snapshot.
    open: Option<u64>,
    /// Connections for which there was no room, and rows that are none.
    pub(super) dropped: u64,
    pub(super) unsaved: Unsaved,
}

impl Lanes {
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// What all lanes take, in segments.
    pub(super) fn cost(&self) -> usize {
        self.lanes.values().map(cost).sum()
    }

    /// Segments of the lane that has most.
    pub(super) fn longest(&self) -> usize {
        self.lanes.values().map(|lane| lane.segments.len()).max().unwrap_or(0)
    }

    /// Takes a snapshot of the pool.
    pub(super) fn snapshot(&mut self, record: &EventRecord<'_>, at_ms: u64, budget: &mut Budget) {
        self.told = true;
        self.unsaved.change();
        self.rhythm.beat(at_ms);
        self.open = record.number(attr::POOL_OPEN).map(|open| open.max(0.0) as u64);
        let mut rows = 0;
        for text in &record.rows {
            let Some(row) = Row::parse(text) else {
                self.dropped += 1;
                continue;
            };
            rows += 1;
            if self.lanes.get(&row.id).is_some_and(|lane| lane.is_another(&row, at_ms)) {
                self.remove(row.id, budget);
            }
            let opened_ms = at_ms.saturating_sub(row.age_ms);
            if let Some(lane) = self.lane(row.id, row.peer, opened_ms, at_ms, budget) {
                budget.used += lane.see(&row, at_ms);
                fit(lane, budget);
            }
        }
        if self.open == Some(rows) {
            self.gone(at_ms, at_ms);
        }
        self.forget(at_ms, budget);
    }

    /// Takes a close.
    pub(super) fn closed(
        &mut self,
        record: &EventRecord<'_>,
        at_ms: u64,
        max_text: usize,
        budget: &mut Budget,
    ) {
        let Some(id) = id_of(record) else { return };
        self.unsaved.change();
        let millis =
            |key| record.number(key).filter(|seconds| *seconds >= 0.0).map(|s| (s * 1e3).round() as u64);
        let lifetime_ms = millis(attr::CONNECTION_LIFETIME).unwrap_or_default();
        let opened_ms = at_ms.saturating_sub(lifetime_ms);
        let peer =
            record.get(attr::NETWORK_PEER_ADDRESS).map(|address| match record.get(attr::NETWORK_PEER_PORT) {
                Some(port) if address.contains(':') => format!("[{address}]:{port}"),
                Some(port) => format!("{address}:{port}"),
                None => address.to_owned(),
            });
        // The sender may have begun anew, with the same identities.
        let is_another = |lane: &Lane| lane.closed.is_some() && opened_ms > lane.seen_ms;
        if self.lanes.get(&id).is_some_and(is_another) {
            self.remove(id, budget);
        }
        let peer = peer.map(|peer| cut_name(&peer, max_text.min(64))).unwrap_or_default();
        let Some(lane) = self.lane(id, &peer, opened_ms, at_ms, budget) else { return };
        if lane.closed.is_some() {
            return;
        }
        let certainty = record.get(attr::CLOSE_CERTAINTY).and_then(Certainty::parse);
        let close = LaneClose {
            at_ms,
            reason: cut_name(record.get(attr::CLOSE_REASON).unwrap_or_default(), max_text).into(),
            inferred: certainty == Some(Certainty::Inferred),
        };
        lane.wasted = record.get(attr::CONNECTION_WASTED) == Some("true");
        let requests = record.number(attr::CONNECTION_REQUESTS).map(|requests| requests.max(0.0) as u64);
        budget.used += lane.close(close, requests, millis(attr::CONNECTION_ACTIVE_TIME));
        fit(lane, budget);
    }

    /// A connection is told to be held and not read.
    pub(super) fn leaked(
        &mut self,
        record: &EventRecord<'_>,
        at_ms: u64,
        max_text: usize,
        budget: &mut Budget,
    ) {
        let (leak, id) = (leak(record, at_ms, max_text), id_of(record));
        if let Some(lane) = id.and_then(|id| self.lanes.get_mut(&id))
            && budget.used < budget.max
        {
            self.unsaved.change();
            budget.used -= cost(lane).min(budget.used);
            lane.leaked(leak);
            budget.used += cost(lane);
        }
    }

    /// One that was told to be held came back.
    pub(super) fn returned(&mut self, record: &EventRecord<'_>, at_ms: u64, max_text: usize) {
        let (leak, id) = (leak(record, at_ms, max_text), id_of(record));
        if let Some(lane) = id.and_then(|id| self.lanes.get_mut(&id)) {
            self.unsaved.change();
            lane.returned(&leak.trace_id, leak.since_ms, at_ms);
        }
    }

    /// What happens by time alone. `is_empty` if the pool is known to have no open connection now.
    pub(super) fn tick(&mut self, now_ms: u64, is_empty: bool, budget: &mut Budget) {
        if is_empty {
            self.open = self.open.map(|_| 0);
            self.gone(u64::MAX, now_ms);
        }
        self.forget(now_ms, budget);
    }

    /// The clock was put back: what is noted for moments that are to come goes.
    pub(super) fn rewind(&mut self, to_ms: u64) {
        self.lanes.retain(|_, lane| lane.rewind(to_ms));
    }

    /// Connections that were last told before `at_ms`, and long enough ago, are gone, and their close was lost.
    fn gone(&mut self, at_ms: u64, now_ms: u64) {
        let is_gone = |lane: &&mut Lane| {
            lane.closed.is_none() && lane.seen_ms < at_ms && lane.seen_ms + CLOSE_COMES_WITHIN_MS < now_ms
        };
        for lane in self.lanes.values_mut().filter(is_gone) {
            lane.close(LaneClose { at_ms: lane.seen_ms, ..LaneClose::default() }, None, None);
        }
    }

    /// Forgets what is older than the retention.
    fn forget(&mut self, now_ms: u64, budget: &mut Budget) {
        let oldest_ms = now_ms.saturating_sub(budget.retention_ms);
        let mut less = 0;
        self.lanes.retain(|_, lane| {
            less += lane.forget(oldest_ms);
            let is_kept = lane.seen_ms >= oldest_ms;
            less += if is_kept { 0 } else { cost(lane) };
            is_kept
        });
        budget.used = budget.used.saturating_sub(less);
    }

    /// The lane of a connection, made if it is new; `None` if there is no room.
    fn lane(
        &mut self,
        id: u64,
        peer: &str,
        opened_ms: u64,
        at_ms: u64,
        budget: &mut Budget,
    ) -> Option<&mut Lane> {
        if !self.lanes.contains_key(&id) {
            let is_full = self.lanes.len() >= budget.max_lanes;
            if is_full && !self.make_room(budget) || budget.used >= budget.max {
                self.dropped += 1;
                return None;
            }
        }
        let oldest_ms = at_ms.saturating_sub(budget.retention_ms);
        Some(self.lanes.entry(id).or_insert_with(|| {
            budget.used += LANE_COST;
            Lane::new(id, peer, opened_ms, oldest_ms)
        }))
    }

    /// The closed connection that was closed first goes. One that was wasted or leaked goes after all others.
    fn make_room(&mut self, budget: &mut Budget) -> bool {
        let closed = self.lanes.values().filter_map(|lane| {
            let at_ms = lane.closed.as_ref()?.at_ms;
            Some((lane.wasted || !lane.leaks.is_empty(), at_ms, lane.id))
        });
        let Some((.., id)) = closed.min() else { return false };
        self.remove(id, budget);
        self.dropped += 1;
        true
    }

    fn remove(&mut self, id: u64, budget: &mut Budget) {
        let less = self.lanes.remove(&id).as_ref().map_or(0, cost);
        budget.used = budget.used.saturating_sub(less);
    }
}

/// Lets a lane lose detail where there are too many segments, of its own or altogether.
fn fit(lane: &mut Lane, budget: &mut Budget) {
    let (is_full, are_full) = (lane.segments.len() > budget.max_segments, budget.used > budget.max);
    if is_full || are_full && lane.segments.len() > 1 {
        budget.used = budget.used.saturating_sub(lane.coarsen());
        budget.coarsened[usize::from(!is_full)] += 1;
    }
}

/// What a lane takes, in segments.
fn cost(lane: &Lane) -> usize {
    LANE_COST + LEAK_COST * lane.leaks.len() + lane.segments.len()
}

fn id_of(record: &EventRecord<'_>) -> Option<u64> {
    record.get(attr::CONNECTION_ID)?.parse().ok()
}

fn leak(record: &EventRecord<'_>, at_ms: u64, max_text: usize) -> LaneLeak {
    let text = |key| cut_name(record.get(key).unwrap_or_default(), max_text).into();
    let held_s = record.number(attr::LEAK_HELD).unwrap_or_default().max(0.0);
    LaneLeak {
        since_ms: at_ms.saturating_sub((held_s * 1e3) as u64),
        until_ms: None,
        method: text(attr::HTTP_REQUEST_METHOD),
        trace_id: super::events::hex(record.trace_id).unwrap_or_default(),
        origin: text(attr::LEAK_ORIGIN),
    }
}
