//! What browsers know: figures are told once a second, those of pools as what changed of them; what can't wait, at once.

use std::collections::{BTreeMap, HashMap};
use std::mem;

use poolscope_wire::{
    Breaker, Event, Full, PoolGroup, PoolNews, PoolSummary, Protection, Sessions, Update, Warning,
};

use super::gather::Gather;
use crate::store::is_routine;

/// The most events that wait: the newest, as many as a browser keeps.
const MAX_EVENTS: usize = 1_000;

/// What those know who have the picture, and what they are to be told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pools: HashMap<String, PoolSummary>,
    groups: HashMap<String, PoolGroup>,
    /// The newest of what can wait.
    held_pools: BTreeMap<String, PoolSummary>,
    held_groups: BTreeMap<String, PoolGroup>,
    breakers: Gather<Breaker>,
    protection: Gather<Protection>,
    sessions: Gather<Sessions>,
    warnings: Gather<Warning>,
    /// Events that nobody would be woken for, oldest first.
    held_events: Vec<Event>,
}

impl Told {
    /// True if something waits to be told.
    pub(super) fn holds(&self) -> bool {
        !self.held_pools.is_empty()
            || !self.held_groups.is_empty()
            || self.breakers.holds()
            || self.protection.holds()
            || self.sessions.holds()
            || self.warnings.holds()
            || !self.held_events.is_empty()
    }

    /// Makes an update say only what changed, without what can wait. With `all` nothing waits.
    pub(super) fn condense(&mut self, update: &mut Update, all: bool) {
        self.breakers.condense(&mut update.breakers, &update.removed_breakers, all);
        self.protection.condense(&mut update.protection, &update.removed_protection, all);
        self.sessions.condense(&mut update.sessions, &update.removed_sessions, all);
        self.warnings.condense(&mut update.warnings, &update.removed_warnings, all);
        self.condense_events(&mut update.events, all);
        for id in &update.removed_pools {
            self.pools.remove(id);
            self.held_pools.remove(id);
        }
        for id in &update.removed_groups {
            self.groups.remove(id);
            self.held_groups.remove(id);
        }
        for pool in mem::take(&mut update.pools) {
            if !all && self.pools.get(&pool.id).is_some_and(|told| can_wait(told, &pool)) {
                self.held_pools.insert(pool.id.clone(), pool);
            } else {
                self.held_pools.remove(&pool.id);
                self.tell_pool(pool, update);
            }
        }
        for group in mem::take(&mut update.groups) {
            let id = group.merged.id.clone();
            let known = self.groups.get(&id);
            if !all && known.is_some_and(|told| can_wait(&told.merged, &group.merged)) {
                self.held_groups.insert(id, group);
            } else {
                self.held_groups.remove(&id);
                self.tell_group(group, update);
            }
        }
        if all {
            mem::take(&mut self.held_pools).into_values().for_each(|pool| self.tell_pool(pool, update));
            mem::take(&mut self.held_groups).into_values().for_each(|group| self.tell_group(group, update));
        }
    }

    /// Connections close all day. One event that matters takes those before it along, so that they come in order.
    fn condense_events(&mut self, events: &mut Vec<Event>, all: bool) {
        self.held_events.append(events);
        if all || self.held_events.iter().any(|event| !is_routine(event)) {
            events.append(&mut self.held_events);
        } else {
            let more = self.held_events.len().saturating_sub(MAX_EVENTS);
            self.held_events.drain(..more);
        }
    }

    fn tell_pool(&mut self, mut pool: PoolSummary, update: &mut Update) {
        let Some(told) = self.pools.get_mut(&pool.id) else {
            self.pools.insert(pool.id.clone(), pool.clone());
            update.pools.push(pool);
            return;
        };
        if *told == pool {
            return;
        }
        if let Some(news) = PoolNews::between(told, &mut pool) {
            update.news.push(news);
        } else {
            told.clone_from(&pool);
            update.pools.push(pool);
        }
    }

    fn tell_group(&mut self, mut group: PoolGroup, update: &mut Update) {
        let Some(told) = self.groups.get_mut(&group.merged.id) else {
            self.groups.insert(group.merged.id.clone(), group.clone());
            update.groups.push(group);
            return;
        };
        if *told == group {
            return;
        }
        // Without what they are as a pool, they are the same unless more than figures changed.
        let (mut before, mut now) = (mem::take(&mut told.merged), mem::take(&mut group.merged));
        let news = if *told == group { PoolNews::between(&mut before, &mut now) } else { None };
        if let Some(news) = news {
            told.merged = before;
            update.news.push(news);
        } else {
            group.merged = now;
            told.clone_from(&group);
            update.groups.push(group);
        }
    }

    /// Somebody gets the whole picture, with nothing held back: what nobody knew so far is known now.
    pub(super) fn know(&mut self, full: &Full) {
        for pool in &full.pools {
            self.pools.entry(pool.id.clone()).or_insert_with(|| pool.clone());
        }
        for group in &full.groups {
            self.groups.entry(group.merged.id.clone()).or_insert_with(|| group.clone());
        }
        self.breakers.know(&full.breakers);
        self.protection.know(&full.protection);
        self.sessions.know(&full.sessions);
        self.warnings.know(&full.warnings);
    }
}

/// True if between the two is nothing that somebody would be woken for.
fn can_wait(told: &PoolSummary, now: &PoolSummary) -> bool {
    told.health.severity == now.health.severity && told.stale == now.stale && told.breaker == now.breaker
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{BreakerState, Health, PoolPoint, Severity};

    use super::*;

    fn pool(id: &str, active: u32) -> PoolSummary {
        let now = PoolPoint { active: Some(active), at_ms: u64::from(active), ..PoolPoint::default() };
        PoolSummary { id: id.to_owned(), now, ..PoolSummary::default() }
    }

    fn group(id: &str, active: u32, current: u32) -> PoolGroup {
        PoolGroup { merged: pool(id, active), current, ..PoolGroup::default() }
    }

    /// Told by one who has the picture of two pools and a group.
    fn told() -> Told {
        let mut told = Told::default();
        let (pools, groups) = (vec![pool("a", 1), pool("b", 1)], vec![group("g", 2, 2)]);
        told.know(&Full { pools, groups, ..Full::default() });
        told
    }

    fn of(pools: Vec<PoolSummary>, groups: Vec<PoolGroup>) -> Update {
        Update { pools, groups, ..Update::default() }
    }

    #[test]
    fn figures_wait_and_are_then_told_once() {
        let mut told = told();
        let mut update = of(vec![pool("a", 2)], vec![group("g", 3, 2)]);
        told.condense(&mut update, false);
        assert_eq!(update, Update::default());
        assert!(told.holds());
        let mut update = of(vec![pool("a", 3), pool("b", 1)], Vec::new());
        told.condense(&mut update, true);
        assert!(!told.holds());
        assert_eq!((update.pools.len(), update.groups.len()), (0, 0));
        let ids: Vec<_> = update.news.iter().map(|news| news.id.as_str()).collect();
        assert_eq!(ids, ["a", "g"], "nothing is told of what is as it was");
        let mut known = pool("a", 1);
        update.news[0].apply(&mut known);
        assert_eq!(known, pool("a", 3));
    }

    #[test]
    fn what_is_new_or_urgent_is_told_at_once() {
        let mut told = told();
        let bad = Health { severity: Severity::Bad, sentence: "3 wait".to_owned(), since_ms: 1 };
        let sick = PoolSummary { health: bad, ..pool("a", 2) };
        let open = PoolSummary { breaker: Some(("pay".to_owned(), BreakerState::Open)), ..pool("b", 2) };
        let mut update = of(vec![sick, open, pool("c", 1)], Vec::new());
        told.condense(&mut update, false);
        let ids: Vec<_> = update.pools.iter().map(|pool| pool.id.as_str()).collect();
        assert_eq!((ids, update.news.len()), (vec!["b", "c"], 1), "a breaker is no figure, a condition is");
        assert!(!told.holds());
    }

    #[test]
    fn a_group_of_which_more_than_figures_changed_is_told_whole() {
        let mut told = told();
        let mut update = of(Vec::new(), vec![group("g", 3, 1)]);
        told.condense(&mut update, true);
        assert_eq!((update.groups.len(), update.news.len()), (1, 0));
        let mut update = of(Vec::new(), vec![group("g", 4, 1)]);
        told.condense(&mut update, true);
        assert_eq!((update.groups.len(), update.news.len()), (0, 1));
    }

    #[test]
    fn routine_waits_and_what_matters_takes_it_along_in_order() {
        let mut told = told();
        let event = |id, severity| Event { id, severity, ..Event::default() };
        let mut tell = |events: Vec<Event>, all| {
            let mut update = Update { events, ..Update::default() };
            told.condense(&mut update, all);
            (update.events.iter().map(|event| event.id).collect::<Vec<_>>(), told.holds())
        };
        assert_eq!(tell(vec![event(1, Severity::Ok)], false), (vec![], true));
        assert_eq!(tell(vec![event(2, Severity::Bad)], false), (vec![1, 2], false));
        assert_eq!(tell(vec![event(3, Severity::Ok)], false), (vec![], true));
        assert_eq!(tell(vec![event(4, Severity::Ok)], true), (vec![3, 4], false));
        let many: Vec<_> = (0..1_500).map(|id| event(id, Severity::Ok)).collect();
        tell(many, false);
        let (ids, _) = tell(Vec::new(), true);
        assert_eq!((ids.len(), ids[0]), (1_000, 500), "the newest");
    }

    #[test]
    fn what_went_is_not_told_any_more() {
        let mut told = told();
        told.condense(&mut of(vec![pool("a", 2)], Vec::new()), false);
        let mut update = Update { removed_pools: vec!["a".to_owned()], ..Update::default() };
        told.condense(&mut update, true);
        assert!(update.news.is_empty() && update.pools.is_empty());
        let mut update = of(vec![pool("a", 1)], Vec::new());
        told.condense(&mut update, true);
        assert_eq!(update.pools.len(), 1, "it is back, and nobody knows it");
    }
}
