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
    let grouped = Derived::new(move || {
        let apart = navigation.query("apart") == "yes" || !navigation.query("instance").is_empty();
        !apart && live.with_list(|store| !store.groups.is_empty())
    });
    let count = move || match (shown.get(), all.get()) {
        (rows, all) if grouped.get() => {
            let rows = format::counted(rows as u64, "row", "rows");
            format!("{rows}, {}", format::counted(all as u64, "pool", "pools"))
        }
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
    let has_groups = Derived::new(move || live.with_list(|store| !store.groups.is_empty()));
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
            <InstanceChoice />
            <label class="check" hidden=move || !has_groups.get()>
                <input type="checkbox" data-testid="apart" prop:checked=move || navigation.query("apart") == "yes"
                    on:change=move |event| navigation.set_query("apart", if event_target_checked(&event) { "yes" } else { "" }) />
                "each instance by itself"
            </label>
            <span class="soft" role="status">{count}</span>
        </div>
    }
}

/// Pools of one instance alone, where a service has several.
#[component]
fn InstanceChoice() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let names = Derived::new(move || {
        let service = navigation.query("service");
        live.with_status(|store| {
            let services = store.services.iter().filter(|one| service.is_empty() || one.name == service);
            // One alone is no choice.
            let several = services.filter(|one| one.instances.len() > 1);
            several
                .flat_map(|one| one.instances.iter().map(|instance| instance.id.clone()))
                .collect::<Vec<_>>()
        })
    });
    let chosen = move || navigation.query("instance");
    let options = move || {
        let chosen = chosen();
        let mut names = names.get();
        // One of the address stays to be seen even if it does not send any more.
        if !chosen.is_empty() && !names.contains(&chosen) {
            names.push(chosen.clone());
        }
        names
            .into_iter()
            .map(|name| view! { <option value=name.clone() prop:selected=name == chosen>{name.clone()}</option> })
            .collect_view()
    };
    view! {
        <label class="service" hidden=move || names.with(Vec::is_empty) && chosen().is_empty()>
            <span class="sr">"Instance"</span>
            <select data-testid="instance" on:change=move |event| navigation.set_query("instance", &event_target_value(&event))>
                <option value="">"all instances"</option>
                {options}
            </select>
        </label>
    }
}
