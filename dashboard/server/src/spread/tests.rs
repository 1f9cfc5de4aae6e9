//! Who gives up, and what stays of the past.

use super::{Entry, Order, Owner, Scarce, Spread};
use crate::model::Sender;
use crate::store::Id;

const MINUTE_MS: u64 = 60_000;

fn owner(name: &str) -> Owner {
    Some(Id::breaker(Sender::default(), name))
}

/// Entries whose number is their value, in at most so many places.
struct Kept {
    spread: Spread<u64>,
    max: usize,
    all: Vec<(u64, Owner, u64)>,
}

impl Kept {
    fn new(order: Order, max: usize) -> Self {
        Self { spread: Spread::new(order), max, all: Vec::new() }
    }

    fn push(&mut self, owner: Owner, at_ms: u64) -> u64 {
        let number = self.all.last().map_or(1, |(last, ..)| last + 1);
        self.spread.push(owner, number, Entry { at_ms, bytes: 10, value: number });
        self.all.push((number, owner, at_ms));
        if self.spread.len() > self.max {
            let gone = self.spread.next_to_go(Scarce::Places).unwrap();
            let at = self.all.iter().position(|(number, ..)| *number == gone).unwrap();
            let (_, owner, _) = self.all.remove(at);
            self.spread.remove(owner, gone);
        }
        assert_eq!((self.spread.len(), self.spread.bytes()), (self.all.len(), self.all.len() * 10));
        number
    }

    fn times(&self, of: Owner) -> Vec<u64> {
        self.all.iter().filter(|(_, owner, _)| *owner == of).map(|(.., at_ms)| *at_ms).collect()
    }
}

#[test]
fn who_has_most_gives_up_and_who_has_little_keeps_it() {
    let mut kept = Kept::new(Order::Thinned, 100);
    for second in 0..10 {
        kept.push(owner("quiet"), second * 1_000);
    }
    for ms in 10_000..40_000 {
        kept.push(owner("noisy"), ms);
        if ms % 100 == 0 {
            kept.push(owner("middle"), ms);
        }
    }
    assert_eq!(kept.times(owner("quiet")).len(), 10);
    let (noisy, middle) = (kept.times(owner("noisy")).len(), kept.times(owner("middle")).len());
    assert!(
        noisy.abs_diff(middle) <= 1,
        "{noisy} and {middle}: who has most gives up until both have the same"
    );
}

#[test]
fn where_each_has_one_the_one_that_was_silent_for_longest_gives_up() {
    let mut kept = Kept::new(Order::Thinned, 3);
    for (at_ms, name) in ["c", "a", "b", "d"].into_iter().enumerate() {
        kept.push(owner(name), at_ms as u64);
    }
    let numbers: Vec<_> = kept.all.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [2, 3, 4]);
}

#[test]
fn the_newest_stay_and_of_every_age_before_a_sample_does() {
    let mut kept = Kept::new(Order::Thinned, 200);
    let end_ms = 120 * MINUTE_MS;
    for ms in (0..=end_ms).step_by(100) {
        kept.push(None, ms);
    }
    let times = kept.times(None);
    let newest: Vec<u64> = (end_ms - 9_900..=end_ms).step_by(100).collect();
    assert_eq!(times[100..], newest, "the newer half as it came");
    assert_eq!(times[0], 0, "and the first of all");
    for minutes in [1, 2, 4, 8, 16, 32, 64] {
        let ages = minutes * MINUTE_MS..2 * minutes * MINUTE_MS;
        let count = times.iter().filter(|at_ms| ages.contains(&(end_ms - *at_ms))).count();
        assert!((6..=25).contains(&count), "{count} from {minutes} to {} minutes ago", 2 * minutes);
    }
    // A band is thinned evenly.
    let ages: Vec<u64> = times.iter().map(|at_ms| end_ms - at_ms).collect();
    let widest = ages.windows(2).filter(|two| two[0] < 30 * MINUTE_MS).map(|two| two[0] - two[1]).max();
    assert!(widest.unwrap() < 10 * MINUTE_MS, "{widest:?}");
}

#[test]
fn what_is_seldom_stays_though_something_comes_often() {
    let mut kept = Kept::new(Order::Thinned, 60);
    // A burst of a thousand every ten minutes, and one alone between two of them.
    let mut alone = Vec::new();
    for round in 0..6 {
        for ms in 0..1_000 {
            kept.push(None, round * 10 * MINUTE_MS + ms);
        }
        alone.push(round * 10 * MINUTE_MS + 5 * MINUTE_MS);
        kept.push(None, alone[alone.len() - 1]);
    }
    let times = kept.times(None);
    assert!(alone.iter().all(|at_ms| times.contains(at_ms)), "{times:?}");
}

#[test]
fn the_oldest_goes_where_nothing_is_thinned() {
    let mut kept = Kept::new(Order::Oldest, 3);
    for at_ms in 0..9 {
        kept.push(None, at_ms);
    }
    assert_eq!(kept.times(None), [6, 7, 8]);
}

#[test]
fn the_largest_gives_up_where_bytes_are_scarce() {
    let mut spread = Spread::new(Order::Thinned);
    let entry = |value, bytes| Entry { at_ms: value, bytes, value };
    spread.push(owner("large"), 1, entry(1, 1_000));
    for number in 2..10 {
        spread.push(owner("many"), number, entry(number, 10));
    }
    assert_eq!(spread.next_to_go(Scarce::Bytes), Some(1));
    assert_ne!(spread.next_to_go(Scarce::Places), Some(1));
    spread.remove(owner("large"), 1);
    assert_eq!((spread.len(), spread.bytes()), (8, 80));
    spread.remove(owner("large"), 1);
    assert_eq!((spread.len(), spread.bytes()), (8, 80), "what is not here takes nothing with it");
}

#[test]
fn what_is_old_is_found_whoever_has_it_also_after_the_clock_was_put_back() {
    let mut kept = Kept::new(Order::Thinned, 20);
    for at_ms in (0..100).map(|minute| minute * MINUTE_MS).chain(10..40) {
        kept.push(owner(if at_ms % 2 == 0 { "even" } else { "odd" }), at_ms);
    }
    let mut old = kept.spread.older_than(u64::MAX);
    old.sort_unstable();
    let numbers: Vec<u64> = kept.all.iter().map(|(number, ..)| *number).collect();
    assert_eq!(old, numbers);
    assert_eq!(kept.spread.older_than(0), [0; 0]);
}
