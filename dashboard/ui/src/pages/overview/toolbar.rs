//! Search and order.

use leptos::prelude::*;

use crate::{
    derived::Derived,
    format,
    navigation::Navigation,
    state::{live::Live, order::Sort},
};

/// Search and order of the pools.
#[component]
pub fn Toolbar(
    /// How many pools are shown.
    shown: Derived<usize>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let all = Derived::new(move || live.with_list(|store| store.pools.len()));
    let count = move || match (shown.get(), all.get()) {
        (shown, all) if shown == all => format::counted(all as u64, "pool", "pools"),
        (shown, all) => {
            format!("{} of {}", format::count(shown as u64), format::counted(all as u64, "pool", "pools"))
        }
    };
    let names = [
        "worst first",
        "by name",
        "most in use first",
        "most waiting first",
        "longest wait first",
        "most requests first",
        "least reuse first",
    ];
    let options = Sort::ALL.into_iter().zip(names).map(|(sort, name)| {
        view! {
            <option value=sort.key() prop:selected=move || Sort::from_key(&navigation.query("sort")) == sort>{name}</option>
        }
    });
    view! {
        <div class="toolbar" role="search">
            <input type="search" data-search data-testid="search" placeholder="Search pools ( / )" aria-label="Search pools"
                prop:value=move || navigation.query("q")
                on:input=move |event| navigation.set_query("q", &event_target_value(&event)) />
            <label class="order">
                <span class="sr">"Order"</span>
                <select on:change=move |event| {
                    let key = event_target_value(&event);
                    navigation.set_query("sort", if key == Sort::Worst.key() { "" } else { &key });
                }>{options.collect_view()}</select>
            </label>
            <span class="soft" role="status">{count}</span>
        </div>
    }
}
