//! What the page lists, by instance and table, worst first. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use poolscope_wire::Severity;

use super::cells::{Kind, pool_limit_sentence};
use crate::{
    state::{
        filter::{has_words, protection_of},
        store::Store,
    },
    words,
};

/// How bad something is; `None` for what is silent, of which nobody knows.
pub type How = Option<Severity>;

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this service; empty for all.
    pub service: String,
    /// What has every word of this text somewhere.
    pub text: String,
    /// What is so bad, or silent.
    pub how: Option<How>,
    /// What serves, and not what protects.
    pub serves: bool,
}

impl Filter {
    /// True if something passes that nothing comes of any more.
    pub fn passes_silent(&self, texts: &[&str]) -> bool {
        self.passes(None, texts)
    }

    fn passes(&self, how: How, texts: &[&str]) -> bool {
        self.how.is_none_or(|wanted| wanted == how) && has_words(&self.text, texts)
    }
}

/// A table of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it lists.
    pub kind: Kind,
    /// Ids of what protects, or of pools, worst first.
    pub ids: Vec<String>,
}

/// The tables of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Service.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// Those that are not empty.
    pub tables: Vec<Table>,
}

impl Group {
    /// What it is found by.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}{}", self.service.len(), self.service, self.instance)
    }

    /// The table of a kind.
    #[must_use]
    pub fn table(&self, kind: Kind) -> Option<&Table> {
        self.tables.iter().find(|table| table.kind == kind)
    }
}

/// A row with what decides about its place.
type Found<'a> = (How, &'a str, Kind, &'a str);

/// What passes, the instance that fares worst first, and those that are silent last.
#[must_use]
pub fn groups(store: &Store, filter: &Filter) -> Vec<Group> {
    let service = filter.service.as_str();
    let mut found: BTreeMap<(&str, &str), Vec<Found<'_>>> = BTreeMap::new();
    for one in protection_of(store, service, filter.serves) {
        let texts = [&one.name, &one.service, &one.instance, &one.health.sentence].map(String::as_str);
        let how = (!one.stale).then_some(one.health.severity);
        if !filter.passes(how, &texts) {
            continue;
        }
        let rows = found.entry((&one.service, &one.instance)).or_default();
        rows.push((how, &one.name, Kind::of(&one.figures), &one.id));
    }
    let limited = store.pools.values().filter(|entry| !filter.serves && entry.summary.now.limit.is_some());
    for pool in limited.filter(|entry| service.is_empty() || entry.summary.service == service) {
        let (severity, sentence) = pool.summary.now.limit.map(pool_limit_sentence).unwrap_or_default();
        let destination = words::destination(&pool.summary);
        let of = &pool.summary;
        let how = |severity| (!of.stale).then_some(severity);
        if !filter.passes(how(severity), &[&of.client, &of.service, &of.instance, &destination, &sentence]) {
            continue;
        }
        let rows = found.entry((&pool.summary.service, &pool.summary.instance)).or_default();
        // Its place, which falls late, so that the row does not move with every request that waits.
        rows.push((how(pool.place.0), &pool.summary.client, Kind::PoolLimit, &pool.summary.id));
    }
    let mut groups: Vec<_> = found
        .into_iter()
        .map(|((service, instance), rows)| {
            let own = rows.iter().filter(|(.., kind, _)| *kind != Kind::PoolLimit);
            let worst = own.map(|(how, ..)| *how).max().flatten();
            let tables = Kind::ALL.into_iter().filter_map(|kind| table(kind, &rows)).collect();
            (worst, Group { service: service.to_owned(), instance: instance.to_owned(), tables })
        })
        .collect();
    groups.sort_by_key(|(worst, _)| Reverse(*worst));
    groups.into_iter().map(|(_, group)| group).collect()
}

fn table(kind: Kind, rows: &[Found<'_>]) -> Option<Table> {
    let mut rows: Vec<_> = rows.iter().filter(|(.., of, _)| *of == kind).collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by_key(|(how, name, _, id)| (Reverse(*how), *name, *id));
    Some(Table { kind, ids: rows.into_iter().map(|(.., id)| (*id).to_owned()).collect() })
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{
        Full, Health, PoolLimit, PoolPoint, PoolSummary, Protection, ProtectionFigures, TimeoutFigures,
    };

    use super::*;

    fn one(id: &str, instance: &str, severity: Severity, figures: ProtectionFigures) -> Protection {
        Protection {
            id: id.to_owned(),
            name: id.to_owned(),
            instance: instance.to_owned(),
            health: Health { severity, ..Health::default() },
            figures,
            ..Protection::default()
        }
    }

    fn store(protection: Vec<Protection>) -> Store {
        let limit = Some(PoolLimit::default());
        let now = PoolPoint { limit, ..PoolPoint::default() };
        let limited =
            PoolSummary { id: "p".to_owned(), instance: "b".to_owned(), now, ..PoolSummary::default() };
        let free = PoolSummary { id: "q".to_owned(), instance: "b".to_owned(), ..PoolSummary::default() };
        let mut store = Store::default();
        store.apply_full(Full { protection, pools: vec![limited, free], ..Full::default() });
        store
    }

    #[test]
    fn the_worst_instance_and_the_worst_row_come_first() {
        let timeout = || ProtectionFigures::Timeout(TimeoutFigures::default());
        let store = store(vec![
            one("a", "a", Severity::Ok, ProtectionFigures::default()),
            one("fine", "b", Severity::Ok, timeout()),
            one("sick", "b", Severity::Bad, timeout()),
        ]);
        let groups = groups(&store, &Filter::default());
        let instances: Vec<&str> = groups.iter().map(|group| group.instance.as_str()).collect();
        assert_eq!(instances, ["b", "a"]);
        let tables: Vec<_> = groups[0]
            .tables
            .iter()
            .map(|table| (table.kind, table.ids.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        assert_eq!(tables, [(Kind::PoolLimit, vec!["p"]), (Kind::Timeout, vec!["sick", "fine"])]);
        let none = Filter { service: "no such service".to_owned(), ..Filter::default() };
        assert!(super::groups(&store, &none).is_empty());
    }

    #[test]
    fn search_and_severity_work_over_all_rows() {
        let many = (0..1_000).map(|place| {
            let severity = if place == 999 { Severity::Bad } else { Severity::Ok };
            one(&format!("n{place}"), "a", severity, ProtectionFigures::default())
        });
        let store = store(many.collect());
        let rows = |filter: &Filter| {
            let all = groups(&store, filter).into_iter().flat_map(|group| group.tables);
            let own = all.filter(|table| table.kind != Kind::PoolLimit);
            own.flat_map(|table| table.ids).collect::<Vec<_>>()
        };
        assert_eq!(rows(&Filter::default()).len(), 1_000, "none is left out");
        let text = Filter { text: "n998".to_owned(), ..Filter::default() };
        assert_eq!(rows(&text), ["n998"]);
        let bad = Filter { how: Some(Some(Severity::Bad)), ..Filter::default() };
        assert_eq!(rows(&bad), ["n999"]);
    }

    #[test]
    fn what_is_silent_is_last_and_not_bad() {
        let lost =
            Protection { stale: true, ..one("lost", "a", Severity::Bad, ProtectionFigures::default()) };
        let fine = one("fine", "b", Severity::Ok, ProtectionFigures::default());
        let store = store(vec![lost, fine]);
        let instances = |how| {
            let groups = groups(&store, &Filter { how, ..Filter::default() });
            groups.into_iter().map(|group| group.instance).collect::<Vec<_>>()
        };
        assert_eq!(instances(None), ["b", "a"]);
        assert!(instances(Some(Some(Severity::Bad))).is_empty());
        assert_eq!(instances(Some(None)), ["a"]);
    }
}
