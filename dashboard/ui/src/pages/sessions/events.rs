//! What sessions told of themselves: the newest, or that of the time that is looked at.

use leptos::prelude::*;
use poolscope_semconv::event::{SESSION_ENDED, SESSION_OVERDUE};

use crate::{
    components::events_of::{EventsOf, Said, newest},
    derived::Derived,
    navigation::Navigation,
    route::Query,
    state::live::Live,
};

/// Events of sessions.
const KINDS: [&str; 2] = [SESSION_ENDED, SESSION_OVERDUE];

const SAID: Said = Said {
    newest: "Events of sessions",
    none: "None has ended in a way worth a word.",
    nothing: "no session ended in a way worth a word",
};

/// What is asked of the server; of all services if none is chosen.
fn asked(service: &str) -> Vec<Query> {
    KINDS.map(|kind| Query::default().with("kind", kind).with("service", service)).into()
}

/// The events of the sessions of the service that is chosen.
#[component]
pub fn SessionEvents() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let service = Derived::new(move || navigation.query("service"));
    let now = Derived::new(move || {
        service.with(|service| {
            let is_of = |of: &str| service.is_empty() || of == service;
            live.with_events(|store| {
                newest(store.events.iter(), |event| KINDS.contains(&&*event.kind) && is_of(&event.service))
            })
        })
    });
    let asked = Derived::new(move || service.with(|service| asked(service)));
    view! { <EventsOf asked now said=SAID all=None testid="session-events" /> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_asked_for_of_the_service_that_is_chosen() {
        let texts = |service: &str| asked(service).iter().map(Query::to_text).collect::<Vec<_>>();
        assert_eq!(texts(""), ["?kind=poolscope.session.ended", "?kind=poolscope.session.overdue"]);
        assert_eq!(texts("shop")[1], "?kind=poolscope.session.overdue&service=shop");
    }
}
