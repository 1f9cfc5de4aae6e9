//! The instances of a group, each as a row that leads to its own page.

use leptos::prelude::*;

use crate::{
    components::warnings::WarningsAbout,
    derived::Derived,
    format,
    navigation::Navigation,
    pages::overview::List,
    state::{
        live::Live,
        order::{PoolFilter, Sort},
    },
    time::Time,
};

use super::detail::Loaded;
use poolscope_wire::Subject;

/// Ids of the pools of a group; empty for one pool.
pub fn use_members(live: Live, id: String, detail: RwSignal<Loaded>) -> Derived<Vec<String>> {
    Derived::new(move || {
        let told = live.with_list(|store| store.groups.get(&id).map(|group| group.group.members.clone()));
        // A group that has one instance left is none of the stream's any more.
        told.unwrap_or_else(|| {
            detail.with(|loaded| loaded.detail().map(|detail| detail.members.clone()).unwrap_or_default())
        })
    })
}

/// The instances.
#[component]
pub fn Instances(
    /// Ids of their pools.
    members: Derived<Vec<String>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let ids = Derived::new(move || {
        let filter = PoolFilter { sort: Sort::from_key(&navigation.query("sort")), ..PoolFilter::default() };
        let read = |store: &_| members.with(|members| filter.order(store, members));
        match filter.sort {
            Sort::Worst | Sort::Name => live.with_list(read),
            _ => live.with_figures(read),
        }
    });
    let count = move || format::counted(ids.with(Vec::len) as u64, "instance", "instances");
    view! {
        <section data-testid="group-instances">
            <div class="sectionhead">
                <h2>"Each instance"</h2>
                <span class="soft">{count}</span>
                <span class="soft" hidden=move || time.fixed().is_none()>
                    "Words and order are those of now, the figures those of this time."
                </span>
            </div>
            <WarningsAbout about=Derived::new(move || vec![(Subject::Pool, members.get())]) />
            <List ids by_instance=true />
            <p class="soft">"Connections one by one are on the page of each instance."</p>
        </section>
    }
}
