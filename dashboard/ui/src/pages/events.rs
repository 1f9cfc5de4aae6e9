//! What happened, newest first, one line each, in plain words.

use leptos::prelude::*;
use poolscope_wire::{Event, Severity};

use crate::{
    components::{
        empty::{Empty, NoData, Waiting},
        shape::SeverityShape,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::{filter::EventFilter, live::Live},
    words,
};

/// The most lines that are shown: whoever looks for older ones filters.
const MAX_SHOWN: usize = 200;

fn use_filter(navigation: Navigation) -> Derived<EventFilter> {
    Derived::new(move || EventFilter {
        service: navigation.query("service"),
        kind: navigation.query("kind"),
        severity: match navigation.query("severity").as_str() {
            "bad" => Severity::Bad,
            "warn" => Severity::Warn,
            _ => Severity::Ok,
        },
        routine: navigation.query("severity") == "all",
        text: navigation.query("q"),
    })
}

/// The events page.
#[component]
pub fn Events() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let filter = use_filter(navigation);
    let found = Derived::new(move || {
        filter.with(|filter| {
            live.with_events(|store| {
                let passing = || store.events.iter().filter(|event| filter.passes(event));
                (passing().count(), passing().take(MAX_SHOWN).cloned().collect::<Vec<_>>())
            })
        })
    });
    let all = Derived::new(move || live.with_events(|store| store.events.len()));
    let count = move || {
        let matching = found.with(|(matching, _)| *matching);
        let shown =
            if matching > MAX_SHOWN { format!(", the newest {MAX_SHOWN} shown") } else { String::new() };
        format!(
            "{} of {}{shown}",
            format::count(matching as u64),
            format::counted(all.get() as u64, "event", "events")
        )
    };
    let stage = Derived::new(move || {
        if found.with(|(matching, _)| *matching > 0) {
            Stage::List
        } else if all.get() > 0 {
            Stage::NoMatch
        } else {
            live.with_list(|store| {
                match (store.filled, store.pools.is_empty() && store.breakers.is_empty()) {
                    (false, _) => Stage::Waiting,
                    (true, true) => Stage::NoData,
                    (true, false) => Stage::Nothing,
                }
            })
        }
    });
    view! {
        <div class="pagehead"><h1>"Events"</h1></div>
        <Filters />
        <p class="soft" role="status" hidden=move || all.get() == 0>{count}</p>
        {move || match stage.get() {
            Stage::List => view! {
                <ul class="events" aria-label="Events">
                    <For each=move || found.with(|(_, events)| events.clone()) key=|event| event.id let:event>
                        <EventRow event />
                    </For>
                </ul>
            }
            .into_any(),
            Stage::NoMatch => view! {
                <Empty title="No event matches"><p>"Nothing that happened passes this search and these filters."</p></Empty>
            }
            .into_any(),
            Stage::Waiting => view! { <Waiting /> }.into_any(),
            Stage::NoData => view! { <NoData /> }.into_any(),
            Stage::Nothing => view! {
                <Empty title="Nothing has happened">
                    <p>"Breaker transitions, leaks, timeouts, closed and failed connections and exhausted retries are listed here as they happen."</p>
                </Empty>
            }
            .into_any(),
        }}
    }
}

/// What there is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No picture yet.
    Waiting,
    /// Nobody has sent anything.
    NoData,
    /// Nothing has happened.
    Nothing,
    /// Nothing passes the filter.
    NoMatch,
    /// Events.
    List,
}

#[component]
fn Filters() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let kinds = Derived::new(move || {
        let mut kinds: Vec<String> =
            live.with_events(|store| store.events.iter().map(|event| event.kind.clone()).collect());
        kinds.push(navigation.query("kind"));
        kinds.retain(|kind| !kind.is_empty());
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    });
    let option = move |key: &'static str, value: String, name: String| {
        let chosen = value.clone();
        view! { <option value=value prop:selected=move || navigation.query(key) == chosen>{name}</option> }
    };
    let kind_options = move || {
        kinds
            .get()
            .into_iter()
            .map(|kind| option("kind", kind.clone(), words::event_kind(&kind)))
            .collect_view()
    };
    view! {
        <div class="toolbar" role="search">
            <input type="search" data-search data-testid="search" placeholder="Search events ( / )" aria-label="Search events"
                prop:value=move || navigation.query("q")
                on:input=move |event| navigation.set_query("q", &event_target_value(&event)) />
            <label>
                <span class="sr">"Kind"</span>
                <select data-testid="event-kind" on:change=move |event| navigation.set_query("kind", &event_target_value(&event))>
                    <option value="">"every kind"</option>
                    {kind_options}
                </select>
            </label>
            <label>
                <span class="sr">"Severity"</span>
                <select data-testid="event-severity" on:change=move |event| navigation.set_query("severity", &event_target_value(&event))>
                    {option("severity", String::new(), "without routine".to_owned())}
                    {option("severity", "all".to_owned(), "everything".to_owned())}
                    {option("severity", "warn".to_owned(), "worth a look or worse".to_owned())}
                    {option("severity", "bad".to_owned(), "bad only".to_owned())}
                </select>
            </label>
        </div>
    }
}

/// One event.
#[component]
pub fn EventRow(
    /// What happened.
    event: Event,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let Event { id: _, at_ms, kind, severity, service, instance, pool, breaker, text, attributes, trace_id } =
        event;
    let attributes: Vec<String> = attributes.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let severity_key = words::severity_key(severity);
    view! {
        <li class=format!("event v-{severity_key}") data-testid="event-row" data-severity=severity_key data-kind=kind.clone()>
            <time class="soft" title=format::exact_time(at_ms)>{move || format::ago(live.now_ms(), at_ms)}</time>
            <SeverityShape severity />
            <div class="what">
                <span class="text" dir="auto">{text}</span>
                <span class="soft meta">
                    <span title=kind.clone()>{words::event_kind(&kind)}</span>
                    <Subject pool breaker />
                    <span dir="auto" title=instance>{service}</span>
                    {trace_id.map(|id| view! { <span class="mono" title="Trace">{id}</span> })}
                </span>
                {(!attributes.is_empty()).then(|| view! {
                    <details>
                        <summary data-stop>"details"</summary>
                        <ul class="mono">{attributes.into_iter().map(|text| view! { <li dir="auto">{text}</li> }).collect_view()}</ul>
                    </details>
                })}
            </div>
        </li>
    }
}

/// Links to what an event happened to.
#[component]
fn Subject(pool: Option<String>, breaker: Option<String>) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let pool = pool.map(|id| {
        // The name is looked up once: an event is about the past.
        let name = live.peek(|store| store.pools.get(&id).map(|entry| words::pool_name(&entry.summary)));
        match name {
            Some(name) => {
                view! { <a dir="auto" href=navigation.link(&Route::Pool(id))>{name}</a> }.into_any()
            }
            None => view! { <span>"a pool that is gone"</span> }.into_any(),
        }
    });
    let breaker = breaker.map(|id| {
        let name = live.peek(|store| store.breakers.get(&id).map(|breaker| breaker.name.clone()));
        match name {
            Some(name) => {
                let text = format!("breaker {name}");
                view! { <a dir="auto" href=navigation.link(&Route::Breakers(Some(id)))>{text}</a> }.into_any()
            }
            None => view! { <span>"a breaker that is gone"</span> }.into_any(),
        }
    });
    view! { {pool} {breaker} }
}
