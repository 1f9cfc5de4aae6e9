//! Which connections are shown, in which order, and how many.

use leptos::prelude::*;
use poolscope_wire::LaneCounts;

use super::View;
use crate::{derived::Derived, format};

/// The most rows.
pub const MAX_ROWS: usize = 1_000;

/// The words of the address, and those on the screen.
const SORTS: [(&str, &str); 5] = [
    ("", "worst first"),
    ("id", "by number"),
    ("age", "oldest first"),
    ("requests", "most requests first"),
    ("share", "most in use first"),
];

/// The words of the address, those on the screen, and how many connections there are.
type Filter = (&'static str, &'static str, fn(&LaneCounts) -> u64);

const FILTERS: [Filter; 5] = [
    ("", "all", |counts| counts.all),
    ("active", "used", |counts| counts.active),
    ("leaked", "leaked", |counts| counts.leaked),
    ("wasted", "never used", |counts| counts.wasted),
    ("closed", "closed", |counts| counts.closed),
];

/// Filter and order.
#[component]
pub(super) fn Choices(view: View) -> impl IntoView {
    let navigation = view.navigation;
    let filters = FILTERS.map(|(key, name, count)| {
        let count = Derived::new(move || view.known.with(|known| count(&known.lanes.counts)));
        view! {
            <button type="button" data-testid=format!("lanes-only-{key}")
                aria-pressed=move || if navigation.word("only") == key { "true" } else { "false" }
                on:click=move |_| navigation.set_query("only", key)
            >{name} " " <span class="soft">{move || format::count(count.get())}</span></button>
        }
    });
    let options = SORTS.map(|(key, name)| {
        view! { <option value=key prop:selected=move || navigation.word("lanes") == key>{name}</option> }
    });
    view! {
        <div class="choice" role="group" aria-label="Which connections">{filters.collect_view()}</div>
        <label>
            <span class="sr">"Order of connections"</span>
            <select class="button" data-testid="lanes-sort"
                on:change=move |event| navigation.set_query("lanes", &event_target_value(&event))>{options.collect_view()}</select>
        </label>
    }
}

/// Asks for the rows that are not shown.
#[component]
pub(super) fn More(view: View, all: RwSignal<bool>) -> impl IntoView {
    let counts = Derived::new(move || {
        let shown = view.known.with(|known| known.lanes.rows.len() as u64);
        let key = view.navigation.word("only");
        let count = FILTERS.iter().find(|(name, ..)| *name == key).map_or(FILTERS[0].2, |filter| filter.2);
        (shown, view.known.with(|known| count(&known.lanes.counts)))
    });
    move || {
        let (shown, there) = counts.get();
        (shown < there).then(|| {
            let text = format!("{} of {} are shown.", format::count(shown), format::count(there));
            let more = (!all.get()).then(|| {
                view! {
                    <button type="button" class="quiet" data-testid="lanes-more" on:click=move |_| all.set(true)>
                        {format!("show {}", format::count(there.min(MAX_ROWS as u64)))}
                    </button>
                }
            });
            view! { <p class="soft">{text} " " {more}</p> }
        })
    }
}
