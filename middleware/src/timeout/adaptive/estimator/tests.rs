//! Tests of [`super::Estimator`], against a sorted list of all times.

use proptest::prelude::*;

use super::*;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

fn rules() -> Rules {
    Rules {
        quantile: 0.99,
        factor: 2.0,
        min: 1,
        max: 100 * SECOND,
        start: 5 * SECOND,
        minimum_samples: 10,
        window: 60 * SECOND,
    }
}

/// What is wished: all times with the moments at which they were recorded.
struct Model {
    rules: Rules,
    times: Vec<(u64, u64)>,
    limit: (u64, u64),
    due: u64,
}

impl Model {
    fn generation(&self, at: u64) -> u64 {
        at / (self.rules.window / GENERATIONS)
    }

    /// The least and the greatest that the limit may be.
    fn limit(&mut self, now: u64) -> (u64, u64) {
        if now >= self.due {
            self.due = now + self.rules.window / LOOKS;
            self.limit = self.find(now);
        }
        self.limit
    }

    fn find(&self, now: u64) -> (u64, u64) {
        let Rules { quantile, factor, min, max, start, .. } = self.rules;
        let is_known = |at: u64| self.generation(at) + GENERATIONS > self.generation(now);
        let mut known: Vec<_> =
            self.times.iter().filter(|(at, _)| is_known(*at)).map(|(_, took)| *took).collect();
        known.sort_unstable();
        if (known.len() as u64) < self.rules.minimum_samples {
            return (start, start);
        }
        let rank = ((quantile * known.len() as f64).ceil() as usize).clamp(1, known.len());
        let took = known[rank - 1] as f64;
        let widest = took * (1.0 + 1.0 / SUB as f64) + (1 << UNIT_BITS) as f64;
        ((took * factor) as u64, (widest * factor) as u64 + 1).clamp_to(min, max)
    }
}

trait ClampTo {
    fn clamp_to(self, min: u64, max: u64) -> Self;
}

impl ClampTo for (u64, u64) {
    fn clamp_to(self, min: u64, max: u64) -> Self {
        (self.0.clamp(min, max), self.1.clamp(min, max))
    }
}

proptest! {
    #[test]
    fn a_time_is_in_the_bucket_that_says_so(nanos in 0_u64..7_200 * SECOND) {
        let bucket = bucket(nanos);
        prop_assert!(nanos < upper(bucket));
        prop_assert!(bucket == 0 || nanos >= upper(bucket - 1));
        prop_assert!(upper(bucket) as f64 <= nanos as f64 * (1.0 + 1.0 / SUB as f64) + (1 << UNIT_BITS) as f64);
    }

    #[test]
    fn the_limit_is_that_of_a_sorted_list_within_a_bucket(
        quantile in 0.01..0.999,
        factor in 1.0..10.0,
        minimum_samples in 1_u64..50,
        steps in prop::collection::vec((0_u64..3 * SECOND, 0_u64..20 * SECOND, any::<bool>()), 1..400),
    ) {
        let rules = Rules { quantile, factor, minimum_samples, min: 10 * MILLI, ..rules() };
        let estimator = Estimator::new(rules.clone());
        let mut model = Model { limit: (rules.start, rules.start), rules, times: Vec::new(), due: 0 };
        let mut now = 0;
        for (later, took, is_burst) in steps {
            now += if is_burst { later / 1_000 } else { later };
            estimator.record(took, now);
            model.times.push((now, took));
            let (least, greatest) = model.limit(now);
            let limit = estimator.limit(now);
            prop_assert!((least..=greatest).contains(&limit), "{least} <= {limit} <= {greatest}");
        }
    }
}

/// Records calls of a destination that takes `took` for a while, each timed out if that is too long; tells the limit.
fn call_for(estimator: &Estimator, now: &mut u64, seconds: u64, took: u64) -> u64 {
    for _ in 0..seconds * 20 {
        *now += SECOND / 20;
        let limit = estimator.limit(*now);
        estimator.record(took.min(limit), *now);
    }
    estimator.limit(*now)
}

#[test]
fn it_follows_a_destination_that_becomes_slower_and_recovers() {
    for factor in [1.0, 2.0] {
        let estimator = Estimator::new(Rules { factor, minimum_samples: 100, ..rules() });
        let mut now = 0;
        let fast = call_for(&estimator, &mut now, 120, 100 * MILLI);
        assert!(fast < (110.0 * factor) as u64 * MILLI, "{fast}");
        // A hundred times slower: every call is timed out, and each counts as long as its limit.
        let slow = call_for(&estimator, &mut now, 240, 10 * SECOND);
        assert!(slow > 10 * SECOND, "it lets calls pass again: {slow} with {factor}");
        assert!(slow < (11.0 * factor) as u64 * SECOND, "{slow}");
        assert_eq!(call_for(&estimator, &mut now, 120, 100 * MILLI), fast);
    }
}

#[test]
fn it_starts_anew_when_too_little_is_known() {
    let estimator = Estimator::new(rules());
    assert_eq!(estimator.limit(0), 5 * SECOND);
    let mut now = 0;
    assert!(call_for(&estimator, &mut now, 60, MILLI) < 5 * MILLI);
    assert_eq!((estimator.limit(now + 60 * SECOND), estimator.samples(now + 60 * SECOND)), (5 * SECOND, 0));
}

#[test]
fn it_is_found_anew_now_and_then_and_not_for_each_call() {
    let estimator = Estimator::new(Rules { minimum_samples: 1, ..rules() });
    assert_eq!(estimator.limit(0), 5 * SECOND);
    estimator.record(MILLI, 0);
    assert_eq!(estimator.limit(1), 5 * SECOND);
    assert!(estimator.limit(60 * SECOND / LOOKS) < 3 * MILLI);
}

#[test]
fn threads_lose_nothing_within_a_generation() {
    let estimator = Estimator::new(rules());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let estimator = &estimator;
            scope.spawn(move || (0..10_000).for_each(|n| estimator.record(n * 1_000, SECOND + thread)));
        }
    });
    // The first of them empties the generation, and may lose what the others record at the same time.
    assert!((39_000..=40_000).contains(&estimator.samples(SECOND)), "{}", estimator.samples(SECOND));
}
