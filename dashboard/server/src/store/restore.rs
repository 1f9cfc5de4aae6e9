//! What of the store goes into a file, and comes back out of it after a restart.

use std::sync::Arc;

use poolscope_wire::{BreakerState, Event, Transition};
use serde::{Deserialize, Serialize};

use super::Store;
use super::breaker::Breaker;
use super::history::{BreakerFigures, PoolFigures, Reader, Step, TIERS};
use super::id::Id;
use super::journal::Kind;
use super::pool::Pool;
use crate::model::{Destination, PoolKind, Sender};

/// Different bounds of histograms, and buckets of one, that are believed to a file.
const MAX_BOUNDS: u64 = 256;
const MAX_BUCKETS: u64 = 10_000;

/// Takes what a file holds: pools, breakers and events first, then steps in the order of their writing.
pub(crate) trait Restore {
    fn pool(&mut self, id: u64, json: &[u8]);
    fn breaker(&mut self, id: u64, json: &[u8]);
    fn event(&mut self, json: &[u8]);
    fn steps(&mut self, tier: usize, bytes: &[u8]);
}

/// What has changed since it was last asked; `None` is gone.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) pools: Vec<(u64, Option<Vec<u8>>)>,
    pub(crate) breakers: Vec<(u64, Option<Vec<u8>>)>,
    pub(crate) events: Vec<(u64, Option<Vec<u8>>)>,
    /// By tier, in pieces of a size that suits the file.
    pub(crate) steps: [Vec<Vec<u8>>; TIERS],
    /// How long the steps of each tier are kept.
    pub(crate) keep_ms: [u64; TIERS],
}

/// A pool, beside its history.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedPool {
    pub(super) service: String,
    pub(super) instance: String,
    pub(super) client: String,
    pub(super) scheme: String,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) is_database: bool,
    pub(super) protocols: Vec<String>,
    /// Value of the telemetry contract.
    pub(super) observation: String,
    pub(super) is_ours: bool,
    pub(super) interval_ms: u64,
}

/// A breaker, beside its history.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedBreaker {
    pub(super) service: String,
    pub(super) instance: String,
    pub(super) name: String,
    pub(super) state: BreakerState,
    pub(super) since_ms: Option<u64>,
    pub(super) limits: [Option<f64>; 3],
    pub(super) interval_ms: u64,
    pub(super) last_seen_ms: u64,
    /// Changes of state, and whether each was concluded from a report.
    pub(super) changes: Vec<(Transition, bool)>,
}

impl Store {
    /// From now on what changes is gathered for the file.
    pub(crate) fn save_changes(&mut self) {
        self.journal.want(true);
        self.events.want(true);
    }

    /// Nobody will fetch what is gathered.
    pub(crate) fn drop_changes(&mut self) {
        self.journal.want(false);
        self.events.want(false);
    }

    /// Hands out what has changed; `None` if that is nothing.
    pub(crate) fn take_changes(&mut self) -> Option<Changes> {
        let mut changes = Changes { keep_ms: self.plan.keep_ms(), ..Changes::default() };
        for (kind, id) in self.journal.take_gone() {
            let list = if kind == Kind::Pool { &mut changes.pools } else { &mut changes.breakers };
            list.push((id.number(), None));
        }
        for pool in self.pools.values_mut().filter(|pool| pool.unsaved) {
            pool.unsaved = false;
            changes.pools.push((pool.id.number(), serde_json::to_vec(&pool.saved()).ok()));
        }
        for breaker in self.breakers.values_mut().filter(|breaker| breaker.unsaved) {
            breaker.unsaved = false;
            changes.breakers.push((breaker.id.number(), serde_json::to_vec(&breaker.saved()).ok()));
        }
        changes.events = self.events.take_unsaved();
        changes.steps = self.journal.take();
        let is_empty = changes.pools.is_empty()
            && changes.breakers.is_empty()
            && changes.events.is_empty()
            && changes.steps.iter().all(Vec::is_empty);
        (!is_empty).then_some(changes)
    }

    /// The server ends: the newest reports are complete.
    pub(crate) fn settle(&mut self) {
        let journal = &mut self.journal;
        for pool in self.pools.values_mut() {
            pool.settle(journal);
        }
        for breaker in self.breakers.values_mut() {
            breaker.settle(journal);
        }
    }

    /// All that the file held was handed in.
    pub(crate) fn restored(&mut self, now_ms: u64) {
        self.save_changes();
        let journal = &mut self.journal;
        for pool in self.pools.values_mut() {
            pool.restored(now_ms, journal);
        }
        for breaker in self.breakers.values_mut() {
            breaker.restored(now_ms, journal);
        }
        self.services_changed = true;
        self.tick(now_ms);
    }
}

impl Restore for Store {
    fn pool(&mut self, id: u64, json: &[u8]) {
        let Ok(saved) = serde_json::from_slice::<SavedPool>(json) else { return };
        let sender = Sender { service: &saved.service, instance: &saved.instance, ..Sender::default() };
        let kind = if saved.is_database { PoolKind::Database } else { PoolKind::Http };
        let destination = Destination {
            kind,
            client: &saved.client,
            scheme: &saved.scheme,
            address: &saved.address,
            port: saved.port,
        };
        let (id, plan, max_text) = (Id::from_number(id), self.plan, self.limits.max_text_bytes);
        let make = || Pool::new(id, sender, destination, &plan, max_text, 0);
        if let Some(pool) = self.pools.entry(id, 0, make, drop) {
            pool.restore(&saved);
        }
    }

    fn breaker(&mut self, id: u64, json: &[u8]) {
        let Ok(saved) = serde_json::from_slice::<SavedBreaker>(json) else { return };
        let sender = Sender { service: &saved.service, instance: &saved.instance, ..Sender::default() };
        let (id, plan, max_text) = (Id::from_number(id), self.plan, self.limits.max_text_bytes);
        let make = || Breaker::new(id, sender, &saved.name, &plan, max_text, 0);
        if let Some(breaker) = self.breakers.entry(id, 0, make, drop) {
            breaker.restore(&saved);
        }
    }

    fn event(&mut self, json: &[u8]) {
        if let Ok(event) = serde_json::from_slice::<Event>(json) {
            self.events.restore(event);
        }
    }

    fn steps(&mut self, tier: usize, bytes: &[u8]) {
        // What can't be read ends here; the rest of the file is none the worse for it.
        let _ = self.read_steps(tier, bytes);
    }
}

impl Store {
    fn read_steps(&mut self, tier: usize, bytes: &[u8]) -> Option<()> {
        let mut input = Reader { bytes, bounds: &[] };
        let count = input.number().filter(|count| *count <= MAX_BOUNDS)?;
        let mut bounds: Vec<Arc<[f64]>> = Vec::new();
        for _ in 0..count {
            let length = input.number().filter(|length| *length <= MAX_BUCKETS)?;
            let one = (0..length).map(|_| Some(f64::from_le_bytes(input.take(8)?.try_into().ok()?)));
            bounds.push(one.collect::<Option<Vec<f64>>>()?.into());
        }
        let mut input = Reader { bytes: input.bytes, bounds: &bounds };
        while !input.bytes.is_empty() {
            let kind = input.number()?;
            let id = Id::from_number(u64::from_le_bytes(input.take(8)?.try_into().ok()?));
            if kind == Kind::Pool as u64 {
                let step = Step::<PoolFigures>::read(0, &mut input)?;
                if let Some(pool) = self.pools.get_mut(id) {
                    pool.history.restore(tier, &step);
                }
            } else if kind == Kind::Breaker as u64 {
                let step = Step::<BreakerFigures>::read(0, &mut input)?;
                if let Some(breaker) = self.breakers.get_mut(id) {
                    breaker.history.restore(tier, &step);
                }
            } else {
                return None;
            }
        }
        Some(())
    }
}
