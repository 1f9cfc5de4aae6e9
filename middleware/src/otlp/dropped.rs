//! What was lost on the way to the receiver, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use poolscope_semconv::value::Signal;

/// Lost items by signal. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Dropped(Arc<[AtomicU64; Signal::COUNT]>);

impl Dropped {
    pub(super) fn add(&self, signal: Signal, items: u64) {
        self.0[signal.index()].fetch_add(items, Relaxed);
    }

    pub(super) fn get(&self, signal: Signal) -> u64 {
        self.0[signal.index()].load(Relaxed)
    }
}

/// What was lost in the life of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Points of metrics that did not arrive.
    pub points: u64,
    /// Spans that did not arrive.
    pub spans: u64,
    /// Events that did not arrive.
    pub events: u64,
}

impl Lost {
    pub(super) fn of(dropped: &Dropped) -> Self {
        Self {
            points: dropped.get(Signal::Metrics),
            spans: dropped.get(Signal::Spans),
            events: dropped.get(Signal::Events),
        }
    }
}

/// Items on their way. However that ends, they are lost unless it is said that they arrived.
#[derive(Debug)]
pub(super) struct InFlight {
    dropped: Dropped,
    signal: Signal,
    items: u64,
}

impl InFlight {
    pub(super) fn new(dropped: &Dropped, signal: Signal, items: usize) -> Self {
        Self { dropped: dropped.clone(), signal, items: items as u64 }
    }

    /// They arrived, but for so many, which a receiver may tell wrongly.
    pub(super) fn arrived(mut self, but: u64) {
        self.items = self.items.min(but);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.dropped.add(self.signal, self.items);
    }
}
