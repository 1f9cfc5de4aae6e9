//! Tiers: the older, the coarser.

use std::collections::VecDeque;

use super::chunk::Chunk;
use super::step::{Figures, Step};

/// Tiers of a history.
pub(crate) const TIERS: usize = 4;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Step, where 0 is every report as it came, and how long it is kept at most. Steps divide each other, so that one made
/// of a finer tier is what a coarser one has. At a report a second that is 900 + 1,080 + 1,440 + 4,320 steps.
pub(super) const STEPS: [(u64, u64); TIERS] =
    [(0, 15 * MINUTE), (10 * SECOND, 3 * HOUR), (MINUTE, DAY), (10 * MINUTE, 30 * DAY)];

/// How histories are kept.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Plan {
    /// How far back they reach.
    pub(in crate::store) retention_ms: u64,
    /// Reports that are kept as they came, however fast they come.
    pub(in crate::store) max_reports: usize,
}

impl Plan {
    /// How long the steps of each tier are kept.
    pub(in crate::store) fn keep_ms(&self) -> [u64; TIERS] {
        self.tiers().map(|tier| tier.keep_ms)
    }

    pub(super) fn tiers(&self) -> [Tier; TIERS] {
        let mut finer_ms = 0;
        STEPS.map(|(step_ms, most_ms)| {
            // A tier that would not reach further back than the finer one is left out. What is kept as it came can be
            // full before its time, so it always has one behind it.
            let is_used = finer_ms < self.retention_ms || finer_ms == STEPS[0].1;
            finer_ms = most_ms;
            Tier {
                step_ms,
                keep_ms: if is_used { most_ms.min(self.retention_ms) } else { 0 },
                max_steps: if step_ms == 0 { self.max_reports.max(1) } else { usize::MAX },
                chunks: VecDeque::new(),
                steps: 0,
                bytes: 0,
                early_steps: 0,
                forgotten_ms: None,
            }
        })
    }
}

/// Steps of one length, packed.
#[derive(Debug)]
pub(super) struct Tier {
    step_ms: u64,
    /// 0 if it is not used.
    keep_ms: u64,
    max_steps: usize,
    chunks: VecDeque<Chunk>,
    steps: usize,
    bytes: usize,
    /// Steps that were forgotten because there were too many, and not because they were old.
    early_steps: u64,
    /// The newest moment that was forgotten.
    forgotten_ms: Option<u64>,
}

impl Tier {
    pub(super) fn is_used(&self) -> bool {
        self.keep_ms > 0
    }

    pub(super) fn step_ms(&self) -> u64 {
        self.step_ms
    }

    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    pub(super) fn early_steps(&self) -> u64 {
        self.early_steps
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn first_ms(&self) -> Option<u64> {
        self.chunks.front().map(|chunk| chunk.first_ms)
    }

    pub(super) fn last_ms(&self) -> Option<u64> {
        self.chunks.back().map(|chunk| chunk.last_ms)
    }

    /// True if nothing since this moment was forgotten.
    pub(super) fn covers(&self, from_ms: u64) -> bool {
        self.is_used() && self.forgotten_ms.is_none_or(|forgotten_ms| forgotten_ms < from_ms)
    }

    pub(super) fn push<F: Figures>(&mut self, step: &Step<F>) {
        if self.chunks.back().is_none_or(Chunk::is_full) {
            self.chunks.push_back(Chunk::default());
        }
        if let Some(chunk) = self.chunks.back_mut() {
            let before = if chunk.steps == 0 { 0 } else { chunk.memory() };
            chunk.push(step);
            self.bytes += chunk.memory().saturating_sub(before);
            // A chunk that is full gives back what it had taken in advance.
            self.bytes -= before.saturating_sub(chunk.memory());
            self.steps += 1;
        }
    }

    /// Forgets what is too old, or too much, by whole chunks.
    pub(super) fn forget(&mut self, now_ms: u64) {
        let oldest_ms = now_ms.saturating_sub(self.keep_ms);
        while let Some(chunk) = self.chunks.front()
            && (chunk.last_ms < oldest_ms || self.steps - chunk.steps >= self.max_steps)
        {
            if chunk.last_ms >= oldest_ms {
                self.early_steps += chunk.steps as u64;
            }
            self.drop_oldest();
        }
    }

    /// Forgets the oldest chunk; tells its steps and bytes.
    pub(super) fn drop_oldest(&mut self) -> Option<(u64, usize)> {
        let chunk = self.chunks.pop_front()?;
        let bytes = chunk.memory();
        self.forgotten_ms = Some(chunk.last_ms);
        self.steps -= chunk.steps;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some((chunk.steps as u64, bytes))
    }

    /// Forgets what is newer than a moment.
    pub(super) fn rewind<F: Figures>(&mut self, to_ms: u64) {
        while self.chunks.back().is_some_and(|chunk| chunk.last_ms > to_ms) {
            let Some(chunk) = self.chunks.pop_back() else { return };
            self.steps -= chunk.steps;
            self.bytes = self.bytes.saturating_sub(chunk.memory());
            let kept: Vec<Step<F>> = chunk.read().take_while(|step| step.at_ms <= to_ms).collect();
            if !kept.is_empty() {
                // Not into the chunk before it, which is full.
                self.chunks.push_back(Chunk::default());
                kept.iter().for_each(|step| self.push(step));
            }
        }
    }

    /// After a restart: what this tier has nothing of, although others have, was forgotten before it.
    pub(super) fn restored(&mut self, oldest_ms: u64, now_ms: u64) {
        let first_ms = self.first_ms().unwrap_or(now_ms);
        if first_ms > oldest_ms {
            self.forgotten_ms = Some(first_ms - 1);
        }
    }

    /// True if a step of it is at least in part in a range.
    pub(super) fn has_any<F: Figures>(&self, from_ms: u64, to_ms: u64) -> bool {
        let is_in = |first_ms: u64, last_ms: u64| last_ms >= from_ms && first_ms <= to_ms;
        self.chunks.iter().filter(|chunk| is_in(chunk.first_ms, chunk.last_ms)).any(|chunk| {
            // Its ends are steps; only where both are outside can there be a silence between them.
            chunk.first_ms >= from_ms
                || chunk.last_ms <= to_ms
                || chunk.read::<F>().any(|step| is_in(step.first_ms, step.at_ms))
        })
    }

    /// Hands out the steps that end in a range, and one before and one after it, if there are.
    pub(super) fn walk<F: Figures>(&self, from_ms: u64, to_ms: u64, mut take: impl FnMut(Step<F>)) {
        let first = self.chunks.partition_point(|chunk| chunk.last_ms < from_ms);
        let mut before = None;
        if let Some(chunk) = first.checked_sub(1).and_then(|index| self.chunks.get(index)) {
            before = chunk.read().last();
        }
        for step in self.chunks.range(first..).flat_map(Chunk::read) {
            if step.at_ms < from_ms {
                before = Some(step);
                continue;
            }
            before.take().into_iter().for_each(&mut take);
            let is_after = step.at_ms > to_ms;
            take(step);
            if is_after {
                return;
            }
        }
        before.into_iter().for_each(take);
    }
}
