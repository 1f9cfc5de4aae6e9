//! What happened, newest first, one line each, in plain words.

pub mod filters;
pub mod row;
pub mod sheet;
pub mod source;

use leptos::prelude::*;
use poolscope_semconv::event;

use crate::{
    api::Failure,
    components::{
        empty::{Empty, NoData, NoneOfService, Waiting},
        loaded::late_note,
        save::sheet_menu,
        told::told,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::Query,
    state::{filter::EventFilter, live::Live},
    time::{Time, range::Range},
};

use filters::Filters;
pub use row::EventRow;
use source::{Found, PAGE, Source};

/// What there is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Events are on their way.
    Reading,
    /// They can't be read.
    Failed(String),
    /// Of a kind of others there is none.
    NoneOfKind,
    /// No picture yet.
    Waiting,
    /// Nobody has sent anything.
    NoData,
    /// Nothing has happened.
    Nothing,
    /// There are none of that time.
    NonePast,
    /// Only routine has happened.
    OnlyRoutine,
    /// There are none of the service that is chosen.
    NoneOfService,
    /// Nothing passes the filter.
    NoMatch,
    /// Events.
    List,
}

/// How many there are of what is asked for.
fn counted(found: &Found) -> String {
    let shown = found.events.len() as u64;
    let more = match found.matching > shown {
        true => format!(", the newest {} shown", format::count(shown)),
        false => String::new(),
    };
    format!("{} of {}{more}", format::count(found.matching), format::counted(found.kept, "event", "events"))
}

/// Why a filter lets nothing pass, where there is something.
fn none_of(filter: &EventFilter) -> Stage {
    let is_wide = [&filter.pool, &filter.kind, &filter.text].into_iter().all(String::is_empty)
        && filter.severity == EventFilter::default().severity;
    match (is_wide, filter.service.is_empty()) {
        (true, true) if !filter.routine => Stage::OnlyRoutine,
        (true, false) => Stage::NoneOfService,
        _ => Stage::NoMatch,
    }
}

/// Why there is no answer. The server takes a kind that is no event's for a slip of who types it; a link may lead to one
/// whose last event has made room.
fn failed(failure: &Failure, filter: &EventFilter) -> Stage {
    let is_ours = filter.kind.is_empty() || event::ALL.contains(&filter.kind.as_str());
    match failure {
        Failure::Refused(_) if !is_ours => Stage::NoneOfKind,
        failure => Stage::Failed(failure.to_string()),
    }
}

/// The events page.
#[component]
pub fn Events() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let source = Source::start(live, navigation, time);
    let rows = move || {
        untrack(|| {
            let mut sheet = source.with(sheet::sheet);
            sheet.facts.push(("shown", source.with_found(counted)));
            if let Some(span) = source.filter.with(|filter| filter.within) {
                let ends = [("from", span.from_ms), ("to", span.to_ms)];
                sheet.facts.extend(ends.map(|(name, at_ms)| (name, format::iso_time(at_ms))));
            }
            sheet
        })
    };
    let file = move || vec!["events".to_owned(), format::iso_time(untrack(|| live.now_ms()))];
    let save = sheet_menu("events", rows, file);
    let count = Derived::new(move || {
        if source.is_loading() {
            return "reading \u{2026}".to_owned();
        }
        let of_time = match source.filter.with(|filter| filter.within) {
            Some(_) => format!(", {}", time.range().words(live.now_ms())),
            None => String::new(),
        };
        source.with_found(counted) + &of_time
    });
    let asked = Derived::new(move || navigation.with_query(Query::to_text));
    let has_rows = Derived::new(move || source.with(|events| !events.is_empty()));
    let stage = Derived::new(move || {
        if has_rows.get() {
            return Stage::List;
        }
        if let Some(failure) = source.failure() {
            return source.filter.with(|filter| failed(&failure, filter));
        }
        if source.is_loading() {
            return Stage::Reading;
        }
        if time.fixed().is_some() {
            return Stage::NonePast;
        }
        if source.with_found(|found| found.kept > 0) {
            return source.filter.with(none_of);
        }
        live.with_list(|store| match (store.filled, store.pools.is_empty() && store.breakers.is_empty()) {
            (false, _) => Stage::Waiting,
            (true, true) => Stage::NoData,
            (true, false) => Stage::Nothing,
        })
    });
    let late = Derived::new(move || source.late());
    view! {
        <div class="pagehead"><h1>"Events"</h1><span class="grow"></span>{save}</div>
        <Filters source />
        {late_note(live, late)}
        <p hidden=move || !has_rows.get()>{told("event-count", count, asked)}</p>
        {move || match stage.get() {
            Stage::List => view! { <List source /> }.into_any(),
            Stage::Reading => view! { <p class="loading" role="status">"Reading the events \u{2026}"</p> }.into_any(),
            Stage::Failed(sentence) => {
                view! { <Empty title="The events can't be shown"><p>{sentence}</p></Empty> }.into_any()
            }
            Stage::NoneOfKind => view! {
                <Empty title="There is no event of this kind">
                    <p>"None has come, or those that came have made room for newer ones."</p>
                    <p><a href=move || navigation.link_with("kind", "") data-stop>"See every kind"</a></p>
                </Empty>
            }
            .into_any(),
            Stage::NoMatch => view! {
                <Empty title="No event matches"><p>"Nothing that happened passes this search and these filters."</p></Empty>
            }
            .into_any(),
            Stage::OnlyRoutine => view! {
                <Empty title="Nothing but routine has happened">
                    <p>"Connections that close after use and the like are not shown. "
                        <a href=move || navigation.link_with("severity", "all") data-stop>"See everything"</a></p>
                </Empty>
            }
            .into_any(),
            Stage::NoneOfService => view! { <NoneOfService what="events that are shown here" /> }.into_any(),
            Stage::NonePast => view! {
                <Empty title="Nothing is kept of this time">
                    <p>"Nothing that is asked for happened then, or it is longer ago than events are kept."</p>
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

#[component]
fn List(source: Source) -> impl IntoView {
    let more = Derived::new(move || {
        source.with_found(|found| found.matching.saturating_sub(found.events.len() as u64).min(PAGE as u64))
    });
    let is_old = move || source.is_loading();
    view! {
        <ul class="events" aria-label="Events" class:is-stale=is_old>
            <For each=move || source.with(<[_]>::to_vec) key=|event| event.id let:event>
                <EventRow event />
            </For>
        </ul>
        <p hidden=move || more.get() == 0>
            <button type="button" class="button" data-testid="events-more" data-stop on:click=move |_| source.show_more()>
                "Show " {move || format::count(more.get())} " more"
            </button>
        </p>
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Event;

    use super::*;

    #[test]
    fn the_count_says_what_is_not_shown() {
        let found =
            |shown: usize, matching| Found { events: vec![Event::default(); shown], matching, kept: 1_269 };
        assert_eq!(counted(&found(3, 3)), "3 of 1,269 events");
        assert_eq!(counted(&found(200, 1_256)), "1,256 of 1,269 events, the newest 200 shown");
    }

    #[test]
    fn that_there_is_nothing_is_told_with_its_reason() {
        let none = EventFilter::default();
        assert_eq!(none_of(&none), Stage::OnlyRoutine);
        assert_eq!(none_of(&EventFilter { routine: true, ..none.clone() }), Stage::NoMatch);
        assert_eq!(none_of(&EventFilter { text: "x".to_owned(), ..none.clone() }), Stage::NoMatch);
        let of_one = EventFilter { service: "shop".to_owned(), ..none };
        assert_eq!(none_of(&of_one), Stage::NoneOfService);
        assert_eq!(none_of(&EventFilter { kind: "k".to_owned(), ..of_one }), Stage::NoMatch);
    }

    #[test]
    fn a_kind_of_others_whose_events_are_gone_is_no_failure() {
        let of = |kind: &str| EventFilter { kind: kind.to_owned(), ..EventFilter::default() };
        let refused = Failure::Refused("no".to_owned());
        assert_eq!(failed(&refused, &of("vendor.gone")), Stage::NoneOfKind);
        assert_eq!(failed(&refused, &of(event::LEAK_SUSPECTED)), Stage::Failed("no".to_owned()));
        assert!(matches!(failed(&Failure::Unreachable, &of("vendor.gone")), Stage::Failed(_)));
    }
}
