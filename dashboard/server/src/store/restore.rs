//! What of the store goes into a file, and comes back out of it after a restart.

use std::sync::Arc;

use poolscope_wire::{BreakerState, Event, Transition};
use serde::{Deserialize, Serialize};

use super::Store;
use super::breaker::Breaker;
use super::history::{BreakerFigures, Figures, History, PlainFigures, PoolFigures, Reader, Step, TIERS};
use super::id::Id;
use super::journal::Kind;
use super::pool::Pool;
use crate::model::{Destination, MAX_BUCKETS, PoolKind, Sender, is_plausible_bound};

/// Different bounds of histograms that are believed to a file.
const MAX_BOUNDS: u64 = 256;

/// What takes so much room in a file that each has a bound there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// The connections of a pool, by its id.
    Lanes,
    /// A trace, by its id.
    Traces,
    /// A warning that was, by its number.
    Warnings,
}

/// Takes what a file holds: things and events first, then steps and what stands on shelves, in the order of their
/// writing.
pub(crate) trait Restore {
    fn thing(&mut self, kind: Kind, id: u64, json: &[u8]);
    fn event(&mut self, json: &[u8]);
    fn steps(&mut self, tier: usize, bytes: &[u8]);
    fn large(&mut self, shelf: Shelf, id: u128, json: &[u8]);
}

/// What has changed since it was last asked; `None` is gone.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) things: Vec<(Kind, u64, Option<Vec<u8>>)>,
    pub(crate) events: Vec<(u64, Option<Vec<u8>>)>,
    pub(crate) large: Vec<(Shelf, u128, Option<Vec<u8>>)>,
    /// By tier, in pieces of a size that suits the file.
    pub(crate) steps: [Vec<Vec<u8>>; TIERS],
    /// How long the steps of each tier are kept.
    pub(crate) keep_ms: [u64; TIERS],
}

impl Changes {
    /// True if there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.things.is_empty()
            && self.events.is_empty()
            && self.large.is_empty()
            && self.steps.iter().all(Vec::is_empty)
    }
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
        self.warning_log.want(true);
    }

    /// Nobody will fetch what is gathered.
    pub(crate) fn drop_changes(&mut self) {
        self.journal.want(false);
        self.events.want(false);
        self.warning_log.want(false);
    }

    /// Hands out what has changed and is due.
    pub(crate) fn take_changes(&mut self, now_ms: u64) -> Changes {
        let mut changes = Changes { keep_ms: self.plan.keep_ms(), ..Changes::default() };
        for (kind, id) in self.journal.take_gone() {
            changes.things.push((kind, id.number(), None));
            if kind == Kind::Pool {
                changes.large.push((Shelf::Lanes, id.number().into(), None));
            }
        }
        for pool in self.pools.values_mut().filter(|pool| pool.unsaved) {
            pool.unsaved = false;
            changes.things.push((Kind::Pool, pool.id.number(), serde_json::to_vec(&pool.saved()).ok()));
        }
        for breaker in self.breakers.values_mut().filter(|breaker| breaker.unsaved) {
            breaker.unsaved = false;
            let saved = serde_json::to_vec(&breaker.saved()).ok();
            changes.things.push((Kind::Breaker, breaker.id.number(), saved));
        }
        self.take_kept(&mut changes, now_ms);
        changes.events = self.events.take_unsaved();
        changes.steps = self.journal.take();
        changes
    }

    /// The server ends: the newest reports are complete.
    pub(crate) fn settle(&mut self) {
        self.is_settled = true;
        let journal = &mut self.journal;
        for pool in self.pools.values_mut() {
            pool.settle(journal);
        }
        for breaker in self.breakers.values_mut() {
            breaker.settle(journal);
        }
        self.protection.values_mut().for_each(|one| one.settle(journal));
        self.sessions.values_mut().for_each(|one| one.settle(journal));
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
        self.protection.values_mut().for_each(|one| one.restored(now_ms, journal));
        self.sessions.values_mut().for_each(|one| one.restored(now_ms, journal));
        self.services_changed = true;
        let heard_ms = self.instances.values().map(|one| one.last_seen_ms).max().unwrap_or_default();
        self.warning_log.restored(heard_ms.min(now_ms));
        self.tick(now_ms);
    }
}

impl Store {
    fn restore_pool(&mut self, id: u64, json: &[u8]) {
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

    fn restore_breaker(&mut self, id: u64, json: &[u8]) {
        let Ok(saved) = serde_json::from_slice::<SavedBreaker>(json) else { return };
        let sender = Sender { service: &saved.service, instance: &saved.instance, ..Sender::default() };
        let (id, plan, max_text) = (Id::from_number(id), self.plan, self.limits.max_text_bytes);
        let make = || Breaker::new(id, sender, &saved.name, &plan, max_text, 0);
        if let Some(breaker) = self.breakers.entry(id, 0, make, drop) {
            breaker.restore(&saved);
        }
    }

    /// Takes back something that a file kept.
    pub(crate) fn restore_thing(&mut self, kind: Kind, id: u64, json: &[u8]) {
        match kind {
            Kind::Pool => self.restore_pool(id, json),
            Kind::Breaker => self.restore_breaker(id, json),
            Kind::Protection => self.restore_protection(id, json),
            Kind::Session => self.restore_session(id, json),
            Kind::Instance => self.restore_instance(json),
        }
    }

    /// Takes back a warning that was.
    pub(crate) fn restore_warning(&mut self, number: u128, json: &[u8]) {
        let past = serde_json::from_slice(json);
        if let (Ok(number), Ok(past)) = (number.try_into(), past) {
            self.warning_log.restore(number, past);
        }
    }

    /// Takes back an event.
    pub(crate) fn restore_event(&mut self, json: &[u8]) {
        if let Ok(event) = serde_json::from_slice::<Event>(json) {
            self.events.restore(event);
        }
    }

    /// Takes back steps. What can't be read ends them; the rest of the file is none the worse for it.
    pub(crate) fn restore_steps(&mut self, tier: usize, bytes: &[u8]) {
        let _ = self.read_steps(tier, bytes);
    }

    fn read_steps(&mut self, tier: usize, bytes: &[u8]) -> Option<()> {
        let mut input = Reader { bytes, bounds: &[] };
        let count = input.number().filter(|count| *count <= MAX_BOUNDS)?;
        let mut bounds: Vec<Arc<[f64]>> = Vec::new();
        for _ in 0..count {
            let length = usize::try_from(input.number()?).ok()?;
            let (all, _) = input.take(length.checked_mul(8)?)?.as_chunks();
            let one: Vec<f64> = all.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
            let is_believed = one.len() < MAX_BUCKETS && one.iter().all(|bound| is_plausible_bound(*bound));
            // Histograms of bounds that nothing here would take any more only count.
            bounds.push(if is_believed { one.into() } else { Arc::default() });
        }
        let mut input = Reader { bytes: input.bytes, bounds: &bounds };
        while !input.bytes.is_empty() {
            let kind = input.number()?;
            let id = Id::from_number(u64::from_le_bytes(input.take(8)?.try_into().ok()?));
            match Kind::ALL.into_iter().find(|known| *known as u64 == kind)? {
                Kind::Pool => {
                    let history = self.pools.get_mut(id).map(|one| &mut one.history);
                    read_step::<PoolFigures>(history, tier, &mut input)?;
                }
                Kind::Breaker => {
                    let history = self.breakers.get_mut(id).map(|one| &mut one.history);
                    read_step::<BreakerFigures>(history, tier, &mut input)?;
                }
                Kind::Protection => {
                    let history = self.protection.get_mut(id).map(|one| &mut one.course.history);
                    read_step::<PlainFigures>(history, tier, &mut input)?;
                }
                Kind::Session => {
                    let history = self.sessions.get_mut(id).map(|one| &mut one.course.history);
                    read_step::<PlainFigures>(history, tier, &mut input)?;
                }
                Kind::Instance => return None,
            }
        }
        Some(())
    }
}

/// Reads a step; of what is not known any more it is left out.
fn read_step<F: Figures>(
    history: Option<&mut History<F>>,
    tier: usize,
    input: &mut Reader<'_>,
) -> Option<()> {
    let step = Step::<F>::read(0, input)?;
    if let Some(history) = history {
        history.restore(tier, &step);
    }
    Some(())
}
