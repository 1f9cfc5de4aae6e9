//! What was: steps of time, packed, in tiers that get coarser with age.
//!
//! A [`Step`] holds what one report or several in a row told: the extremes of what holds at a moment, sums of what was
//! counted, and whole histograms, so that percentiles over a range are those of all its requests and not a mean. Every
//! report goes into every tier; each tier merges by its own step and forgets by its own age. A step never spans a silence.

mod breaker;
mod chunk;
mod codec;
mod plain;
mod pool;
mod select;
mod slots;
mod states;
mod step;
mod tier;
mod wanted;

#[cfg(test)]
mod tests;

pub(super) use breaker::BreakerFigures;
pub(super) use codec::{Reader, Writer};
pub(super) use plain::{COUNTS, GAUGES, PlainFigures};
pub(super) use pool::PoolFigures;
pub(super) use select::{Selection, nice_ms};
pub(super) use slots::{InSlot, by_slot};
pub(super) use states::states;
pub(super) use step::{Figures, Step};
pub(super) use tier::Plan;
pub(crate) use tier::TIERS;
pub(crate) use wanted::{Since, Wanted};

use self::tier::Tier;

/// The history of one pool, breaker or what else reports.
#[derive(Debug)]
pub(super) struct History<F> {
    /// The newest report. More of it may still come, so it is in no tier yet.
    newest: Option<Step<F>>,
    tiers: [Tier; TIERS],
    /// The step of each tier that is still growing.
    open: [Option<Step<F>>; TIERS],
}

impl<F: Figures> History<F> {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { newest: None, tiers: plan.tiers(), open: std::array::from_fn(|_| None) }
    }

    /// Takes a report, which replaces the newest if it is of the same moment. `packed` is told each step that a tier
    /// has finished.
    pub(super) fn report(&mut self, step: Step<F>, mut packed: impl FnMut(usize, &Step<F>)) {
        if let Some(newest) = &mut self.newest {
            if newest.at_ms == step.at_ms {
                *newest = step;
                return;
            }
            let at_ms = step.at_ms;
            let newest = std::mem::replace(newest, step);
            self.settle(&newest, &mut packed);
            self.forget(at_ms);
        } else {
            self.newest = Some(step);
        }
    }

    /// The newest report, to add to it.
    pub(super) fn newest_mut(&mut self) -> Option<&mut Step<F>> {
        self.newest.as_mut()
    }

    /// The newest report is complete.
    pub(super) fn settle_newest(&mut self, mut packed: impl FnMut(usize, &Step<F>)) {
        if let Some(newest) = self.newest.take() {
            self.settle(&newest, &mut packed);
        }
    }

    /// Puts a report that is complete into the tiers.
    fn settle(&mut self, step: &Step<F>, packed: &mut impl FnMut(usize, &Step<F>)) {
        for index in 0..TIERS {
            self.add(index, step, packed);
        }
    }

    fn add(&mut self, index: usize, step: &Step<F>, packed: &mut impl FnMut(usize, &Step<F>)) {
        let (tier, open) = (&mut self.tiers[index], &mut self.open[index]);
        if !tier.is_used() {
            return;
        }
        if tier.step_ms() == 0 {
            tier.push(step);
            packed(index, step);
            return;
        }
        match open {
            Some(open) if open.joins(step, tier.step_ms()) => open.merge(step),
            _ => {
                if let Some(closed) = open.replace(step.clone()) {
                    tier.push(&closed);
                    packed(index, &closed);
                }
            }
        }
    }

    /// Takes back a step that a file kept; those of a tier come in the order of their writing. One that is not after the
    /// last was written when the clock had been put back, or is written again: it takes the place of what was.
    pub(super) fn restore(&mut self, index: usize, step: &Step<F>) {
        let Some(tier) = self.tiers.get_mut(index).filter(|tier| tier.is_used()) else { return };
        if tier.last_ms().is_some_and(|last_ms| last_ms >= step.at_ms) {
            tier.rewind::<F>(step.at_ms.saturating_sub(1));
        }
        tier.push(step);
    }

    /// Makes the steps that were still growing when the file was written, out of those of the finer tier.
    pub(super) fn restored(&mut self, now_ms: u64, mut packed: impl FnMut(usize, &Step<F>)) {
        for index in 1..TIERS {
            let last_ms = self.tiers[index].last_ms();
            let mut missing: Vec<Step<F>> = Vec::new();
            self.tiers[index - 1].walk(0, u64::MAX, |step| missing.push(step));
            missing.extend(self.open[index - 1].clone());
            for step in missing.iter().filter(|step| last_ms.is_none_or(|last_ms| step.at_ms > last_ms)) {
                self.add(index, step, &mut packed);
            }
        }
        self.forget(now_ms);
        if let Some(oldest_ms) = self.oldest_ms() {
            self.tiers.iter_mut().for_each(|tier| tier.restored(oldest_ms, now_ms));
        }
    }

    /// The moment of the newest report.
    pub(super) fn last_ms(&self) -> Option<u64> {
        let open = self.newest.iter().chain(self.open.iter().flatten()).map(|step| step.at_ms);
        open.chain(self.tiers.iter().filter_map(Tier::last_ms)).max()
    }

    /// The oldest moment of which anything is kept.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        let open = self.newest.iter().chain(self.open.iter().flatten()).map(|step| step.first_ms);
        open.chain(self.tiers.iter().filter_map(Tier::first_ms)).min()
    }

    /// True if something was reported in a range.
    pub(super) fn has_any(&self, from_ms: u64, to_ms: u64) -> bool {
        let is_in = |step: &Step<F>| step.at_ms >= from_ms && step.first_ms <= to_ms;
        self.newest.iter().chain(self.open.iter().flatten()).any(is_in)
            || self.tiers.iter().any(|tier| tier.has_any::<F>(from_ms, to_ms))
    }

    /// Forgets what is too old.
    pub(super) fn forget(&mut self, now_ms: u64) {
        self.tiers.iter_mut().for_each(|tier| tier.forget(now_ms));
    }

    /// The clock was put back: what was noted for moments that are still to come goes.
    pub(super) fn rewind(&mut self, to_ms: u64) {
        let is_past = |step: &Step<F>| step.at_ms <= to_ms;
        self.newest.take_if(|step| !is_past(step));
        for (tier, open) in self.tiers.iter_mut().zip(&mut self.open) {
            tier.rewind::<F>(to_ms);
            open.take_if(|step| !is_past(step));
        }
    }

    /// Bytes that the packed steps take.
    pub(super) fn bytes(&self) -> usize {
        self.tiers.iter().map(Tier::bytes).sum()
    }

    /// Forgets the oldest until no more bytes than these are taken; tells how many steps went. The tiers shrink
    /// together, so that each still reaches further back than the finer one.
    pub(super) fn shrink(&mut self, max_bytes: usize) -> u64 {
        let mut gone = 0;
        let mut bytes = self.bytes();
        while bytes > max_bytes {
            let largest = self.tiers.iter_mut().max_by_key(|tier| tier.bytes());
            let Some((steps, freed)) = largest.and_then(Tier::drop_oldest) else { break };
            gone += steps;
            bytes = bytes.saturating_sub(freed);
        }
        gone
    }

    /// How many of those that are kept as they were reported went before their time, since there were too many.
    pub(super) fn early_raw_steps(&self) -> u64 {
        self.tiers[0].early_steps()
    }

    /// Steps that are kept as they were reported.
    pub(super) fn raw_steps(&self) -> usize {
        self.tiers[0].steps()
    }
}
