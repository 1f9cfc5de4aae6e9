//! The steps of several histories side by side: each in the slots of time that all of them share.

use super::step::{Figures, Step};

/// An instance whose report comes a little late is taken to be as it was for so many slots.
const HELD_SLOTS: u64 = 2;

/// A step in its slot.
pub(in crate::store) enum InSlot<'a, F> {
    /// What was reported in it.
    Told(&'a Step<F>),
    /// What was reported before it: gauges and rates go on, and what was counted is not counted again.
    Held(&'a Step<F>),
}

/// Hands out the steps of one history by slot, up to the newest slot of all histories.
pub(in crate::store) fn by_slot<F: Figures>(
    steps: &[Step<F>],
    slot_ms: u64,
    newest: u64,
    mut put: impl FnMut(u64, InSlot<'_, F>),
) {
    let mut merged: Vec<Step<F>> = Vec::new();
    for step in steps {
        match merged.last_mut() {
            Some(last) if last.at_ms / slot_ms == step.at_ms / slot_ms => last.merge(step),
            _ => merged.push(step.clone()),
        }
    }
    for (index, step) in merged.iter().enumerate() {
        let slot = step.at_ms / slot_ms;
        put(slot, InSlot::Told(step));
        let until = match merged.get(index + 1) {
            // What is known to be silent holds nothing.
            Some(next) if next.after_silence => slot + 1,
            Some(next) => next.at_ms / slot_ms,
            None => newest + 1,
        };
        for held in slot + 1..until.min(slot + 1 + HELD_SLOTS) {
            put(held, InSlot::Held(step));
        }
    }
}
