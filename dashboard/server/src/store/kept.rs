//! What the file keeps, beside histories, of what is written as a whole: instances, other protection and sessions as they
//! were told last, and the connections of a pool.

use poolscope_wire as wire;
use serde::{Deserialize, Serialize};

use super::Store;
use super::id::Id;
use super::instance::Instance;
use super::journal::Kind;
use super::lanes::SavedLanes;
use super::pool::Pool;
use super::protection::Protection;
use super::restore::{Changes, Shelf};
use super::session::Session;
use super::unsaved::{Kept, Unsaved, Writing};
use crate::model::{ProtectionKind, Sender};

/// An instance.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedInstance {
    pub(super) service: String,
    pub(super) instance: String,
    pub(super) language: String,
    pub(super) version: String,
    pub(super) first_seen_ms: u64,
    pub(super) last_seen_ms: u64,
    pub(super) events: u64,
    pub(super) spans: u64,
    /// How often it reports, if that is known.
    pub(super) interval_ms: Option<u64>,
    pub(super) dropped: Vec<(String, u64)>,
}

/// Something as the browser was told of it last, and how often it reports.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told<T> {
    pub(super) interval_ms: u64,
    pub(super) one: T,
}

impl Kept for Instance {
    fn id(&self) -> Id {
        self.id
    }

    fn unsaved(&mut self) -> &mut Unsaved {
        &mut self.unsaved
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        serde_json::to_vec(&self.saved()).ok()
    }
}

impl Kept for Protection {
    fn id(&self) -> Id {
        self.id
    }

    fn unsaved(&mut self) -> &mut Unsaved {
        &mut self.unsaved
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        let told = Told { interval_ms: self.reports.interval_ms(), one: self.to_wire() };
        serde_json::to_vec(&told).ok()
    }
}

impl Kept for Session {
    fn id(&self) -> Id {
        self.id
    }

    fn unsaved(&mut self) -> &mut Unsaved {
        &mut self.unsaved
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        let told = Told { interval_ms: self.reports.interval_ms(), one: self.read() };
        serde_json::to_vec(&told).ok()
    }
}

/// The connections of a pool are what of it is written as a whole.
impl Kept for Pool {
    fn id(&self) -> Id {
        self.id
    }

    fn unsaved(&mut self) -> &mut Unsaved {
        &mut self.lanes.unsaved
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        serde_json::to_vec(&self.lanes.saved()).ok()
    }
}

/// Takes what is written of things of a kind.
fn of(kind: Kind, changes: &mut Changes) -> impl FnMut(Id, Option<Vec<u8>>) {
    move |id, value| changes.things.push((kind, id.number(), value))
}

impl Store {
    /// Adds what is due of things that are written as a whole.
    pub(super) fn take_kept(&mut self, changes: &mut Changes, now_ms: u64) {
        let is_last = self.is_settled;
        let begin = || if is_last { Writing::last(now_ms) } else { Writing::new(now_ms) };
        let mut writing = begin();
        writing.take(self.instances.values_mut(), of(Kind::Instance, changes));
        writing.take(self.protection.values_mut(), of(Kind::Protection, changes));
        writing.take(self.sessions.values_mut(), of(Kind::Session, changes));
        // Connections take so much more that they have a part of their own.
        let large = &mut changes.large;
        begin().take(self.pools.values_mut(), |id, value| {
            large.push((Shelf::Lanes, id.number().into(), value));
        });
        self.warning_log.take_unsaved(&mut begin(), |number, value| {
            large.push((Shelf::Warnings, number.into(), value));
        });
    }

    pub(super) fn restore_instance(&mut self, json: &[u8]) {
        let Ok(saved) = serde_json::from_slice::<SavedInstance>(json) else { return };
        let sender = Sender {
            service: &saved.service,
            instance: &saved.instance,
            language: &saved.language,
            version: &saved.version,
        };
        let (id, max_text) = (Id::instance(sender), self.limits.max_text_bytes);
        let make = || Instance::new(sender, max_text, saved.first_seen_ms);
        if let Some(instance) = self.instances.entry(id, 0, make, drop) {
            instance.restore(&saved);
        }
    }

    pub(super) fn restore_protection(&mut self, id: u64, json: &[u8]) {
        let Ok(saved) = serde_json::from_slice::<Told<wire::Protection>>(json) else { return };
        let one = &saved.one;
        let (kind, guard) = match &one.figures {
            wire::ProtectionFigures::Retry(_) => (ProtectionKind::Retry, ""),
            wire::ProtectionFigures::Timeout(_) => (ProtectionKind::Timeout, ""),
            wire::ProtectionFigures::Limit(_) => (ProtectionKind::Limit, ""),
            wire::ProtectionFigures::Probe(_) => (ProtectionKind::Probe, ""),
            wire::ProtectionFigures::Resource(resource) => (ProtectionKind::Resource, &*resource.guard),
            wire::ProtectionFigures::Server(_) => (ProtectionKind::Server, ""),
            wire::ProtectionFigures::Tasks(_) => (ProtectionKind::Tasks, ""),
            wire::ProtectionFigures::Queue(_) => (ProtectionKind::Queue, ""),
            wire::ProtectionFigures::Supervisor(_) => (ProtectionKind::Supervisor, ""),
        };
        let sender = Sender { service: &one.service, instance: &one.instance, ..Sender::default() };
        let (id, plan, max_text) = (Id::from_number(id), self.plan, self.limits.max_text_bytes);
        let make = || Protection::new(id, kind, sender, (&one.name, guard), (&plan, max_text), 0);
        if let Some(protection) = self.protection.entry(id, 0, make, drop) {
            protection.restore(saved);
        }
    }

    pub(super) fn restore_session(&mut self, id: u64, json: &[u8]) {
        let Ok(saved) = serde_json::from_slice::<Told<wire::Sessions>>(json) else { return };
        let one = &saved.one;
        let sender = Sender { service: &one.service, instance: &one.instance, ..Sender::default() };
        let (id, plan, max_text) = (Id::from_number(id), self.plan, self.limits.max_text_bytes);
        let make = || Session::new(id, sender, &one.name, &plan, max_text, 0);
        if let Some(session) = self.sessions.entry(id, 0, make, drop) {
            session.restore(saved);
        }
    }

    /// Takes back the connections of a pool, which has come before them.
    pub(crate) fn restore_lanes(&mut self, id: u128, json: &[u8]) {
        let Some(id) = u64::try_from(id).ok().map(Id::from_number) else { return };
        let Ok(saved) = serde_json::from_slice::<SavedLanes>(json) else { return };
        if let Some(pool) = self.pools.get_mut(id) {
            pool.lanes.restore(saved, &mut self.lane_budget);
        }
    }
}
