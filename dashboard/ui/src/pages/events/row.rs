//! One event: when, how bad, what in plain words, and what it happened to.
//!
//! A busy pool closes forty connections a second, and each is an event: rows are made of HTML and written by one effect.

use std::cell::RefCell;

use leptos::prelude::*;
use poolscope_wire::Event;

use crate::{
    components::{
        cells::{self, Place, Put},
        shape,
    },
    format,
    navigation::Navigation,
    route::Route,
    state::live::Live,
    time::Time,
    words,
};

const HTML: &str = r#"<time class="soft" data-cell="time"></time><svg data-cell="shape" viewBox="0 0 16 16" width="16" height="16" role="img"><path data-cell="shape-path"></path></svg>
<div class="what"><span class="text" dir="auto" data-cell="text"></span>
<span class="soft meta"><span data-cell="kind"></span>
<a dir="auto" data-cell="pool" hidden></a>
<a dir="auto" data-cell="breaker" hidden></a>
<span dir="auto" data-cell="service"></span>
<a class="mono" title="Its trace" data-cell="trace" hidden></a></span>
<details data-cell="more" hidden><summary data-stop>details</summary><p class="mono attributes" data-cell="attributes"></p></details></div>"#;

/// What something that an event happened to is called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Name {
    /// It happened to none, or there is no picture yet.
    #[default]
    Unknown,
    Known(String),
    Gone,
}

impl Name {
    /// An event may be here before the picture is, which knows the names; a name that was known stays, since an event is
    /// about the past.
    fn learn(&mut self, name: Option<String>, is_filled: bool) {
        match name {
            Some(name) => *self = Self::Known(name),
            None if is_filled && *self == Self::Unknown => *self = Self::Gone,
            None => {}
        }
    }

    /// Writes the name as a link; of what is gone the history may be there for long yet.
    fn put<'a>(&'a self, link: &'static str, href: &str, gone: &'a str, put: Put<'_>) {
        let name = match self {
            Self::Unknown => "",
            Self::Known(name) => name,
            Self::Gone => gone,
        };
        put(link, Place::Shown, name);
        put(link, Place::Text, name);
        put(link, Place::Attribute("href"), href);
    }
}

/// What changes of a row: the rest is as it was when the event happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Now {
    when: String,
    pool: Name,
    breaker: Name,
    /// Of its pool, its breaker and its trace.
    links: [String; 3],
}

/// What stays.
#[derive(Debug)]
struct Row {
    event: Event,
    exact: String,
    kind: String,
    attributes: String,
}

impl Row {
    fn new(event: Event) -> Self {
        let attributes: Vec<_> =
            event.attributes.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        Self {
            exact: format::exact_time(event.at_ms),
            kind: words::event_kind(&event.kind),
            attributes: attributes.join("\n"),
            event,
        }
    }

    /// Writes the row. All that a sender may have chosen is text or the value of an attribute, never markup.
    fn put(&self, now: &Now, put: Put<'_>) {
        use Place::{Attribute, Shown, Text};
        let Event { kind, severity, service, instance, text, trace_id, .. } = &self.event;
        let key = words::severity_key(*severity);
        put("", Attribute("class"), &format!("event v-{key}"));
        put("", Attribute("data-testid"), "event-row");
        put("", Attribute("data-severity"), key);
        put("", Attribute("data-kind"), kind);
        put("time", Attribute("title"), &self.exact);
        put("time", Text, &now.when);
        put("shape", Attribute("class"), &format!("shape s-{key}"));
        put("shape", Attribute("aria-label"), words::severity(*severity));
        put("shape-path", Attribute("d"), shape::outline(*severity));
        put("text", Text, text);
        put("kind", Attribute("title"), kind);
        put("kind", Text, &self.kind);
        let [pool, breaker, trace] = &now.links;
        now.pool.put("pool", pool, "a pool that is gone", put);
        now.breaker.put("breaker", breaker, "a breaker that is gone", put);
        put("service", Attribute("title"), instance);
        put("service", Text, service);
        let id = trace_id.as_deref().unwrap_or_default();
        put("trace", Shown, id);
        put("trace", Text, id);
        put("trace", Attribute("href"), trace);
        put("more", Shown, &self.attributes);
        put("attributes", Text, &self.attributes);
    }
}

/// One event.
#[component]
pub fn EventRow(
    /// What happened.
    event: Event,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let row = Row::new(event);
    let routes = [
        row.event.pool.clone().map(Route::Pool),
        row.event.breaker.clone().map(|id| Route::Breakers(Some(id))),
        row.event.trace_id.clone().map(Route::Trace),
    ];
    let names: RefCell<[Name; 2]> = RefCell::default();
    cells::row(HTML, move |put| {
        let Event { at_ms, pool, breaker, .. } = &row.event;
        let mut names = names.borrow_mut();
        let [of_pool, of_breaker] = &mut *names;
        if let Some(id) = pool {
            live.with_list(|store| {
                let name = store.pools.get(id).map(|entry| words::pool_name(&entry.summary));
                of_pool.learn(name, store.filled);
            });
        }
        if let Some(id) = breaker {
            live.with_breakers(|store| {
                let name = store.breakers.get(id).map(|breaker| format!("breaker {}", breaker.name));
                of_breaker.learn(name, store.filled);
            });
        }
        let link =
            |route: &Option<Route>| route.as_ref().map(|route| navigation.link(route)).unwrap_or_default();
        let now = Now {
            when: time.when(*at_ms),
            pool: of_pool.clone(),
            breaker: of_breaker.clone(),
            links: routes.each_ref().map(link),
        };
        row.put(&now, put);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::cells::written;

    fn said(row: &Row, now: &Now, cell: &str, place: Place) -> String {
        let all = written(HTML, |put| row.put(now, put));
        all.into_iter().find(|one| (one.0, one.1) == (cell, place)).map(|one| one.2).unwrap()
    }

    #[test]
    fn every_cell_is_there_and_what_is_written_does_not_depend_on_the_event() {
        let event = Event {
            text: "<img src=x onerror=alert(1)>".to_owned(),
            attributes: vec![("a".to_owned(), "<b>".to_owned()), ("c".to_owned(), "1".to_owned())],
            trace_id: Some("ab".to_owned()),
            ..Event::default()
        };
        let (full, empty) = (Row::new(event), Row::new(Event::default()));
        let now = Now { pool: Name::Known("pay".to_owned()), breaker: Name::Gone, ..Now::default() };
        let places = |row: &Row, now: &Now| -> Vec<_> {
            written(HTML, |put| row.put(now, put)).into_iter().map(|(cell, place, _)| (cell, place)).collect()
        };
        assert_eq!(places(&full, &now), places(&empty, &Now::default()));
        assert_eq!(said(&full, &now, "text", Place::Text), "<img src=x onerror=alert(1)>");
        assert_eq!(said(&full, &now, "attributes", Place::Text), "a = <b>\nc = 1");
        assert_eq!(said(&full, &now, "pool", Place::Text), "pay");
        assert_eq!(said(&full, &now, "breaker", Place::Text), "a breaker that is gone");
        for cell in ["pool", "breaker", "trace", "more"] {
            assert_eq!(said(&empty, &Now::default(), cell, Place::Shown), "", "{cell}");
        }
    }

    #[test]
    fn a_name_that_was_known_stays_and_before_the_picture_nothing_is_gone() {
        let mut name = Name::default();
        name.learn(None, false);
        assert_eq!(name, Name::Unknown);
        name.learn(None, true);
        assert_eq!(name, Name::Gone);
        name.learn(Some("pay".to_owned()), true);
        name.learn(None, true);
        assert_eq!(name, Name::Known("pay".to_owned()));
    }
}
