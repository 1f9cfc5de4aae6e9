//! Which pools are shown, and in which order. Pure.

use std::cmp::Ordering;

use poolscope_wire::{PoolSummary, Severity};

use super::store::{PoolEntry, Store};
use crate::words;

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
    /// Pools of this severity.
    pub severity: Option<Severity>,
    /// The order.
    pub sort: Sort,
}

impl PoolFilter {
    /// Ids of the pools that pass, in order.
    #[must_use]
    pub fn ids(&self, store: &Store) -> Vec<String> {
        let words: Vec<String> = self.text.split_whitespace().map(str::to_lowercase).collect();
        let mut entries: Vec<&PoolEntry> = store
            .pools
            .values()
            .filter(|entry| self.service.is_empty() || entry.summary.service == self.service)
            .filter(|entry| self.severity.is_none_or(|severity| entry.summary.health.severity == severity))
            .filter(|entry| words.iter().all(|word| has_word(&entry.summary, word)))
            .collect();
        entries.sort_by(|a, b| self.compare(a, b).then_with(|| by_name(a, b)));
        entries.into_iter().map(|entry| entry.summary.id.clone()).collect()
    }

    fn compare(&self, a: &PoolEntry, b: &PoolEntry) -> Ordering {
        let (left, right) = (&a.summary, &b.summary);
        match self.sort {
            Sort::Worst => b.place.cmp(&a.place),
            Sort::Name => Ordering::Equal,
            Sort::Active => right.now.active.cmp(&left.now.active),
            Sort::Waiting => right.now.pending.cmp(&left.now.pending),
            Sort::Wait => wait(right).total_cmp(&wait(left)),
            Sort::Requests => requests(right).total_cmp(&requests(left)),
            Sort::Reuse => reuse(left).total_cmp(&reuse(right)),
        }
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
        .any(|text| text.to_lowercase().contains(word))
        || words::destination(pool).to_lowercase().contains(word)
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Full, Health};

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

    #[test]
    fn orders_survive_the_url() {
        for sort in Sort::ALL {
            assert_eq!(Sort::from_key(sort.key()), sort);
        }
        assert_eq!(Sort::from_key("no such order"), Sort::Worst);
    }
}
