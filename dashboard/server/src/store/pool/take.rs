//! What a reading or an event adds to a pool: to its series, and to the report that has begun.

use poolscope_semconv::event;

use super::{MAX_PROTOCOLS, Pool, Series, State};
use crate::model::{EventRecord, PoolReading, Value};
use crate::store::buckets::Buckets;
use crate::store::lanes::Budget;
use crate::store::series::{Cumulative, whole, young_age_s};
use crate::words::cut_name;

impl Pool {
    /// Takes a reading of the report that has begun; false if there is no room for its series.
    pub(in crate::store) fn take(
        &mut self,
        reading: &PoolReading<'_>,
        max_series: usize,
        max_text: usize,
    ) -> bool {
        self.observation = self.observation.max(reading.observation);
        if let Some(protocol) = reading.protocol
            && self.protocols.len() < MAX_PROTOCOLS
            && !self.protocols.iter().any(|known| **known == *protocol)
        {
            self.protocols.push(protocol.into());
            self.protocols.sort_unstable();
        }
        let key = reading.reading.series;
        if self.series.len() >= max_series && !self.series.contains_key(&key) {
            return false;
        }
        self.told.learn(reading.figure);
        if reading.figure.is_gauge() {
            self.take_gauge(reading, max_text);
        } else {
            self.take_cumulative(reading, max_text);
        }
        true
    }

    fn take_gauge(&mut self, reading: &PoolReading<'_>, max_text: usize) {
        let Value::Number { value, delta } = reading.reading.value else { return };
        if self.reports.is_late() && !delta {
            return;
        }
        let sample = self.reports.count();
        let series = self.series.entry(reading.reading.series).or_insert_with(|| Series {
            figure: reading.figure,
            label: cut_name(&reading.label, max_text),
            marked: reading.marked,
            phase: None,
            state: State::Gauge { value: 0.0, kept: delta },
            sample,
            seen_ms: 0,
        });
        (series.sample, series.seen_ms) = (sample, self.last_seen_ms);
        if let State::Gauge { value: held, .. } = &mut series.state {
            *held = if delta { *held + value } else { value };
        }
    }

    fn take_cumulative(&mut self, reading: &PoolReading<'_>, max_text: usize) {
        let is_first_report = self.reports.count() <= 1;
        let (added, earlier) = self.advance(reading, max_text);
        if let Some(counted) = added.as_ref().or(earlier.as_ref()) {
            self.tallies.add(reading.figure, reading.phase, counted);
        }
        let (Some(added), Some(current)) = (added, self.window.newest_mut()) else { return };
        if is_first_report && let Some(age_s) = young_age_s(&reading.reading) {
            // The first report of a pool that has just begun: its beginning is the report before.
            current.elapsed_s = current.elapsed_s.max(age_s);
        }
        current.take(reading, &added);
    }

    /// What a reading adds to its series since the report before; and what a series that is new here had counted before,
    /// which a distribution over all time has too.
    fn advance(&mut self, reading: &PoolReading<'_>, max_text: usize) -> (Option<Buckets>, Option<Buckets>) {
        let sample = self.reports.count();
        let key = reading.reading.series;
        if let Some(series) = self.series.get_mut(&key) {
            (series.sample, series.seen_ms) = (sample, self.last_seen_ms);
            let State::Cumulative(state) = &mut series.state else { return (None, None) };
            return (state.advance(&reading.reading), None);
        }
        let mut earlier = None;
        let (state, added) = match self.over.take_back(key) {
            Some(before) => Cumulative::again(&reading.reading, before),
            None => {
                let knows_all = self.over.knows_all();
                let (mut state, first) = Cumulative::first(&reading.reading, sample > 1 && knows_all);
                if first.is_none() && knows_all {
                    earlier = Some(whole(&reading.reading.value));
                } else if first.is_none() {
                    // It may be one that made room so long ago that nobody knows it any more.
                    state.leave_out_first();
                }
                (state, first)
            }
        };
        let series = Series {
            figure: reading.figure,
            label: cut_name(&reading.label, max_text),
            marked: reading.marked,
            phase: reading.phase,
            state: State::Cumulative(state),
            sample,
            seen_ms: self.last_seen_ms,
        };
        self.series.insert(key, series);
        (added, earlier)
    }

    /// Takes what an event of the pool tells beyond its own line.
    pub(in crate::store) fn take_event(
        &mut self,
        record: &EventRecord<'_>,
        at_ms: u64,
        now_ms: u64,
        max_text: usize,
        budget: &mut Budget,
    ) {
        match record.name {
            event::LEAK_SUSPECTED => {
                self.leaks.suspected(record, at_ms, max_text);
                self.lanes.leaked(record, at_ms, max_text, budget);
            }
            event::LEAK_RETURNED => {
                self.leaks.returned(record, at_ms);
                self.lanes.returned(record, at_ms, max_text);
            }
            event::CONNECTION_CLOSED => return self.lanes.closed(record, at_ms, max_text, budget),
            event::POOL_SNAPSHOT => return self.lanes.snapshot(record, at_ms, budget),
            _ => return,
        }
        let leaked = self.leaks.active();
        if let Some(newest) = self.points.newest_mut() {
            newest.leaked = leaked;
            self.dirty = true;
        }
        if let Some(newest) = self.history.newest_mut() {
            newest.figures.set_leaked(leaked);
        }
        self.judge(now_ms);
    }
}
