//! Traces: what failed or was slow of late, where its time went, and what finds it.

pub mod row;
pub mod say;

use leptos::prelude::*;
use poolscope_wire::{TraceList, TraceSummary};

use crate::{
    components::{
        copy::CopyLines,
        empty::{Empty, NoneOfService, sender_lines},
        loaded::{Loaded, late_note, use_loaded},
        told::told,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    state::live::Live,
    time::Time,
    words,
};

use row::Rows;
use say::{MAX_SHOWN, Question};

/// Which traces, by how they went.
const STATUSES: [(&str, &str); 5] = [
    ("", "failed and slow"),
    ("failed", "failed"),
    ("slow", "slow"),
    ("rejected", "turned away"),
    ("all", "all"),
];

/// Their order.
const SORTS: [(&str, &str); 2] = [("", "newest first"), ("slowest", "slowest first")];

fn use_question(navigation: Navigation, time: Time) -> Derived<Question> {
    Derived::new(move || Question {
        service: navigation.query("service"),
        pool: navigation.query("pool"),
        breaker: navigation.query("breaker"),
        connection: navigation.query("connection"),
        text: navigation.query("q"),
        status: one_of(&STATUSES, navigation.query("status")),
        sort: one_of(&SORTS, navigation.query("sort")),
        range: time.range(),
    })
}

/// What somebody wrote into the address is a choice only if it is one.
fn one_of(choices: &[(&str, &str)], value: String) -> String {
    if choices.iter().any(|(key, _)| *key == value) { value } else { String::new() }
}

/// What there is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Loading,
    Failed(String),
    /// No span has ever come.
    NoSpans,
    /// Only quick good ones are there, so many.
    OnlyGood(u64),
    NoMatch,
    /// None of the chosen service.
    NoneOfService,
    List,
}

/// The traces page.
#[component]
pub fn Traces() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let question = use_question(navigation, expect_context::<Time>());
    let key = Derived::new(move || question.with(|question| question.url(0)));
    let loaded: RwSignal<Loaded<TraceList>> =
        use_loaded(live, key, move || question.with(|question| question.url(live.now_ms())), || true);
    let stage = Derived::new(move || {
        loaded.with(|loaded| match (loaded.shown(), loaded.failure()) {
            (_, Some(failure)) => Stage::Failed(failure.to_string()),
            (None, None) => Stage::Loading,
            (Some(list), None) if !list.traces.is_empty() => Stage::List,
            // That there is none is true of what was asked, and of nothing else.
            (Some(_), None) if loaded.is_old() => Stage::Loading,
            (Some(list), None) if !list.any_spans => Stage::NoSpans,
            (Some(list), None) => question.with(|question| {
                let of_all = Question { service: String::new(), ..question.clone() };
                match (of_all.narrows() || question.status == "all", question.service.is_empty()) {
                    (true, _) => Stage::NoMatch,
                    (false, false) => Stage::NoneOfService,
                    (false, true) => Stage::OnlyGood(list.kept),
                }
            }),
        })
    });
    // While the next answer is on its way the one before stays, dimmed.
    let is_old = Derived::new(move || loaded.with(Loaded::is_old));
    let late = Derived::new(move || loaded.with(Loaded::late));
    let traces = Derived::new(move || {
        loaded.with(|loaded| loaded.shown().map(|list| list.traces.clone()).unwrap_or_default())
    });
    let count = Derived::new(move || {
        loaded.with(|loaded| match loaded.ready() {
            Some(list) => count(list),
            None if loaded.is_loading() => "reading \u{2026}".to_owned(),
            None => String::new(),
        })
    });
    let sampled = Derived::new(move || {
        let (status, range) = question.with(|question| (question.status.clone(), question.range));
        let now_ms = untrack(|| live.now_ms());
        let from_ms = range.span(now_ms).from_ms;
        loaded.with(|loaded| {
            loaded.ready().map(|list| say::sampled(list, &status, from_ms, now_ms)).unwrap_or_default()
        })
    });
    let lines = Derived::new(move || live.with_status(|store| sender_lines(&store.status)));
    view! {
        <div class="pagehead"><h1>"Traces"</h1></div>
        <Filters />
        {late_note(live, late)}
        <p>{told("trace-count", count, key)}</p>
        {move || {
            let sampled = sampled.get();
            (!sampled.is_empty()).then(|| view! { <p class="soft" data-testid="trace-sample">{sampled}</p> })
        }}
        {move || match stage.get() {
            Stage::List => view! { <div class:is-stale=move || is_old.get()><Rows traces /></div> }.into_any(),
            Stage::Loading => view! { <p class="loading" role="status">"Reading the traces \u{2026}"</p> }.into_any(),
            Stage::Failed(sentence) => {
                view! { <Empty title="The traces can't be shown"><p>{sentence}</p></Empty> }.into_any()
            }
            Stage::NoMatch => view! {
                <Empty title="No trace matches">
                    <p>"Nothing that is kept passes this search and these filters. Quick good traces make room first."</p>
                </Empty>
            }
            .into_any(),
            Stage::OnlyGood(kept) => view! {
                <Empty title="Nothing failed and nothing was slow in this time">
                    <p>{format!("{} are kept. ", format::counted(kept, "trace", "traces"))}
                        <a href=move || navigation.link_with("status", "all") data-stop>"See all of them"</a></p>
                </Empty>
            }
            .into_any(),
            Stage::NoneOfService => view! { <NoneOfService what="failed or slow traces" /> }.into_any(),
            Stage::NoSpans => view! {
                <Empty title="No traces yet">
                    <p>"Start a service whose tracing is on with these three lines in its environment, and its traces appear here within seconds."</p>
                    <CopyLines text=lines />
                    <p class="soft">"A Rust service needs the feature "<code>"trace"</code>" of poolscope, or any OpenTelemetry SDK. Spans of HTTP clients of any language are understood."</p>
                </Empty>
            }
            .into_any(),
        }}
    }
}

fn count(list: &TraceList) -> String {
    let more = if list.matching > MAX_SHOWN as u64 { format!(", {MAX_SHOWN} shown") } else { String::new() };
    let slow = format::duration(list.slow_s);
    let kept = format::counted(list.kept, "trace", "traces");
    format!("{} of {kept}{more} \u{b7} slow is from {slow} on", format::count(list.matching))
}

#[component]
fn Filters() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let option = move |key: &'static str, value: &str, name: String| {
        let (value, chosen) = (value.to_owned(), value.to_owned());
        view! { <option value=value prop:selected=move || navigation.query(key) == chosen>{name}</option> }
    };
    let select = move |key: &'static str, label: &'static str, testid: &'static str, options: AnyView| {
        view! {
            <label>
                <span class="sr">{label}</span>
                <select data-testid=testid on:change=move |event| navigation.set_query(key, &event_target_value(&event))>{options}</select>
            </label>
        }
    };
    let pools = Derived::new(move || {
        let service = navigation.query("service");
        live.with_list(|store| {
            let of_service = store.pools.values().map(|entry| &entry.summary);
            let of_service = of_service.filter(|pool| service.is_empty() || pool.service == service);
            let mut pools: Vec<_> =
                of_service.map(|pool| (words::pool_name(pool), pool.id.clone())).collect();
            pools.sort_unstable();
            pools
        })
    });
    let pool_options = move || {
        let chosen = navigation.query("pool");
        let mut pools = pools.get();
        if !chosen.is_empty() && !pools.iter().any(|(_, id)| *id == chosen) {
            pools.push(("a pool that is gone".to_owned(), chosen));
        }
        pools.into_iter().map(|(name, id)| option("pool", &id, name)).collect_view()
    };
    let breaker = move || {
        let id = navigation.query("breaker");
        (!id.is_empty()).then(|| {
            let name =
                live.with_breakers(|store| store.breakers.get(&id).map(|breaker| breaker.name.clone()));
            format!("breaker {}", name.unwrap_or_else(|| "that is gone".to_owned()))
        })
    };
    let connection = move || {
        let number = navigation.query("connection");
        (!number.is_empty()).then(|| format!("connection #{number}"))
    };
    let chip = move |text: String, key: &'static str| {
        view! {
            <button type="button" class="chip" data-testid="filter-chip" title="Remove this filter"
                on:click=move |_| navigation.set_query(key, "")>
                <span class="clip" dir="auto">{text}</span> <span aria-hidden="true">"\u{d7}"</span>
            </button>
        }
    };
    let options = |key: &'static str, choices: &[(&'static str, &str)]| {
        choices.iter().map(|(value, name)| option(key, value, (*name).to_owned())).collect_view().into_any()
    };
    view! {
        <div class="toolbar" role="search">
            <input type="search" data-search data-testid="search" placeholder="Search traces ( / )" aria-label="Search traces"
                maxlength="200" prop:value=move || navigation.query("q")
                on:input=move |event| navigation.set_query("q", &event_target_value(&event)) />
            {select("status", "How they went", "trace-status", options("status", &STATUSES))}
            {select("pool", "Pool", "trace-pool", view! { <option value="">"every pool"</option> {pool_options} }.into_any())}
            {select("sort", "Order", "trace-sort", options("sort", &SORTS))}
            {move || breaker().map(|text| chip(text, "breaker"))}
            {move || connection().map(|text| chip(text, "connection"))}
        </div>
    }
}

/// What makes a row another one: it is drawn anew when more of its trace has come.
fn version(trace: &TraceSummary) -> String {
    format!("{} {} {}", trace.trace_id, trace.spans, trace.duration_s)
}
