//! What a file keeps of a pool, and how it comes back.

use poolscope_semconv::value::Observation;

use super::super::history::{PoolFigures, Since, Step, Wanted};
use super::super::journal::{Journal, Kind};
use super::super::recent::RECENT_MS;
use super::super::reports::Reports;
use super::super::restore::SavedPool;
use super::{MAX_PROTOCOLS, Pool};
use crate::model::PoolKind;
use crate::rules::Condition;

impl Pool {
    /// What a file keeps of it, beside its history.
    pub(in crate::store) fn saved(&self) -> SavedPool {
        SavedPool {
            service: self.service.to_string(),
            instance: self.instance.to_string(),
            client: self.client.to_string(),
            scheme: self.scheme.to_string(),
            address: self.address.to_string(),
            port: self.port,
            is_database: self.kind == PoolKind::Database,
            protocols: self.protocols.iter().map(ToString::to_string).collect(),
            observation: self.observation.as_str().to_owned(),
            is_ours: self.told.ours,
            interval_ms: self.reports.interval_ms(),
        }
    }

    /// Takes back what a file kept; its history follows.
    pub(in crate::store) fn restore(&mut self, saved: &SavedPool) {
        self.protocols = saved.protocols.iter().take(MAX_PROTOCOLS).map(|one| one.as_str().into()).collect();
        self.observation = Observation::parse(&saved.observation).unwrap_or(self.observation);
        self.told.ours = saved.is_ours;
        self.reports = Reports::restored(saved.interval_ms, None);
        self.unsaved = false;
    }

    /// Its history is complete.
    pub(in crate::store) fn restored(&mut self, now_ms: u64, journal: &mut Journal) {
        let id = self.id;
        self.history.restored(now_ms, |tier, step| journal.push(Kind::Pool, id, tier, step));
        let newest_ms = self.history.last_ms();
        let last_ms = newest_ms.unwrap_or_default();
        self.last_seen_ms = last_ms;
        self.reports = Reports::restored(self.reports.interval_ms(), newest_ms);
        let since = Since::Last(RECENT_MS);
        let recent =
            self.history.select(Wanted { since, to_ms: Some(last_ms), max_points: usize::MAX }, now_ms);
        self.points = recent.steps.iter().map(Step::<PoolFigures>::point).collect();
        self.condition = Condition::new(now_ms);
        self.judge(now_ms);
    }

    /// The server ends: the newest report is complete.
    pub(in crate::store) fn settle(&mut self, journal: &mut Journal) {
        let id = self.id;
        self.history.settle_newest(|tier, step| journal.push(Kind::Pool, id, tier, step));
    }
}
