//! Metrics on their way in: each reading to what it is about, and what that is, is judged when all of its report is here.

use super::Store;
use super::breaker::Breaker;
use super::guards::guard_of;
use super::id::Id;
use super::journal::Kind;
use super::pool::Pool;
use super::protection::Protection;
use super::reports::SAME_REPORT_MS;
use super::room::{Bound, NoRoom};
use super::session::Session;
use crate::clock::axis_ms;
use crate::model::{Destination, PoolKind, PoolReading, ProtectionKind, Rejected, Report, Sender};
use crate::words::{cut_name, too_long};

impl Store {
    /// Applies a metrics request, and tells for what of it there was no room.
    pub(crate) fn take_metrics(&mut self, reports: &[Report<'_>], now_ms: u64) -> Rejected {
        let mut no_room = NoRoom::new(self.limits);
        let mut touched = Vec::new();
        let mut changed = false;
        for report in reports {
            self.see(report.sender, now_ms);
            touched.clear();
            let mut last = None;
            for (at_ms, readings) in by_moment(&report.pools, now_ms) {
                let touched_before = touched.len();
                for reading in readings {
                    // The points of a metric come pool by pool.
                    let id = match last {
                        Some((destination, id)) if destination == reading.destination => id,
                        _ => self.pool_of(report.sender, reading.destination),
                    };
                    last = Some((reading.destination, id));
                    let taken =
                        self.take_pool_reading((report.sender, id), reading, (at_ms, now_ms), &mut touched);
                    if let Err(bound) = taken {
                        no_room.add(bound);
                    }
                }
                for id in &touched[touched_before..] {
                    if let Some(pool) = self.pools.get_mut(*id) {
                        pool.finish(now_ms, self.limits.max_points, &mut self.journal);
                    }
                }
            }
            changed |= self.take_breaker_readings(report, now_ms, &mut no_room);
            self.take_protection_readings(report, now_ms, &mut no_room);
            self.take_session_readings(report, now_ms, &mut no_room);
            self.take_telemetry(report, now_ms);
        }
        if changed {
            self.pair_breakers(now_ms);
        }
        no_room.rejected
    }

    fn take_pool_reading(
        &mut self,
        (sender, id): (Sender<'_>, Id),
        reading: &PoolReading<'_>,
        (at_ms, now_ms): (u64, u64),
        touched: &mut Vec<Id>,
    ) -> Result<(), Bound> {
        let (removed, breakers) = (&mut self.removed, &self.breakers);
        let (max_text, services_changed) = (self.limits.max_text_bytes, &mut self.services_changed);
        let levels = &self.levels;
        let (plan, journal, cut_names) = (self.plan, &mut self.journal, &mut self.cut_names);
        let evicted = |gone: Pool| {
            removed.pool(&gone);
            journal.forget(Kind::Pool, gone.id);
        };
        let mut is_new = false;
        let make = || {
            (*services_changed, is_new) = (true, true);
            let Destination { client, scheme, address, .. } = reading.destination;
            *cut_names += too_long(&[client, scheme, address], max_text);
            let mut pool = Pool::new(id, sender, reading.destination, &plan, max_text, now_ms);
            pool.levels = levels.clone();
            pool.breaker = guard_of(&pool, breakers);
            pool
        };
        let pool = self.pools.entry(id, now_ms, make, evicted).ok_or(Bound::Pools)?;
        self.services_changed |= pool.hidden;
        if is_new {
            for close in self.early.take(id) {
                pool.lanes.closed(&close.record(), close.at_ms, max_text, &mut self.lane_budget);
            }
        }
        if pool.begin(at_ms, now_ms) {
            touched.push(id);
        }
        if !pool.take(reading, self.limits.max_series, max_text) {
            self.dropped_series += 1;
            return Err(Bound::Series);
        }
        Ok(())
    }

    /// The pool that a sender means. The scheme is optional for `http.client.*`, and of two metrics of one pool only one
    /// may have it; so what has none belongs to the pool of the same port that has one, and the other way round.
    fn pool_of(&mut self, sender: Sender<'_>, destination: Destination<'_>) -> Id {
        let exact = Id::pool(sender, destination);
        if destination.kind != PoolKind::Http || self.pools.get(exact).is_some() {
            return exact;
        }
        if !destination.scheme.is_empty() {
            let without = Destination { scheme: "", ..destination };
            let unnamed = Id::pool(sender, without);
            let Some(pool) = self.pools.get_mut(unnamed) else { return exact };
            if !pool.scheme.is_empty() && *pool.scheme != *destination.scheme {
                return exact;
            }
            pool.scheme = cut_name(destination.scheme, self.limits.max_text_bytes);
            return unnamed;
        }
        let port = (destination.port != 0).then_some(destination.port);
        let named = ["https", "http"].map(|scheme| {
            Id::pool(sender, Destination::new(destination.client, scheme, destination.address, port))
        });
        named.into_iter().find(|id| self.pools.get(*id).is_some()).unwrap_or(exact)
    }

    fn take_breaker_readings(&mut self, report: &Report<'_>, now_ms: u64, no_room: &mut NoRoom) -> bool {
        let mut touched: Vec<Id> = Vec::new();
        let (max_series, max_text) = (self.limits.max_series, self.limits.max_text_bytes);
        for reading in &report.breakers {
            let at_ms = axis_ms(reading.reading.time_ns, now_ms);
            let Some(breaker) = self.breaker(report.sender, reading.name, now_ms) else {
                no_room.add(Bound::Breakers);
                continue;
            };
            let id = breaker.id;
            if breaker.begin(at_ms, now_ms) {
                touched.push(id);
            }
            if !breaker.take(reading, max_series, max_text) {
                no_room.add(Bound::Series);
                self.full_series[2] += 1;
            }
        }
        let mut changed = false;
        for id in touched {
            let Some(breaker) = self.breakers.get_mut(id) else { continue };
            changed |= breaker.finish(&mut self.journal);
            breaker.judge(&self.levels, now_ms);
        }
        changed
    }

    fn take_protection_readings(&mut self, report: &Report<'_>, now_ms: u64, no_room: &mut NoRoom) {
        let mut touched: Vec<Id> = Vec::new();
        let limits = self.limits;
        for reading in &report.protection {
            let at_ms = axis_ms(reading.reading.time_ns, now_ms);
            let (kind, name) = (reading.figure.kind(), (reading.name, reading.guard));
            let Some(one) = self.one_of_protection(report.sender, kind, name, now_ms) else {
                no_room.add(Bound::Protection);
                continue;
            };
            let id = one.id;
            if one.begin(at_ms, now_ms) {
                touched.push(id);
            }
            if !one.take(reading, at_ms, &limits) {
                no_room.add(Bound::Series);
            }
            self.full_series[0] += one.series.take_hits();
        }
        for id in touched {
            if let Some(one) = self.protection.get_mut(id) {
                one.finish(&self.levels, now_ms, &mut self.journal);
            }
        }
    }

    fn take_session_readings(&mut self, report: &Report<'_>, now_ms: u64, no_room: &mut NoRoom) {
        let mut touched: Vec<Id> = Vec::new();
        let (limits, plan) = (self.limits, self.plan);
        for reading in &report.sessions {
            let at_ms = axis_ms(reading.reading.time_ns, now_ms);
            let id = Id::session(report.sender, reading.name);
            let (removed, services_changed) = (&mut self.removed, &mut self.services_changed);
            let cut_names = &mut self.cut_names;
            let make = || {
                *services_changed = true;
                *cut_names += too_long(&[reading.name], limits.max_text_bytes);
                Session::new(id, report.sender, reading.name, &plan, limits.max_text_bytes, now_ms)
            };
            let journal = &mut self.journal;
            let evicted = |gone: Session| {
                removed.session(&gone);
                journal.forget(Kind::Session, gone.id);
            };
            let one = self.sessions.entry(id, now_ms, make, evicted);
            let Some(one) = one else {
                no_room.add(Bound::Sessions);
                continue;
            };
            self.services_changed |= one.hidden;
            if one.begin(at_ms, now_ms) {
                touched.push(id);
            }
            if !one.take(reading, at_ms, &limits) {
                no_room.add(Bound::Series);
            }
            self.full_series[1] += one.series.take_hits();
        }
        for id in touched {
            if let Some(one) = self.sessions.get_mut(id) {
                one.finish(&self.levels, now_ms, &mut self.journal);
            }
        }
    }

    /// Notes how an instance reports, and what it says that it lost.
    fn take_telemetry(&mut self, report: &Report<'_>, now_ms: u64) {
        let Some(instance) = self.instances.get_mut(Id::instance(report.sender)) else { return };
        let times = [
            report.pools.first().map(|one| one.reading.time_ns),
            report.sessions.first().map(|one| one.reading.time_ns),
            report.breakers.first().map(|one| one.reading.time_ns),
        ];
        let dated_ns = times.into_iter().flatten().find(|time_ns| *time_ns > 0);
        instance.report(dated_ns.map(|time_ns| time_ns / 1_000_000), now_ms);
        for dropped in &report.dropped {
            instance.lose(dropped, axis_ms(dropped.reading.time_ns, now_ms));
        }
    }

    /// What protects by a kind and a name, made if it is new.
    fn one_of_protection(
        &mut self,
        sender: Sender<'_>,
        kind: ProtectionKind,
        name: (&str, &str),
        now_ms: u64,
    ) -> Option<&mut Protection> {
        let id = Id::protection(sender, kind, name);
        let (removed, max_text, plan) = (&mut self.removed, self.limits.max_text_bytes, self.plan);
        let cut_names = &mut self.cut_names;
        let make = || {
            *cut_names += too_long(&[name.0, name.1], max_text);
            Protection::new(id, kind, sender, name, (&plan, max_text), now_ms)
        };
        let journal = &mut self.journal;
        let evicted = |gone: Protection| {
            removed.protection(&gone);
            journal.forget(Kind::Protection, gone.id);
        };
        self.protection.entry(id, now_ms, make, evicted)
    }

    /// The breaker of a name, made if it is new.
    pub(super) fn breaker(&mut self, sender: Sender<'_>, name: &str, now_ms: u64) -> Option<&mut Breaker> {
        let id = Id::breaker(sender, name);
        let (removed, services_changed) = (&mut self.removed, &mut self.services_changed);
        let (max_text, plan, cut_names) = (self.limits.max_text_bytes, self.plan, &mut self.cut_names);
        let make = || {
            *services_changed = true;
            *cut_names += too_long(&[name], max_text);
            Breaker::new(id, sender, name, &plan, max_text, now_ms)
        };
        let journal = &mut self.journal;
        let evicted = |gone: Breaker| {
            removed.breaker(&gone);
            journal.forget(Kind::Breaker, gone.id);
        };
        let breaker = self.breakers.entry(id, now_ms, make, evicted)?;
        self.services_changed |= std::mem::take(&mut breaker.hidden);
        Some(breaker)
    }
}

/// Splits readings into reports. Nearly always there is one; a collector that was held up delivers several at once.
fn by_moment<'r, 'a>(readings: &'r [PoolReading<'a>], now_ms: u64) -> Vec<(u64, Vec<&'r PoolReading<'a>>)> {
    let at = |reading: &&PoolReading<'_>| axis_ms(reading.reading.time_ns, now_ms);
    let mut sorted: Vec<_> = readings.iter().collect();
    // Stable, and in place if all are of one moment, so that the readings of a pool stay together.
    sorted.sort_by_key(|reading| at(reading) / SAME_REPORT_MS);
    let mut groups: Vec<(u64, Vec<_>)> = Vec::new();
    for reading in sorted {
        let at_ms = at(&reading);
        match groups.last_mut() {
            Some((first_ms, group)) if at_ms.abs_diff(*first_ms) <= SAME_REPORT_MS => group.push(reading),
            _ => groups.push((at_ms, vec![reading])),
        }
    }
    groups
}
