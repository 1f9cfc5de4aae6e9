//! The history of a group: in each slot of time the sums of what its instances told of it, and the percentiles of all that
//! they counted in it.

use std::collections::BTreeMap;

use poolscope_wire::{PoolPoint, Range, Silence};

use super::merge::merge_points;
use crate::store::Wanted;
use crate::store::buckets::Buckets;
use crate::store::history::{InSlot, PoolFigures, Since, by_slot, nice_ms};
use crate::store::pool::Pool;

/// Most points of all instances together that one answer is made of: many instances have fewer points each, so that
/// nobody holds the store for long.
const MOST_POINTS: usize = 60_000;

/// Figures of a slot.
#[derive(Debug, Default)]
struct Sum {
    point: PoolPoint,
    /// Acquires served by a connection that was open already, and all that got one.
    reuse: (u64, u64),
    /// Waits, uses and durations.
    spreads: [Buckets; 3],
    /// Those that have no percentiles, since the bounds of one instance are not those of the others.
    unequal: [bool; 3],
}

impl Sum {
    fn add(&mut self, slot: &InSlot<'_, PoolFigures>) {
        let (InSlot::Told(step) | InSlot::Held(step)) = slot;
        self.point = merge_points([&self.point, &step.numbers()].into_iter());
        let InSlot::Told(step) = slot else { return };
        let (reused, served) = step.figures.reuse();
        self.reuse = (self.reuse.0.saturating_add(reused), self.reuse.1.saturating_add(served));
        let spreads = self.spreads.iter_mut().zip(&mut self.unequal);
        let counted = step.figures.spreads().map(|one| Some(one).filter(|one| one.count() > 0));
        for ((sum, unequal), one) in spreads.zip(counted) {
            // Who counted nothing has no say about the bounds.
            let Some(one) = one else { continue };
            *unequal |= !sum.takes(one);
            sum.add(one);
        }
    }

    fn point(&self, at_ms: u64) -> PoolPoint {
        let (reused, served) = self.reuse;
        let share = |place: usize, share| {
            let told = (!self.unequal[place]).then(|| self.spreads[place].quantile(share)).flatten();
            told.map(|seconds| seconds as f32)
        };
        PoolPoint {
            at_ms,
            reuse: (served > 0).then(|| (reused as f64 / served as f64) as f32),
            wait_p50_s: share(0, 0.5),
            wait_p99_s: share(0, 0.99),
            use_p50_s: share(1, 0.5),
            use_p99_s: share(1, 0.99),
            duration_p50_s: share(2, 0.5),
            duration_p99_s: share(2, 0.99),
            ..self.point
        }
    }
}

/// Points of a group, the range that they are of, and how often its slowest instance reports.
pub(super) fn course(pools: &[&Pool], wanted: Wanted, now_ms: u64) -> (Vec<PoolPoint>, Range, u64) {
    let interval_ms = pools.iter().map(|pool| pool.reports.interval_ms()).max().unwrap_or(0);
    let oldest_ms = pools.iter().filter_map(|pool| pool.history.oldest_ms()).min();
    let newest_ms = pools.iter().filter_map(|pool| pool.history.last_ms()).max();
    let (from_ms, to_ms) = wanted.range(newest_ms, now_ms);
    let max_points = wanted.max_points.min(MOST_POINTS / pools.len().max(1)).max(1);
    let wanted = Wanted { since: Since::Moment(from_ms), to_ms: Some(to_ms), max_points };
    let slots = pools.iter().map(|pool| pool.history.slot_ms(wanted, now_ms));
    let slot_ms = slots.max().unwrap_or(0).max(nice_ms(interval_ms));
    let newest = newest_ms.unwrap_or(to_ms).min(to_ms) / slot_ms;
    let mut sums: BTreeMap<u64, Sum> = BTreeMap::new();
    // One after the other, so that never more than one of them is unpacked.
    for pool in pools {
        let steps = pool.history.in_slots(slot_ms, wanted, now_ms);
        by_slot(&steps, slot_ms, newest, |slot, step| sums.entry(slot).or_default().add(&step));
    }
    let silences = silences(sums.keys().copied(), slot_ms);
    let points = sums.iter().map(|(slot, sum)| sum.point(((slot + 1) * slot_ms).min(to_ms))).collect();
    (points, Range { from_ms, to_ms, step_ms: slot_ms, oldest_ms, silences }, interval_ms)
}

/// Times in which no instance told anything, between slots in which one did.
fn silences(slots: impl Iterator<Item = u64>, slot_ms: u64) -> Vec<Silence> {
    let mut before = None;
    let mut silences = Vec::new();
    for slot in slots {
        if let Some(before) = before.replace(slot).filter(|before| before + 1 < slot) {
            silences.push(Silence { from_ms: (before + 1) * slot_ms, to_ms: slot * slot_ms });
        }
    }
    silences
}
