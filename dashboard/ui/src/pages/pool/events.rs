//! The events of a pool: its newest, or those of the time that is looked at.

use leptos::prelude::*;
use poolscope_wire::Event;

use crate::{
    components::events_of::{EventsOf, Said, newest},
    derived::Derived,
    navigation::Navigation,
    route::{Query, Route},
    state::live::Live,
};

const SAID: Said = Said {
    newest: "Its newest events",
    none: "Nothing has been reported for it lately.",
    nothing: "nothing was reported for it",
};

/// The events of a pool, or of the pools of a group.
#[component]
pub fn PoolEvents(
    /// Id of the pool.
    id: String,
    /// Of a group, ids of its pools.
    members: Derived<Vec<String>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    // The server knows whose pools a group's are.
    let asked = Derived::from(vec![Query::default().with("pool", &id)]);
    let all = {
        let id = id.clone();
        Derived::new(move || navigation.link_to(&Route::Events.path(), &[("pool", id.clone())]))
    };
    let ids = Derived::new(move || {
        let members = members.get();
        if members.is_empty() { vec![id.clone()] } else { members }
    });
    let now = Derived::new(move || {
        ids.with(|ids| live.with_events(|store| newest(store.events.iter(), |event| is_of(event, ids))))
    });
    view! { <EventsOf asked now said=SAID all=Some(all) testid="pool-events" /> }
}

/// True if an event is of one of some pools.
fn is_of(event: &Event, ids: &[String]) -> bool {
    event.pool.as_ref().is_some_and(|pool| ids.contains(pool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_those_of_the_pools_of_a_group() {
        let event =
            |id: u64, pool: Option<&str>| Event { id, pool: pool.map(str::to_owned), ..Event::default() };
        let all = [event(3, Some("b")), event(2, None), event(1, Some("c")), event(0, Some("a"))];
        let ids = |of: &[&str]| {
            let of: Vec<String> = of.iter().map(|id| (*id).to_owned()).collect();
            newest(all.iter(), |event| is_of(event, &of)).iter().map(|event| event.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&["a", "b"]), [3, 0]);
        assert_eq!(ids(&["c"]), [1]);
    }
}
