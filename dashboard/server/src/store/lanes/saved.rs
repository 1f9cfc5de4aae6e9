//! What a file keeps of the connections of a pool. What is lost of the newest moments loses no use: a sender tells totals.

use poolscope_wire::{LaneClose, LaneLeak, LaneSegment, LaneState};
use serde::{Deserialize, Serialize};

use super::lane::{Lane, Segment};
use super::{Budget, Lanes, cost};
use crate::store::rhythm::Rhythm;

/// Moments beyond are none: sums of them stay below what a number holds.
const LAST_MS: u64 = 1 << 50;

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct SavedLanes {
    interval_ms: u64,
    open: Option<u64>,
    lanes: Vec<SavedLane>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedLane {
    id: u64,
    peer: Box<str>,
    opened_ms: u64,
    state: LaneState,
    since_ms: u64,
    seen_ms: u64,
    in_flight: u64,
    requests: u64,
    active_ms: u64,
    closed: Option<LaneClose>,
    wasted: bool,
    leaks: Vec<LaneLeak>,
    start_ms: u64,
    segments: Vec<LaneSegment>,
}

impl SavedLane {
    fn of(lane: &Lane) -> Self {
        let mut from_ms = lane.start_ms;
        let segment = |segment: &Segment| {
            let length_ms = segment.to_ms.saturating_sub(std::mem::replace(&mut from_ms, segment.to_ms));
            let Segment { active_ms, requests, state, .. } = *segment;
            LaneSegment { length_ms, state, active_ms, requests }
        };
        Self {
            segments: lane.segments.iter().map(segment).collect(),
            id: lane.id,
            peer: lane.peer.clone(),
            opened_ms: lane.opened_ms,
            state: lane.state,
            since_ms: lane.since_ms,
            seen_ms: lane.seen_ms,
            in_flight: lane.in_flight,
            requests: lane.requests,
            active_ms: lane.active_ms,
            closed: lane.closed.clone(),
            wasted: lane.wasted,
            leaks: lane.leaks.clone(),
            start_ms: lane.start_ms,
        }
    }

    /// `None` if there can be no such connection.
    fn into_lane(self) -> Option<Lane> {
        let closed_ms = self.closed.as_ref().map_or(0, |closed| closed.at_ms);
        let moments = [self.opened_ms, self.since_ms, self.seen_ms, self.start_ms, self.active_ms, closed_ms];
        if moments.into_iter().any(|ms| ms > LAST_MS) {
            return None;
        }
        let mut to_ms = self.start_ms;
        let segment = |segment: &LaneSegment| {
            to_ms += segment.length_ms.min(LAST_MS - to_ms);
            let active_ms = segment.active_ms.min(segment.length_ms).min(LAST_MS);
            Segment { to_ms, active_ms, requests: segment.requests, state: segment.state }
        };
        let segments = self.segments.iter().map(segment).collect();
        let mut lane = Lane::new(self.id, &self.peer, self.opened_ms, self.start_ms);
        (lane.state, lane.since_ms, lane.seen_ms) = (self.state, self.since_ms, self.seen_ms);
        (lane.in_flight, lane.requests, lane.active_ms) = (self.in_flight, self.requests, self.active_ms);
        (lane.closed, lane.wasted, lane.leaks) = (self.closed, self.wasted, self.leaks);
        lane.segments = segments;
        Some(lane)
    }
}

impl Lanes {
    /// What a file keeps of them.
    pub(in crate::store) fn saved(&self) -> SavedLanes {
        SavedLanes {
            interval_ms: self.rhythm.interval_ms(),
            open: self.open,
            lanes: self.lanes.values().map(SavedLane::of).collect(),
        }
    }

    /// Takes back what a file kept, as far as there is room for it now.
    pub(in crate::store) fn restore(&mut self, saved: SavedLanes, budget: &mut Budget) {
        (self.told, self.open) = (true, saved.open);
        let mut newest_ms = 0;
        for lane in saved.lanes.into_iter().filter_map(SavedLane::into_lane) {
            newest_ms = newest_ms.max(lane.seen_ms);
            if self.lanes.len() >= budget.max_lanes || budget.used + cost(&lane) > budget.max {
                self.dropped += 1;
                continue;
            }
            budget.used += cost(&lane);
            self.lanes.insert(lane.id, lane);
        }
        self.rhythm = Rhythm::restored(saved.interval_ms, newest_ms);
    }
}
