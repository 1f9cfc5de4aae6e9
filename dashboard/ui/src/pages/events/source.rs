//! Where the events come from: the server tells those that match, the live stream those that happen from then on.

use leptos::prelude::*;
use poolscope_wire::{Event, Limit, Severity, path};

use crate::{
    api::{self, Events, Failure},
    compact::sort_by,
    components::loaded::{Late, Loaded, use_loaded_by},
    derived::{Derived, effect},
    navigation::Navigation,
    route::Query,
    state::{filter::EventFilter, live::Live, store::Store},
    time::{Time, range::Range},
};

/// What the id of a group begins with.
const GROUP_PREFIX: &str = "g-";

/// Lines that are shown at first, and by how many there are more each time that somebody asks.
pub const PAGE: usize = 200;

/// What the stream brought is read again after so many readings that could have been: it may have left some out for a
/// browser that was too slow, and the server forgets the oldest.
const EVERY: u32 = 5;

/// What there is to show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The newest of those that match, newest first.
    pub events: Vec<Event>,
    /// How many match.
    pub matching: u64,
    /// How many there are.
    pub kept: u64,
}

/// Puts what has come since before what the server told, as far as it matches; the server has room for so many.
fn joined<'a>(
    told: &Events,
    since: impl Iterator<Item = &'a Event>,
    filter: &EventFilter,
    most: usize,
    room: u64,
) -> Found {
    let newest = told.events.first().map_or(0, |event| event.id);
    let mut events: Vec<Event> =
        since.filter(|event| event.id > newest && filter.passes(event)).cloned().collect();
    let new = events.len() as u64;
    // The server knows groups that are silent for so long that the stream does not tell of them.
    let is_unknown = filter.pool.starts_with(GROUP_PREFIX) && filter.members.is_empty();
    let pool = if is_unknown { String::new() } else { filter.pool.clone() };
    let of_told = EventFilter { pool, ..filter.clone() };
    events.extend(told.events.iter().filter(|event| of_told.passes(event)).cloned());
    events.truncate(most);
    // What came may have made others go.
    let kept = (told.kept.max(told.matching) + new).min(room);
    Found { events, matching: (told.matching + new).min(kept), kept }
}

/// Events that the server has room for.
fn room(store: &Store) -> u64 {
    let bound = store.status.limits.iter().find(|limit| limit.name == Limit::EVENTS);
    bound.map_or(u64::MAX, |limit| limit.max)
}

/// The address of the events that pass a filter.
fn url(filter: &EventFilter, most: usize) -> String {
    let severity = match filter.severity {
        Severity::Ok => "",
        Severity::Warn => "warn",
        Severity::Bad => "bad",
    };
    // As the filter has it: who asks for a kind wants it though it be routine.
    let routine = if filter.routine || !filter.kind.is_empty() { "" } else { "false" };
    let query = Query::default()
        .with("service", &filter.service)
        .with("pool", &filter.pool)
        .with("kind", &filter.kind)
        .with("severity", severity)
        .with("routine", routine)
        .with("q", &filter.text);
    let [from_ms, to_ms] = filter
        .within
        .map_or_else(Default::default, |span| [span.from_ms, span.to_ms].map(|at| at.to_string()));
    let query = query.with("from_ms", &from_ms).with("to_ms", &to_ms).with("limit", &most.to_string());
    format!("{}{}", path::EVENTS, query.to_text())
}

/// What the address asks for.
fn use_filter(live: Live, navigation: Navigation, time: Time) -> Derived<EventFilter> {
    // Without a chosen window everything that is kept is shown: an event is about its own time.
    let within = Derived::new(move || match time.range() {
        Range::Live(_) if navigation.query("window").is_empty() => None,
        Range::Live(_) | Range::Fixed(_) => Some(time.span()),
    });
    let members = Derived::new(move || {
        let pool = navigation.query("pool");
        let members = |store: &Store| store.groups.get(&pool).map(|group| group.group.members.clone());
        let mut members = live.with_list(members).unwrap_or_default();
        sort_by(&mut members, String::cmp);
        members
    });
    Derived::new(move || EventFilter {
        service: navigation.query("service"),
        pool: navigation.query("pool"),
        members: members.get(),
        within: within.get(),
        kind: navigation.query("kind"),
        severity: match navigation.query("severity").as_str() {
            "bad" => Severity::Bad,
            "warn" => Severity::Warn,
            _ => Severity::Ok,
        },
        routine: navigation.query("severity") == "all",
        text: navigation.query("q").trim().to_owned(),
    })
}

/// See the module. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// What is asked for.
    pub filter: Derived<EventFilter>,
    loaded: RwSignal<Loaded<Events>>,
    found: Derived<Found>,
    most: RwSignal<usize>,
}

impl Source {
    /// Begins to read, for as long as the page is there.
    #[must_use]
    pub fn start(live: Live, navigation: Navigation, time: Time) -> Self {
        let filter = use_filter(live, navigation, time);
        let most = RwSignal::new(PAGE);
        // What is asked for but for the time that goes on by itself.
        let asked = Derived::new(move || {
            let filter = filter.with(|filter| EventFilter { within: None, ..filter.clone() });
            let [window, from, to] = time.range().to_query().map(|(_, value)| value);
            format!("{} {window} {from} {to}", url(&filter, 0))
        });
        effect(move || {
            asked.with(|_| ());
            most.set(PAGE);
        });
        let key = Derived::new(move || format!("{} {}", asked.get(), most.get()));
        let since = StoredValue::new(0);
        let again = move || {
            since.update_value(|since| *since = (*since + 1) % EVERY);
            since.get_value() == 0
        };
        let address = move || filter.with(|filter| url(filter, most.get()));
        let loaded = use_loaded_by(live, key, address, again, async |url: String| api::events(&url).await);
        let found = Derived::new(move || {
            loaded.with(|loaded| {
                let Some(told) = loaded.shown() else { return Found::default() };
                filter.with(|filter| {
                    live.with_events(|store| {
                        joined(told, store.events.iter(), filter, most.get(), room(store))
                    })
                })
            })
        });
        Self { filter, loaded, found, most }
    }

    /// Reads the events that are shown.
    pub fn with<T>(self, read: impl FnOnce(&[Event]) -> T) -> T {
        self.found.with(|found| read(&found.events))
    }

    /// Reads them with how many there are.
    pub fn with_found<T>(self, read: impl FnOnce(&Found) -> T) -> T {
        self.found.with(read)
    }

    /// Shows more of them.
    pub fn show_more(self) {
        self.most.update(|most| *most += PAGE);
    }

    /// True while the answer to what is asked for is on its way.
    #[must_use]
    pub fn is_loading(self) -> bool {
        self.loaded.with(Loaded::is_loading)
    }

    /// Why there is none.
    #[must_use]
    pub fn failure(self) -> Option<Failure> {
        self.loaded.with(|loaded| loaded.failure().cloned())
    }

    /// Of what moment the answer is, while it can't be renewed.
    #[must_use]
    pub fn late(self) -> Option<Late> {
        self.loaded.with(Loaded::late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::range::Span;

    fn event(id: u64, severity: Severity) -> Event {
        Event { id, severity, ..Event::default() }
    }

    #[test]
    fn what_happens_comes_before_what_was_told_and_is_counted() {
        let told = Events {
            events: vec![event(7, Severity::Bad), event(3, Severity::Bad)],
            matching: 300,
            kept: 900,
        };
        // The stream has one that was told, one that does not match, and one that is new.
        let stream = [event(9, Severity::Bad), event(8, Severity::Ok), event(7, Severity::Bad)];
        let filter = EventFilter { severity: Severity::Warn, ..EventFilter::default() };
        let ids = |most| {
            let found = joined(&told, stream.iter(), &filter, most, 901);
            (found.events.iter().map(|event| event.id).collect::<Vec<_>>(), found.matching, found.kept)
        };
        assert_eq!(ids(10), (vec![9, 7, 3], 301, 901));
        assert_eq!(ids(2), (vec![9, 7], 301, 901), "what is not shown is counted");
        let full = joined(&told, stream.iter(), &filter, 10, 900);
        assert_eq!((full.matching, full.kept), (301, 900), "there are no more than there is room for");
        // What the server told of a group that the stream does not know is of it; what happens since may be of anybody.
        let group = EventFilter { pool: "g-1".to_owned(), ..filter.clone() };
        let found = joined(&told, stream.iter(), &group, 10, 901);
        assert_eq!(found.events.iter().map(|event| event.id).collect::<Vec<_>>(), [7, 3]);
        let none = joined(&Events::default(), stream.iter(), &filter, 10, 901);
        assert_eq!((none.events.len(), none.matching), (2, 2), "nothing had matched before");
    }

    #[test]
    fn the_server_is_asked_for_what_the_filter_lets_pass() {
        assert_eq!(url(&EventFilter::default(), 5), "/api/v1/events?routine=false&limit=5");
        let filter = EventFilter {
            service: "a b".to_owned(),
            kind: "k".to_owned(),
            severity: Severity::Warn,
            text: "<b>".to_owned(),
            within: Some(Span { from_ms: 1, to_ms: 2 }),
            ..EventFilter::default()
        };
        let expected = "service=a%20b&kind=k&severity=warn&q=%3Cb%3E&from_ms=1&to_ms=2&limit=5";
        assert_eq!(url(&filter, 5), format!("/api/v1/events?{expected}"));
        assert_eq!(
            url(&EventFilter { routine: true, ..EventFilter::default() }, 5),
            "/api/v1/events?limit=5"
        );
    }
}
