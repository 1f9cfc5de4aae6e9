//! The events of something: its newest, or those of the time that is looked at.

use leptos::prelude::*;
use poolscope_wire::{Event, path};

use super::loaded::{Loaded, use_loaded_by};
use crate::{
    api::{self, Failure},
    compact::sort_by,
    derived::Derived,
    format,
    pages::events::EventRow,
    route::Query,
    state::live::Live,
    time::{Time, range::Span},
};

/// The most that are listed; all are on the events page.
const MAX_EVENTS: usize = 20;

/// What is said of the events of something.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// What the newest are called.
    pub newest: &'static str,
    /// That there is none among the newest.
    pub none: &'static str,
    /// What would have had to happen in a time that has none.
    pub nothing: &'static str,
}

/// The addresses of the events that pass one of some filters, in a time; one a line.
fn addresses(asked: &[Query], span: Span) -> String {
    let address = |query: &Query| {
        let query = query
            .with("from_ms", &span.from_ms.to_string())
            .with("to_ms", &span.to_ms.to_string())
            .with("limit", &(MAX_EVENTS + 1).to_string());
        format!("{}{}", path::EVENTS, query.to_text())
    };
    asked.iter().map(address).collect::<Vec<_>>().join("\n")
}

/// Reads the events of some addresses, newest first.
async fn read(addresses: String) -> Result<Vec<Event>, Failure> {
    let mut events = Vec::new();
    for address in addresses.lines() {
        events.extend(api::read::<Vec<Event>>(address).await?);
    }
    sort_by(&mut events, |a, b| b.id.cmp(&a.id));
    Ok(events)
}

/// The newest of those that are of something, and one more than are shown.
pub fn newest<'a>(all: impl Iterator<Item = &'a Event>, is_of: impl Fn(&Event) -> bool) -> Vec<Event> {
    all.filter(|event| is_of(event)).take(MAX_EVENTS + 1).cloned().collect()
}

/// What is to be said while nothing is here.
fn waits_or_fails(past: &Loaded<Vec<Event>>) -> Option<String> {
    match past.failure() {
        Some(failure) => Some(failure.to_string()),
        None => past.is_loading().then(|| "Reading the events \u{2026}".to_owned()),
    }
}

/// The events, as lines.
#[component]
pub fn EventsOf(
    /// The filters of the server that they pass, one of these at least.
    asked: Derived<Vec<Query>>,
    /// The same of what the stream told, by [`newest`].
    now: Derived<Vec<Event>>,
    /// What is said of them.
    said: Said,
    /// Where all are; nothing if no one place has them.
    all: Option<Derived<String>>,
    /// What tests find it by.
    testid: &'static str,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    // The stream has the newest alone.
    let url = Derived::new(move || {
        let span = time.fixed();
        span.map(|span| asked.with(|asked| addresses(asked, span))).unwrap_or_default()
    });
    let is_over = move || {
        let now_ms = live.now_ms();
        time.fixed().is_some_and(|span| span.to_ms < now_ms)
    };
    let past = use_loaded_by(live, url, move || url.get(), move || !is_over(), read);
    let events = Derived::new(move || match time.fixed() {
        Some(_) => past.with(|past| past.ready().cloned().unwrap_or_default()),
        None => now.get(),
    });
    let shown = move || events.with(|events| events.iter().take(MAX_EVENTS).cloned().collect::<Vec<_>>());
    let says = move || {
        let is_fixed = time.fixed().is_some();
        if is_fixed && let Some(told) = past.with(waits_or_fails) {
            return Some(told);
        }
        let none = if is_fixed {
            let nothing = said.nothing;
            format!("Nothing is kept of this time: {nothing}, or it is longer ago than events are kept.")
        } else {
            said.none.to_owned()
        };
        events.with(Vec::is_empty).then_some(none)
    };
    let more = move || events.with(|events| events.len() > MAX_EVENTS);
    let title = move || if time.fixed().is_some() { "Events of this time" } else { said.newest };
    view! {
        <section class="below" data-testid=testid>
            <div class="sectionhead">
                <h2>{title}</h2>
                {all.map(|all| view! { <a class="soft" href=move || all.get()>"all on the events page"</a> })}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_the_server_is_of_the_time_that_is_looked_at() {
        let kinds = ["ended", "overdue"].map(|kind| Query::default().with("kind", kind));
        let told = addresses(&kinds, Span { from_ms: 5, to_ms: 9 });
        let expected = "/api/v1/events?kind=ended&from_ms=5&to_ms=9&limit=21\n\
                        /api/v1/events?kind=overdue&from_ms=5&to_ms=9&limit=21";
        assert_eq!(told, expected);
    }

    #[test]
    fn one_more_than_are_shown_is_taken() {
        let many: Vec<Event> = (0..100).map(|id| Event { id, ..Event::default() }).collect();
        let odd = newest(many.iter(), |event| event.id % 2 == 1);
        assert_eq!((odd.len(), odd[0].id, odd[1].id), (MAX_EVENTS + 1, 1, 3));
    }
}
