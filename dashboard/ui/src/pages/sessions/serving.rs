//! What sessions live by: servers, supervised connections, tasks and queues, by instance.

use leptos::prelude::*;
use poolscope_wire::Protection;

use crate::{
    components::{each::each, gone::Gone as GoneOnes},
    derived::Derived,
    format,
    navigation::Navigation,
    pages::protection::{
        gone::{Gone, use_gone},
        groups::{Filter, Group, groups},
        table::Instance,
    },
    state::live::Live,
    time::Time,
};

/// What serves now, and what did in the time that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    filter: Derived<Filter>,
    groups: Derived<Vec<Group>>,
    gone: GoneOnes<Protection>,
}

impl Found {
    /// True if there is something, or was.
    #[must_use]
    pub fn any(self) -> bool {
        self.groups.with(|groups| !groups.is_empty()) || self.gone.any()
    }
}

/// Reads what serves, of the service that is chosen.
pub fn use_serving(live: Live, navigation: Navigation, time: Time) -> Found {
    let filter = Derived::new(move || Filter {
        service: navigation.query("service"),
        serves: true,
        ..Filter::default()
    });
    let groups =
        Derived::new(move || filter.with(|filter| live.with_protection(|store| groups(store, filter))));
    Found { filter, groups, gone: use_gone(live, time, filter) }
}

/// The tables; nothing where nothing serves.
#[component]
pub fn Serving(
    /// They.
    serving: Found,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let Found { filter, groups, gone } = serving;
    let keys = move || groups.with(|groups| groups.iter().map(Group::key).collect());
    let shown = Derived::new(move || navigation.query("show"));
    let summary = move || {
        let rows = groups.with(|groups| {
            groups.iter().flat_map(|group| &group.tables).map(|table| table.ids.len() as u64).sum::<u64>()
        });
        format::counted(rows, "row", "rows")
    };
    view! {
        <Show when=move || serving.any()>
            <section class="below" data-testid="serving">
                <div class="pagehead">
                    <h2>"Servers, supervised connections, tasks and queues"</h2>
                    <span class="soft">{summary}</span>
                    <span class="grow"></span>
                    <span class="soft">"Counts are of the last minute, with what was counted in all below them."</span>
                </div>
                {each(keys, move |key| view! { <Instance groups key shown /> }.into_any())}
                <Show when=move || time.fixed().is_some()><Gone gone filter /></Show>
            </section>
        </Show>
    }
}
