//! What is known: pools, breakers and what else protects calls, instances and the newest events, in bounded memory.
//!
//! Every OTLP request is applied as a whole, so that the figures of one point are of one moment. Who reads goes through
//! the functions of [`query`], which speak the browser's types; where the answers come from is the store's own matter.

mod breaker;
mod buckets;
mod capped;
mod course;
mod early;
mod event_text;
mod events;
mod forced;
mod groups;
mod history;
mod id;
mod instance;
mod journal;
mod kept;
mod labelled;
mod lanes;
mod leaks;
mod logs;
mod minute;
mod pool;
mod pool_detail;
mod protection;
mod query;
mod reports;
mod restore;
mod rests;
mod rhythm;
mod sample;
mod series;
mod session;
mod tallies;
mod tick;
mod told;
mod unsaved;
mod warning_log;
mod warnings;

#[cfg(test)]
mod tests;

pub(crate) use course::Read as FigureRead;
pub(crate) use events::EventFilter;
pub(crate) use groups::PoolId;
pub(crate) use history::{Since, TIERS, Wanted};
pub(crate) use id::Id;
pub(crate) use journal::Kind;
pub(crate) use lanes::{LaneQuery, LaneSort};
pub(crate) use restore::{Changes, Restore, Shelf};
pub(crate) use warning_log::WarningFilter;

use std::sync::Arc;

use self::breaker::Breaker;
use self::capped::Capped;
use self::early::Early;
use self::events::Events;
use self::groups::ToldGroups;
use self::history::Plan;
use self::instance::Instance;
use self::journal::Journal;
use self::lanes::Budget;
use self::pool::Pool;
use self::protection::Protection;
use self::reports::SAME_REPORT_MS;
use self::session::Session;
use self::warning_log::WarningLog;
use self::warnings::ToldWarnings;
use crate::clock::axis_ms;
use crate::config::{Config, Limits};
use crate::model::{Destination, PoolKind, PoolReading, ProtectionKind, Report, Sender, SpanRecord};
use crate::rules::Levels;
use crate::words::{cut_name, too_long};

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
    warning_log: WarningLog,
    told_groups: ToldGroups,
    events: Events,
    early: Early,
    /// Room for the lanes of all connections.
    lane_budget: Budget,
    /// The server ends, and what is asked for the file is asked for the last time.
    is_settled: bool,
    /// Readings of series of pools and breakers for which there was no room.
    dropped_series: u64,
    /// How often there was no room for a series of other protection, and of sessions, or a silent one made it.
    full_series: [u64; 3],
    /// Names that were too long.
    cut_names: u64,
    removed: Removed,
    /// Services or instances came or went since the last update of the live stream.
    services_changed: bool,
    /// When the live stream was last told when instances were heard.
    heard_told_ms: u64,
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
            warning_log: WarningLog::default(),
            told_groups: ToldGroups::default(),
            events: Events::new(limits.max_events),
            early: Early::default(),
            is_settled: false,
            dropped_series: 0,
            full_series: [0; 3],
            cut_names: 0,
            removed: Removed::default(),
            services_changed: false,
            heard_told_ms: 0,
        }
    }

    /// Applies a metrics request.
    pub(crate) fn take_metrics(&mut self, reports: &[Report<'_>], now_ms: u64) {
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
                    self.take_pool_reading((report.sender, id), reading, at_ms, now_ms, &mut touched);
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
        (sender, id): (Sender<'_>, Id),
        reading: &PoolReading<'_>,
        at_ms: u64,
        now_ms: u64,
        touched: &mut Vec<Id>,
    ) {
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
        let Some(pool) = self.pools.entry(id, now_ms, make, evicted) else { return };
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

    fn take_protection_readings(&mut self, report: &Report<'_>, now_ms: u64) {
        let mut touched: Vec<Id> = Vec::new();
        let limits = self.limits;
        for reading in &report.protection {
            let at_ms = axis_ms(reading.reading.time_ns, now_ms);
            let (kind, name) = (reading.figure.kind(), (reading.name, reading.guard));
            let Some(one) = self.one_of_protection(report.sender, kind, name, now_ms) else { continue };
            let id = one.id;
            if one.begin(at_ms, now_ms) {
                touched.push(id);
            }
            one.take(reading, at_ms, &limits);
            self.full_series[0] += one.series.take_hits();
        }
        for id in touched {
            if let Some(one) = self.protection.get_mut(id) {
                one.finish(&self.levels, now_ms, &mut self.journal);
            }
        }
    }

    fn take_session_readings(&mut self, report: &Report<'_>, now_ms: u64) {
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
            let Some(one) = one else { continue };
            self.services_changed |= one.hidden;
            if one.begin(at_ms, now_ms) {
                touched.push(id);
            }
            one.take(reading, at_ms, &limits);
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
    fn breaker(&mut self, sender: Sender<'_>, name: &str, now_ms: u64) -> Option<&mut Breaker> {
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
        let cut_names = &mut self.cut_names;
        let make = || {
            *changed = true;
            *cut_names += too_long(&[sender.service, sender.instance], max_text);
            Instance::new(sender, max_text, now_ms)
        };
        let journal = &mut self.journal;
        let evicted = |gone: Instance| journal.forget(Kind::Instance, gone.id);
        if let Some(instance) = self.instances.entry(Id::instance(sender), now_ms, make, evicted) {
            instance.hear(now_ms);
        }
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
