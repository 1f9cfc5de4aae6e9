//! Pools of several instances that are one pool to people: their figures are merged, not averaged.

mod course;
mod detail;
mod merge;

use std::collections::{BTreeSet, HashMap};

use poolscope_wire::PoolGroup;

use self::merge::merge;
pub(super) use self::merge::merge_buckets;
use super::Store;
use super::id::Id;
use super::pool::Pool;
use crate::model::{Destination, Sender};

/// Groups are told at most so often: their members report one after the other.
const TELL_EVERY_MS: u64 = 900;

/// What the live stream has told of the groups.
#[derive(Debug, Default)]
pub(super) struct ToldGroups {
    told: BTreeSet<String>,
    /// Groups of pools that changed since they were told.
    dirty: BTreeSet<Id>,
    told_ms: u64,
}

/// What the pools of a group have in common, as an identity.
fn group_of(pool: &Pool) -> Id {
    let sender = Sender { service: &pool.service, ..Sender::default() };
    let destination = Destination {
        kind: pool.kind,
        client: &pool.client,
        scheme: &pool.scheme,
        address: &pool.address,
        port: pool.port,
    };
    Id::pool(sender, destination)
}

/// What the id of a group begins with: it must not be taken for the pool of a sender that names no instance.
const PREFIX: &str = "g-";

fn text_of(group: Id) -> String {
    format!("{PREFIX}{group}")
}

/// A pool, or several instances of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoolId {
    One(Id),
    Group(Id),
}

impl PoolId {
    /// Reads the text of an identity.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(PREFIX) {
            Some(group) => Id::parse(group).map(Self::Group),
            None => Id::parse(text).map(Self::One),
        }
    }
}

impl Store {
    /// Pools by what they have in common, where there is more than one of them.
    fn grouped(&self) -> HashMap<Id, Vec<&Pool>> {
        let mut groups: HashMap<Id, Vec<&Pool>> = HashMap::new();
        for pool in self.shown_pools() {
            groups.entry(group_of(pool)).or_default().push(pool);
        }
        groups.retain(|_, members| members.len() > 1);
        groups
    }

    /// Every group of pools, in the order of their names.
    pub(crate) fn groups(&self) -> Vec<PoolGroup> {
        let mut groups: Vec<_> = self.grouped().into_iter().map(|(id, members)| merge(id, members)).collect();
        groups.sort_by(|a, b| {
            let key = |one: &'_ PoolGroup| {
                (
                    one.merged.service.clone(),
                    one.merged.client.clone(),
                    one.merged.address.clone(),
                    one.merged.id.clone(),
                )
            };
            key(a).cmp(&key(b))
        });
        groups
    }

    /// Groups that changed, and the ids of those that are none any more. Asked before the pools are told.
    pub(super) fn changed_groups(&mut self, now_ms: u64) -> (Vec<PoolGroup>, Vec<String>) {
        let changed: Vec<Id> = self.shown_pools().filter(|pool| pool.dirty).map(group_of).collect();
        self.told_groups.dirty.extend(changed);
        // Also after the clock was put back.
        let is_due = now_ms.abs_diff(self.told_groups.told_ms) >= TELL_EVERY_MS;
        let is_news = !self.told_groups.dirty.is_empty() || !self.told_groups.told.is_empty();
        if !is_due || !is_news {
            return (Vec::new(), Vec::new());
        }
        let dirty = std::mem::take(&mut self.told_groups.dirty);
        let mut before = std::mem::take(&mut self.told_groups.told);
        let mut told = BTreeSet::new();
        let mut groups = Vec::new();
        for (id, members) in self.grouped() {
            let text = text_of(id);
            if dirty.contains(&id) || !before.contains(&text) {
                groups.push(merge(id, members));
            }
            before.remove(&text);
            told.insert(text);
        }
        self.told_groups.told = told;
        self.told_groups.told_ms = now_ms;
        (groups, before.into_iter().collect())
    }
}
