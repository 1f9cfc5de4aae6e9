//! What was lost on the way to the receiver, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use poolscope_semconv::value::Signal;

/// Lost items by signal. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Dropped(Arc<[AtomicU64; Signal::COUNT]>);

impl Dropped {
    pub(super) fn add(&self, signal: Signal, items: usize) {
        self.0[signal.index()].fetch_add(items as u64, Relaxed);
    }

    pub(super) fn get(&self, signal: Signal) -> u64 {
        self.0[signal.index()].load(Relaxed)
    }
}
