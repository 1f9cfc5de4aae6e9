//! What the page lists, by instance and table, worst first. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use poolscope_wire::Severity;

use super::cells::Kind;
use crate::state::{filter::protection_of, store::Store};

/// The most rows of a table: whoever has more looks for the worst, which come first.
const MAX_ROWS: usize = 100;

/// A table of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it lists.
    pub kind: Kind,
    /// Ids of what protects, or of pools, worst first.
    pub ids: Vec<String>,
    /// Rows beyond the most that it has.
    pub more: usize,
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
type Found<'a> = (Severity, &'a str, Kind, &'a str);

/// What a service has (all if it is empty), the instance that fares worst first.
#[must_use]
pub fn groups(store: &Store, service: &str) -> Vec<Group> {
    let mut found: BTreeMap<(&str, &str), Vec<Found<'_>>> = BTreeMap::new();
    for one in protection_of(store, service) {
        let rows = found.entry((&one.service, &one.instance)).or_default();
        rows.push((one.health.severity, &one.name, Kind::of(&one.figures), &one.id));
    }
    let limited = store.pools.values().filter(|entry| entry.summary.now.limit.is_some());
    for pool in limited.filter(|entry| service.is_empty() || entry.summary.service == service) {
        let rows = found.entry((&pool.summary.service, &pool.summary.instance)).or_default();
        // Its place, which falls late, so that the row does not move with every request that waits.
        rows.push((pool.place, &pool.summary.client, Kind::PoolLimit, &pool.summary.id));
    }
    let mut groups: Vec<_> = found
        .into_iter()
        .map(|((service, instance), rows)| {
            let own = rows.iter().filter(|(.., kind, _)| *kind != Kind::PoolLimit);
            let worst = own.map(|(severity, ..)| *severity).max().unwrap_or_default();
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
    rows.sort_by_key(|(severity, name, _, id)| (Reverse(*severity), *name, *id));
    let more = rows.len().saturating_sub(MAX_ROWS);
    let ids = rows.into_iter().take(MAX_ROWS).map(|(.., id)| (*id).to_owned()).collect();
    Some(Table { kind, ids, more })
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
        let groups = groups(&store, "");
        let instances: Vec<&str> = groups.iter().map(|group| group.instance.as_str()).collect();
        assert_eq!(instances, ["b", "a"]);
        let tables: Vec<_> = groups[0]
            .tables
            .iter()
            .map(|table| (table.kind, table.ids.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        assert_eq!(tables, [(Kind::PoolLimit, vec!["p"]), (Kind::Timeout, vec!["sick", "fine"])]);
        assert!(super::groups(&store, "no such service").is_empty());
    }

    #[test]
    fn rows_are_bounded_and_the_rest_is_counted() {
        let many = (0..MAX_ROWS + 7)
            .map(|place| one(&place.to_string(), "a", Severity::Ok, ProtectionFigures::default()));
        let groups = groups(&store(many.collect()), "");
        let table = &groups[0].tables[0];
        assert_eq!((table.ids.len(), table.more), (MAX_ROWS, 7));
    }
}
