//! One connection over time: stretches of what it did, put together where they are alike.

use std::collections::VecDeque;

use poolscope_wire::{LaneClose, LaneLeak, LaneState};

use super::row::Row;

/// Leaks of one connection that are kept; the oldest make room.
const MAX_LEAKS: usize = 8;
/// Steps of the share in use: stretches in the same step are alike.
const STEPS: u64 = 10;
/// By so much more than its length a stretch may have been in use by the sender's clocks, which are not one.
const JITTER_MS: u64 = 20;
/// Stretches that what is told of late may change.
const MAX_BACK: usize = 16;

/// A stretch, from the end of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) to_ms: u64,
    pub(super) active_ms: u64,
    pub(super) requests: u64,
    pub(super) state: LaneState,
}

impl Segment {
    /// Step of its share in use. Nothing and all have steps of their own.
    fn step(&self, from_ms: u64) -> u64 {
        let length = self.to_ms.saturating_sub(from_ms).max(1);
        match self.active_ms {
            0 => 0,
            active if active.saturating_mul(20) >= length.saturating_mul(19) => STEPS + 1,
            active => 1 + active * STEPS / length,
        }
    }

    /// One stretch for two that follow each other.
    pub(super) fn joined(self, next: Self) -> Self {
        Self {
            to_ms: next.to_ms,
            active_ms: self.active_ms + next.active_ms,
            requests: self.requests.saturating_add(next.requests),
            state: self.state.max(next.state),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: u64,
    pub(super) peer: Box<str>,
    pub(super) opened_ms: u64,
    pub(super) state: LaneState,
    pub(super) since_ms: u64,
    pub(super) seen_ms: u64,
    pub(super) in_flight: u64,
    pub(super) requests: u64,
    /// All time in use, as the sender counts it.
    pub(super) active_ms: u64,
    pub(super) closed: Option<LaneClose>,
    pub(super) wasted: bool,
    pub(super) leaks: Vec<LaneLeak>,
    /// Where the first segment begins.
    pub(super) start_ms: u64,
    pub(super) segments: VecDeque<Segment>,
}

impl Lane {
    /// A connection that was opened at a moment; what it did before `oldest_ms` is not kept.
    pub(super) fn new(id: u64, peer: &str, opened_ms: u64, oldest_ms: u64) -> Self {
        let start_ms = opened_ms.max(oldest_ms);
        Self {
            id,
            peer: peer.into(),
            opened_ms,
            state: LaneState::Idle,
            since_ms: opened_ms,
            seen_ms: 0,
            in_flight: 0,
            requests: 0,
            active_ms: 0,
            closed: None,
            wasted: false,
            leaks: Vec::new(),
            start_ms,
            segments: VecDeque::new(),
        }
    }

    pub(super) fn end_ms(&self) -> u64 {
        self.segments.back().map_or(self.start_ms, |last| last.to_ms)
    }

    /// True if a row can't be of this connection: its counts only rise, and a closed one does not open again.
    pub(super) fn is_another(&self, row: &Row<'_>, at_ms: u64) -> bool {
        let has_fallen =
            row.requests < self.requests || row.age_ms + 10_000 < at_ms.saturating_sub(self.opened_ms);
        let was_closed = self.closed.as_ref().is_some_and(|closed| at_ms > closed.at_ms + 5_000);
        at_ms > self.seen_ms && (has_fallen || was_closed)
    }

    /// Takes what was told at a moment; the oldest news are none. Returns how many segments there are more.
    pub(super) fn see(&mut self, row: &Row<'_>, at_ms: u64) -> usize {
        if at_ms <= self.seen_ms || self.closed.is_some() {
            return 0;
        }
        self.state = row.state;
        self.since_ms = at_ms.saturating_sub(row.for_ms);
        self.in_flight = row.in_flight;
        self.go_on(at_ms, row.state, row.requests, row.active_ms)
    }

    /// It was closed at a moment, with so many requests and so much time in use, as far as that is told.
    pub(super) fn close(&mut self, close: LaneClose, requests: Option<u64>, active_ms: Option<u64>) -> usize {
        let at_ms = close.at_ms.max(self.seen_ms);
        let before = self.segments.len();
        let is_known = self.seen_ms > 0;
        // Without a word of the use there is none to draw, if nothing was seen either.
        if requests.is_some() || active_ms.is_some() || is_known {
            let requests = requests.unwrap_or(self.requests);
            let active_ms = active_ms.unwrap_or(self.active_ms);
            self.go_on(at_ms, self.state, requests, active_ms);
        }
        for leak in &mut self.leaks {
            leak.until_ms.get_or_insert(at_ms);
        }
        self.state = LaneState::Closed;
        self.since_ms = close.at_ms;
        self.in_flight = 0;
        self.closed = Some(close);
        self.segments.len().saturating_sub(before)
    }

    /// Its totals at a moment: what is new since the last one is a stretch.
    fn go_on(&mut self, at_ms: u64, state: LaneState, requests: u64, active_ms: u64) -> usize {
        let before = self.segments.len();
        let from_ms = self.end_ms();
        let mut active = active_ms.saturating_sub(self.active_ms);
        let new_requests = requests.saturating_sub(self.requests);
        if self.segments.is_empty() && self.start_ms > self.opened_ms && at_ms > self.opened_ms {
            // Only a part of its life is kept, and nobody knows how its use was spread.
            let (kept, life) = (at_ms.saturating_sub(self.start_ms), at_ms - self.opened_ms);
            active = (u128::from(active) * u128::from(kept) / u128::from(life)) as u64;
        }
        (self.seen_ms, self.requests) = (at_ms, self.requests.max(requests));
        self.active_ms = self.active_ms.max(active_ms);
        if at_ms <= from_ms {
            return 0;
        }
        let length = at_ms - from_ms;
        let late = active.saturating_sub(length);
        if late > JITTER_MS + length / 10 {
            self.was_active_before(late);
        }
        let active_ms = active.min(length);
        let state = match state {
            LaneState::Idle | LaneState::Active if active_ms > 0 || new_requests > 0 => LaneState::Active,
            // It begins to be used at this moment.
            LaneState::Active => LaneState::Idle,
            state => state,
        };
        self.push(Segment { to_ms: at_ms, active_ms, requests: new_requests, state });
        self.segments.len().saturating_sub(before)
    }

    /// It was in use for so long before the end of the last segment, which is told only now: some senders learn late which
    /// connection a request has.
    fn was_active_before(&mut self, mut late_ms: u64) {
        let mut tail = Vec::new();
        while late_ms > 0 && tail.len() < MAX_BACK {
            let Some(mut segment) = self.segments.pop_back() else { break };
            let from_ms = self.end_ms();
            let room = segment.to_ms.saturating_sub(from_ms).saturating_sub(segment.active_ms);
            let taken = room.min(late_ms);
            late_ms -= taken;
            if segment.active_ms == 0 && taken < room {
                // The use was at its end.
                self.segments.push_back(Segment { to_ms: segment.to_ms - taken, ..segment });
                segment.requests = 0;
            }
            segment.active_ms += taken;
            if taken > 0 && segment.state == LaneState::Idle {
                segment.state = LaneState::Active;
            }
            tail.push(segment);
        }
        self.segments.extend(tail.into_iter().rev());
    }

    fn push(&mut self, segment: Segment) {
        let count = self.segments.len();
        let from_ms = self.end_ms();
        let before_from = if count > 1 { self.segments[count - 2].to_ms } else { self.start_ms };
        match self.segments.back_mut() {
            Some(last) if last.state == segment.state && last.step(before_from) == segment.step(from_ms) => {
                *last = last.joined(segment);
            }
            _ => self.segments.push_back(segment),
        }
    }

    /// Puts the segments of the older half together two by two, so that there is room and nothing is lost but detail.
    pub(super) fn coarsen(&mut self) -> usize {
        let before = self.segments.len();
        let half = (before / 2).max(2).min(before);
        let old: Vec<_> = self.segments.drain(..half).collect();
        for pair in old.chunks(2).rev() {
            let joined = pair.iter().copied().reduce(Segment::joined);
            joined.into_iter().for_each(|segment| self.segments.push_front(segment));
        }
        before - self.segments.len()
    }

    /// Forgets what ended before a moment.
    pub(super) fn forget(&mut self, oldest_ms: u64) -> usize {
        let before = self.segments.len();
        while let Some(first) = self.segments.front().filter(|first| first.to_ms < oldest_ms) {
            self.start_ms = first.to_ms;
            self.segments.pop_front();
        }
        self.leaks.retain(|leak| leak.until_ms.is_none_or(|until| until >= oldest_ms));
        before - self.segments.len()
    }

    /// The clock was put back: what is noted for moments that are to come goes. False if that is all of it.
    pub(super) fn rewind(&mut self, to_ms: u64) -> bool {
        if self.opened_ms > to_ms || self.closed.as_ref().is_some_and(|closed| closed.at_ms > to_ms) {
            return false;
        }
        while self.segments.back().is_some_and(|last| last.to_ms > to_ms) {
            self.segments.pop_back();
        }
        self.leaks.retain(|leak| leak.since_ms <= to_ms);
        self.start_ms = self.start_ms.min(to_ms);
        self.since_ms = self.since_ms.min(to_ms);
        // What is told at this moment is news.
        self.seen_ms = self.seen_ms.min(to_ms.saturating_sub(1));
        true
    }

    /// A request is told to hold it without reading.
    pub(super) fn leaked(&mut self, leak: LaneLeak) {
        let is_known = |known: &LaneLeak| {
            known.trace_id == leak.trace_id && known.since_ms.abs_diff(leak.since_ms) < 100
        };
        if self.closed.is_some() || self.leaks.iter().any(is_known) {
            return;
        }
        if self.leaks.len() >= MAX_LEAKS {
            self.leaks.remove(0);
        }
        self.leaks.push(leak);
    }

    /// One that was told came back.
    pub(super) fn returned(&mut self, trace_id: &str, since_ms: u64, at_ms: u64) {
        let open = self.leaks.iter_mut().filter(|leak| leak.until_ms.is_none() && leak.trace_id == trace_id);
        if let Some(leak) = open.min_by_key(|leak| leak.since_ms.abs_diff(since_ms)) {
            leak.until_ms = Some(at_ms);
        }
    }
}
