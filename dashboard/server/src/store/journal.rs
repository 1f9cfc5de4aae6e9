//! What happened since the file was last written, packed as the file keeps it.
//!
//! Steps are packed while they are taken, which costs little; a task fetches them every few seconds. While there is no
//! file nothing is gathered.

use std::sync::Arc;

use super::history::{Figures, Step, TIERS, Writer};
use super::id::Id;

/// Different bounds of histograms in one writing.
const MAX_BOUNDS: usize = 256;
/// Bytes that wait for the file at most: a minute of a thousand busy pools, if it stalls.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What a step is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pool = 0,
    Breaker = 1,
}

/// Steps of one tier.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) bounds: Vec<Arc<[f64]>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    is_wanted: bool,
    tiers: [Packed; TIERS],
    /// Steps for which there was no room.
    dropped: u64,
}

impl Journal {
    /// Begins to gather, or ends it.
    pub(super) fn want(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
        if !is_wanted {
            self.tiers = Default::default();
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Adds a step that a tier has finished.
    pub(super) fn push<F: Figures>(&mut self, kind: Kind, id: Id, tier: usize, step: &Step<F>) {
        if !self.is_wanted {
            return;
        }
        if self.tiers.iter().map(|tier| tier.bytes.len()).sum::<usize>() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        if let Some(Packed { bytes, bounds }) = self.tiers.get_mut(tier) {
            let mut writer = Writer { bytes, bounds, max_bounds: MAX_BOUNDS };
            writer.number(kind as u64);
            writer.bytes.extend_from_slice(&id.to_bytes());
            step.write(0, &mut writer);
        }
    }

    /// Hands out what was gathered.
    pub(super) fn take(&mut self) -> [Packed; TIERS] {
        std::mem::take(&mut self.tiers)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
