//! One line for each trace.

use leptos::prelude::*;
use poolscope_wire::{Severity, TraceStatus, TraceSummary};

use super::say;
use super::version;
use crate::{
    components::{each::each, phases, shape::SeverityShape},
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    time::Time,
    words,
};

/// How badly somebody should look at a trace. What a later attempt mended is no failure to whoever asked.
#[must_use]
pub fn severity(trace: &TraceSummary) -> Severity {
    match trace.status {
        TraceStatus::Good => Severity::Ok,
        TraceStatus::Slow | TraceStatus::Rejected => Severity::Warn,
        TraceStatus::Failed if trace.recovered => Severity::Warn,
        TraceStatus::Failed => Severity::Bad,
    }
}

/// Traces, each a link to its page.
#[component]
pub fn Rows(
    /// What is listed.
    traces: Derived<Vec<TraceSummary>>,
) -> impl IntoView {
    // Bars of one list are drawn on one scale, so that their lengths can be compared.
    let longest =
        Derived::new(move || traces.with(|traces| traces.iter().map(say::took_s).fold(0.0, f64::max)));
    let versions = move || traces.with(|traces| traces.iter().map(version).collect());
    let row = move |of: String| {
        let found = traces.with_untracked(|traces| traces.iter().find(|trace| version(trace) == of).cloned());
        found.map(|trace| view! { <Row trace longest /> }).into_any()
    };
    view! { <ul class="traces" aria-label="Traces">{each(versions, row)}</ul> }
}

#[component]
fn Row(trace: TraceSummary, longest: Derived<f64>) -> impl IntoView {
    let time = expect_context::<Time>();
    let navigation = expect_context::<Navigation>();
    let at_ms = trace.at_ms;
    let severity = severity(&trace);
    let key = words::severity_key(severity);
    let href = navigation.link(&Route::Trace(trace.trace_id.clone()));
    let sentence = say::sentence(&trace);
    let requests = match trace.requests {
        0 => String::new(),
        requests => format::counted(requests, "request", "requests"),
    };
    let phases = trace.phases.clone();
    let (from_s, took_s) = phases::whole(&phases, 0.0, trace.duration_s);
    let title = phases::sentence(&trace.phases);
    view! {
        <li class=format!("trace v-{key}") data-testid="trace-row" data-status=key data-trace-id=trace.trace_id.clone()>
            <time class="soft" title=format::exact_time(at_ms)>{move || time.when(at_ms)}</time>
            <SeverityShape severity />
            <div class="what">
                <a href=href data-stop dir="auto" title=trace.name.clone()>{trace.name.clone()}</a>
                {trace.request.as_deref().map(|request| view! {
                    <span class="clip mono" dir="auto" title=request.to_owned()>{say::short(request)}</span>
                })}
                <span class="say">{sentence}</span>
                <span class="soft meta">
                    <span dir="auto">{trace.service}</span>
                    <span>{requests}</span>
                    {trace.incomplete.then(|| view! { <span title="Spans of it are not here">"spans missing"</span> })}
                </span>
            </div>
            <span class="number took">{format::duration(took_s)}</span>
            <span class="track" title=title>
                {move || {
                    let share = took_s / longest.get().max(1e-9);
                    let bar = phases::segments(&phases, from_s, took_s);
                    view! { <span class="drawn" aria-hidden="true" style:width=phases::percent(share.max(0.004))>{bar}</span> }
                }}
            </span>
        </li>
    }
}
