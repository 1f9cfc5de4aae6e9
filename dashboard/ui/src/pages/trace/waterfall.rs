//! The waterfall: each span a row below the one that caused it, requests with their parts.

use leptos::{html, prelude::*};
use poolscope_wire::Span;

use super::detail::details;
use super::{say, served};
use crate::components::phases::{percent, segments, sentence};
use crate::format;

/// Deeper spans are not moved further in: there would be no room for their names.
const MAX_INDENT: u64 = 12;

/// Every span over time.
#[component]
pub fn Waterfall(
    /// The spans, each below the one above it.
    spans: Vec<Span>,
    /// From the begin of the trace to its end.
    extent_s: f64,
) -> impl IntoView {
    let ticks = say::ticks(extent_s).into_iter().map(|(share, text)| {
        view! { <span class="tick" style:left=percent(share)>{text}</span> }
    });
    let is_shown: Vec<bool> = spans.iter().map(|span| !say::is_drawn_above(span, &spans)).collect();
    let rows = spans.into_iter().zip(is_shown).filter(|(_, is_shown)| *is_shown);
    view! {
        <section aria-label="Spans over time" class="waterfall" data-testid="waterfall">
            <div class="axis" aria-hidden="true"><span></span><span></span><div class="ticks">{ticks.collect_view()}</div></div>
            <ol>{rows.map(|(span, _)| row(span, extent_s)).collect_view()}</ol>
        </section>
    }
}

fn row(span: Span, extent_s: f64) -> AnyView {
    let is_open = RwSignal::new(false);
    let details_of = NodeRef::<html::Details>::new();
    let indent = span.depth.min(MAX_INDENT);
    let beside = say::beside(&span);
    let class = if span.failed { "span v-bad" } else { "span" };
    let served = span.call.as_ref().and_then(served::line);
    let url = span.call.as_ref().map(|call| call.url.clone());
    let (start_s, took_s) = say::whole(&span);
    let track = track(&span, extent_s);
    let took = format::duration(took_s);
    let id = span.span_id.clone();
    let spoken = format!(
        "begins at {}, takes {}{}",
        format::duration(start_s),
        took,
        if span.phases.is_empty() { String::new() } else { format!(": {}", sentence(&span.phases)) }
    );
    view! {
        <li class=class data-testid="span-row" data-span-id=id>
            <details node_ref=details_of on:toggle=move |_| is_open.set(details_of.get_untracked().is_some_and(|of| of.open()))>
                <summary data-stop>
                    <span class=format!("label in-{indent}")>
                        <b class="clip" dir="auto" title=span.name.clone()>{span.name.clone()}</b>
                        <span class="soft clip" dir="auto" title=span.instance.clone()>{span.service.clone()}</span>
                        {(!beside.is_empty()).then(|| view! { <span class="beside">{beside}</span> })}
                        {url.map(|url| view! { <span class="mono soft clip url" dir="auto" title=url.clone()>{url.clone()}</span> })}
                        <span class="sr">{spoken}</span>
                    </span>
                    <span class="number took" aria-hidden="true">{took}</span>
                    {track}
                </summary>
                {move || is_open.get().then(|| details(&span))}
            </details>
            {served}
        </li>
    }
    .into_any()
}

/// The bar of a span.
fn track(span: &Span, extent_s: f64) -> AnyView {
    let extent_s = extent_s.max(1e-9);
    let (from, share) = (span.start_s / extent_s, span.duration_s / extent_s);
    let bar = if span.phases.is_empty() {
        view! { <i class="segment ph-none" style:left=percent(from) style:width=percent(share)></i> }
            .into_any()
    } else {
        segments(&span.phases, 0.0, extent_s)
    };
    view! { <span class="lane" aria-hidden="true">{bar}</span> }.into_any()
}
