//! Search and order.

use leptos::prelude::*;

use crate::{
    components::{choice::Choice, menu::menu, told::told},
    derived::Derived,
    format,
    navigation::Navigation,
    pages::part::{self, FileKind},
    route::Query,
    state::{filter::instance_choice, live::Live, order::Sort},
};

/// Search and order of the pools.
#[component]
pub fn Toolbar(
    /// The pools that are shown, in their order.
    ids: Derived<Vec<String>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let shown = Derived::new(move || ids.with(Vec::len));
    let all = Derived::new(move || live.with_list(|store| store.pools.len()));
    let grouped = Derived::new(move || {
        let apart = navigation.query("apart") == "yes" || !navigation.query("instance").is_empty();
        !apart && live.with_list(|store| !store.groups.is_empty())
    });
    let count = Derived::new(move || match (shown.get(), all.get()) {
        (rows, all) if grouped.get() => {
            let rows = format::counted(rows as u64, "row", "rows");
            format!("{rows}, {}", format::counted(all as u64, "pool", "pools"))
        }
        (shown, all) if shown == all => format::counted(all as u64, "pool", "pools"),
        (shown, all) => {
            format!("{} of {}", format::count(shown as u64), format::counted(all as u64, "pool", "pools"))
        }
    });
    let asked = Derived::new(move || navigation.with_query(Query::to_text));
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
    let instances = Derived::new(move || {
        let service = navigation.query("service");
        live.with_status(|store| {
            let services = store.services.iter().filter(|one| service.is_empty() || one.name == service);
            // Where a service has one alone, that is no choice.
            let several = services.filter(|one| one.instances.len() > 1);
            let ids =
                several.flat_map(|one| one.instances.iter().map(|one| instance_choice(&one.id).to_owned()));
            ids.collect::<Vec<_>>()
        })
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
            <Choice key="instance" label="Instance" all="all instances" names=instances />
            <label class="check" hidden=move || !has_groups.get()>
                <input type="checkbox" data-testid="apart" prop:checked=move || navigation.query("apart") == "yes"
                    on:change=move |event| navigation.set_query("apart", if event_target_checked(&event) { "yes" } else { "" }) />
                "each instance by itself"
            </label>
            {told("pool-count", count, asked)}
            {menu("save", "the list, with the figures of now", vec![
                ("As CSV", "save-csv", Box::new(move || part::save_pools(live, ids.get_untracked(), FileKind::Csv))),
                ("As JSON", "save-json", Box::new(move || part::save_pools(live, ids.get_untracked(), FileKind::Json))),
            ])}
        </div>
    }
}
