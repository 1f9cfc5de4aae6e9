//! One group with the part of its history that is wanted.

use poolscope_wire as wire;

use super::course::course;
use super::merge::{counted, merge};
use super::{PoolId, group_of};
use crate::store::id::Id;
use crate::store::pool::Pool;
use crate::store::pool_detail::totals;
use crate::store::{Store, Wanted};

impl Store {
    /// A pool, or several instances of one together.
    pub(crate) fn pool_or_group(&self, id: PoolId, wanted: Wanted, now_ms: u64) -> Option<wire::PoolDetail> {
        match id {
            PoolId::One(id) => self.pool(id, wanted, now_ms),
            PoolId::Group(id) => self.group(id, wanted, now_ms),
        }
    }

    /// The id and the instance of a pool, or of all pools of a group, also of those that are silent for long; in the order of
    /// their ids.
    pub(crate) fn members(&self, id: PoolId) -> Vec<(String, String)> {
        let is_one = |pool: &&Pool| match id {
            PoolId::One(id) => pool.id == id,
            PoolId::Group(id) => group_of(pool) == id,
        };
        let names = |pool: &Pool| (pool.id.to_string(), pool.instance.to_string());
        let mut members: Vec<_> = self.pools.values().filter(is_one).map(names).collect();
        members.sort_unstable();
        members
    }

    /// The same figures as those of one pool, of all instances. A group that has but one left is still told, so that a
    /// link to it keeps working.
    fn group(&self, id: Id, wanted: Wanted, now_ms: u64) -> Option<wire::PoolDetail> {
        let all: Vec<&Pool> = self.pools.values().filter(|pool| group_of(pool) == id).collect();
        let shown: Vec<&Pool> = all.iter().copied().filter(|pool| !pool.hidden).collect();
        let told = if shown.is_empty() { &all } else { &shown };
        if told.is_empty() {
            return None;
        }
        // Those that are silent for long have a part in what was, and in nothing that is.
        let (points, range, interval_ms) = course(&all, wanted, now_ms);
        let group = merge(id, told.clone());
        Some(wire::PoolDetail {
            summary: group.merged,
            points,
            range,
            interval_ms,
            members: group.members,
            breakers: group.breakers,
            unequal_buckets: group.unequal_buckets,
            ..totals(&counted(told))
        })
    }
}
