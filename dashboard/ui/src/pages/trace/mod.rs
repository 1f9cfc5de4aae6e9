//! One trace: what failed or took long in words, a waterfall with the parts of its requests, and the same as a table.

pub mod detail;
pub mod say;
pub mod served;
pub mod table;
pub mod waterfall;

use leptos::prelude::*;
use poolscope_wire::{TraceDetail, path};

use crate::{
    components::{
        empty::Empty,
        loaded::{Loaded, late_note, use_loaded},
        phases,
        shape::SeverityShape,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    pages::traces::row::{Rows, severity},
    pages::traces::say as list,
    route::{Route, encode},
    state::live::Live,
    words,
};

use table::Table;
use waterfall::Waterfall;

/// The page of a trace.
#[component]
pub fn Trace(
    /// Its id.
    id: String,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let key = Derived::from(format!("{}/{}", path::TRACES, encode(&id)));
    let loaded: RwSignal<Loaded<TraceDetail>> = use_loaded(live, key, move || key.get(), || true);
    // An answer that says the same leaves the page as it is, with what is open in it.
    let detail = Derived::new(move || loaded.with(|loaded| loaded.ready().cloned()));
    let failure = Derived::new(move || loaded.with(|loaded| loaded.failure().map(ToString::to_string)));
    let late = Derived::new(move || loaded.with(Loaded::late));
    let is_here = Derived::new(move || detail.with(Option::is_some));
    view! {
        {late_note(live, late)}
        {move || match (is_here.get(), failure.get()) {
            (true, _) => view! { <Page detail /> }.into_any(),
            (false, Some(sentence)) => view! { <Gone sentence id=id.clone() /> }.into_any(),
            (false, None) => view! { <p class="loading" role="status">"Reading the trace \u{2026}"</p> }.into_any(),
        }}
    }
}

#[component]
fn Gone(sentence: String, id: String) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    view! {
        <Empty title="This trace is not here" alone=true>
            <p class="mono">{id}</p>
            <p data-testid="trace-gone">{sentence}"."</p>
            <p><a href=move || navigation.link(&Route::Traces) data-stop>"See the traces that are"</a></p>
        </Empty>
    }
}

#[component]
fn Page(detail: Derived<Option<TraceDetail>>) -> impl IntoView {
    let part =
        move |read: fn(&TraceDetail) -> AnyView| move || detail.with(|detail| detail.as_ref().map(read));
    let spans = Derived::new(move || {
        detail.with(|detail| {
            detail.as_ref().map(|detail| (detail.spans.clone(), detail.extent_s)).unwrap_or_default()
        })
    });
    let served = Derived::new(move || {
        detail.with(|detail| detail.as_ref().map(|detail| detail.served.clone()).unwrap_or_default())
    });
    view! {
        <article data-testid="trace-page">
            {part(head)}
            {move || spans.with(|(spans, extent_s)| view! {
                <Waterfall spans=spans.clone() extent_s=*extent_s />
                <Table spans=spans.clone() />
            })}
            <section hidden=move || served.with(Vec::is_empty) data-testid="served-requests">
                <h2>"Requests that this connection served, newest first"</h2>
                <Rows traces=served />
            </section>
        </article>
    }
}

fn head(detail: &TraceDetail) -> AnyView {
    let navigation = expect_context::<Navigation>();
    let live = expect_context::<Live>();
    let summary = &detail.summary;
    let severity = severity(summary);
    let at_ms = summary.at_ms;
    let sentence = say::verdict(detail);
    let phases: Vec<_> = detail.spans.iter().flat_map(|span| span.phases.iter().copied()).collect();
    let elsewhere = detail.elsewhere.clone().map(|link| {
        let text = format!("Open in {} \u{2197}", link.host);
        view! {
            <a class="button" data-testid="trace-elsewhere" href=link.url target="_blank" rel="noopener noreferrer">{text}</a>
        }
    });
    let notices = say::notices(detail);
    view! {
        <header class="poolhead tracehead">
            <p class="crumb"><a href=navigation.link(&Route::Traces)>"Traces"</a></p>
            <div class="title"><h1 dir="auto" data-testid="trace-name">{summary.name.clone()}</h1>{elsewhere}</div>
            {summary.request.as_deref().map(|request| view! { <p class="mono clip" dir="auto" title=request.to_owned()>{list::short(request)}</p> })}
            <p class="soft where">
                <span dir="auto">{summary.service.clone()}</span>
                <time title=move || format::ago(live.now_ms(), at_ms)>{format::exact_time(at_ms)}</time>
                <span data-testid="trace-spans">{say::counted(detail)}</span>
                <span class="mono" title="Trace id" data-testid="trace-id">{summary.trace_id.clone()}</span>
            </p>
            <p class=format!("verdict v-{}", words::severity_key(severity))>
                <SeverityShape severity />
                <strong data-testid="trace-sentence">{sentence}</strong>
            </p>
            {notices.into_iter().map(|text| view! { <p class="soft told" data-testid="trace-notice">{text}</p> }).collect_view()}
            {phases::legend(&phases)}
        </header>
    }
    .into_any()
}
