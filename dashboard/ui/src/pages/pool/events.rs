//! The events of a pool: its newest, or those of the time that is looked at.

use leptos::prelude::*;
use poolscope_wire::{Event, path};

use crate::{
    components::loaded::{Loaded, use_loaded},
    derived::Derived,
    format,
    navigation::Navigation,
    pages::events::EventRow,
    route::{Query, Route},
    state::live::Live,
    time::Time,
};

/// The most events of a pool that its page lists; all are on the events page.
const MAX_EVENTS: usize = 20;

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
    let time = expect_context::<Time>();
    let own = id.clone();
    let ids = Derived::new(move || {
        let members = members.get();
        if members.is_empty() { vec![own.clone()] } else { members }
    });
    // The server knows whose pools a group's are.
    let id = StoredValue::new(id);
    // The stream has the newest alone.
    let url = Derived::new(move || {
        let Some(span) = time.fixed() else { return String::new() };
        let query = Query::default()
            .with("from_ms", &span.from_ms.to_string())
            .with("to_ms", &span.to_ms.to_string())
            .with("limit", &(MAX_EVENTS + 1).to_string())
            .with("pool", &id.get_value());
        format!("{}{}", path::EVENTS, query.to_text())
    });
    let is_over = move || {
        let now_ms = live.now_ms();
        time.fixed().is_some_and(|span| span.to_ms < now_ms)
    };
    let past: RwSignal<Loaded<Vec<Event>>> = use_loaded(live, url, move || url.get(), move || !is_over());
    let events = Derived::new(move || match time.fixed() {
        Some(_) => past.with(|past| past.ready().cloned().unwrap_or_default()),
        None => ids.with(|ids| live.with_events(|store| of_pools(store.events.iter(), ids))),
    });
    let shown = move || events.with(|events| events.iter().take(MAX_EVENTS).cloned().collect::<Vec<_>>());
    let says = move || {
        let is_fixed = time.fixed().is_some();
        if is_fixed && let Some(told) = past.with(waits_or_fails) {
            return Some(told);
        }
        let none = if is_fixed {
            "Nothing is kept of this time: nothing was reported for it, or it is longer ago than events are kept."
        } else {
            "Nothing has been reported for it lately."
        };
        events.with(Vec::is_empty).then(|| none.to_owned())
    };
    let more = move || events.with(|events| events.len() > MAX_EVENTS);
    let title = move || match time.fixed() {
        Some(_) => "Events of this time",
        None => "Its newest events",
    };
    let all_link =
        Derived::new(move || navigation.link_to(&Route::Events.path(), &[("pool", id.get_value())]));
    view! {
        <section data-testid="pool-events">
            <div class="sectionhead">
                <h2>{title}</h2>
                <a class="soft" href=move || all_link.get()>"all on the events page"</a>
            </div>
            {move || says().map(|text| view! { <p class="soft" role="status">{text}</p> })}
            <ul class="events">
                <For each=shown key=|event| event.id let:event>
                    <EventRow event />
                </For>
            </ul>
            {move || more().then(|| view! {
                <p class="soft">{format!("The newest {} are shown.", format::count(MAX_EVENTS as u64))}</p>
            })}
        </section>
    }
}

/// Events of some pools, in their order, and one more than are shown.
fn of_pools<'a>(all: impl Iterator<Item = &'a Event>, ids: &[String]) -> Vec<Event> {
    let of_them = all.filter(|event| event.pool.as_ref().is_some_and(|pool| ids.contains(pool)));
    of_them.take(MAX_EVENTS + 1).cloned().collect()
}

/// What is to be said while nothing is here.
fn waits_or_fails(past: &Loaded<Vec<Event>>) -> Option<String> {
    match past.failure() {
        Some(failure) => Some(failure.to_string()),
        None => past.is_loading().then(|| "Reading the events \u{2026}".to_owned()),
    }
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
            of_pools(all.iter(), &of).iter().map(|event| event.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&["a", "b"]), [3, 0]);
        assert_eq!(ids(&["c"]), [1]);
        let many: Vec<Event> = (0..100).map(|id| event(id, Some("a"))).collect();
        assert_eq!(of_pools(many.iter(), &["a".to_owned()]).len(), MAX_EVENTS + 1);
    }
}
