//! Every breaker as a card: its state as a word and a shape, why, and what it did over time.

pub mod axis;
pub mod card;
pub mod changes;
pub mod control;
pub mod drawn;
pub mod figures;
pub mod group;
pub mod merged;
pub mod past;
pub mod strip;
pub mod toolbar;

use leptos::prelude::*;

use crate::{
    components::{
        chunks::{self, chunks},
        empty::{Empty, NoData, Waiting},
    },
    derived::Derived,
    navigation::Navigation,
    state::{
        filter::{BreakerFilter, breakers_of},
        fleet::{BreakerGroup, breaker_groups},
        live::Live,
    },
    time::Time,
};

use axis::{Axis, AxisLine};
use card::Card;
use control::{Desk, dialog::Dialog};
use group::Group;
use toolbar::{Counts, Toolbar, use_counts};

/// The breakers page.
#[component]
pub fn Breakers(
    /// Id of the breaker that a link led to.
    marked: Option<String>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let desk = Desk::start(live);
    provide_context(desk);
    provide_context(Axis::start(live, time));
    let all = Derived::new(move || {
        let service = navigation.query("service");
        live.with_breakers(|store| breaker_groups(&breakers_of(store, &service)))
    });
    // What a group says stays what all of it is; it is shown if one of it passes.
    let groups = Derived::new(move || {
        let filter = BreakerFilter { text: navigation.query("q"), state: navigation.word("state") };
        let mut groups = all.get();
        live.with_breakers(|store| {
            let passes = |id: &String| store.breakers.get(id).is_some_and(|one| filter.passes(one));
            groups.retain(|group| group.ids.iter().any(passes));
        });
        groups
    });
    let keys =
        Derived::new(move || groups.with(|groups| groups.iter().map(BreakerGroup::key).collect::<Vec<_>>()));
    let counts = use_counts(live, navigation, groups);
    let is_empty = Derived::new(move || all.with(Vec::is_empty));
    let has_no_match = Derived::new(move || groups.with(Vec::is_empty));
    let nobody_sends = Derived::new(move || live.with_list(|store| store.pools.is_empty()));
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    view! {
        <div class="pagehead"><h1>"Breakers"</h1><span class="soft">{move || counts.with(Counts::sentence)}</span></div>
        <p class="soft" hidden=move || time.fixed().is_none()>
            "States and figures are those of now. The strip of a breaker and its changes are those of this time."
        </p>
        <Show when=move || desk.offered.get()><Dialog desk /></Show>
        <Show when=move || !is_empty.get()><Toolbar counts /></Show>
        <Show when=move || !has_no_match.get()><AxisLine /></Show>
        {move || {
            let marked = marked.clone();
            if !is_empty.get() && has_no_match.get() {
                view! {
                    <Empty title="No breaker matches">
                        <p>"There are breakers, but none that this search and this choice let through."</p>
                    </Empty>
                }
                .into_any()
            } else if !is_empty.get() {
                let first = marked.as_ref().and_then(|id| {
                    groups.with_untracked(|groups| {
                        groups.iter().find(|group| group.ids.contains(id)).map(BreakerGroup::key)
                    })
                });
                chunks(keys, chunks::Shape::Cards, first, move |key| {
                    let marked = marked.clone();
                    let group = Derived::new(move || {
                        groups.with(|groups| groups.iter().find(|group| group.key() == key).cloned())
                    });
                    let alone = Derived::new(move || group.with(|group| {
                        group.as_ref().filter(|group| group.ids.len() == 1).map(|group| group.ids[0].clone())
                    }));
                    view! {
                        {move || match alone.get() {
                            Some(id) => view! { <Card marked=marked.as_deref() == Some(id.as_str()) id /> }.into_any(),
                            None => view! { <Group group marked=marked.clone() /> }.into_any(),
                        }}
                    }
                    .into_any()
                })
            } else if !is_filled.get() {
                view! { <Waiting /> }.into_any()
            } else if nobody_sends.get() {
                view! { <NoData /> }.into_any()
            } else {
                view! {
                    <Empty title="No breakers">
                        <p>"Pools are reported, and no circuit breaker is. Breakers appear here as soon as a client has one."</p>
                    </Empty>
                }
                .into_any()
            }
        }}
    }
}
