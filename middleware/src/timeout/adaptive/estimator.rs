//! [`Estimator`]: a limit from the times of the last calls. Pure: it is told the time.
//!
//! Times are counted in buckets, of which there are sixteen for each doubling, in four generations that each take a
//! quarter of the window. A generation that comes into use again is emptied first; a time that another thread records in
//! that moment may be lost, which an estimate can bear.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// Generations, of which the youngest is being filled.
const GENERATIONS: u64 = 4;

/// How often in a window the limit is found anew.
const LOOKS: u64 = 64;

/// Buckets of each doubling, as a power of two: a bucket is at most a sixteenth as wide as the times in it.
const SUB_BITS: u32 = 4;
const SUB: u64 = 1 << SUB_BITS;

/// Nanoseconds of the narrowest bucket, as a power of two: a microsecond, about.
const UNIT_BITS: u32 = 10;

/// Doublings that are told apart, which end at more than two hours; the last bucket takes what is longer.
const DOUBLINGS: u64 = 30;

const BUCKETS: usize = (SUB * DOUBLINGS) as usize;

/// How the limit is found; all times in nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) quantile: f64,
    pub(super) factor: f64,
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) start: u64,
    pub(super) minimum_samples: u64,
    pub(super) window: u64,
}

#[derive(Debug)]
struct Generation {
    /// Which quarter of a window since the beginning it holds, plus one; 0 for none.
    number: AtomicU64,
    buckets: [AtomicU32; BUCKETS],
}

/// The limit of one destination.
#[derive(Debug)]
pub(super) struct Estimator {
    rules: Rules,
    generations: [Generation; GENERATIONS as usize],
    limit: AtomicU64,
    /// When it is to be found anew.
    due: AtomicU64,
}

impl Estimator {
    pub(super) fn new(rules: Rules) -> Self {
        let generation =
            || Generation { number: AtomicU64::new(0), buckets: [const { AtomicU32::new(0) }; BUCKETS] };
        let limit = AtomicU64::new(rules.start);
        Self { rules, generations: std::array::from_fn(|_| generation()), limit, due: AtomicU64::new(0) }
    }

    /// The limit at a moment, in nanoseconds since any that stays the same.
    pub(super) fn limit(&self, now: u64) -> u64 {
        let due = self.due.load(Relaxed);
        let next = now.saturating_add(self.rules.window / LOOKS);
        if now >= due && self.due.compare_exchange(due, next, Relaxed, Relaxed).is_ok() {
            self.limit.store(self.find(now), Relaxed);
        }
        self.limit.load(Relaxed)
    }

    /// Counts the time of a call that ended.
    pub(super) fn record(&self, took: u64, now: u64) {
        let number = self.number(now);
        let generation = &self.generations[(number % GENERATIONS) as usize];
        let was = generation.number.load(Acquire);
        if was < number && generation.number.compare_exchange(was, number, AcqRel, Acquire).is_ok() {
            generation.buckets.iter().for_each(|bucket| bucket.store(0, Relaxed));
        }
        // What is older than all generations is not counted at all.
        if was <= number {
            generation.buckets[bucket(took)].fetch_add(1, Relaxed);
        }
    }

    /// Calls that are known at a moment.
    pub(super) fn samples(&self, now: u64) -> u64 {
        self.counts(now).iter().sum()
    }

    fn number(&self, now: u64) -> u64 {
        now / (self.rules.window / GENERATIONS) + 1
    }

    fn counts(&self, now: u64) -> Vec<u64> {
        let number = self.number(now);
        let oldest = (number + 1).saturating_sub(GENERATIONS).max(1);
        let mut counts = vec![0; BUCKETS];
        for generation in &self.generations {
            if (oldest..=number).contains(&generation.number.load(Acquire)) {
                let buckets = generation.buckets.iter().map(|bucket| u64::from(bucket.load(Relaxed)));
                counts.iter_mut().zip(buckets).for_each(|(sum, count)| *sum += count);
            }
        }
        counts
    }

    fn find(&self, now: u64) -> u64 {
        let rules = &self.rules;
        let counts = self.counts(now);
        let samples: u64 = counts.iter().sum();
        if samples < rules.minimum_samples {
            return rules.start;
        }
        let rank = ((rules.quantile * samples as f64).ceil() as u64).clamp(1, samples);
        let mut below = 0;
        let found = counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        let quantile = upper(found.unwrap_or(BUCKETS - 1)) as f64;
        ((quantile * rules.factor) as u64).clamp(rules.min, rules.max)
    }
}

/// The bucket of a time.
fn bucket(nanos: u64) -> usize {
    let units = nanos >> UNIT_BITS;
    if units < SUB {
        return units as usize;
    }
    let doubling = u64::from(units.ilog2() - SUB_BITS);
    let bucket = SUB * doubling + (units >> doubling);
    (bucket as usize).min(BUCKETS - 1)
}

/// The time that all times of a bucket are below.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let doubling = (bucket / SUB).saturating_sub(1);
    (bucket - SUB * doubling + 1) << doubling << UNIT_BITS
}

#[cfg(test)]
mod tests;
