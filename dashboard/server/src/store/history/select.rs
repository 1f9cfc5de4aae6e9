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

/// The shortest of these steps that is not shorter than a time; what is longer than all of them is its own.
pub(in crate::store) fn nice_ms(at_least_ms: u64) -> u64 {
    NICE_MS.into_iter().find(|step_ms| *step_ms >= at_least_ms).unwrap_or(at_least_ms)
}

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
        let (from_ms, to_ms) = self.known(wanted, now_ms);
        let mut selection = self.thin(from_ms, to_ms, wanted.max_points);
        selection.from_ms = wanted.range(self.last_ms(), now_ms).0;
        selection
    }

    /// All that is kept of the part that is wanted, as fine as it is, whatever the number of points.
    ///
    /// It has the steps that end in the range. As long as reports are kept as they came, those are the reports in it. Of a
    /// coarser tier, the step into which the begin of the range falls is in it as a whole, and that into which its end
    /// falls is not, so that what is summed up is exact but for one step at each end, and ranges that follow each other
    /// count nothing twice.
    pub(in crate::store) fn whole(&self, wanted: Wanted, now_ms: u64) -> Selection<F> {
        let (from_ms, to_ms) = self.known(wanted, now_ms);
        let mut selection = self.read(self.finest(from_ms), 0, from_ms, to_ms);
        selection.from_ms = wanted.range(self.last_ms(), now_ms).0;
        selection
    }

    /// The shortest slots of which so many as are wanted reach over the range, and of which something is kept.
    pub(in crate::store) fn slot_ms(&self, wanted: Wanted, now_ms: u64) -> u64 {
        let (from_ms, to_ms) = self.known(wanted, now_ms);
        self.fitting_ms(self.finest(from_ms), from_ms, to_ms, wanted.max_points)
    }

    /// The steps of a range in slots of this length.
    pub(in crate::store) fn in_slots(&self, slot_ms: u64, wanted: Wanted, now_ms: u64) -> Vec<Step<F>> {
        let (from_ms, to_ms) = self.known(wanted, now_ms);
        self.read(self.serving(slot_ms, from_ms), slot_ms, from_ms, to_ms).steps
    }

    /// The range without its part before anything is kept, which takes no points.
    fn known(&self, wanted: Wanted, now_ms: u64) -> (u64, u64) {
        let (asked_ms, to_ms) = wanted.range(self.last_ms(), now_ms);
        (asked_ms.max(self.oldest_ms().unwrap_or(asked_ms)).min(to_ms), to_ms)
    }

    fn thin(&self, from_ms: u64, to_ms: u64, max_points: usize) -> Selection<F> {
        let tier = self.finest(from_ms);
        if self.tiers[tier].step_ms() == 0 {
            let selection = self.read(tier, 0, from_ms, to_ms);
            if selection.steps.len() <= max_points {
                return selection;
            }
        }
        let slot_ms = self.fitting_ms(tier, from_ms, to_ms, max_points);
        self.read(self.serving(slot_ms, from_ms), slot_ms, from_ms, to_ms)
    }

    /// The finest tier that has all since a moment, or else the one that reaches back furthest.
    fn finest(&self, from_ms: u64) -> usize {
        let finest = self.tiers.iter().position(|tier| tier.covers(from_ms));
        finest.or_else(|| self.tiers.iter().rposition(Tier::is_used)).unwrap_or(0)
    }

    /// The shortest slots, not shorter than the steps of a tier, that are not too many.
    fn fitting_ms(&self, tier: usize, from_ms: u64, to_ms: u64, max_points: usize) -> u64 {
        let tier_ms = self.tiers[tier].step_ms();
        // Slots lie on the clock and not on the range, so that points stay where they are while the range moves. Where
        // nothing was reported any more, no points are taken.
        let end_ms = self.last_ms().unwrap_or(to_ms).clamp(from_ms, to_ms);
        let fits = |slot_ms: u64| end_ms / slot_ms - from_ms / slot_ms < max_points as u64;
        let slot_ms = NICE_MS.into_iter().find(|slot_ms| *slot_ms >= tier_ms && fits(*slot_ms));
        // What is longer than all of them is one point.
        slot_ms.unwrap_or(to_ms.saturating_add(1))
    }

    /// The coarsest tier that serves, which has the least to read.
    fn serving(&self, slot_ms: u64, from_ms: u64) -> usize {
        let serves = |tier: &Tier| tier.step_ms() <= slot_ms && tier.covers(from_ms);
        self.tiers.iter().rposition(serves).unwrap_or_else(|| self.finest(from_ms))
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
