//! Breakers of the same name on several instances: how they stand together, and the cards behind it.

use leptos::prelude::*;
use poolscope_wire::Subject;

use super::{card::Card, control::panel::GroupPanel};
use crate::{
    components::{each::each, shape::BreakerBadge, warnings::WarningsAbout},
    derived::Derived,
    format,
    navigation::Navigation,
    state::fleet::BreakerGroup,
    words,
};

/// A group of breakers as one card, which can be taken apart.
#[component]
pub fn Group(
    /// The group; `None` when it is gone.
    group: Derived<Option<BreakerGroup>>,
    /// Id of the breaker that a link led to.
    marked: Option<String>,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
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
    let class = move || format!("card group v-{}", words::severity_key(words::breaker_severity(state.get())));
    let count = move || ids.with(|ids| format::counted(ids.len() as u64, "instance", "instances"));
    view! {
        <article class=class data-testid="breaker-group" data-breaker-name=text(|g| g.name.clone())
            data-state=move || words::breaker_key(state.get())>
            <header>
                <span class="state"><BreakerBadge state /></span>
                <strong data-testid="breaker-states">{text(BreakerGroup::summary)}</strong>
                <span class="grow"></span>
                <span class="soft">{count}</span>
            </header>
            <h2 dir="auto" title=text(|g| g.name.clone())>{text(|g| g.name.clone())}</h2>
            <p class="soft two" dir="auto">{text(|g| g.service.clone())}</p>
            <WarningsAbout what=Subject::Breaker ids />
            <GroupPanel name=Derived::new(text(|g| g.name.clone())) ids />
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
