//! [`Adaptive`]: a limit that finds itself, by additive increase and multiplicative decrease.
//!
//! It rises by one for each round of requests that went well while the limit was in use, and falls by a share when one shows
//! that the destination has too much to do. One fall speaks for all requests that were under way by then: they met the same
//! crowd.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::Duration;

use crate::clock::Instant;

/// The limit is kept in parts of a request, this many to one.
const PARTS: u64 = 1 << 20;

/// How a limit finds itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aimd {
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// What is left of the limit when it falls.
    pub(crate) backoff: f64,
    /// Answers that take longer show that the destination has too much to do.
    pub(crate) slow_from: Option<Duration>,
}

/// What a request says about its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// It can take more.
    Fine,
    /// It has too much to do.
    Overloaded,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Adaptive {
    aimd: Aimd,
    /// The limit in [`PARTS`].
    parts: AtomicU64,
    fell_at: AtomicU64,
}

impl Adaptive {
    /// Begins at a limit, or at the bound that is nearer to it.
    pub(crate) fn new(aimd: Aimd, start: u32) -> Self {
        let start = start.clamp(aimd.min, aimd.max);
        Self { aimd, parts: AtomicU64::new(u64::from(start) * PARTS), fell_at: AtomicU64::new(0) }
    }

    /// A request that began at `began` tells how its destination does, while so many are in flight. True if that changes the
    /// limit.
    pub(crate) fn sample(&self, load: Load, in_flight: u64, began: Instant, now: Instant) -> bool {
        let is_slow = self.aimd.slow_from.is_some_and(|from| now.saturating_duration_since(began) >= from);
        let before = if is_slow || load == Load::Overloaded {
            if !self.may_fall(began, now) {
                return false;
            }
            self.change(|parts| (parts as f64 * self.aimd.backoff) as u64)
        } else {
            // A limit that is not reached says nothing about what lies above it.
            if in_flight * 2 < u64::from(self.limit()) {
                return false;
            }
            self.change(|parts| parts.saturating_add(PARTS * PARTS / parts.max(1)))
        };
        self.limit() != (before / PARTS) as u32
    }

    /// The limit now.
    pub(crate) fn limit(&self) -> u32 {
        (self.parts.load(Acquire) / PARTS) as u32
    }

    /// True for the first that began after the last fall.
    fn may_fall(&self, began: Instant, now: Instant) -> bool {
        let next = |fell: u64| (began.as_nanos() >= fell).then(|| now.as_nanos());
        self.fell_at.fetch_update(AcqRel, Relaxed, next).is_ok()
    }

    /// Changes the limit within its bounds, and gives what it was.
    fn change(&self, change: impl Fn(u64) -> u64) -> u64 {
        let (min, max) = (u64::from(self.aimd.min) * PARTS, u64::from(self.aimd.max) * PARTS);
        let bounded = |parts| Some(change(parts).clamp(min, max));
        self.parts.fetch_update(AcqRel, Acquire, bounded).unwrap_or_else(|parts| parts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AIMD: Aimd = Aimd { min: 2, max: 50, backoff: 0.5, slow_from: None };

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn it_rises_by_one_for_each_round_and_falls_by_its_share() {
        let adaptive = Adaptive::new(AIMD, 10);
        let changes = (0..10).filter(|_| adaptive.sample(Load::Fine, 10, at(1), at(2))).count();
        assert_eq!((changes, adaptive.limit()), (0, 10), "ten at a tenth each, less what it rose meanwhile");
        assert!(adaptive.sample(Load::Fine, 10, at(1), at(2)));
        assert_eq!(adaptive.limit(), 11);
        assert!(adaptive.sample(Load::Overloaded, 10, at(3), at(4)));
        assert_eq!(adaptive.limit(), 5);
    }

    #[test]
    fn one_fall_speaks_for_all_who_were_under_way() {
        let adaptive = Adaptive::new(AIMD, 40);
        assert!(adaptive.sample(Load::Overloaded, 40, at(1), at(10)));
        assert!(!adaptive.sample(Load::Overloaded, 39, at(9), at(11)));
        assert_eq!(adaptive.limit(), 20);
        assert!(adaptive.sample(Load::Overloaded, 20, at(10), at(12)));
        assert_eq!(adaptive.limit(), 10);
    }

    #[test]
    fn a_limit_that_is_not_reached_does_not_rise() {
        let adaptive = Adaptive::new(AIMD, 10);
        for _ in 0..100 {
            assert!(!adaptive.sample(Load::Fine, 4, at(1), at(2)));
        }
    }

    #[test]
    fn an_answer_that_takes_too_long_is_one_of_too_much_to_do() {
        let aimd = Aimd { slow_from: Some(Duration::from_millis(100)), ..AIMD };
        let adaptive = Adaptive::new(aimd, 10);
        assert!(!adaptive.sample(Load::Fine, 10, at(1), at(100)));
        assert!(adaptive.sample(Load::Fine, 10, at(1), at(101)));
        assert_eq!(adaptive.limit(), 5);
    }

    #[test]
    fn it_begins_within_its_bounds() {
        assert_eq!((Adaptive::new(AIMD, 1).limit(), Adaptive::new(AIMD, 100).limit()), (2, 50));
    }

    /// A destination that answers in good time as long as no more than so many ask.
    #[test]
    fn it_finds_what_a_destination_can_take() {
        for capacity in [5, 12, 30] {
            let adaptive = Adaptive::new(Aimd { backoff: 0.9, ..AIMD }, 50);
            let mut seen = Vec::new();
            for round in 0..400 {
                let limit = adaptive.limit();
                let load = if limit > capacity { Load::Overloaded } else { Load::Fine };
                for _ in 0..limit {
                    adaptive.sample(load, u64::from(limit), at(round * 10), at(round * 10 + 5));
                }
                seen.push(adaptive.limit());
            }
            let settled = &seen[200..];
            let mean = settled.iter().sum::<u32>() / settled.len() as u32;
            assert!(settled.iter().all(|limit| *limit <= capacity + 1), "{capacity}: {settled:?}");
            assert!(mean >= capacity * 8 / 10, "{capacity}: {mean}");
        }
    }

    proptest! {
        #[test]
        fn it_never_leaves_its_bounds(
            start in any::<u32>(),
            samples in prop::collection::vec((any::<bool>(), 0..100_u64, 0..1_000_u64, 0..50_u64), 0..500),
        ) {
            let adaptive = Adaptive::new(AIMD, start);
            for (is_fine, in_flight, began, took) in samples {
                let load = if is_fine { Load::Fine } else { Load::Overloaded };
                let before = adaptive.limit();
                let changed = adaptive.sample(load, in_flight, at(began), at(began + took));
                prop_assert_eq!(changed, adaptive.limit() != before);
                prop_assert!((AIMD.min..=AIMD.max).contains(&adaptive.limit()));
            }
        }
    }
}
