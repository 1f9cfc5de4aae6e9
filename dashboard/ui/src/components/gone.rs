//! What reported in the time that is looked at and is in no list of now: nothing has come of it for long.

use leptos::prelude::*;
use poolscope_wire::json::Read;

use super::loaded::{Loaded, use_loaded};
use crate::{derived::Derived, route::Query, state::live::Live, time::Time};

/// What reported in a time that stands still, by a list of the server; nothing while the time moves on.
pub fn use_then<T: Read + Default + Send + Sync + 'static>(
    live: Live,
    time: Time,
    path: &'static str,
) -> RwSignal<Loaded<Vec<T>>> {
    let url = Derived::new(move || {
        let Some(span) = time.fixed() else { return String::new() };
        let query = Query::default()
            .with("from_ms", &span.from_ms.to_string())
            .with("to_ms", &span.to_ms.to_string());
        format!("{path}{}", query.to_text())
    });
    use_loaded(live, url, move || url.get(), || false)
}

/// Says why a list can't be read, or else what is to be said of it.
pub fn use_says<T: Send + Sync + 'static>(
    then: RwSignal<Loaded<Vec<T>>>,
    said: impl Fn() -> Option<String> + Send + Sync + 'static,
) -> Derived<Option<String>> {
    Derived::new(move || {
        let failure = then.with(|then| then.failure().map(ToString::to_string));
        failure.map(|why| format!("They could not be read: {why}")).or_else(&said)
    })
}

/// Why they are in no other list.
#[must_use]
pub fn why(what: &str) -> String {
    format!("Nothing has come of these {what} for long, so no list of now has them.")
}

/// True if something is of what is chosen; all is, where nothing is chosen.
#[must_use]
pub fn is_of(chosen: &str, of: &str) -> bool {
    chosen.is_empty() || chosen == of
}

/// The section of those that are gone; not there while nothing is to be said of them.
#[component]
pub fn GoneSince(
    /// What they are.
    what: &'static str,
    /// What is said of them.
    says: Derived<Option<String>>,
    /// They themselves.
    children: Children,
) -> impl IntoView {
    view! {
        <section class="gone" aria-label=format!("{what} that are gone") hidden=move || says.with(Option::is_none)>
            <p><b>"Gone since then"</b> " " <span class="soft" role="status" data-testid="gone-says">{move || says.get()}</span></p>
            {children()}
        </section>
    }
}
