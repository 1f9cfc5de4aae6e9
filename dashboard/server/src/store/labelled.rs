//! The series of one thing, each of a figure and a label: what holds now, and what was counted, in all and in the last
//! minute.

use std::collections::BTreeMap;

use foldhash::HashMap;
use poolscope_wire::Count;

use super::buckets::Buckets;
use super::minute::Minute;
use super::reports::Reports;
use super::rests::Rests;
use super::series::Cumulative;
use crate::config::Limits;
use crate::model::{ProtectionFigure, Reading, SessionFigure, Value};
use crate::words::cut_name;

/// A series may come in every report; what was in none of so many is silent, and can make room.
const SILENT_REPORTS: u64 = 2;
/// Stands for the labels of all further ones that made room, where there are too many.
const OTHERS: &str = "others";

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
    /// What those had counted that made room, by figure and label.
    over: Vec<(F, Box<str>, u64)>,
    rests: Rests,
    /// The report in which none was silent, so that none can make room.
    full_at: u64,
    /// How often there was no room.
    hits: u64,
}

impl<F> Default for Labelled<F> {
    fn default() -> Self {
        Self { series: HashMap::default(), over: Vec::new(), rests: Rests::default(), full_at: 0, hits: 0 }
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
            self.hits += 1;
            if !self.make_room(reports, limits) {
                return None;
            }
        }
        let (over, rests) = (&mut self.over, &mut self.rests);
        let mut first = None;
        let series = self.series.entry(reading.series).or_insert_with(|| {
            let state = match &reading.value {
                Value::Number { delta, .. } if !figure.is_counted() => {
                    State::Gauge { value: 0.0, kept: *delta }
                }
                value => {
                    let (all, added) = match rests.take(reading.series) {
                        Some((place, before)) => {
                            over[place].2 = over[place].2.saturating_sub(before.total);
                            Cumulative::again(reading, before)
                        }
                        None => {
                            let is_known = reports.count() > 1 && rests.knows_all();
                            let (mut all, added) = Cumulative::first(reading, is_known);
                            if added.is_none() && !rests.knows_all() {
                                all.leave_out_first();
                            }
                            (all, added)
                        }
                    };
                    first = added;
                    match value {
                        Value::Number { .. } => State::Counter { all, minute: Minute::default() },
                        Value::Histogram { .. } => State::Histogram(all),
                    }
                }
            };
            // No report yet has had it; that tells the new one below.
            Series { figure, label: cut_name(label, limits.max_text_bytes), state, report: 0 }
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
                // What was counted in a silence is no figure of the last minute.
                if !reports.is_after_silence() {
                    let part = minute.at(at_ms);
                    *part = part.saturating_add(added);
                }
                Added::Count(added)
            }
            (State::Histogram(all), Value::Histogram { .. }) => {
                advance(all).map_or(Added::Nothing, Added::Spread)
            }
            _ => Added::Nothing,
        })
    }

    /// The series that was silent for longest makes room; false if none is silent.
    fn make_room(&mut self, reports: &Reports, limits: &Limits) -> bool {
        let newest = reports.count();
        if self.full_at == newest {
            return false;
        }
        let is_silent = |series: &Series<F>| {
            let is_kept = matches!(series.state, State::Gauge { kept: true, .. });
            !is_kept && series.report + SILENT_REPORTS <= newest
        };
        let silent = self.series.iter().filter(|(_, series)| is_silent(series));
        let Some(id) = silent.min_by_key(|(_, series)| series.report).map(|(id, _)| *id) else {
            self.full_at = newest;
            return false;
        };
        if let Some(Series {
            figure, label, state: State::Counter { all, .. } | State::Histogram(all), ..
        }) = self.series.remove(&id)
        {
            let counted = all.counted();
            let find =
                |label: &str| self.over.iter().position(|(of, known, _)| *of == figure && **known == *label);
            let is_full = self.over.len() >= limits.max_series;
            let place = find(&label).or_else(|| find(OTHERS).filter(|_| is_full)).unwrap_or_else(|| {
                self.over.push((figure, if is_full { OTHERS.into() } else { label }, 0));
                self.over.len() - 1
            });
            self.over[place].2 = self.over[place].2.saturating_add(counted.total);
            self.rests.keep(id, place, counted, limits.max_series);
        }
        true
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// How often there was no room for a series since it was last asked.
    pub(super) fn take_hits(&mut self) -> u64 {
        std::mem::take(&mut self.hits)
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
        for (_, label, total) in self.over.iter().filter(|(of, ..)| *of == figure) {
            counts.entry(label.to_string()).or_default().total = *total;
        }
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
