//! The same as the waterfall in words and figures.

use leptos::prelude::*;
use poolscope_wire::Span;

use super::say;
use crate::components::phases::sentence;
use crate::format;

/// Every span as a row.
#[component]
pub fn Table(
    /// The spans, each below the one above it.
    spans: Vec<Span>,
) -> impl IntoView {
    let row = |span: Span| {
        let (beside, parts) = (say::beside(&span), sentence(&span.phases));
        let (start_s, took_s) = say::whole(&span);
        view! {
            <tr>
                <th scope="row" dir="auto">{span.name}</th>
                <td dir="auto">{span.service}</td>
                <td class="number">{span.depth}</td>
                <td class="number">{format::duration(start_s)}</td>
                <td class="number">{format::duration(took_s)}</td>
                <td>{parts}</td>
                <td>{beside}</td>
            </tr>
        }
    };
    view! {
        <details class="spantable">
            <summary>"As a table"</summary>
            <div class="scroll" tabindex="0" role="region" aria-label="Spans as a table">
                <table class="figures-table" data-testid="span-table">
                    <thead>
                        <tr>
                            <th scope="col">"Span"</th>
                            <th scope="col">"Service"</th>
                            <th scope="col" class="number">"Below"</th>
                            <th scope="col" class="number">"Begins at"</th>
                            <th scope="col" class="number">"Takes"</th>
                            <th scope="col">"Parts"</th>
                            <th scope="col">"How it went"</th>
                        </tr>
                    </thead>
                    <tbody>{spans.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </details>
    }
}
