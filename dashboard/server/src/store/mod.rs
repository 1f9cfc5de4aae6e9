//! What is known: pools, breakers and what else protects calls, instances and the newest events, in bounded memory.
//!
//! Every OTLP request is applied as a whole, so that the figures of one point are of one moment. Who reads goes through
//! the functions of [`query`], which speak the browser's types; where the answers come from is the store's own matter.

mod breaker;
mod buckets;
mod capped;
mod event_text;
mod events;
mod groups;
mod history;
mod id;
mod instance;
mod journal;
mod lanes;
mod leaks;
mod minute;
mod pool;
mod protection;
mod query;
mod restore;
mod rhythm;
mod sample;
mod series;
mod session;
mod tallies;
mod tick;
mod told;
mod warnings;

#[cfg(test)]
mod tests;

pub(crate) use events::EventFilter;
pub(crate) use history::{Since, TIERS, Wanted};
pub(crate) use id::Id;
pub(crate) use lanes::{LaneQuery, LaneSort};
pub(crate) use restore::{Changes, Restore};

use std::sync::Arc;

use poolscope_semconv::value::HealthState;
use poolscope_semconv::{attr, event};

use self::breaker::{Breaker, Change, parse_state};
use self::capped::Capped;
use self::events::Events;
use self::groups::ToldGroups;
use self::history::Plan;
use self::instance::Instance;
use self::journal::{Journal, Kind};
use self::lanes::Budget;
use self::pool::{Pool, SAME_REPORT_MS};
use self::protection::Protection;
use self::session::Session;
use self::warnings::ToldWarnings;
use crate::clock::axis_ms;
use crate::config::{Config, Limits};
use crate::model::{
    Destination, EventRecord, PoolKind, PoolReading, ProtectionKind, Report, Sender, SpanRecord,
};
use crate::rules::Levels;
use crate::words::cut_name;

/// See the module.
#[derive(Debug)]
pub(crate) struct Store {
    limits: Limits,
    plan: Plan,
    /// What was silent for so long leaves the overview; its history stays.
    forget_after_ms: u64,
    /// Bytes of all histories together.
    max_history_bytes: usize,
    /// Steps of histories for which there was no room.
    dropped_steps: u64,
    journal: Journal,
    pools: Capped<Pool>,
    breakers: Capped<Breaker>,
    protection: Capped<Protection>,
    sessions: Capped<Session>,
    instances: Capped<Instance>,
    levels: Arc<Levels>,
    told_warnings: ToldWarnings,
    told_groups: ToldGroups,
    events: Events,
    /// Room for the lanes of all connections.
    lane_budget: Budget,
    /// Series for which there was no room.
    dropped_series: u64,
    removed: Removed,
    /// Services or instances came or went since the last update of the live stream.
    services_changed: bool,
}

/// What a span belongs to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpanPlace {
    pub(crate) pool: Option<Id>,
    pub(crate) breaker: Option<Id>,
}

/// What went since the last update of the live stream, by id.
#[derive(Debug, Default)]
struct Removed {
    pools: Vec<String>,
    breakers: Vec<String>,
    protection: Vec<String>,
    sessions: Vec<String>,
}

impl Removed {
    /// What the live stream never told need not be taken back.
    fn pool(&mut self, pool: &Pool) {
        self.pools.extend(pool.published.then(|| pool.id.to_string()));
    }

    fn breaker(&mut self, breaker: &Breaker) {
        self.breakers.extend(breaker.published.then(|| breaker.id.to_string()));
    }

    fn protection(&mut self, one: &Protection) {
        self.protection.extend(one.published.then(|| one.id.to_string()));
    }

    fn session(&mut self, one: &Session) {
        self.sessions.extend(one.published.then(|| one.id.to_string()));
    }
}

impl Store {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = config.limits;
        Self {
            limits,
            lane_budget: Budget::new(&limits, config.lane_retention_ms()),
            plan: Plan {
                retention_ms: config.retention_s.saturating_mul(1_000),
                max_reports: limits.max_points,
            },
            forget_after_ms: config.forget_after_s.saturating_mul(1_000),
            max_history_bytes: limits.max_history_mb.saturating_mul(1024 * 1024),
            dropped_steps: 0,
            journal: Journal::default(),
            pools: Capped::new(limits.max_pools),
            breakers: Capped::new(limits.max_breakers),
            protection: Capped::new(limits.max_protection),
            sessions: Capped::new(limits.max_protection),
            instances: Capped::new(limits.max_instances),
            levels: Arc::new(Levels::new(&config.rule)),
            told_warnings: ToldWarnings::default(),
            told_groups: ToldGroups::default(),
            events: Events::new(limits.max_events),
            dropped_series: 0,
            removed: Removed::default(),
            services_changed: false,
        }
    }

    /// Applies a metrics request.
    pub(crate) fn take_metrics(&mut self, reports: &[Report<'_>], now_ms: u64) {
        let mut touched = Vec::new();
        let mut changed = false;
        for report in reports {
            self.see(report.sender, now_ms);
            touched.clear();
            for (at_ms, readings) in by_moment(&report.pools, now_ms) {
                let touched_before = touched.len();
                for reading in readings {
                    self.take_pool_reading(report.sender, reading, at_ms, now_ms, &mut touched);
                }
                for id in &touched[touched_before..] {
                    if let Some(pool) = self.pools.get_mut(*id) {
                        pool.finish(now_ms, self.limits.max_points, &mut self.journal);
                    }
                }
            }
            changed |= self.take_breaker_readings(report, now_ms);
            self.take_protection_readings(report, now_ms);
            self.take_session_readings(report, now_ms);
            self.take_telemetry(report, now_ms);
        }
        if changed {
            self.pair_breakers(now_ms);
        }
    }

    fn take_pool_reading(
        &mut self,
        sender: Sender<'_>,
        reading: &PoolReading<'_>,
        at_ms: u64,
        now_ms: u64,
        touched: &mut Vec<Id>,
    ) {
        let id = self.pool_of(sender, reading.destination);
        let (removed, breakers) = (&mut self.removed, &self.breakers);
        let (max_text, services_changed) = (self.limits.max_text_bytes, &mut self.services_changed);
        let levels = &self.levels;
        let (plan, journal) = (self.plan, &mut self.journal);
        let evicted = |gone: Pool| {
            removed.pool(&gone);
            journal.forget(Kind::Pool, gone.id);
        };
        let make = || {
            *services_changed = true;
            let mut pool = Pool::new(id, sender, reading.destination, &plan, max_text, now_ms);
            pool.levels = levels.clone();
            pool.breaker = guard_of(&pool, breakers);
            pool
        };
        let Some(pool) = self.pools.entry(id, now_ms, make, evicted) else { return };
        self.services_changed |= pool.hidden;
        if pool.begin(at_ms, now_ms) {
            touched.push(id);
        }
        if !pool.take(reading, self.limits.max_series, max_text) {
            self.dropped_series += 1;
        }
    }

    /// The pool that a sender means, which need not be known; the scheme is optional here too.
    fn pool_named(&self, sender: Sender<'_>, destination: Destination<'_>) -> Id {
        let exact = Id::pool(sender, destination);
        let without = Id::pool(sender, Destination { scheme: "", ..destination });
        let is_known = |id: Id| self.pools.get(id).is_some();
        if !is_known(exact) && is_known(without) { without } else { exact }
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

    fn take_breaker_readings(&mut self, report: &Report<'_>, now_ms: u64) -> bool {
        let mut touched: Vec<Id> = Vec::new();
        let (max_series, max_text) = (self.limits.max_series, self.limits.max_text_bytes);
        for reading in &report.breakers {
            let at_ms = axis_ms(reading.reading.time_ns, now_ms);
            let Some(breaker) = self.breaker(report.sender, reading.name, now_ms) else { continue };
            let id = breaker.id;
            if breaker.begin(at_ms, now_ms) {
                touched.push(id);
            }
            if !breaker.take(reading, max_series, max_text) {
                self.dropped_series += 1;
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

    fn take_protection_readings(&mut self, report: &Report<'_>, now_ms: u64) {
        let mut touched: Vec<Id> = Vec::new();
        let (max_series, max_text) = (self.limits.max_series, self.limits.max_text_bytes);
        for reading in &report.protection {
            let at_ms = axis_ms(reading.reading.time_ns, now_ms);
            let (kind, name) = (reading.figure.kind(), (reading.name, reading.guard));
            let Some(one) = self.one_of_protection(report.sender, kind, name, now_ms) else { continue };
            let id = one.id;
            if one.begin(at_ms, now_ms) {
                touched.push(id);
            }
            if !one.take(reading, at_ms, max_series, max_text) {
                self.dropped_series += 1;
            }
        }
        for id in touched {
            if let Some(one) = self.protection.get_mut(id) {
                one.finish(&self.levels, now_ms);
            }
        }
    }

    fn take_session_readings(&mut self, report: &Report<'_>, now_ms: u64) {
        let mut touched: Vec<Id> = Vec::new();
        let (max_series, max_text) = (self.limits.max_series, self.limits.max_text_bytes);
        for reading in &report.sessions {
            let at_ms = axis_ms(reading.reading.time_ns, now_ms);
            let id = Id::session(report.sender, reading.name);
            let (removed, services_changed) = (&mut self.removed, &mut self.services_changed);
            let make = || {
                *services_changed = true;
                Session::new(id, report.sender, reading.name, max_text, now_ms)
            };
            let one = self.sessions.entry(id, now_ms, make, |gone| removed.session(&gone));
            let Some(one) = one else { continue };
            if one.begin(at_ms, now_ms) {
                touched.push(id);
            }
            if !one.take(reading, at_ms, max_series, max_text) {
                self.dropped_series += 1;
            }
        }
        for id in touched {
            if let Some(one) = self.sessions.get_mut(id) {
                one.finish(&self.levels, now_ms);
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

    /// Notes that an instance sent spans.
    pub(crate) fn take_spans_of(&mut self, sender: Sender<'_>, count: u64, now_ms: u64) {
        self.see(sender, now_ms);
        if let Some(instance) = self.instances.get_mut(Id::instance(sender)) {
            instance.spans = instance.spans.saturating_add(count);
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
        let (removed, max_text) = (&mut self.removed, self.limits.max_text_bytes);
        let make = || Protection::new(id, kind, sender, name, max_text, now_ms);
        self.protection.entry(id, now_ms, make, |gone| removed.protection(&gone))
    }

    /// The breaker of a name, made if it is new.
    fn breaker(&mut self, sender: Sender<'_>, name: &str, now_ms: u64) -> Option<&mut Breaker> {
        let id = Id::breaker(sender, name);
        let (removed, services_changed) = (&mut self.removed, &mut self.services_changed);
        let (max_text, plan) = (self.limits.max_text_bytes, self.plan);
        let make = || {
            *services_changed = true;
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

    /// Applies a logs request.
    pub(crate) fn take_events(&mut self, records: &[EventRecord<'_>], now_ms: u64) {
        let mut changed = false;
        for record in records {
            self.see(record.sender, now_ms);
            if let Some(instance) = self.instances.get_mut(Id::instance(record.sender)) {
                instance.events = instance.events.saturating_add(1);
            }
            let at_ms = axis_ms(record.time_ns, now_ms);
            let breaker = record.get(attr::BREAKER_NAME).filter(|name| !name.is_empty());
            if record.name == event::BREAKER_TRANSITION {
                changed |= self.take_transition(record, at_ms, now_ms);
            }
            if record.name == event::HEALTH_CHANGED {
                self.take_health(record, at_ms, now_ms);
            }
            let pool = destination(record).map(|destination| Id::pool(record.sender, destination));
            // An event that names no client belongs to a pool only where a pool has none either.
            let names_client = record.get(attr::CLIENT_NAME).is_some();
            let pool = pool.filter(|id| names_client || self.pools.get(*id).is_some());
            if let Some(pool) = pool.and_then(|id| self.pools.get_mut(id)) {
                pool.take_event(record, at_ms, now_ms, self.limits.max_text_bytes, &mut self.lane_budget);
            }
            // What a pool is like now is no news; it is in its lanes.
            if record.name == event::POOL_SNAPSHOT {
                continue;
            }
            let breaker = breaker.map(|name| Id::breaker(record.sender, name));
            self.events.push(record, at_ms, pool, breaker, self.limits.max_text_bytes);
        }
        if changed {
            self.pair_breakers(now_ms);
        }
    }

    fn take_transition(&mut self, record: &EventRecord<'_>, at_ms: u64, now_ms: u64) -> bool {
        let state = |key| record.get(key).and_then(parse_state);
        let (Some(name), Some(to)) = (record.get(attr::BREAKER_NAME), state(attr::BREAKER_TO)) else {
            return false;
        };
        let max_text = self.limits.max_text_bytes;
        let Some(breaker) = self.breaker(record.sender, name, now_ms) else { return false };
        let change = Change {
            from: state(attr::BREAKER_FROM).unwrap_or(breaker.state),
            to,
            reason: record.get(attr::BREAKER_REASON).unwrap_or_default(),
            shares: [
                attr::BREAKER_FAILURE_RATIO,
                attr::BREAKER_SLOW_CALL_RATIO,
                attr::BREAKER_CONNECT_FAILURE_RATIO,
            ]
            .map(|key| record.number(key)),
            window_calls: record.number(attr::BREAKER_WINDOW_CALLS).map(|calls| calls.max(0.0) as u64),
            open_for_s: record.number(attr::BREAKER_OPEN_FOR),
        };
        let changed = breaker.change(&change, at_ms, now_ms, max_text);
        if let Some(breaker) = self.breakers.get_mut(Id::breaker(record.sender, name)) {
            breaker.judge(&self.levels, now_ms);
        }
        changed
    }

    /// A probe that only events tell of has no figures, so it is not made by them.
    fn take_health(&mut self, record: &EventRecord<'_>, at_ms: u64, now_ms: u64) {
        let name = record.get(attr::HEALTH_NAME).unwrap_or_default();
        let id = Id::protection(record.sender, ProtectionKind::Probe, (name, ""));
        let state = record.get(attr::HEALTH_STATE).and_then(HealthState::parse);
        let reason = record.get(attr::HEALTH_REASON).unwrap_or_default();
        if let (Some(state), Some(probe)) = (state, self.protection.get_mut(id)) {
            probe.last_seen_ms = now_ms;
            probe.change(state, reason, at_ms, self.limits.max_text_bytes);
            probe.judge(&self.levels, now_ms);
        }
    }

    /// Says which pool and breaker each span belongs to.
    pub(crate) fn place_spans(&mut self, spans: &[SpanRecord<'_>], now_ms: u64) -> Vec<SpanPlace> {
        // Nearly always all spans of a request are of one sender.
        for run in spans.chunk_by(|one, next| one.sender == next.sender) {
            self.see(run[0].sender, now_ms);
        }
        let place = |span: &SpanRecord<'_>| SpanPlace {
            pool: span.destination.map(|destination| self.pool_named(span.sender, destination)),
            breaker: span.breaker.map(|name| Id::breaker(span.sender, name)),
        };
        spans.iter().map(place).collect()
    }

    /// The pools that a breaker guards.
    pub(crate) fn guarded_by(&self, breaker: Id) -> Vec<Id> {
        let is_guarded = |pool: &&Pool| {
            let sender = Sender { service: &pool.service, instance: &pool.instance, ..Sender::default() };
            pool.breaker.as_ref().is_some_and(|(name, _)| Id::breaker(sender, name) == breaker)
        };
        self.pools.values().filter(is_guarded).map(|pool| pool.id).collect()
    }

    /// Notes that an instance was heard.
    fn see(&mut self, sender: Sender<'_>, now_ms: u64) {
        let (max_text, changed) = (self.limits.max_text_bytes, &mut self.services_changed);
        let make = || {
            *changed = true;
            Instance::new(sender, max_text, now_ms)
        };
        let instance = self.instances.entry(Id::instance(sender), now_ms, make, drop);
        self.services_changed |= instance.is_some_and(|instance| instance.hear(now_ms));
    }

    /// Tells every pool the state of the breaker that guards it.
    fn pair_breakers(&mut self, now_ms: u64) {
        for pool in self.pools.values_mut() {
            let guard = guard_of(pool, &self.breakers);
            if pool.breaker != guard {
                pool.breaker = guard;
                pool.dirty = true;
                pool.judge(now_ms);
            }
        }
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

/// The breaker of the same instance that guards a pool: by the most exact of the names that it may have.
fn guard_of(pool: &Pool, breakers: &Capped<Breaker>) -> Option<(String, poolscope_wire::BreakerState)> {
    let sender = Sender { service: &pool.service, instance: &pool.instance, ..Sender::default() };
    let authority = format!("{}:{}", pool.address, pool.port);
    let usual = Destination::new("", &pool.scheme, &pool.address, None).port == pool.port;
    let names = [
        // A breaker layer of one client has the client's name before the destination.
        Some(format!("{} {}://{authority}", pool.client, pool.scheme)),
        Some(format!("{}://{authority}", pool.scheme)),
        usual.then(|| format!("{}://{}", pool.scheme, pool.address)),
        Some(authority),
        Some(pool.address.to_string()),
    ];
    let mut names = names.iter().flatten();
    let known = |name: &String| breakers.get(Id::breaker(sender, name)).filter(|breaker| !breaker.hidden);
    let breaker = names.find_map(known)?;
    Some((breaker.name.to_string(), breaker.state))
}

/// The pool that an event names.
fn destination<'a>(record: &'a EventRecord<'_>) -> Option<Destination<'a>> {
    let address = record.get(attr::SERVER_ADDRESS).filter(|address| !address.is_empty())?;
    Some(Destination::new(
        record.get(attr::CLIENT_NAME).unwrap_or_default(),
        record.get(attr::URL_SCHEME).unwrap_or_default(),
        address,
        record.get(attr::SERVER_PORT).and_then(|port| port.parse().ok()),
    ))
}
