//! What the events page is asked to show.

use leptos::prelude::*;
use poolscope_semconv::event;

use super::source::Source;
use crate::{compact::sort_by, derived::Derived, navigation::Navigation, state::live::Live, words};

/// Search, kind, severity, and the pool that a link has chosen.
#[component]
pub fn Filters(
    /// Where the events come from.
    source: Source,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let kinds = Derived::new(move || {
        let known = event::ALL.iter().filter(|kind| **kind != event::POOL_SNAPSHOT);
        let mut kinds: Vec<String> = known.map(|kind| (*kind).to_owned()).collect();
        // Others may send events of their own.
        kinds.extend(source.with(|events| events.iter().map(|event| event.kind.clone()).collect::<Vec<_>>()));
        kinds.push(navigation.query("kind"));
        kinds.retain(|kind| !kind.is_empty());
        sort_by(&mut kinds, String::cmp);
        kinds.dedup();
        kinds
    });
    let option = move |key: &'static str, value: String, name: String| {
        let chosen = value.clone();
        view! { <option value=value prop:selected=move || navigation.query(key) == chosen>{name}</option> }
    };
    let kind_options = move || {
        kinds
            .get()
            .into_iter()
            .map(|kind| option("kind", kind.clone(), words::event_kind(&kind)))
            .collect_view()
    };
    view! {
        <div class="toolbar" role="search">
            <input type="search" data-search data-testid="search" placeholder="Search events ( / )" aria-label="Search events"
                maxlength="200" prop:value=move || navigation.query("q")
                on:input=move |event| navigation.set_query("q", &event_target_value(&event)) />
            <label>
                <span class="sr">"Kind"</span>
                <select data-testid="event-kind" on:change=move |event| navigation.set_query("kind", &event_target_value(&event))>
                    <option value="">"every kind"</option>
                    {kind_options}
                </select>
            </label>
            <label>
                <span class="sr">"Severity"</span>
                <select data-testid="event-severity" on:change=move |event| navigation.set_query("severity", &event_target_value(&event))>
                    {option("severity", String::new(), "without routine".to_owned())}
                    {option("severity", "all".to_owned(), "everything".to_owned())}
                    {option("severity", "warn".to_owned(), "worth a look or worse".to_owned())}
                    {option("severity", "bad".to_owned(), "bad only".to_owned())}
                </select>
            </label>
            {move || {
                let id = navigation.query("pool");
                let name = live.with_pool(&id, |entry| words::pool_name(&entry.summary));
                let name = name.unwrap_or_else(|| "a pool that is gone".to_owned());
                (!id.is_empty()).then(|| view! {
                    <button type="button" class="chip" data-testid="event-pool" title="Show events of all pools"
                        on:click=move |_| navigation.set_query("pool", "")>
                        "of " <span dir="auto">{name}</span> " \u{d7}"
                    </button>
                })
            }}
        </div>
    }
}
