//! Which breaker guards a pool. Pure.

use poolscope_wire::{Breaker, PoolSummary};

use super::{store::Store, table::Table};

/// Ids of breakers by what pools know of them: a thousand rows must not look through a thousand breakers each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guards(Table<String>);

fn key(service: &str, instance: &str, name: &str) -> String {
    [service, instance, name].join("\u{1f}")
}

impl Guards {
    /// A breaker came; one that is known changes neither its id nor its names.
    pub fn add(&mut self, breaker: &Breaker) {
        self.0.insert(key(&breaker.service, &breaker.instance, &breaker.name), breaker.id.clone());
    }

    /// A breaker went.
    pub fn remove(&mut self, breaker: &Breaker) {
        self.0.remove(&key(&breaker.service, &breaker.instance, &breaker.name));
    }

    fn of(&self, pool: &PoolSummary) -> Option<&String> {
        let (name, _) = pool.breaker.as_ref()?;
        self.0.get(&key(&pool.service, &pool.instance, name))
    }
}

impl Store {
    /// Id of the breaker that guards a pool; of a group, that of the one whose state is told of all.
    #[must_use]
    pub fn guard_of(&self, id: &str) -> Option<&String> {
        let Some(group) = self.groups.get(id) else { return self.guards.of(&self.pools.get(id)?.summary) };
        let told = group.entry.summary.breaker.as_ref()?;
        let members = group.group.members.iter().filter_map(|id| self.pools.get(id));
        let worst = members.filter(|member| !member.summary.stale);
        worst
            .filter(|member| member.summary.breaker.as_ref().is_some_and(|(_, state)| *state == told.1))
            .find_map(|member| self.guards.of(&member.summary))
    }

    /// Ids of the breakers that guard some pools.
    #[must_use]
    pub fn guards_of(&self, ids: &[String]) -> Vec<String> {
        ids.iter().filter_map(|id| self.guard_of(id).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{BreakerState, Full, PoolGroup, Update};

    use super::*;

    fn pool(id: &str, instance: &str, state: BreakerState) -> PoolSummary {
        PoolSummary {
            id: id.to_owned(),
            instance: instance.to_owned(),
            breaker: Some(("pay".to_owned(), state)),
            ..PoolSummary::default()
        }
    }

    fn breaker(id: &str, instance: &str) -> Breaker {
        Breaker {
            id: id.to_owned(),
            instance: instance.to_owned(),
            name: "pay".to_owned(),
            ..Breaker::default()
        }
    }

    #[test]
    fn a_pool_is_guarded_by_the_breaker_of_its_own_instance() {
        use BreakerState::{Closed, Open};
        let mut store = Store::default();
        let merged = PoolSummary { id: "g".to_owned(), ..pool("g", "", Open) };
        let members = ["1", "2"].map(str::to_owned).to_vec();
        store.apply_full(Full {
            pools: vec![pool("1", "a", Closed), pool("2", "b", Open), pool("3", "c", Open)],
            groups: vec![PoolGroup { merged, members: members.clone(), ..PoolGroup::default() }],
            breakers: vec![breaker("x", "a"), breaker("y", "b")],
            ..Full::default()
        });
        let guard = |store: &Store, id: &str| store.guard_of(id).cloned().unwrap_or_default();
        assert_eq!((guard(&store, "1"), guard(&store, "2")), ("x".to_owned(), "y".to_owned()));
        assert_eq!(guard(&store, "3"), "", "that of another instance has nothing to do with it");
        assert_eq!(guard(&store, "g"), "y", "the worst, whose state is told");
        assert_eq!(store.guards_of(&members), ["x", "y"]);

        let removed_breakers = vec!["x".to_owned()];
        let breakers = vec![breaker("z", "c")];
        store.apply_update(Update { breakers, removed_breakers, ..Update::default() });
        assert_eq!((guard(&store, "1"), guard(&store, "3")), (String::new(), "z".to_owned()));
    }
}
