//! Every breaker as a card: its state as a word and a shape, why, and what it did over time.

pub mod axis;
pub mod card;
pub mod changes;
pub mod control;
pub mod drawn;
pub mod figures;
pub mod gone;
pub mod group;
pub mod list;
pub mod lost;
pub mod merged;
pub mod past;
pub mod shelf;
pub mod strip;
pub mod then;
pub mod toolbar;

use leptos::prelude::*;

use crate::{
    components::empty::{Empty, NoData, Waiting},
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
use control::{Desk, dialog::Dialog};
use gone::{Gone, GoneBreakers};
use list::list;
use lost::Lost;
use shelf::Shelf;
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
    let filter =
        Derived::new(move || BreakerFilter { text: navigation.query("q"), state: navigation.word("state") });
    let [all, groups] = use_groups(live, navigation, filter);
    let gone = GoneBreakers::start(live, navigation, time, filter);
    let counts = use_counts(live, navigation, groups);
    let is_empty = Derived::new(move || all.with(Vec::is_empty));
    let has_no_match = Derived::new(move || groups.with(Vec::is_empty));
    let stage = Derived::new(move || Stage::of(live, is_empty.get(), has_no_match.get(), gone));
    let lost = marked.clone().map(|id| view! { <Lost id gone /> });
    let listed = marked.clone();
    view! {
        <div class="pagehead"><h1>"Breakers"</h1><span class="soft">{move || counts.with(Counts::sentence)}</span></div>
        <p class="soft" hidden=move || time.fixed().is_none() || is_empty.get()>
            "States and figures are those of now. The strip of a breaker and its changes are those of this time."
        </p>
        <Show when=move || desk.offered.get()><Dialog desk /></Show>
        <Show when=move || !is_empty.get() || gone.of_service.any()><Toolbar counts /></Show>
        {lost}
        <Show when=move || !has_no_match.get() || gone.any_shown()><AxisLine /></Show>
        {move || match stage.get() {
            Stage::List => list(groups, listed.clone(), Shelf::Now),
            Stage::NoMatch => view! {
                <Empty title="No breaker matches">
                    <p>"There are breakers, but none that this search and this choice let through."</p>
                </Empty>
            }
            .into_any(),
            Stage::OnlyGone => ().into_any(),
            Stage::Waiting => view! { <Waiting /> }.into_any(),
            Stage::NoData => view! { <NoData /> }.into_any(),
            Stage::None => view! {
                <Empty title="No breakers">
                    <p>"Pools are reported, and no circuit breaker is. Breakers appear here as soon as a client has one."</p>
                </Empty>
            }
            .into_any(),
        }}
        <Show when=move || time.fixed().is_some()><Gone gone marked=marked.clone() /></Show>
    }
}

/// What there is to show of breakers that are there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Breakers.
    List,
    /// None that the filter lets through.
    NoMatch,
    /// None, but some that are gone, or it is not known yet.
    OnlyGone,
    /// No picture yet.
    Waiting,
    /// Nobody sends.
    NoData,
    /// No breaker at all.
    None,
}

impl Stage {
    fn of(live: Live, is_empty: bool, has_no_match: bool, gone: GoneBreakers) -> Self {
        match (is_empty, has_no_match) {
            (false, false) => Self::List,
            // Those that are gone are what is looked at then: nothing is missing that has to be explained.
            _ if gone.any_shown() => Self::OnlyGone,
            (false, true) => Self::NoMatch,
            _ if !live.with_list(|store| store.filled) => Self::Waiting,
            _ if gone.of_service.any() || gone.of_service.is_loading() => Self::OnlyGone,
            _ if live.with_list(|store| store.pools.is_empty()) => Self::NoData,
            _ => Self::None,
        }
    }
}

/// The groups of the service that is chosen, and those of them that a filter lets through.
fn use_groups(
    live: Live,
    navigation: Navigation,
    filter: Derived<BreakerFilter>,
) -> [Derived<Vec<BreakerGroup>>; 2] {
    let all = Derived::new(move || {
        let service = navigation.query("service");
        live.with_breakers(|store| breaker_groups(&breakers_of(store, &service)))
    });
    // What a group says stays what all of it is; it is shown if one of it passes.
    let passed = Derived::new(move || {
        let mut groups = all.get();
        filter.with(|filter| {
            live.with_breakers(|store| {
                let passes = |id: &String| store.breakers.get(id).is_some_and(|one| filter.passes(one));
                groups.retain(|group| group.ids.iter().any(passes));
            });
        });
        groups
    });
    [all, passed]
}
