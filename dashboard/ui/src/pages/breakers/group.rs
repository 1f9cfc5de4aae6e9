//! Breakers of the same name on several instances: how they stand together, and the cards behind it.

use leptos::prelude::*;
use poolscope_wire::{Breaker, Severity, Subject};

use super::{
    axis::Axis,
    card::{Card, last_reported, next_try},
    control::panel::GroupPanel,
    drawn::Drawn,
    figures::{Counted, Ratios},
    merged::{together, worst},
    past::{Past, use_pasts},
    strip::Strip,
};
use crate::{
    compact::sort_by,
    components::{each::each, shape::BreakerBadge, warnings::WarningsAbout},
    derived::Derived,
    format,
    navigation::Navigation,
    state::{fleet::BreakerGroup, live::Live},
    time::Time,
    words,
};

/// The most instances of which one strip reads the histories: each is a request.
const MOST_READ: usize = 16;

const MANY: &str = "The histories of so many instances are not read together.";

/// Breakers by their ids.
fn members(live: Live, ids: &[String]) -> Vec<Breaker> {
    live.with_breakers(|store| ids.iter().filter_map(|id| store.breakers.get(id).cloned()).collect())
}

/// What the strip of several breakers draws, and why a history is not in it.
fn use_drawn(live: Live, time: Time, ids: Derived<Vec<String>>) -> (Derived<Drawn>, Derived<Option<String>>) {
    // In an order that follows from no state, so that a change of one reads no history anew.
    let read = Derived::new(move || {
        let mut ids = ids.with(|ids| if ids.len() > MOST_READ { Vec::new() } else { ids.clone() });
        sort_by(&mut ids, Ord::cmp);
        ids
    });
    let pasts = use_pasts(live, time, read);
    let view = expect_context::<Axis>().view;
    let drawn = Derived::new(move || {
        let (view, is_live) = (view.get(), time.range().is_live());
        let none = Past::default();
        let all = ids.with(|ids| members(live, ids));
        pasts.with(|pasts| {
            let past = |id: &String| pasts.iter().find(|(of, _)| of == id).map_or(&none, |(_, past)| past);
            let all: Vec<_> = all.iter().map(|one| Drawn::new(one, past(&one.id), view, is_live)).collect();
            worst(&all, view)
        })
    });
    let untold = Derived::new(move || {
        if ids.with(Vec::len) > MOST_READ {
            return time.fixed().map(|_| MANY.to_owned());
        }
        let is_read = pasts.with(|pasts| pasts.len() == read.with(Vec::len));
        let failed = pasts.with(|pasts| pasts.iter().find_map(|(_, past)| past.untold()));
        if is_read { failed } else { Some(failed.unwrap_or_default()) }
    });
    (drawn, untold)
}

/// A group of breakers as one card, which can be taken apart.
#[component]
pub fn Group(
    /// The group; `None` when it is gone.
    group: Derived<Option<BreakerGroup>>,
    /// Id of the breaker that a link led to.
    marked: Option<String>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let text = move |read: fn(&BreakerGroup) -> String| {
        move || group.with(|group| group.as_ref().map(read).unwrap_or_default())
    };
    let ids =
        Derived::new(move || group.with(|group| group.as_ref().map(|g| g.ids.clone()).unwrap_or_default()));
    let state =
        Derived::new(move || group.with(|group| group.as_ref().map(BreakerGroup::worst).unwrap_or_default()));
    let leads_here = marked.clone();
    let is_open = Derived::new(move || {
        let name = text(|group| group.name.clone())();
        let asked = navigation.query("apart") == name;
        asked || leads_here.as_ref().is_some_and(|id| ids.with(|ids| ids.contains(id)))
    });
    let toggle = move |_| {
        let name = text(|group| group.name.clone())();
        navigation.set_query("apart", if is_open.get_untracked() { "" } else { &name });
    };
    let breaker = Derived::new(move || ids.with(|ids| together(&members(live, ids))));
    let (drawn, untold) = use_drawn(live, time, ids);
    let next = move || breaker.with(|breaker| next_try(breaker, live.now_ms()));
    let class = move || {
        let severity = words::severity_key(words::breaker_severity(state.get()));
        let stale = if breaker.with(|breaker| breaker.stale) { " is-stale" } else { "" };
        format!("card group v-{severity}{stale}")
    };
    let old = move || breaker.with(|breaker| last_reported(breaker, live.now_ms()));
    let count = move || ids.with(|ids| format::counted(ids.len() as u64, "instance", "instances"));
    view! {
        <article class=class data-testid="breaker-group" data-breaker-name=text(|g| g.name.clone())
            data-state=move || words::breaker_key(state.get())>
            <header>
                <span class="state"><BreakerBadge state /></span>
                <strong data-testid="breaker-states">{text(BreakerGroup::summary)}</strong>
                <span class="soft">{count}</span>
                {move || old().map(|text| view! { <span class="soft">{text}</span> })}
                <span class="grow"></span>
                {move || next().map(|text| view! { <strong data-testid="next-try">{text}</strong> })}
            </header>
            <h2 dir="auto" title=text(|g| g.name.clone())>{text(|g| g.name.clone())}</h2>
            <p class="soft two" dir="auto">{text(|g| g.service.clone())}</p>
            <p class="sentence" hidden=move || words::breaker_severity(state.get()) == Severity::Ok>
                {move || breaker.with(|breaker| breaker.sentence.clone())}
            </p>
            <GroupPanel name=Derived::new(text(|g| g.name.clone())) ids />
            <Ratios breaker />
            <Counted breaker />
            <WarningsAbout about=Derived::new(move || vec![(Subject::Breaker, ids.get())]) />
            <Strip drawn untold />
            <p>
                <button type="button" class="button" data-stop data-testid="breaker-apart" on:click=toggle
                    aria-expanded=move || if is_open.get() { "true" } else { "false" }>
                    {move || if is_open.get() { "Hide the instances" } else { "Show each instance" }}
                </button>
            </p>
        </article>
        <Show when=move || is_open.get()>
            {
                let marked = marked.clone();
                each(move || ids.get(), move |id| {
                    view! { <Card marked=marked.as_deref() == Some(id.as_str()) id /> }.into_any()
                })
            }
        </Show>
    }
}
