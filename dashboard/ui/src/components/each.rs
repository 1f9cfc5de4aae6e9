//! A list of things that have an id: one that comes, goes or moves leaves the others as they are.

use std::sync::Arc;

use leptos::prelude::*;

use crate::derived::Derived;

type Item = Arc<dyn Fn(String) -> AnyView + Send + Sync>;

/// Shows each of the ids. Leptos' own lists are compiled anew for each place that has one, which costs kilobytes of
/// download; this one is compiled once.
pub fn each(
    ids: impl Fn() -> Vec<String> + Send + Sync + 'static,
    item: impl Fn(String) -> AnyView + Send + Sync + 'static,
) -> AnyView {
    list(Derived::new(ids), Arc::new(item))
}

fn list(ids: Derived<Vec<String>>, item: Item) -> AnyView {
    view! { <For each=move || ids.get() key=String::clone children=move |id| item(id) /> }.into_any()
}
