//! Bars: a share of a whole.

use leptos::prelude::*;

use poolscope_wire::text::fixed;

use crate::derived::Derived;

/// Width of a share as the browser wants it.
#[must_use]
pub fn percent_of(share: f64) -> String {
    format!("{}%", fixed(share.clamp(0.0, 1.0) * 100.0, 1))
}

/// One bar, with a mark where its limit is.
#[component]
pub fn Bar(
    /// How much is filled, from 0 to 1.
    #[prop(into)]
    share: Derived<f64>,
    /// Where the limit is, from 0 to 1.
    #[prop(optional, into)]
    limit: Option<Derived<Option<f64>>>,
    /// Class that gives it its colour.
    #[prop(into)]
    class: Derived<&'static str>,
) -> impl IntoView {
    let mark = limit.map(|limit| {
        view! {
            <i class="limit" hidden=move || limit.get().is_none()
                style:left=move || percent_of(limit.get().unwrap_or_default())></i>
        }
    });
    view! {
        <span class="bar" aria-hidden="true">
            <i class=move || format!("fill {}", class.get()) style:width=move || percent_of(share.get())></i>
            {mark}
        </span>
    }
}

/// A bar that is drawn once, with marks where its limits are; beyond the last of them nothing is drawn.
#[component]
pub fn MarkedBar(
    /// How much is filled, from 0 to 1.
    share: f64,
    /// Where the limits are, from 0 to 1.
    marks: Vec<f64>,
    /// Class that gives it its colour.
    class: &'static str,
) -> impl IntoView {
    let mark = |at: f64| view! { <i class="limit" style:left=percent_of(at)></i> };
    view! {
        <span class="bar" aria-hidden="true">
            <i class=format!("fill {class}") style:width=percent_of(share)></i>
            {marks.into_iter().map(mark).collect_view()}
        </span>
    }
}
