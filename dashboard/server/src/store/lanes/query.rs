//! What lanes tell, in the browser's types.

use std::cmp::Reverse;

use poolscope_semconv::value::CloseReason;
use poolscope_wire::{ConnectionLane, ConnectionLanes, LaneCounts, LaneSegment};

use super::Lanes;
use super::lane::{Lane, Segment};
use crate::store::{Id, Store};

/// In use without a break for longer, a connection is held, which is worth to be seen before others.
const HELD_MS: u64 = 1_000;

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaneSort {
    /// Leaked, ended badly, wasted, held for longest; then open ones by age, then closed ones, newest first.
    Worst,
    Id,
    /// Oldest first.
    Age,
    /// Most requests first.
    Requests,
    /// Most in use first.
    Share,
}

/// Which connections are wanted, and what of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneQuery {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// Only what ended after this moment.
    pub(crate) after_ms: Option<u64>,
    pub(crate) max_rows: usize,
    /// Most stretches of one row.
    pub(crate) max_points: u64,
    pub(crate) sort: LaneSort,
    pub(crate) only: fn(&ConnectionLane) -> bool,
}

impl LaneQuery {
    /// Stretches that end in the same step of the axis are put together. The steps are the same wherever the window begins.
    fn step_ms(&self) -> u64 {
        (self.to_ms - self.from_ms).div_ceil(self.max_points).max(1)
    }
}

impl Store {
    /// Connections of a pool one by one; `None` if there is no such pool.
    pub(crate) fn lanes(&self, id: Id, query: &LaneQuery) -> Option<ConnectionLanes> {
        Some(self.pools.get(id)?.lanes.to_wire(query))
    }
}

impl Lanes {
    pub(super) fn to_wire(&self, query: &LaneQuery) -> ConnectionLanes {
        let is_in_view =
            |lane: &&Lane| lane.opened_ms <= query.to_ms && lane.end_ms().max(lane.seen_ms) >= query.from_ms;
        let in_view = self.lanes.values().filter(is_in_view);
        let mut rows: Vec<_> = in_view.map(|lane| (lane, row(lane, query))).collect();
        let mut counts = LaneCounts { all: rows.len() as u64, ..LaneCounts::default() };
        for (_, row) in &rows {
            counts.active += u64::from(row.in_flight > 0 || row.share.is_some_and(|share| share > 0.0));
            counts.leaked += u64::from(!row.leaks.is_empty());
            counts.wasted += u64::from(row.wasted);
            counts.closed += u64::from(row.closed.is_some());
        }
        rows.retain(|(_, row)| (query.only)(row));
        match query.sort {
            LaneSort::Worst => rows.sort_by_cached_key(|(_, row)| badness(row)),
            LaneSort::Id => rows.sort_by_key(|(_, row)| row.id),
            LaneSort::Age => rows.sort_by_key(|(_, row)| (row.opened_ms, row.id)),
            LaneSort::Requests => rows.sort_by_key(|(_, row)| (Reverse(row.requests), row.id)),
            LaneSort::Share => rows.sort_by(|(_, a), (_, b)| {
                let share = |row: &ConnectionLane| row.share.unwrap_or(-1.0);
                share(b).total_cmp(&share(a)).then(a.id.cmp(&b.id))
            }),
        }
        rows.truncate(query.max_rows);
        let rows = rows.into_iter().map(|(lane, mut row)| {
            (row.start_ms, row.segments) = stretches(lane, query);
            row
        });
        ConnectionLanes {
            from_ms: query.from_ms,
            to_ms: query.to_ms,
            told: self.told,
            open: self.open,
            interval_ms: self.rhythm.interval_ms(),
            step_ms: query.step_ms(),
            counts,
            rows: rows.collect(),
            dropped: self.dropped,
        }
    }
}

/// Lower comes first. What changes from second to second has no part in it, so that rows stay where they are.
fn badness(row: &ConnectionLane) -> (u8, u64, u64) {
    let leak = row.leaks.iter().filter(|leak| leak.until_ms.is_none()).map(|leak| leak.since_ms).min();
    let ended = row.closed.as_ref().map_or(0, |closed| u64::MAX - closed.at_ms);
    let rank = match (leak, &row.closed) {
        (Some(since_ms), _) => return (0, since_ms, row.id),
        _ if !row.leaks.is_empty() => 1,
        (_, Some(closed)) if is_bad(&closed.reason) => 2,
        _ if row.wasted => 3,
        (_, None) if row.in_flight > 0 && row.seen_ms.saturating_sub(row.since_ms) > HELD_MS => {
            return (4, row.since_ms, row.id);
        }
        (_, None) => 5,
        (_, Some(_)) => 6,
    };
    (rank, ended, row.id)
}

/// Ended under a request or by an error.
fn is_bad(reason: &str) -> bool {
    matches!(
        CloseReason::parse(reason),
        Some(
            CloseReason::PeerClosedActive
                | CloseReason::Reset
                | CloseReason::Error
                | CloseReason::ProtocolError
        )
    )
}

/// Everything but the stretches.
fn row(lane: &Lane, query: &LaneQuery) -> ConnectionLane {
    let (mut active, mut known) = (0, 0);
    in_view(lane, query.from_ms, query.to_ms, |from_ms, segment| {
        active += segment.active_ms;
        known += segment.to_ms - from_ms;
    });
    ConnectionLane {
        id: lane.id,
        peer: lane.peer.to_string(),
        opened_ms: lane.opened_ms,
        state: lane.state,
        since_ms: lane.since_ms,
        seen_ms: lane.seen_ms,
        in_flight: lane.in_flight,
        requests: lane.requests,
        share: (known > 0).then(|| (active as f64 / known as f64) as f32),
        closed: lane.closed.clone(),
        wasted: lane.wasted,
        leaks: lane.leaks.clone(),
        start_ms: 0,
        segments: Vec::new(),
    }
}

/// Tells the segments of a time with their begins, cut at its ends.
fn in_view(lane: &Lane, from_ms: u64, to_ms: u64, mut tell: impl FnMut(u64, Segment)) {
    let mut begin_ms = lane.start_ms;
    for segment in &lane.segments {
        let (begin, end) = (begin_ms.max(from_ms), segment.to_ms.min(to_ms));
        if begin < end {
            let (whole, part) = (u128::from(segment.to_ms - begin_ms), u128::from(end - begin));
            let active_ms = (u128::from(segment.active_ms) * part / whole.max(1)) as u64;
            tell(begin, Segment { to_ms: end, active_ms, ..*segment });
        }
        begin_ms = segment.to_ms;
    }
}

/// The stretches that are asked for, and where the first begins.
fn stretches(lane: &Lane, query: &LaneQuery) -> (u64, Vec<LaneSegment>) {
    let step = |moment_ms: u64| moment_ms / query.step_ms();
    let mut all: Vec<(u64, Segment)> = Vec::new();
    in_view(lane, query.from_ms, query.to_ms, |begin_ms, segment| match all.last_mut() {
        Some((_, last)) if step(last.to_ms) == step(segment.to_ms) => *last = last.joined(segment),
        _ => all.push((begin_ms, segment)),
    });
    let after_ms = query.after_ms.unwrap_or(0);
    let new = &all[all.partition_point(|(_, segment)| segment.to_ms <= after_ms)..];
    let told = new.iter().map(|(begin_ms, segment)| LaneSegment {
        length_ms: segment.to_ms - begin_ms,
        state: segment.state,
        active_ms: segment.active_ms,
        requests: segment.requests,
    });
    (new.first().map_or(lane.end_ms(), |(begin_ms, _)| *begin_ms), told.collect())
}
