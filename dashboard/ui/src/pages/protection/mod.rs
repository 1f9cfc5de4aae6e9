//! What protects the calls of each instance beside breakers: probes, limits, timeouts, retries and resources.

pub mod cells;
pub mod gone;
pub mod groups;
pub mod table;

use leptos::prelude::*;
use poolscope_wire::Severity;

use crate::{
    components::{
        each::each,
        empty::{Empty, NoData, Waiting},
        told::told,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::Query,
    state::live::Live,
    time::Time,
};

use cells::Kind;
use gone::{Gone, use_gone};
use groups::{Filter, Group, How, groups};
use table::Instance;

/// The protection page.
#[component]
pub fn Protection() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let filter = Derived::new(move || Filter {
        service: navigation.query("service"),
        text: navigation.query("q"),
        how: navigation.with_query(|query| {
            HOW.iter().find(|(_, key, ..)| *key == query.get("severity")).map(|(how, ..)| *how)
        }),
        serves: false,
    });
    let gone = use_gone(live, time, filter);
    let read = move |filter: &Filter| {
        // The limits of pools come with their figures.
        live.with_figures(|_| ());
        live.with_protection(|store| groups(store, filter))
    };
    let found = Derived::new(move || filter.with(read));
    // What is counted is what each choice shows.
    let counts = Derived::new(move || {
        let of = |how| Filter { service: navigation.query("service"), how: Some(how), ..Filter::default() };
        HOW.map(|(how, ..)| count(&read(&of(how))))
    });
    let all = Derived::new(move || counts.get().iter().sum::<u64>());
    let shown_rows = Derived::new(move || found.with(|found| count(found)));
    let keys = move || found.with(|found| found.iter().map(Group::key).collect());
    let is_empty = Derived::new(move || all.get() == 0);
    let has_no_match = Derived::new(move || shown_rows.get() == 0);
    let counted = Derived::new(move || match (shown_rows.get(), all.get()) {
        // Those that are gone tell their number themselves.
        (_, 0) => String::new(),
        (shown, all) if shown == all => format::counted(all, "row", "rows"),
        (shown, all) => format!("{} of {}", format::count(shown), format::counted(all, "row", "rows")),
    });
    let asked = Derived::new(move || navigation.with_query(Query::to_text));
    // The first row is shown over time until the address says which, or that none is.
    let shown = Derived::after(move |before: Option<&String>| match navigation.query("show") {
        asked if !asked.is_empty() => asked,
        _ => {
            let before = before.filter(|before| !before.is_empty()).cloned();
            before.unwrap_or_else(|| found.with(|found| first(found)))
        }
    });
    let nobody_sends =
        Derived::new(move || live.with_list(|store| store.pools.is_empty() && store.breakers.is_empty()));
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    let named = move |place: usize| {
        let ((_, _, one, many), count) = (HOW[place], counts.get()[place]);
        (count > 0).then(|| format::counted(count, one, many))
    };
    let summary = move || (0..HOW.len()).filter_map(named).collect::<Vec<_>>().join(" \u{b7} ");
    let choice = move |place: usize| {
        let (_, key, _, name) = HOW[place];
        let is_chosen = move || navigation.query("severity") == key;
        view! {
            <button type="button" class="chip" title="Show only these" data-testid=format!("protection-{key}")
                aria-pressed=move || if is_chosen() { "true" } else { "false" }
                hidden=move || named(place).is_none() && !is_chosen()
                on:click=move |_| navigation.set_query("severity", if is_chosen() { "" } else { key })>
                {move || named(place).unwrap_or_else(|| format!("0 {name}"))}
            </button>
        }
    };
    view! {
        <div class="pagehead">
            <h1>"Protection"</h1>
            <span class="soft">{summary}</span>
            <span class="grow"></span>
            <span class="soft" hidden=move || is_empty.get()>
                "Counts are of the last minute, with what was counted in all below them."
                {move || time.fixed().map(|_| " Charts are of the time that is looked at.")}
            </span>
        </div>
        <Show when=move || !is_empty.get() || gone.any()>
            <div class="toolbar" role="search">
                <input type="search" data-search data-testid="search" placeholder="Search ( / )" aria-label="Search what protects calls"
                    prop:value=move || navigation.query("q")
                    on:input=move |event| navigation.set_query("q", &event_target_value(&event)) />
                {(0..HOW.len()).map(choice).collect_view()}
                {told("protection-count", counted, asked)}
            </div>
        </Show>
        {move || {
            if !is_empty.get() && has_no_match.get() {
                view! {
                    <Empty title="Nothing matches">
                        <p>"There is something that protects calls, but nothing that this search and this choice let through."</p>
                    </Empty>
                }
                .into_any()
            } else if !is_empty.get() {
                each(keys, move |key| view! { <Instance groups=found key shown /> }.into_any())
            } else if !is_filled.get() {
                view! { <Waiting /> }.into_any()
            } else if gone.any() || gone.is_loading() {
                // What is looked at is there: nothing is missing that has to be explained.
                ().into_any()
            } else if nobody_sends.get() {
                view! { <NoData /> }.into_any()
            } else {
                view! { <Nothing /> }.into_any()
            }
        }}
        <Show when=move || time.fixed().is_some()><Gone gone filter /></Show>
    }
}

/// How bad something may be: in the address, and on the screen of one and of many.
const HOW: [(How, &str, &str, &str); 4] = [
    (Some(Severity::Bad), "bad", "needs you", "need you"),
    (Some(Severity::Warn), "warn", "worth a look", "worth a look"),
    (Some(Severity::Ok), "ok", "fine", "fine"),
    (None, "silent", "not heard any more", "not heard any more"),
];

fn count(groups: &[Group]) -> u64 {
    groups.iter().flat_map(|group| &group.tables).map(|table| table.ids.len() as u64).sum()
}

/// The first row that has a history of its own.
fn first(groups: &[Group]) -> String {
    let tables = groups.iter().flat_map(|group| &group.tables);
    let own = tables.filter(|table| table.kind != Kind::PoolLimit);
    own.flat_map(|table| &table.ids).next().cloned().unwrap_or_default()
}

/// What makes something appear.
#[component]
fn Nothing() -> impl IntoView {
    let line = |layer: &'static str, what: &'static str| view! { <li><code>{layer}</code>" "{what}</li> };
    view! {
        <Empty title="Nothing protects these calls">
            <p>"Pools are reported, and nothing of what is shown here. Each part appears as soon as a client has its layer:"</p>
            <ul>
                {line("retry::RetryLayer", "retries by policy")}
                {line("timeout::TimeoutLayer", "timeouts by name")}
                {line("limit::LimitLayer", "limits of requests in flight")}
                {line("health::HealthProbe", "what probes say of a destination")}
                {line("guard::ResourceGuard", "open files, memory and connections")}
            </ul>
        </Empty>
    }
}
