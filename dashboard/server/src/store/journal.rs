//! What happened since the file was last written, packed as the file keeps it.
//!
//! Steps are packed while they are taken, which costs little; a task fetches them every few seconds. While there is no
//! file nothing is gathered.

use std::sync::Arc;

use poolscope_wire as wire;

use super::history::{Figures, Step, TIERS, Writer};
use super::id::Id;

/// Different bounds of histograms in one writing.
const MAX_BOUNDS: usize = 256;
/// Bytes that the file keeps as one value: two of its pages, so that all leave gaps of one size.
const PIECE_BYTES: usize = 8_192 - 192;
/// A usual step and bounds that it brings.
const STEP_BYTES: usize = 300;
/// Bytes that wait for the file at most: a minute of a thousand busy pools, if it stalls.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What a step is of, and what is written as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pool = 0,
    Breaker = 1,
    Protection = 2,
    Session = 3,
    Instance = 4,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Pool, Self::Breaker, Self::Protection, Self::Session, Self::Instance];
}

/// Steps of one tier, with the bounds of their histograms.
#[derive(Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    bounds: Vec<Arc<[f64]>>,
}

impl Packed {
    /// The size of what it is written as.
    fn size(&self) -> usize {
        self.bytes.len() + self.bounds.iter().map(|one| 2 + size_of_val(&**one)).sum::<usize>()
    }

    /// As the file keeps it: the bounds, then the steps, each with what it is of.
    fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size() + 8);
        let mut unused = Vec::new();
        let mut writer = Writer { bytes: &mut bytes, bounds: &mut unused, max_bounds: 0 };
        writer.number(self.bounds.len() as u64);
        for one in &self.bounds {
            writer.number(one.len() as u64);
            one.iter().for_each(|bound| writer.bytes.extend_from_slice(&bound.to_le_bytes()));
        }
        bytes.extend_from_slice(&self.bytes);
        bytes
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    is_wanted: bool,
    tiers: [Vec<Packed>; TIERS],
    /// Bytes of all steps.
    bytes: usize,
    /// What is gone.
    gone: Vec<(Kind, Id)>,
    /// Steps for which there was no room.
    dropped: u64,
}

impl Journal {
    /// Begins to gather, or ends it.
    pub(super) fn want(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
        if !is_wanted {
            (self.tiers, self.bytes, self.gone) = (Default::default(), 0, Vec::new());
        }
    }

    /// Notes that something is gone, with all its history.
    pub(super) fn forget(&mut self, kind: Kind, id: Id) {
        self.gone.extend(self.is_wanted.then_some((kind, id)));
    }

    pub(super) fn take_gone(&mut self) -> Vec<(Kind, Id)> {
        std::mem::take(&mut self.gone)
    }

    /// Adds a step that a tier has finished.
    pub(super) fn push<F: Figures>(&mut self, kind: Kind, id: Id, tier: usize, step: &Step<F>) {
        if !self.is_wanted {
            return;
        }
        if self.bytes > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        let Some(pieces) = self.tiers.get_mut(tier) else { return };
        if pieces.last().is_none_or(|last| last.size() + STEP_BYTES > PIECE_BYTES) {
            pieces.push(Packed::default());
        }
        if let Some(Packed { bytes, bounds }) = pieces.last_mut() {
            let before = bytes.len();
            let mut writer = Writer { bytes, bounds, max_bounds: MAX_BOUNDS };
            writer.number(kind as u64);
            writer.bytes.extend_from_slice(&id.number().to_le_bytes());
            step.write(0, &mut writer);
            self.bytes += bytes.len() - before;
        }
    }

    /// Hands out what was gathered, by tier.
    pub(super) fn take(&mut self) -> [Vec<Vec<u8>>; TIERS] {
        self.bytes = 0;
        std::mem::take(&mut self.tiers).map(|pieces| pieces.iter().map(Packed::write).collect())
    }

    /// How full it is; `None` while there is no file.
    pub(super) fn limit(&self) -> Option<wire::Limit> {
        let (used, max) = (self.bytes as u64, MAX_BYTES as u64);
        self.is_wanted.then(|| wire::Limit::of_bytes("bytes that wait for the file", used, max, self.dropped))
    }
}
