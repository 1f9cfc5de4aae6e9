//! Every breaker as a card: its state as a word and a shape, why, and what it did over time.

pub mod card;
pub mod control;
pub mod group;
pub mod past;
pub mod strip;

use leptos::prelude::*;

use crate::{
    components::{
        each::each,
        empty::{Empty, NoData, Waiting},
    },
    derived::Derived,
    format,
    navigation::Navigation,
    state::{
        filter::{Headline, breakers_of},
        fleet::{BreakerGroup, breaker_groups},
        live::Live,
    },
    time::Time,
};

use card::Card;
use control::{Desk, dialog::Dialog};
use group::Group;

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
    let ids = Derived::new(move || {
        let service = navigation.query("service");
        live.with_breakers(|store| {
            breakers_of(store, &service).iter().map(|b| b.id.clone()).collect::<Vec<_>>()
        })
    });
    let groups = Derived::new(move || {
        let service = navigation.query("service");
        live.with_breakers(|store| breaker_groups(&breakers_of(store, &service)))
    });
    let keys = move || groups.with(|groups| groups.iter().map(BreakerGroup::key).collect());
    let is_empty = Derived::new(move || ids.with(Vec::is_empty));
    let nobody_sends = Derived::new(move || live.with_list(|store| store.pools.is_empty()));
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    let summary = move || {
        let service = navigation.query("service");
        let headline = live.with_breakers(|store| Headline::of(store, &service));
        let all = ids.with(Vec::len) as u64;
        let silent = live.with_breakers(|store| {
            breakers_of(store, &service).iter().filter(|breaker| breaker.stale).count() as u64
        });
        let rest = all - silent - headline.open_breakers - headline.half_open_breakers;
        let parts = [
            (headline.open_breakers, "open"),
            (headline.half_open_breakers, "half open"),
            (rest, "let calls pass"),
            (silent, "not heard any more"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{} {word}", format::count(count)))
            .collect();
        parts.join(" \u{b7} ")
    };
    view! {
        <div class="pagehead"><h1>"Breakers"</h1><span class="soft">{summary}</span></div>
        <p class="soft" hidden=move || time.fixed().is_none()>
            "States and figures are those of now. The strip of a breaker and its changes are those of this time."
        </p>
        <Show when=move || desk.offered.get()><Dialog desk /></Show>
        {move || {
            let marked = marked.clone();
            if !is_empty.get() {
                view! {
                    <div class="cards">
                        {each(keys, move |key| {
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
                        })}
                    </div>
                }
                .into_any()
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
