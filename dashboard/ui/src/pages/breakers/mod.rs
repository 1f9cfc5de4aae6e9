//! Every breaker as a card: its state as a word and a shape, why, and what it did over time.

pub mod card;
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
        live::Live,
    },
    time::Time,
};

use card::Card;

/// The breakers page.
#[component]
pub fn Breakers(
    /// Id of the breaker that a link led to.
    marked: Option<String>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let ids = Derived::new(move || {
        let service = navigation.query("service");
        live.with_breakers(|store| {
            breakers_of(store, &service).iter().map(|b| b.id.clone()).collect::<Vec<_>>()
        })
    });
    let is_empty = Derived::new(move || ids.with(Vec::is_empty));
    let nobody_sends = Derived::new(move || live.with_list(|store| store.pools.is_empty()));
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    let summary = move || {
        let service = navigation.query("service");
        let headline = live.with_breakers(|store| Headline::of(store, &service));
        let all = ids.with(Vec::len) as u64;
        let rest = all - headline.open_breakers - headline.half_open_breakers;
        let parts = [
            (headline.open_breakers, "open"),
            (headline.half_open_breakers, "half open"),
            (rest, "let calls pass"),
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
        {move || {
            let marked = marked.clone();
            if !is_empty.get() {
                view! {
                    <div class="cards">
                        {each(move || ids.get(), move |id| {
                            view! { <Card marked=marked.as_deref() == Some(id.as_str()) id /> }.into_any()
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
