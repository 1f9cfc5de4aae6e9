//! One series over time: what was added since the point before, whatever the sender does with its clock and counters.

use std::sync::Arc;

use super::buckets::{Buckets, Counts};
use crate::model::{Reading, Value};

/// A series younger than this when it is first seen has all its count from now; an older one from before we looked.
const YOUNG_NS: u64 = 10_000_000_000;

/// A counter or histogram; a counter is a histogram without bounds.
#[derive(Debug)]
pub(super) struct Cumulative {
    bounds: Arc<[f64]>,
    last: Counts,
    start_ns: u64,
    time_ns: u64,
    total: u64,
}

/// How far a series had counted when it made room for others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    start_ns: u64,
    time_ns: u64,
    last: u64,
    /// All that it had counted.
    pub(super) total: u64,
}

impl Cumulative {
    /// Begins with the first point, and tells what of it was added since the report before.
    ///
    /// `known` says that there was a report before without this series: then it began since.
    pub(super) fn first(reading: &Reading<'_>, known: bool) -> (Self, Option<Buckets>) {
        let (bounds, counts, delta) = parts(&reading.value);
        let bounds: Arc<[f64]> = bounds.into();
        let first = whole(&reading.value);
        let series = Self {
            bounds,
            last: if delta { Counts::from_elem(0, counts.len()) } else { Counts::from_slice(&counts) },
            start_ns: reading.start_ns,
            time_ns: reading.time_ns,
            total: first.count(),
        };
        (series, (delta || known || is_young(reading)).then_some(first))
    }

    /// Goes on with a series that had made room. In one life of its sender the difference is added, which a distribution
    /// tells no more; in another all of it is.
    pub(super) fn again(reading: &Reading<'_>, before: Counted) -> (Self, Option<Buckets>) {
        let (bounds, counts, delta) = parts(&reading.value);
        let (whole, now) = (whole(&reading.value), sum(&counts));
        let (mut series, _) = Self::first(reading, true);
        let is_late = reading.time_ns <= before.time_ns && reading.time_ns != 0;
        let is_older = reading.start_ns != 0 && reading.start_ns < before.start_ns;
        let restarted = reading.start_ns > before.start_ns && before.start_ns != 0;
        let added = if (delta && is_late) || (!delta && is_older) {
            None
        } else if delta || restarted || now < before.last {
            Some(whole)
        } else if bounds.is_empty() {
            Some(Buckets::new(series.bounds.clone(), [now - before.last]))
        } else {
            None
        };
        let is_same_life = !delta && !is_older && added.is_none();
        let count = added.as_ref().map_or(if is_same_life { now - before.last } else { 0 }, Buckets::count);
        series.total = before.total.saturating_add(count);
        series.start_ns = series.start_ns.max(before.start_ns);
        series.time_ns = series.time_ns.max(before.time_ns);
        (series, added)
    }

    /// What it counted before its first point may be counted already, and is left out.
    pub(super) fn leave_out_first(&mut self) {
        self.total = 0;
    }

    /// How far it has counted.
    pub(super) fn counted(&self) -> Counted {
        let Self { start_ns, time_ns, total, .. } = *self;
        Counted { start_ns, time_ns, last: sum(&self.last), total }
    }

    /// Takes the next point and tells what it adds; `None` if it is a repetition or comes too late.
    pub(super) fn advance(&mut self, reading: &Reading<'_>) -> Option<Buckets> {
        let (bounds, counts, delta) = parts(&reading.value);
        let late = reading.time_ns <= self.time_ns && reading.time_ns != 0;
        let added = if delta {
            if late {
                return None;
            }
            self.set_bounds(bounds);
            Counts::from_slice(&counts)
        } else {
            let restarted = reading.start_ns > self.start_ns && self.start_ns != 0;
            if !restarted && reading.start_ns != 0 && reading.start_ns < self.start_ns {
                return None;
            }
            let comparable = self.bounds[..] == *bounds && self.last.len() == counts.len();
            let fell = !comparable || sum(&counts) < sum(&self.last);
            if fell && late && !restarted {
                return None;
            }
            let added = if restarted || fell {
                Counts::from_slice(&counts)
            } else {
                counts.iter().zip(&self.last).map(|(now, last)| now.saturating_sub(*last)).collect()
            };
            self.set_bounds(bounds);
            self.last.clear();
            self.last.extend_from_slice(&counts);
            added
        };
        self.start_ns = reading.start_ns;
        self.time_ns = self.time_ns.max(reading.time_ns);
        let added = Buckets::new(self.bounds.clone(), added);
        self.total = self.total.saturating_add(added.count());
        Some(added)
    }

    /// The clock was put back: the next point is no late one.
    pub(super) fn rewind(&mut self) {
        self.time_ns = 0;
    }

    fn set_bounds(&mut self, bounds: &[f64]) {
        if self.bounds[..] != *bounds {
            self.bounds = bounds.into();
        }
    }

    /// All that the series counted, over restarts of the sender.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

/// All that a point counts.
pub(super) fn whole(value: &Value<'_>) -> Buckets {
    let (bounds, counts, _) = parts(value);
    Buckets::new(bounds.into(), Counts::from_slice(&counts))
}

/// Age of a series at the time of its point, in seconds; `None` if it is old or does not tell.
pub(super) fn young_age_s(reading: &Reading<'_>) -> Option<f64> {
    is_young(reading).then(|| (reading.time_ns - reading.start_ns) as f64 / 1e9)
}

fn is_young(reading: &Reading<'_>) -> bool {
    reading.start_ns != 0 && reading.time_ns.checked_sub(reading.start_ns).is_some_and(|age| age <= YOUNG_NS)
}

fn parts<'a>(value: &'a Value<'_>) -> (&'a [f64], Told<'a>, bool) {
    match value {
        Value::Number { value, delta } => (&[], Told::One([*value as u64]), *delta),
        Value::Histogram { bounds, counts, delta } => (bounds, Told::Many(counts), *delta),
    }
}

/// The counts of a histogram, or the one of a counter.
enum Told<'a> {
    One([u64; 1]),
    Many(&'a [u64]),
}

impl std::ops::Deref for Told<'_> {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const S: u64 = 1_000_000_000;

    fn counter(value: f64, start_ns: u64, time_ns: u64) -> Reading<'static> {
        Reading { series: 1, start_ns, time_ns, value: Value::Number { value, delta: false } }
    }

    fn delta(value: f64, time_ns: u64) -> Reading<'static> {
        Reading { series: 1, start_ns: 0, time_ns, value: Value::Number { value, delta: true } }
    }

    fn added(buckets: Option<Buckets>) -> Option<u64> {
        buckets.map(|buckets| buckets.count())
    }

    #[test]
    fn the_first_point_of_an_old_series_adds_nothing() {
        let old = counter(500.0, S, 3_600 * S);
        assert_eq!(added(Cumulative::first(&old, false).1), None);
        assert_eq!(added(Cumulative::first(&old, true).1), Some(500));
        assert_eq!(added(Cumulative::first(&counter(5.0, S, 2 * S), false).1), Some(5));
        assert_eq!(Cumulative::first(&old, false).0.total(), 500);
    }

    #[test]
    fn differences_are_added() {
        let (mut series, _) = Cumulative::first(&counter(10.0, S, 2 * S), false);
        assert_eq!(added(series.advance(&counter(14.0, S, 3 * S))), Some(4));
        assert_eq!(series.total(), 14);
    }

    #[test]
    fn a_restart_is_seen_by_the_start_time_even_if_the_value_rose() {
        let (mut series, _) = Cumulative::first(&counter(10.0, S, 2 * S), false);
        assert_eq!(added(series.advance(&counter(12.0, 3 * S, 4 * S))), Some(12));
        assert_eq!(series.total(), 22);
    }

    #[test]
    fn a_restart_is_seen_by_a_falling_value() {
        let (mut series, _) = Cumulative::first(&counter(10.0, 0, 2 * S), false);
        assert_eq!(added(series.advance(&counter(3.0, 0, 3 * S))), Some(3));
        assert_eq!(series.total(), 13);
    }

    #[test]
    fn repetitions_and_late_points_add_nothing() {
        let (mut series, _) = Cumulative::first(&counter(10.0, S, 2 * S), false);
        assert_eq!(added(series.advance(&counter(20.0, S, 4 * S))), Some(10));
        assert_eq!(added(series.advance(&counter(20.0, S, 4 * S))), Some(0));
        assert_eq!(added(series.advance(&counter(15.0, S, 3 * S))), None);
        assert_eq!(series.total(), 20);
        // The life before the restart, arriving after it.
        series.advance(&counter(1.0, 5 * S, 6 * S));
        assert_eq!(added(series.advance(&counter(21.0, S, 5 * S))), None);
        assert_eq!(series.total(), 21);
    }

    #[test]
    fn a_clock_that_jumped_back_does_not_stop_a_counter() {
        let (mut series, _) = Cumulative::first(&counter(10.0, S, 100 * S), false);
        assert_eq!(added(series.advance(&counter(11.0, S, 50 * S))), Some(1));
    }

    #[test]
    fn deltas_are_added_once() {
        let (mut series, first) = Cumulative::first(&delta(5.0, S), false);
        assert_eq!(added(first), Some(5));
        assert_eq!(added(series.advance(&delta(2.0, 2 * S))), Some(2));
        assert_eq!(added(series.advance(&delta(2.0, 2 * S))), None);
        assert_eq!(series.total(), 7);
    }

    #[test]
    fn a_series_that_made_room_goes_on_where_it_was() {
        let (mut series, _) = Cumulative::first(&counter(10.0, S, 20 * S), true);
        series.advance(&counter(14.0, S, 21 * S));
        let before = series.counted();
        let again = |reading| {
            let (series, first) = Cumulative::again(&reading, before);
            (added(first), series.total())
        };
        assert_eq!(again(counter(20.0, S, 99 * S)), (Some(6), 20), "the same life");
        assert_eq!(again(counter(14.0, S, 21 * S)), (Some(0), 14), "nothing new");
        assert_eq!(again(counter(20.0, 50 * S, 99 * S)), (Some(20), 34), "another life");
        assert_eq!(again(counter(3.0, S, 99 * S)), (Some(3), 17), "another life, of the same start");
        assert_eq!(again(counter(99.0, S / 2, 99 * S)), (None, 14), "the life before");
        assert_eq!(again(delta(5.0, 99 * S)), (Some(5), 19));
        assert_eq!(again(delta(5.0, 21 * S)), (None, 14), "a repetition");
        let spread = |time_ns| Reading {
            value: Value::Histogram {
                bounds: Cow::Borrowed(&[1.0]),
                counts: vec![9, 9].into(),
                delta: false,
            },
            ..counter(0.0, S, time_ns)
        };
        assert_eq!(again(spread(99 * S)), (None, 18), "which of them are new nobody knows");
        let (mut series, _) = Cumulative::again(&counter(20.0, S, 99 * S), before);
        assert_eq!(added(series.advance(&counter(21.0, S, 100 * S))), Some(1));
    }

    #[test]
    fn histograms_are_compared_bucket_by_bucket() {
        let bounds = [1.0, 2.0];
        let point = |counts: [u64; 3], time_ns| Reading {
            series: 1,
            start_ns: S,
            time_ns,
            value: Value::Histogram {
                bounds: Cow::Borrowed(&bounds),
                counts: counts.to_vec().into(),
                delta: false,
            },
        };
        let (mut series, _) = Cumulative::first(&point([5, 5, 0], 2 * S), false);
        let added = series.advance(&point([6, 5, 3], 3 * S)).unwrap();
        assert_eq!(added, Buckets::new(bounds.as_slice().into(), vec![1, 0, 3]));
        // Other bounds are another life.
        let other = Reading {
            series: 1,
            start_ns: S,
            time_ns: 4 * S,
            value: Value::Histogram {
                bounds: Cow::Borrowed(&[9.0]),
                counts: vec![2, 2].into(),
                delta: false,
            },
        };
        assert_eq!(series.advance(&other).unwrap().count(), 4);
    }
}
