//! Which pools are shown, and in which order. Pure.

use std::cmp::Ordering;

use poolscope_wire::{PoolSummary, Severity};

use super::{
    filter::is_of_instance,
    store::{GroupEntry, PoolEntry, Store},
};
use crate::{
    compact::{lower_case, sort_by},
    words,
};

/// What the list of pools is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Worst first, then by name; moves only when a severity changes.
    #[default]
    Worst,
    /// By name.
    Name,
    /// Most connections in use first.
    Active,
    /// Most waiting requests first.
    Waiting,
    /// Longest wait first.
    Wait,
    /// Most requests first.
    Requests,
    /// Least reuse first.
    Reuse,
}

impl Sort {
    /// Every order.
    pub const ALL: [Self; 7] =
        [Self::Worst, Self::Name, Self::Active, Self::Waiting, Self::Wait, Self::Requests, Self::Reuse];

    /// Its value in the URL.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Worst => "worst",
            Self::Name => "name",
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Wait => "wait",
            Self::Requests => "requests",
            Self::Reuse => "reuse",
        }
    }

    /// The order of a value in the URL; what is not known is [`Sort::Worst`].
    #[must_use]
    pub fn from_key(key: &str) -> Self {
        Self::ALL.into_iter().find(|sort| sort.key() == key).unwrap_or_default()
    }
}

/// Which pools are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolFilter {
    /// Pools of this service; empty for all.
    pub service: String,
    /// Pools that have every word of this text somewhere.
    pub text: String,
    /// Pools of this instance alone; empty for all.
    pub instance: String,
    /// Pools of this severity.
    pub severity: Option<Severity>,
    /// Pools of several instances are shown one by one, not as a group.
    pub apart: bool,
    /// Groups that are taken apart in place, by id.
    pub open: Vec<String>,
    /// The order.
    pub sort: Sort,
}

impl PoolFilter {
    /// Ids of the pools and groups that pass, in order; those of a group that is taken apart follow it.
    #[must_use]
    pub fn ids(&self, store: &Store) -> Vec<String> {
        let words: Vec<String> = self.text.split_whitespace().map(lower_case).collect();
        let is_merged = !self.apart && self.instance.is_empty();
        let groups = || store.groups.values().filter(|_| is_merged);
        let mut grouped: Vec<&str> =
            groups().flat_map(|group| group.group.members.iter().map(String::as_str)).collect();
        sort_by(&mut grouped, Ord::cmp);
        let is_single = |entry: &&PoolEntry| grouped.binary_search(&entry.summary.id.as_str()).is_err();
        let singles = store.pools.values().filter(is_single);
        let singles = singles.filter(|entry| self.passes(&entry.summary, &words));
        // A group passes by what it is as a whole, or by one of its pools.
        let members = |group: &GroupEntry| {
            group.group.members.iter().filter_map(|id| store.pools.get(id)).collect::<Vec<_>>()
        };
        let passing = groups().filter(|group| {
            let by_member = |pool: &&PoolEntry| self.severity.is_none() && self.passes(&pool.summary, &words);
            self.passes(&group.entry.summary, &words) || members(group).iter().any(by_member)
        });
        let mut entries: Vec<&PoolEntry> = singles.chain(passing.map(|group| &group.entry)).collect();
        let order = |a: &&PoolEntry, b: &&PoolEntry| self.compare(a, b).then_with(|| by_name(a, b));
        sort_by(&mut entries, order);
        let mut ids = Vec::with_capacity(entries.len());
        for entry in entries {
            let id = &entry.summary.id;
            ids.push(id.clone());
            if let Some(group) = store.groups.get(id).filter(|_| self.open.contains(id)) {
                ids.extend(self.order(store, &group.group.members));
            }
        }
        ids
    }

    /// Some pools, in order; those that are not there are left out.
    #[must_use]
    pub fn order(&self, store: &Store, ids: &[String]) -> Vec<String> {
        let mut entries: Vec<&PoolEntry> = ids.iter().filter_map(|id| store.pools.get(id)).collect();
        sort_by(&mut entries, |a, b| self.compare(a, b).then_with(|| by_name(a, b)));
        entries.into_iter().map(|entry| entry.summary.id.clone()).collect()
    }

    fn passes(&self, pool: &PoolSummary, words: &[String]) -> bool {
        (self.service.is_empty() || pool.service == self.service)
            && is_of_instance(&self.instance, &pool.instance)
            && self.severity.is_none_or(|severity| pool.health.severity == severity && !pool.stale)
            && words.iter().all(|word| has_word(pool, word))
    }

    fn compare(&self, a: &PoolEntry, b: &PoolEntry) -> Ordering {
        let (left, right) = (&a.summary, &b.summary);
        // What vanished is not as it was last; nobody knows how it is.
        let silent = if self.sort == Sort::Name { Ordering::Equal } else { left.stale.cmp(&right.stale) };
        silent.then_with(|| match self.sort {
            Sort::Worst => {
                b.place.cmp(&a.place).then_with(|| right.health.severity.cmp(&left.health.severity))
            }
            Sort::Name => Ordering::Equal,
            Sort::Active => right.now.active.cmp(&left.now.active),
            Sort::Waiting => right.now.pending.cmp(&left.now.pending),
            Sort::Wait => wait(right).total_cmp(&wait(left)),
            Sort::Requests => requests(right).total_cmp(&requests(left)),
            Sort::Reuse => reuse(left).total_cmp(&reuse(right)),
        })
    }
}

/// The wait to order by: an unknown one is the shortest.
fn wait(pool: &PoolSummary) -> f32 {
    pool.wait_p99_s.unwrap_or(f32::NEG_INFINITY)
}

/// The requests to order by: unknown ones are the fewest.
fn requests(pool: &PoolSummary) -> f32 {
    pool.now.requests_per_s.unwrap_or(f32::NEG_INFINITY)
}

/// The reuse to order by: an unknown one is the best.
fn reuse(pool: &PoolSummary) -> f32 {
    pool.reuse.unwrap_or(f32::INFINITY)
}

fn by_name(a: &PoolEntry, b: &PoolEntry) -> Ordering {
    let (a, b) = (&a.summary, &b.summary);
    (&a.client, &a.address, a.port, &a.service, &a.instance, &a.id).cmp(&(
        &b.client,
        &b.address,
        b.port,
        &b.service,
        &b.instance,
        &b.id,
    ))
}

/// True if a pool has a word, which is lower case, in any of its texts.
fn has_word(pool: &PoolSummary, word: &str) -> bool {
    [&pool.client, &pool.address, &pool.service, &pool.instance, &pool.health.sentence]
        .into_iter()
        .any(|text| lower_case(text).contains(word))
        || lower_case(&words::destination(pool)).contains(word)
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Full, Health, PoolGroup};

    use super::*;

    fn store() -> Store {
        let pool = |id: &str, client: &str, severity, reuse| PoolSummary {
            id: id.to_owned(),
            client: client.to_owned(),
            service: if id == "c" { "other" } else { "shop" }.to_owned(),
            health: Health { severity, ..Health::default() },
            reuse,
            ..PoolSummary::default()
        };
        let mut store = Store::default();
        store.apply_full(Full {
            pools: vec![
                pool("a", "search", Severity::Ok, Some(0.9)),
                pool("b", "payments", Severity::Bad, None),
                pool("c", "catalog", Severity::Bad, Some(0.5)),
            ],
            ..Full::default()
        });
        store
    }

    #[test]
    fn worst_first_then_by_name() {
        assert_eq!(PoolFilter::default().ids(&store()), ["c", "b", "a"]);
    }

    #[test]
    fn least_reuse_first_and_unknown_last() {
        let filter = PoolFilter { sort: Sort::Reuse, ..PoolFilter::default() };
        assert_eq!(filter.ids(&store()), ["c", "a", "b"]);
    }

    #[test]
    fn what_recovers_comes_after_what_is_as_bad_still_and_what_is_silent_last() {
        let pool = |id: &str, sentence: &str, stale| PoolSummary {
            id: id.to_owned(),
            client: id.to_owned(),
            health: Health { severity: Severity::Bad, sentence: sentence.to_owned(), ..Health::default() },
            stale,
            reuse: Some(if stale { 0.1 } else { 0.5 }),
            ..PoolSummary::default()
        };
        let calm = format!("{}15 % failed", Health::RECOVERING);
        let mut store = Store::default();
        let pools = vec![pool("a", "was open", true), pool("b", &calm, false), pool("c", "open", false)];
        store.apply_full(Full { pools, ..Full::default() });
        assert_eq!(PoolFilter::default().ids(&store), ["c", "b", "a"]);
        let filter = PoolFilter { sort: Sort::Reuse, ..PoolFilter::default() };
        assert_eq!(filter.ids(&store), ["b", "c", "a"], "in every order but that of the names");
    }

    #[test]
    fn filters_are_and_ed() {
        let filter = |service: &str, text: &str| PoolFilter {
            service: service.to_owned(),
            text: text.to_owned(),
            ..PoolFilter::default()
        };
        assert_eq!(filter("shop", "").ids(&store()), ["b", "a"]);
        assert_eq!(filter("shop", "PAY").ids(&store()), ["b"]);
        assert_eq!(filter("", "pay shop").ids(&store()), ["b"]);
        assert!(filter("other", "pay").ids(&store()).is_empty());
    }

    fn fleet() -> Store {
        let pool = |id: &str, instance: &str, severity, stale| PoolSummary {
            id: id.to_owned(),
            client: "pay".to_owned(),
            service: "shop".to_owned(),
            instance: instance.to_owned(),
            health: Health { severity, ..Health::default() },
            stale,
            ..PoolSummary::default()
        };
        let merged = PoolSummary { id: "g".to_owned(), ..pool("g", "", Severity::Bad, false) };
        let members = ["1", "2", "3"].map(str::to_owned).to_vec();
        let mut store = Store::default();
        store.apply_full(Full {
            pools: vec![
                pool("1", "a", Severity::Ok, false),
                pool("2", "b", Severity::Bad, false),
                pool("3", "c", Severity::Bad, true),
                PoolSummary { client: "alone".to_owned(), ..pool("4", "a", Severity::Warn, false) },
            ],
            groups: vec![PoolGroup { merged, members, current: 2, bad: 1, ..PoolGroup::default() }],
            ..Full::default()
        });
        store
    }

    #[test]
    fn instances_are_one_row_until_they_are_taken_apart() {
        let store = fleet();
        let ids = |filter: PoolFilter| filter.ids(&store).join(" ");
        assert_eq!(ids(PoolFilter::default()), "g 4");
        let open = vec!["g".to_owned()];
        assert_eq!(ids(PoolFilter { open, ..PoolFilter::default() }), "g 2 1 3 4", "what vanished goes last");
        assert_eq!(ids(PoolFilter { apart: true, ..PoolFilter::default() }), "2 4 1 3");
        assert_eq!(ids(PoolFilter { instance: "a".to_owned(), ..PoolFilter::default() }), "4 1");
        assert_eq!(
            ids(PoolFilter { instance: poolscope_wire::NO_ID.to_owned(), ..PoolFilter::default() }),
            "",
            "each has one"
        );
    }

    #[test]
    fn a_group_is_found_by_one_of_its_instances_and_counted_by_its_worst() {
        let store = fleet();
        let ids = |filter: PoolFilter| filter.ids(&store).join(" ");
        let text = PoolFilter { text: "pay".to_owned(), ..PoolFilter::default() };
        assert_eq!(ids(text), "g");
        let fine = PoolFilter { severity: Some(Severity::Ok), ..PoolFilter::default() };
        assert_eq!(ids(fine), "");
        let bad = PoolFilter { severity: Some(Severity::Bad), apart: true, ..PoolFilter::default() };
        assert_eq!(ids(bad), "2", "what vanished is not bad now");
    }

    #[test]
    fn orders_survive_the_url() {
        for sort in Sort::ALL {
            assert_eq!(Sort::from_key(sort.key()), sort);
        }
        assert_eq!(Sort::from_key("no such order"), Sort::Worst);
    }
}
