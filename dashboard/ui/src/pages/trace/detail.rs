//! What a span tells beyond its bar: parts, attributes, moments, links. Drawn when it is asked for.

use leptos::prelude::*;
use poolscope_wire::{Span, SpanLink, SpanNote};

use super::say;
use crate::{components::phases, format, navigation::Navigation, route::Route};

/// Rows of names and values; nothing if there are none.
fn pairs(title: &'static str, rows: Vec<(String, String)>) -> Option<AnyView> {
    let row = |(key, value): (String, String)| {
        view! { <tr><th scope="row" class="mono" dir="auto">{key}</th><td class="mono" dir="auto">{value}</td></tr> }
    };
    (!rows.is_empty()).then(|| {
        view! {
            <section>
                <h2>{title}</h2>
                <table class="facts"><tbody>{rows.into_iter().map(row).collect_view()}</tbody></table>
            </section>
        }
        .into_any()
    })
}

/// All that is known of a span.
pub fn details(span: &Span) -> AnyView {
    let navigation = expect_context::<Navigation>();
    let (start_s, took_s) = say::whole(span);
    let mut facts = vec![
        ("begins at".to_owned(), format::duration(start_s)),
        ("takes".to_owned(), format::duration(took_s)),
    ];
    facts.extend(span.phases.iter().map(|phase| {
        let word = phases::word(phase.kind);
        (word.to_owned(), format!("{}, {}", format::duration(phase.duration_s), phases::meaning(phase.kind)))
    }));
    facts.extend(say::failure(span).map(|text| ("error".to_owned(), text)));
    facts.push(("service".to_owned(), format!("{} {}", span.service, span.instance)));
    facts.push(("span".to_owned(), span.span_id.clone()));
    if span.dropped > 0 {
        facts.push(("left out for their number".to_owned(), format::count(span.dropped)));
    }
    let breaker = span.breaker.clone().map(|id| {
        view! { <p><a href=navigation.link(&Route::Breakers(Some(id)))>"Its breaker"</a></p> }
    });
    view! {
        <div class="spandetail" data-testid="span-detail">
            {pairs("Figures", facts)}
            {pairs("Attributes", span.attributes.clone())}
            {span.notes.iter().map(note).collect_view()}
            {links(&span.links)}
            {breaker}
        </div>
    }
    .into_any()
}

fn note(note: &SpanNote) -> AnyView {
    let head = format!("{} at {}", note.name, format::duration(note.at_s));
    let rows = note.attributes.iter().map(|(key, value)| format!("{key} = {value}"));
    view! {
        <section>
            <h2 dir="auto">{head}</h2>
            <ul class="mono">{rows.map(|text| view! { <li dir="auto" class="stack">{text}</li> }).collect_view()}</ul>
        </section>
    }
    .into_any()
}

fn links(links: &[SpanLink]) -> Option<AnyView> {
    let navigation = expect_context::<Navigation>();
    let link = |link: &SpanLink| {
        let what = if link.set_up { "set-up of its connection" } else { "linked trace" };
        if link.kept {
            let href = navigation.link(&Route::Trace(link.trace_id.clone()));
            view! { <li>{what} " " <a class="mono" href=href>{link.trace_id.clone()}</a></li> }.into_any()
        } else {
            view! { <li>"linked trace " <span class="mono">{link.trace_id.clone()}</span> ", which is not here"</li> }.into_any()
        }
    };
    (!links.is_empty()).then(|| {
        view! { <section><h2>"Links"</h2><ul>{links.iter().map(link).collect_view()}</ul></section> }
            .into_any()
    })
}
