//! Closes that were told before their pool is known: events come at once, metrics in intervals. They wait here, a bounded
//! number for a bounded time, and are told to the pool when it comes.

use std::borrow::Cow;
use std::collections::VecDeque;

use poolscope_semconv::{attr, event};

use super::id::Id;
use crate::model::{EventRecord, Sender};
use crate::words::cut;

/// Closes that wait at most; the oldest make room.
pub(super) const MAX_WAITING: usize = 1_000;
/// Metrics that take longer than this do not come: twice OpenTelemetry's usual interval.
const MAX_WAIT_MS: u64 = 120_000;

/// What a lane is made of.
const KEYS: [&str; 9] = [
    attr::CONNECTION_ID,
    attr::CONNECTION_LIFETIME,
    attr::CONNECTION_REQUESTS,
    attr::CONNECTION_ACTIVE_TIME,
    attr::CONNECTION_WASTED,
    attr::CLOSE_REASON,
    attr::CLOSE_CERTAINTY,
    attr::NETWORK_PEER_ADDRESS,
    attr::NETWORK_PEER_PORT,
];

/// A close that waits.
#[derive(Debug)]
pub(super) struct Close {
    pool: Id,
    pub(super) at_ms: u64,
    since_ms: u64,
    attributes: Vec<(&'static str, Box<str>)>,
}

impl Close {
    /// The event again, as far as a lane needs it.
    pub(super) fn record(&self) -> EventRecord<'_> {
        let attributes = self.attributes.iter().map(|(key, value)| (*key, Cow::Borrowed(&**value)));
        EventRecord {
            sender: Sender::default(),
            name: event::CONNECTION_CLOSED,
            time_ns: 0,
            severity: 0,
            body: None,
            attributes: attributes.collect(),
            rows: Vec::new(),
            dropped_attributes: 0,
            trace_id: &[],
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Early {
    waiting: VecDeque<Close>,
    /// Closes whose pool did not come, or for which there was no room.
    pub(super) dropped: u64,
}

impl Early {
    /// Keeps a close for a pool that is not known yet.
    pub(super) fn note(
        &mut self,
        pool: Id,
        record: &EventRecord<'_>,
        at_ms: u64,
        now_ms: u64,
        max_text: usize,
    ) {
        self.forget(now_ms);
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        let told = KEYS.into_iter().filter_map(|key| Some((key, cut(record.get(key)?, max_text).into())));
        self.waiting.push_back(Close { pool, at_ms, since_ms: now_ms, attributes: told.collect() });
    }

    /// Hands out what waits for a pool, in the order in which it came.
    pub(super) fn take(&mut self, pool: Id) -> Vec<Close> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let (of_it, others): (VecDeque<_>, _) = self.waiting.drain(..).partition(|close| close.pool == pool);
        self.waiting = others;
        of_it.into()
    }

    /// Forgets what has waited for too long.
    pub(super) fn forget(&mut self, now_ms: u64) {
        let is_over = |close: &Close| now_ms.saturating_sub(close.since_ms) > MAX_WAIT_MS;
        while self.waiting.front().is_some_and(is_over) {
            self.waiting.pop_front();
            self.dropped += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
