//! Steps in a row, packed together: what a tier forgets at once.

use std::sync::Arc;

use super::codec::{Reader, Writer};
use super::step::{Figures, Step};

/// Steps of a chunk: enough to share its bounds among, few enough to forget at once.
const MAX_STEPS: usize = 64;
/// Different bounds of histograms of a chunk. A client has two or three; one that changes them all the time shall not
/// take more memory for it.
const MAX_BOUNDS: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The first report of the first step.
    pub(super) first_ms: u64,
    /// The last report of the last step.
    pub(super) last_ms: u64,
    pub(super) steps: usize,
    bytes: Vec<u8>,
    bounds: Vec<Arc<[f64]>>,
}

impl Chunk {
    pub(super) fn is_full(&self) -> bool {
        self.steps >= MAX_STEPS
    }

    pub(super) fn push<F: Figures>(&mut self, step: &Step<F>) {
        if self.steps == 0 {
            self.first_ms = step.first_ms;
        }
        let (bytes, bounds) = (&mut self.bytes, &mut self.bounds);
        step.write(self.first_ms, &mut Writer { bytes, bounds, max_bounds: MAX_BOUNDS });
        self.last_ms = step.at_ms;
        self.steps += 1;
        if self.is_full() {
            self.bytes.shrink_to_fit();
            self.bounds.shrink_to_fit();
        }
    }

    /// The steps, oldest first.
    pub(super) fn read<F: Figures>(&self) -> impl Iterator<Item = Step<F>> {
        let mut reader = Reader { bytes: &self.bytes, bounds: &self.bounds };
        (0..self.steps).map_while(move |_| Step::read(self.first_ms, &mut reader))
    }

    /// Memory that it takes, bounds that it shares with others included.
    pub(super) fn memory(&self) -> usize {
        let bounds: usize = self.bounds.iter().map(|bounds| size_of_val(&**bounds)).sum();
        size_of::<Self>() + self.bytes.capacity() + self.bounds.capacity() * size_of::<Arc<[f64]>>() + bounds
    }
}
