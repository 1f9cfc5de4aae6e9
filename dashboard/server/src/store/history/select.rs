//! A range of a history, thinned to as many points as are wanted.

use poolscope_wire::{Range, Silence};

use super::step::{Figures, Step};
use super::tier::Tier;
use super::{History, Wanted};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Steps that people find on an axis. Each is a multiple of the step of every tier that is not longer.
const NICE_MS: [u64; 18] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
];

/// See the module.
#[derive(Debug)]
pub(in crate::store) struct Selection<F> {
    pub(in crate::store) from_ms: u64,
    pub(in crate::store) to_ms: u64,
    /// Length of the steps; 0 if they are as they were reported.
    pub(in crate::store) step_ms: u64,
    pub(in crate::store) steps: Vec<Step<F>>,
    pub(in crate::store) silences: Vec<Silence>,
}

impl<F> Selection<F> {
    /// The range in the browser's words; points can't be closer than the reports.
    pub(in crate::store) fn range(&self, interval_ms: u64, oldest_ms: Option<u64>) -> Range {
        Range {
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            step_ms: self.step_ms.max(interval_ms),
            oldest_ms,
            silences: self.silences.clone(),
        }
    }
}

impl<F: Figures> History<F> {
    /// The part that is wanted.
    pub(in crate::store) fn select(&self, wanted: Wanted, now_ms: u64) -> Selection<F> {
        let (asked_ms, to_ms) = wanted.range(self.last_ms(), now_ms);
        // Where the range begins before anything is kept, its empty part takes no points.
        let from_ms = asked_ms.max(self.oldest_ms().unwrap_or(asked_ms)).min(to_ms);
        let mut selection = self.thin(from_ms, to_ms, wanted.max_points);
        selection.from_ms = asked_ms;
        selection
    }

    fn thin(&self, from_ms: u64, to_ms: u64, max_points: usize) -> Selection<F> {
        let finest = self.tiers.iter().position(|tier| tier.covers(from_ms));
        let tier = finest.or_else(|| self.tiers.iter().rposition(Tier::is_used)).unwrap_or(0);
        let tier_ms = self.tiers[tier].step_ms();
        if tier_ms == 0 {
            let selection = self.read(tier, 0, from_ms, to_ms);
            if selection.steps.len() <= max_points {
                return selection;
            }
        }
        // Slots lie on the clock and not on the range, so that points stay where they are while the range moves. Where
        // nothing was reported any more, no points are taken.
        let end_ms = self.last_ms().unwrap_or(to_ms).clamp(from_ms, to_ms);
        let fits = |slot_ms: u64| end_ms / slot_ms - from_ms / slot_ms < max_points as u64;
        let slot_ms = NICE_MS.into_iter().find(|slot_ms| *slot_ms >= tier_ms && fits(*slot_ms));
        // What is longer than all of them is one point.
        let slot_ms = slot_ms.unwrap_or(to_ms.saturating_add(1));
        // The coarsest tier that serves has the least to read.
        let serves = |index: &usize| {
            let tier = &self.tiers[*index];
            tier.step_ms() <= slot_ms && tier.covers(from_ms)
        };
        let tier = (tier..self.tiers.len()).rev().find(serves).unwrap_or(tier);
        self.read(tier, slot_ms, from_ms, to_ms)
    }

    fn read(&self, tier: usize, slot_ms: u64, from_ms: u64, to_ms: u64) -> Selection<F> {
        let (steps, silences) = (Vec::new(), Vec::new());
        let mut selection = Selection { from_ms, to_ms, step_ms: slot_ms, steps, silences };
        let mut before_ms = None;
        let mut take = |step: Step<F>| {
            let last_ms = before_ms.replace(step.at_ms);
            if step.after_silence
                && let Some(last_ms) = last_ms.filter(|last_ms| *last_ms <= to_ms && step.first_ms >= from_ms)
            {
                selection.silences.push(Silence { from_ms: last_ms, to_ms: step.first_ms });
            }
            if !(from_ms..=to_ms).contains(&step.at_ms) {
                return;
            }
            match selection.steps.last_mut() {
                Some(last) if slot_ms > 0 && last.joins(&step, slot_ms) => last.merge(&step),
                _ => selection.steps.push(step),
            }
        };
        self.tiers[tier].walk(from_ms, to_ms, &mut take);
        for step in self.open[tier].iter().chain(&self.newest) {
            take(step.clone());
        }
        selection
    }
}
