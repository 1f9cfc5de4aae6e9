//! Which instances are shown, and in which order. Pure.

use std::cmp::Reverse;

use poolscope_wire::{Instance, Service, Severity};

use crate::{
    compact::{lower_case, sort_by},
    format,
    time::range::Span,
};

/// So long after its begin the server has heard everybody who was there before: the longest usual interval of reports.
const SETTLED_MS: u64 = 60_000;

/// The words of the address, and those on the screen.
pub const SORTS: [(&str, &str); 5] = [
    ("", "by name"),
    ("worst", "worst first"),
    ("vanished", "vanished first"),
    ("new", "newest first"),
    ("pools", "most pools first"),
];

/// A service with those of its instances that are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Its name.
    pub service: String,
    /// Ids of the instances that are shown, in their order.
    pub ids: Vec<String>,
    /// How many it has.
    pub all: usize,
}

/// The instances that have a text in what is said of them, by service.
pub fn find(
    services: &[&Service],
    text: &str,
    sort: &str,
    severity: impl Fn(&str, &str) -> Severity,
) -> Vec<Found> {
    let wanted = lower_case(text.trim());
    let has = |text: &str| lower_case(text).contains(&wanted);
    let of_service = |service: &&Service| {
        let is_whole = wanted.is_empty() || has(&service.name);
        let passes =
            |one: &&Instance| is_whole || [&one.id, &one.language, &one.version].iter().any(|text| has(text));
        let mut shown: Vec<&Instance> = service.instances.iter().filter(passes).collect();
        let worst = |one: &Instance| Reverse(severity(&service.name, &one.id));
        sort_by(&mut shown, |a, b| {
            let order = match sort {
                "worst" => worst(a).cmp(&worst(b)),
                "vanished" => b.vanished.cmp(&a.vanished),
                "new" => b.first_seen_ms.cmp(&a.first_seen_ms),
                "pools" => b.pools.cmp(&a.pools),
                // Who vanished goes last.
                _ => a.vanished.cmp(&b.vanished),
            };
            order.then_with(|| a.id.cmp(&b.id))
        });
        let ids: Vec<String> = shown.into_iter().map(|one| one.id.clone()).collect();
        (!ids.is_empty()).then(|| Found { service: service.name.clone(), ids, all: service.instances.len() })
    };
    services.iter().filter_map(of_service).collect()
}

/// How many of all instances are shown.
#[must_use]
pub fn counted(found: &[Found], all: usize) -> String {
    let shown: usize = found.iter().map(|one| one.ids.len()).sum();
    let all_of_them = format::counted(all as u64, "instance", "instances");
    if shown == all { all_of_them } else { format!("{} of {all_of_them}", format::count(shown as u64)) }
}

/// How many came and went in a time: one after the other is a restart. Who was here when the server began is not new.
#[must_use]
pub fn turnover(seen: &[(u64, u64, bool)], span: Span, started_ms: u64) -> String {
    let is_new = |first: u64| span.contains(first) && first > started_ms + SETTLED_MS;
    let came = seen.iter().filter(|(first, ..)| is_new(*first)).count() as u64;
    let went = seen.iter().filter(|(_, last, gone)| *gone && span.contains(*last)).count() as u64;
    let parts = [(came, "came"), (went, "vanished")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, word)| format!("{} {word}", format::count(count))).collect();
    if parts.is_empty() { String::new() } else { format!("\u{b7} {} in this time", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Vec<Service> {
        let one = |id: &str, pools, vanished| Instance {
            id: id.to_owned(),
            language: "rust".to_owned(),
            first_seen_ms: pools,
            pools,
            vanished,
            ..Instance::default()
        };
        let instances = vec![one("a-1", 1, true), one("b-2", 9, false), one("c-3", 5, false)];
        let other = Instance { id: "z".to_owned(), language: "java".to_owned(), ..Instance::default() };
        vec![
            Service { name: "Shop".to_owned(), instances },
            Service { name: "mail".to_owned(), instances: vec![other] },
        ]
    }

    fn ids(text: &str, sort: &str) -> Vec<String> {
        let services = services();
        let worst = |_: &str, id: &str| if id == "c-3" { Severity::Bad } else { Severity::Ok };
        let found = find(&services.iter().collect::<Vec<_>>(), text, sort, worst);
        found.into_iter().flat_map(|one| one.ids).collect()
    }

    #[test]
    fn instances_are_found_by_their_words_and_those_of_their_service() {
        assert_eq!(ids("", ""), ["b-2", "c-3", "a-1", "z"], "who vanished goes last");
        assert_eq!(ids("SHOP", ""), ["b-2", "c-3", "a-1"]);
        assert_eq!(ids("b-", ""), ["b-2"]);
        assert_eq!(ids(" java ", ""), ["z"]);
        assert_eq!(ids("nothing", ""), [""; 0]);
    }

    #[test]
    fn instances_have_the_order_that_is_asked_for() {
        assert_eq!(ids("shop", "worst"), ["c-3", "a-1", "b-2"]);
        assert_eq!(ids("shop", "vanished"), ["a-1", "b-2", "c-3"]);
        assert_eq!(ids("shop", "new"), ["b-2", "c-3", "a-1"]);
        assert_eq!(ids("shop", "pools"), ["b-2", "c-3", "a-1"]);
    }

    #[test]
    fn how_many_are_shown_is_told() {
        let found = [Found { ids: vec![String::new(); 2], all: 3, ..Found::default() }];
        assert_eq!(counted(&found, 200), "2 of 200 instances");
        assert_eq!(counted(&found, 2), "2 instances");
    }

    #[test]
    fn who_came_and_went_is_counted() {
        let span = Span { from_ms: 1_000_000, to_ms: 2_000_000 };
        let seen = [(10, 1_500_000, true), (1_500_000, 1_990_000, false), (100, 900_000, true)];
        assert_eq!(turnover(&seen, span, 0), "\u{b7} 1 came, 1 vanished in this time");
        assert_eq!(turnover(&seen[1..2], span, 1_450_000), "", "it was here before the server");
    }
}
