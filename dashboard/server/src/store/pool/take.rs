//! What a reading or an event adds to a pool: to its series, and to the report that has begun.

use poolscope_semconv::event;
use poolscope_semconv::value::{AcquireOutcome, CloseReason, ConnectPhase};

use super::{MAX_PROTOCOLS, Pool, Series, State};
use crate::model::{EventRecord, PoolFigure, PoolReading, Value};
use crate::rules::Cause;
use crate::store::lanes::Budget;
use crate::store::sample::add;
use crate::store::series::{Cumulative, whole, young_age_s};
use crate::words::cut;

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
            label: cut(&reading.label, max_text).into(),
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
        let sample = self.reports.count();
        let known = sample > 1;
        let mut added = None;
        // Beside what was added since the report before, a distribution has what a series that is new here counted before.
        let mut earlier = None;
        match self.series.get_mut(&reading.reading.series) {
            Some(series) => {
                (series.sample, series.seen_ms) = (sample, self.last_seen_ms);
                if let State::Cumulative(state) = &mut series.state {
                    added = state.advance(&reading.reading);
                }
            }
            None => {
                let key = reading.reading.series;
                let (state, first) = match self.over.take_back(key) {
                    Some(before) => Cumulative::again(&reading.reading, before),
                    None => {
                        let knows_all = self.over.knows_all();
                        let (mut state, first) = Cumulative::first(&reading.reading, known && knows_all);
                        if first.is_none() && knows_all {
                            earlier = Some(whole(&reading.reading.value));
                        } else if first.is_none() {
                            // It may be one that made room so long ago that nobody knows it any more.
                            state.leave_out_first();
                        }
                        (state, first)
                    }
                };
                added = first;
                let series = Series {
                    figure: reading.figure,
                    label: cut(&reading.label, max_text).into(),
                    marked: reading.marked,
                    phase: reading.phase,
                    state: State::Cumulative(state),
                    sample,
                    seen_ms: self.last_seen_ms,
                };
                self.series.insert(reading.reading.series, series);
            }
        }
        if let Some(counted) = added.as_ref().or(earlier.as_ref()) {
            self.tallies.add(reading.figure, reading.phase, counted);
        }
        let (Some(added), Some(current)) = (added, self.window.back_mut()) else { return };
        if !known && let Some(age_s) = young_age_s(&reading.reading) {
            // The first report of a pool that has just begun: its beginning is the report before.
            current.elapsed_s = current.elapsed_s.max(age_s);
        }
        let count = added.count();
        match reading.figure {
            PoolFigure::Acquires => match AcquireOutcome::parse(&reading.label) {
                Some(AcquireOutcome::Reused | AcquireOutcome::Waited) => {
                    add(&mut current.reused, count);
                    add(&mut current.served, count);
                }
                Some(AcquireOutcome::New) => add(&mut current.served, count),
                _ => {}
            },
            PoolFigure::Opened => add(&mut current.opened, count),
            PoolFigure::Failed => current.failed.add(Cause::of(&reading.label, reading.phase), count),
            PoolFigure::Wasted => add(current.wasted.get_or_insert(0), count),
            PoolFigure::StaleReuse => add(&mut current.stale_reuse, count),
            PoolFigure::Timeouts => add(&mut current.timeouts, count),
            PoolFigure::Create => add(&mut current.created, count),
            PoolFigure::Asked if reading.marked => add(&mut current.refused, count),
            PoolFigure::Closed => {
                add(current.closed.get_or_insert(0), count);
                if *reading.label == *CloseReason::PeerClosedIdle.as_str() {
                    add(&mut current.closed_idle_by_peer, count);
                }
            }
            PoolFigure::Phase if reading.phase == Some(ConnectPhase::Dns) => current.dns.add(&added),
            PoolFigure::Phase if reading.phase == Some(ConnectPhase::Tls) => current.tls.add(&added),
            PoolFigure::Lifetime => add(&mut current.ended, count),
            PoolFigure::Wait => current.wait.add(&added),
            PoolFigure::Queue => current.queue.add(&added),
            PoolFigure::Use => current.held.add(&added),
            PoolFigure::Duration => {
                add(&mut current.requests, count);
                if reading.marked {
                    add(&mut current.errors, count);
                }
                current.duration.add(&added);
            }
            _ => {}
        }
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
        if let Some(newest) = self.points.back_mut() {
            newest.leaked = leaked;
            self.dirty = true;
        }
        if let Some(newest) = self.history.newest_mut() {
            newest.figures.set_leaked(leaked);
        }
        self.judge(now_ms);
    }
}
