//! The heads of the columns, which also choose the order.

use leptos::prelude::*;

use crate::{
    format,
    navigation::Navigation,
    state::{order::Sort, ring::SPAN_MS},
    time::{Time, range::Range},
};

/// Heads of the columns, which also choose the order.
#[component]
pub fn ColumnHeads() -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let head = move |class: &'static str, sort: Sort, name: &'static str| {
        let chosen = move || Sort::from_key(&navigation.query("sort")) == sort;
        let value = if sort == Sort::Worst { "" } else { sort.key() };
        view! {
            <button type="button" class=class aria-pressed=move || if chosen() { "true" } else { "false" }
                title="Order by this" on:click=move |_| navigation.set_query("sort", value)>{name}</button>
        }
    };
    let time = expect_context::<Time>();
    let spark_time = move || match time.range() {
        Range::Fixed(span) => format::span(span.width_ms() / 1_000),
        // The newest points, which every row has, reach back this far.
        range if range == Range::default() => format::span(SPAN_MS / 1_000),
        Range::Live(window_ms) => format::span(window_ms.max(SPAN_MS) / 1_000),
    };
    view! {
        <div class="heads">
            {head("h-name", Sort::Name, "pool")}
            {head("h-say", Sort::Worst, "condition, worst first")}
            {head("h-conns", Sort::Active, "connections")}
            {head("h-wait number", Sort::Waiting, "waiting")}
            {head("h-p number", Sort::Wait, "wait p50 / p99")}
            <span class="h-spark">{spark_time}</span>
            {head("h-reuse number", Sort::Reuse, "reuse")}
            {head("h-rate number", Sort::Requests, "req/s")}
            <span class="h-breaker">"breaker"</span>
        </div>
    }
}
