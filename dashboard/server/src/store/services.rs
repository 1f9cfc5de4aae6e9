//! Services and their instances: those of now, and those of a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use poolscope_wire as wire;

use super::Store;
use super::history::{Figures, History};
use super::instance::Instance;
use super::query::lacks;

/// What an instance has, as far as it is wanted.
#[derive(Debug, Default)]
struct Things {
    pools: u64,
    breakers: u64,
    protection: u64,
    sessions: u64,
    lacks: BTreeSet<wire::Lack>,
    /// The begin of the oldest history.
    first_ms: Option<u64>,
    last_seen_ms: u64,
}

impl Things {
    fn are_none(&self) -> bool {
        [self.pools, self.breakers, self.protection, self.sessions] == [0; 4]
    }

    fn saw<F: Figures>(&mut self, history: &History<F>, last_seen_ms: u64) {
        self.first_ms = [self.first_ms, history.oldest_ms()].into_iter().flatten().min();
        self.last_seen_ms = self.last_seen_ms.max(last_seen_ms);
    }
}

type Names<'a> = (&'a str, &'a str);

/// A time, from and to; `None` is now.
type Time = Option<(u64, u64)>;

impl Store {
    /// Services and their instances, in the order of their names.
    pub(crate) fn services(&self) -> Vec<wire::Service> {
        let things = self.things(None);
        let none = Things::default();
        let known = self.instances.values();
        in_order(known.map(|one| told(one, things.get(&names(one)).unwrap_or(&none))))
    }

    /// Those that reported in a range, also instances that have been silent for so long that they are in no other list:
    /// of these there is left what their pools, breakers and so on tell.
    pub(crate) fn services_between(&self, from_ms: u64, to_ms: u64) -> Vec<wire::Service> {
        let mut things = self.things(Some((from_ms, to_ms)));
        let none = Things::default();
        let is_in = |at_ms: u64| (from_ms..=to_ms).contains(&at_ms);
        let mut all = Vec::new();
        for one in self.instances.values() {
            let of = things.remove(&names(one));
            // What sends nothing but events and spans was there all the time, for all that is known.
            let was_heard = match &of {
                Some(of) if !of.are_none() => true,
                Some(_) => is_in(one.first_seen_ms) || is_in(one.last_seen_ms),
                None => one.first_seen_ms <= to_ms && one.last_seen_ms >= from_ms,
            };
            if was_heard {
                all.push(told(one, of.as_ref().unwrap_or(&none)));
            }
        }
        let gone = things.iter().filter(|(_, of)| !of.are_none());
        in_order(all.into_iter().chain(gone.map(|(names, of)| told_of_gone(*names, of))))
    }

    /// What there is of each instance; those too of which nothing is wanted.
    fn things(&self, time: Time) -> HashMap<Names<'_>, Things> {
        fn has<F: Figures>(history: &History<F>, hidden: bool, time: Time) -> bool {
            time.map_or(!hidden, |(from_ms, to_ms)| history.has_any(from_ms, to_ms))
        }
        let mut all: HashMap<Names<'_>, Things> = HashMap::new();
        for one in self.pools.values() {
            let of = all.entry((&one.service, &one.instance)).or_default();
            if has(&one.history, one.hidden, time) {
                of.pools += 1;
                of.lacks.extend(lacks(one));
                of.saw(&one.history, one.last_seen_ms);
            }
        }
        for one in self.breakers.values() {
            let of = all.entry((&one.service, &one.instance)).or_default();
            if has(&one.history, one.hidden, time) {
                of.breakers += 1;
                of.saw(&one.history, one.last_seen_ms);
            }
        }
        for one in self.protection.values() {
            let of = all.entry((&one.service, &one.instance)).or_default();
            if has(&one.course.history, one.hidden, time) {
                of.protection += 1;
                of.saw(&one.course.history, one.last_seen_ms);
            }
        }
        for one in self.sessions.values() {
            let of = all.entry((&one.service, &one.instance)).or_default();
            if has(&one.course.history, one.hidden, time) {
                of.sessions += 1;
                of.saw(&one.course.history, one.last_seen_ms);
            }
        }
        all
    }
}

fn names(one: &Instance) -> Names<'_> {
    (&one.service, &one.instance)
}

type Placed<'a> = (&'a str, wire::Instance);

fn told<'a>(one: &'a Instance, of: &Things) -> Placed<'a> {
    let instance = wire::Instance {
        id: one.instance.to_string(),
        language: one.language.to_string(),
        version: one.version.to_string(),
        pools: of.pools,
        breakers: of.breakers,
        protection: of.protection,
        sessions: of.sessions,
        events: one.events,
        spans: one.spans,
        first_seen_ms: one.first_seen_ms,
        last_seen_ms: one.last_seen_ms,
        interval_ms: one.interval_ms(),
        clock_offset_ms: one.clock_offset_ms,
        vanished: one.vanished,
        dropped: one.dropped(),
        lacks: of.lacks.iter().copied().collect(),
    };
    (&one.service, instance)
}

fn told_of_gone<'a>((service, id): Names<'a>, of: &Things) -> Placed<'a> {
    let instance = wire::Instance {
        id: id.to_owned(),
        pools: of.pools,
        breakers: of.breakers,
        protection: of.protection,
        sessions: of.sessions,
        first_seen_ms: of.first_ms.unwrap_or(of.last_seen_ms),
        last_seen_ms: of.last_seen_ms,
        vanished: true,
        lacks: of.lacks.iter().copied().collect(),
        ..wire::Instance::default()
    };
    (service, instance)
}

fn in_order<'a>(all: impl Iterator<Item = Placed<'a>>) -> Vec<wire::Service> {
    let mut services: BTreeMap<&str, Vec<wire::Instance>> = BTreeMap::new();
    for (service, instance) in all {
        services.entry(service).or_default().push(instance);
    }
    let service = |(name, mut instances): (&str, Vec<wire::Instance>)| {
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        wire::Service { name: name.to_owned(), instances }
    };
    services.into_iter().map(service).collect()
}
