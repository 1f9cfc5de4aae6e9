//! What happened, newest first, one line each, in plain words.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};
use poolscope_wire::{Event, Severity};

use crate::{
    api, browser,
    components::{
        empty::{Empty, NoData, Waiting},
        save::sheet_menu,
        shape::SeverityShape,
        told::told,
    },
    derived::Derived,
    export::sheet::{Cell, Sheet},
    format,
    navigation::Navigation,
    route::{Query, Route},
    state::{filter::EventFilter, live::Live},
    time::{
        Time,
        range::{Range, Span},
    },
    words,
};

/// The most lines that are shown: whoever looks for older ones filters.
const MAX_SHOWN: usize = 200;

/// How often events of a time that has not passed yet are read again.
const REFRESH: Duration = Duration::from_secs(5);

fn use_filter(navigation: Navigation, time: Time) -> Derived<EventFilter> {
    // Without a chosen window everything that is held is shown: an event is about its own time.
    let within = Derived::new(move || match time.range() {
        Range::Live(_) if navigation.query("window").is_empty() => None,
        Range::Live(_) | Range::Fixed(_) => Some(time.span()),
    });
    Derived::new(move || EventFilter {
        service: navigation.query("service"),
        pool: navigation.query("pool"),
        within: within.get(),
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

/// Events of a time that stands still, as the server has them: the stream brings only the newest.
#[derive(Debug, Clone, PartialEq, Default)]
struct Past {
    events: Vec<Event>,
    failure: Option<String>,
    is_here: bool,
}

/// Where events are read from.
#[derive(Clone, Copy)]
struct Source {
    live: Live,
    time: Time,
    past: RwSignal<Past>,
}

impl Source {
    fn start(live: Live, time: Time, navigation: Navigation) -> Self {
        let past = RwSignal::new(Past::default());
        let wanted = Derived::new(move || time.fixed().map(|span| (span, navigation.query("pool"))));
        let fetch = move |asked: (Span, String)| {
            spawn_local(async move {
                let answer = api::events(asked.0, &asked.1).await;
                // The page may be gone by now, or look at something else.
                if past.is_disposed() || wanted.get_untracked() != Some(asked) {
                    return;
                }
                past.update(|past| match answer {
                    Ok(events) => *past = Past { events, failure: None, is_here: true },
                    Err(failure) => {
                        *past = Past { failure: Some(failure.to_string()), ..std::mem::take(past) }
                    }
                });
            });
        };
        Effect::new(move |_| {
            if let Some(asked) = wanted.get() {
                past.set(Past::default());
                fetch(asked);
            }
        });
        browser::use_interval(REFRESH, move || {
            let needed = |(span, _): &(Span, String)| {
                span.to_ms >= untrack(|| live.now_ms()) || past.with_untracked(|past| !past.is_here)
            };
            if let Some(asked) = wanted.get_untracked().filter(needed) {
                fetch(asked);
            }
        });
        Self { live, time, past }
    }

    fn with<T>(self, read: impl FnOnce(&[&Event]) -> T) -> T {
        if self.time.fixed().is_some() {
            self.past.with(|past| read(&past.events.iter().collect::<Vec<_>>()))
        } else {
            self.live.with_events(|store| read(&store.events.iter().collect::<Vec<_>>()))
        }
    }

    fn failure(self) -> Option<String> {
        self.time.fixed()?;
        self.past.with(|past| past.failure.clone())
    }

    fn is_waiting(self) -> bool {
        self.time.fixed().is_some() && self.past.with(|past| !past.is_here && past.failure.is_none())
    }
}

/// Events as rows for a file.
fn sheet(events: &[&Event]) -> Sheet {
    const COLUMNS: [&str; 9] =
        ["time", "kind", "severity", "service", "instance", "pool", "breaker", "text", "trace_id"];
    let row = |event: &&Event| {
        let text = |text: &str| Cell::Text(text.to_owned());
        let maybe = |text: &Option<String>| text.clone().map_or(Cell::Missing, Cell::Text);
        vec![
            Cell::Moment(event.at_ms),
            text(&event.kind),
            text(words::severity_key(event.severity)),
            text(&event.service),
            text(&event.instance),
            maybe(&event.pool),
            maybe(&event.breaker),
            text(&event.text),
            maybe(&event.trace_id),
        ]
    };
    let columns = COLUMNS.map(str::to_owned).to_vec();
    Sheet { facts: Vec::new(), columns, rows: events.iter().map(row).collect() }
}

/// The events page.
#[component]
pub fn Events() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let filter = use_filter(navigation, time);
    let source = Source::start(live, time, navigation);
    let found = Derived::new(move || {
        filter.with(|filter| {
            source.with(|events| {
                let passing = || events.iter().filter(|event| filter.passes(event));
                (passing().count(), passing().take(MAX_SHOWN).copied().cloned().collect::<Vec<_>>())
            })
        })
    });
    let all = Derived::new(move || source.with(|events| events.len()));
    let rows = move || {
        untrack(|| {
            filter.with(|filter| {
                source.with(|events| {
                    let passing: Vec<&Event> =
                        events.iter().copied().filter(|event| filter.passes(event)).collect();
                    let mut sheet = sheet(&passing);
                    if let Some(span) = filter.within {
                        sheet.facts.extend([
                            ("from", format::iso_time(span.from_ms)),
                            ("to", format::iso_time(span.to_ms)),
                        ]);
                    }
                    sheet
                })
            })
        })
    };
    let file = move || vec!["events".to_owned(), format::iso_time(untrack(|| live.now_ms()))];
    let save = sheet_menu("events", rows, file);
    let count = Derived::new(move || {
        let matching = found.with(|(matching, _)| *matching);
        let shown =
            if matching > MAX_SHOWN { format!(", the newest {MAX_SHOWN} shown") } else { String::new() };
        format!(
            "{} of {}{shown}",
            format::count(matching as u64),
            format::counted(all.get() as u64, "event", "events")
        ) + &filter.with(|filter| match filter.within {
            Some(_) => format!(", {}", time.range().words(live.now_ms())),
            None => String::new(),
        })
    });
    let asked = Derived::new(move || navigation.with_query(Query::to_text));
    let stage = Derived::new(move || {
        if found.with(|(matching, _)| *matching > 0) {
            Stage::List
        } else if all.get() > 0 {
            Stage::NoMatch
        } else if source.is_waiting() {
            Stage::Reading
        } else if time.fixed().is_some() {
            Stage::NonePast
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
        <div class="pagehead"><h1>"Events"</h1><span class="grow"></span>{save}</div>
        <Filters source />
        {move || source.failure().map(|text| view! { <p class="is-bad" role="alert">{text}</p> })}
        <p hidden=move || all.get() == 0>{told("event-count", count, asked)}</p>
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
            Stage::Reading => view! { <p class="loading" role="status">"Reading the events of this time \u{2026}"</p> }.into_any(),
            Stage::NonePast => view! {
                <Empty title="Nothing is kept of this time">
                    <p>"Nothing happened then, or it is longer ago than events are kept."</p>
                    <p><button type="button" class="button" on:click=move |_| time.go(Range::default())>"Back to live"</button></p>
                </Empty>
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
    /// Events of another time are on their way.
    Reading,
    /// There are none of that time.
    NonePast,
    /// Events.
    List,
}

#[component]
fn Filters(source: Source) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let kinds = Derived::new(move || {
        let mut kinds: Vec<String> =
            source.with(|events| events.iter().map(|event| event.kind.clone()).collect());
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
            {move || {
                let id = navigation.query("pool");
                let name = live.with_pool(&id, |entry| words::pool_name(&entry.summary));
                let name = name.unwrap_or_else(|| "a pool that is gone".to_owned());
                (!id.is_empty()).then(|| view! {
                    <button type="button" class="chip" data-testid="event-pool" title="Show events of all pools"
                        on:click=move |_| navigation.set_query("pool", "")>
                        "of " <span dir="auto">{name}</span> " \u{d7}"
                    </button>
                })
            }}
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
    let navigation = expect_context::<Navigation>();
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
                    {trace_id.map(|id| view! {
                        <a class="mono" title="Its trace" href=navigation.link(&Route::Trace(id.clone()))>{id.clone()}</a>
                    })}
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
                let route = Route::Pool(id);
                view! { <a dir="auto" href=move || navigation.link(&route)>{name}</a> }.into_any()
            }
            None => view! { <span>"a pool that is gone"</span> }.into_any(),
        }
    });
    let breaker = breaker.map(|id| {
        let name = live.peek(|store| store.breakers.get(&id).map(|breaker| breaker.name.clone()));
        match name {
            Some(name) => {
                let text = format!("breaker {name}");
                let route = Route::Breakers(Some(id));
                view! { <a dir="auto" href=move || navigation.link(&route)>{text}</a> }.into_any()
            }
            None => view! { <span>"a breaker that is gone"</span> }.into_any(),
        }
    });
    view! { {pool} {breaker} }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_saved_with_all_their_words() {
        let event = Event { at_ms: 1, kind: "k".to_owned(), text: "=danger".to_owned(), ..Event::default() };
        let sheet = sheet(&[&event]);
        assert!(sheet.rows.iter().all(|row| row.len() == sheet.columns.len()));
        assert!(sheet.csv().contains(",'=danger,"), "{}", sheet.csv());
    }
}
