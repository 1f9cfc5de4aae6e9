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
mod figures;
mod forced;
mod groups;
mod guards;
mod history;
mod id;
mod instance;
mod intake;
mod journal;
mod kept;
mod labelled;
mod lanes;
mod leaks;
mod limits;
mod lists;
mod logs;
mod minute;
mod news;
mod pool;
mod pool_detail;
mod protection;
mod query;
mod recent;
mod reports;
mod restore;
mod rests;
mod rhythm;
mod room;
mod sample;
mod series;
mod services;
mod session;
mod tallies;
mod tick;
mod told;
mod unsaved;
mod warning_log;
mod warnings;
mod window;

#[cfg(test)]
mod tests;

pub(crate) use course::Read as FigureRead;
pub(crate) use events::{EventFilter, is_routine};
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
use self::session::Session;
use self::warning_log::WarningLog;
use self::warnings::ToldWarnings;
use crate::config::{Config, Limits};
use crate::model::{Destination, Sender, SpanRecord};
use crate::rules::Levels;
use crate::words::too_long;

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
    /// Readings of series of pools for which there was no room.
    dropped_series: u64,
    /// How often there was no room for a series of other protection, of sessions, or a silent one made it, and of breakers.
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

    /// The pool that a sender means, which need not be known; the scheme is optional here too.
    fn pool_named(&self, sender: Sender<'_>, destination: Destination<'_>) -> Id {
        let exact = Id::pool(sender, destination);
        let without = Id::pool(sender, Destination { scheme: "", ..destination });
        let is_known = |id: Id| self.pools.get(id).is_some();
        if !is_known(exact) && is_known(without) { without } else { exact }
    }

    /// Notes that an instance sent spans.
    pub(crate) fn take_spans_of(&mut self, sender: Sender<'_>, count: u64, now_ms: u64) {
        self.see(sender, now_ms);
        if let Some(instance) = self.instances.get_mut(Id::instance(sender)) {
            instance.spans = instance.spans.saturating_add(count);
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
}
