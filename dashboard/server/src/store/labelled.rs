//! The series of one thing, each of a figure and a label: what holds now, and what was counted, in all and in the last
//! minute.

use std::collections::{BTreeMap, HashMap};

use poolscope_wire::Count;

use super::buckets::Buckets;
use super::minute::Minute;
use super::reports::Reports;
use super::series::Cumulative;
use crate::config::Limits;
use crate::model::{ProtectionFigure, Reading, SessionFigure, Value};
use crate::words::cut;

/// A figure that series are of.
pub(super) trait Figure: Copy + Eq {
    /// True for what only rises; otherwise it holds at a moment.
    fn is_counted(self) -> bool;
}

impl Figure for ProtectionFigure {
    fn is_counted(self) -> bool {
        self.is_counted()
    }
}

impl Figure for SessionFigure {
    fn is_counted(self) -> bool {
        self.is_counted()
    }
}

#[derive(Debug)]
struct Series<F> {
    figure: F,
    label: Box<str>,
    state: State,
    /// Report in which it last came.
    report: u64,
}

#[derive(Debug)]
enum State {
    /// A sender of deltas tells a gauge only when it changes, so it is kept over reports that are silent about it.
    Gauge {
        value: f64,
        kept: bool,
    },
    Counter {
        all: Cumulative,
        minute: Minute<u64>,
    },
    Histogram(Cumulative),
}

/// What a reading adds to what was counted before.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Added {
    Nothing,
    Count(u64),
    Spread(Buckets),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Labelled<F> {
    series: HashMap<u64, Series<F>>,
}

impl<F> Default for Labelled<F> {
    fn default() -> Self {
        Self { series: HashMap::new() }
    }
}

impl<F: Figure> Labelled<F> {
    /// Takes a reading of the report that has begun; `None` if there is no room for its series.
    pub(super) fn take(
        &mut self,
        (figure, label): (F, &str),
        reading: &Reading<'_>,
        at_ms: u64,
        reports: &Reports,
        limits: &Limits,
    ) -> Option<Added> {
        if self.series.len() >= limits.max_series && !self.series.contains_key(&reading.series) {
            return None;
        }
        let mut first = None;
        let series = self.series.entry(reading.series).or_insert_with(|| {
            let state = match &reading.value {
                Value::Number { delta, .. } if !figure.is_counted() => {
                    State::Gauge { value: 0.0, kept: *delta }
                }
                value => {
                    let (all, added) = Cumulative::first(reading, reports.count() > 1);
                    first = added;
                    match value {
                        Value::Number { .. } => State::Counter { all, minute: Minute::default() },
                        Value::Histogram { .. } => State::Histogram(all),
                    }
                }
            };
            // No report yet has had it; that tells the new one below.
            Series { figure, label: cut(label, limits.max_text_bytes).into(), state, report: 0 }
        });
        let is_new = std::mem::replace(&mut series.report, reports.count()) == 0;
        let mut advance = |all: &mut Cumulative| if is_new { first.take() } else { all.advance(reading) };
        Some(match (&mut series.state, &reading.value) {
            (State::Gauge { value, .. }, Value::Number { value: told, delta }) => {
                if *delta {
                    *value += told;
                } else if !reports.is_late() {
                    *value = *told;
                }
                Added::Nothing
            }
            (State::Counter { all, minute }, Value::Number { .. }) => {
                let added = advance(all).map_or(0, |added| added.count());
                let part = minute.at(at_ms);
                *part = part.saturating_add(added);
                Added::Count(added)
            }
            (State::Histogram(all), Value::Histogram { .. }) => {
                advance(all).map_or(Added::Nothing, Added::Spread)
            }
            _ => Added::Nothing,
        })
    }

    /// The clock was put back: what was counted for moments that are to come goes from the last minute.
    pub(super) fn rewind(&mut self, to_ms: u64) {
        for series in self.series.values_mut() {
            match &mut series.state {
                State::Counter { all, minute } => {
                    all.rewind();
                    minute.rewind(to_ms);
                }
                State::Histogram(all) => all.rewind(),
                State::Gauge { .. } => {}
            }
        }
    }

    /// Counts of a figure by label, at the newest report.
    pub(super) fn counts(&mut self, figure: F, reports: &Reports) -> BTreeMap<String, Count> {
        let mut counts: BTreeMap<String, Count> = BTreeMap::new();
        for series in self.series.values_mut().filter(|series| series.figure == figure) {
            let State::Counter { all, minute } = &mut series.state else { continue };
            let parts = minute.until(reports.newest_ms());
            let in_minute = parts.fold(0, |sum: u64, part| sum.saturating_add(*part));
            let count = counts.entry(series.label.to_string()).or_default();
            *count = sum([*count, Count { minute: in_minute, total: all.total() }]);
        }
        counts
    }

    /// Gauges of a figure that hold now, by label.
    pub(super) fn gauges(&self, figure: F, reports: &Reports) -> impl Iterator<Item = (&str, f64)> {
        let holding = self.series.values().filter(move |series| series.figure == figure);
        let newest = reports.count();
        holding.filter_map(move |series| match series.state {
            State::Gauge { value, kept } if kept || series.report == newest => {
                Some((&*series.label, value.max(0.0)))
            }
            _ => None,
        })
    }
}

/// The sum of counts.
pub(super) fn sum(counts: impl IntoIterator<Item = Count>) -> Count {
    counts.into_iter().fold(Count::default(), |sum, count| Count {
        minute: sum.minute.saturating_add(count.minute),
        total: sum.total.saturating_add(count.total),
    })
}

/// The middle and the slow end of what was taken in the last minute.
pub(super) fn percentiles(
    minute: &mut Minute<Buckets>,
    reports: &Reports,
) -> Option<poolscope_wire::Percentiles> {
    let mut all = Buckets::default();
    minute.until(reports.newest_ms()).for_each(|part| all.add(part));
    let share = |share| all.quantile(share).map(|value| value as f32);
    Some(poolscope_wire::Percentiles { p50: share(0.5)?, p99: share(0.99)? })
}
