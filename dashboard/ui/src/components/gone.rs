//! What reported in the time that is looked at and is in no list of now: nothing has come of it for long.

use leptos::prelude::*;
use poolscope_wire::json::Read;

use super::loaded::{Loaded, use_loaded};
use crate::{derived::Derived, format, route::Query, state::live::Live, time::Time};

/// The most that are listed without cards of their own.
pub const SHOWN: usize = 200;

/// Things that are gone. Cheap to copy.
#[derive(Debug)]
pub struct Gone<T: 'static> {
    time: Time,
    then: RwSignal<Loaded<Vec<T>>>,
    /// There is a picture of now.
    is_filled: Derived<bool>,
    /// They themselves.
    pub all: Derived<Vec<T>>,
}

impl<T> Clone for Gone<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Gone<T> {}

impl<T: Read + Default + Clone + PartialEq + Send + Sync + 'static> Gone<T> {
    /// Reads a list of the server when a time stands still, and picks those that are gone of what reported in that time.
    pub fn start(
        live: Live,
        time: Time,
        path: &'static str,
        pick: impl Fn(&[T]) -> Vec<T> + Send + Sync + 'static,
    ) -> Self {
        let url = Derived::new(move || {
            let Some(span) = time.fixed() else { return String::new() };
            let query = Query::default()
                .with("from_ms", &span.from_ms.to_string())
                .with("to_ms", &span.to_ms.to_string());
            format!("{path}{}", query.to_text())
        });
        let then: RwSignal<Loaded<Vec<T>>> = use_loaded(live, url, move || url.get(), || false);
        // Before there is a picture, nothing of what was there then would be here.
        let is_filled = Derived::new(move || live.with_list(|store| store.filled));
        let all = Derived::new(move || {
            let found = then.with(|then| then.ready().filter(|_| is_filled.get()).map(|then| pick(then)));
            found.unwrap_or_default()
        });
        Self { time, then, is_filled, all }
    }

    /// True until it is known who is gone.
    pub fn is_loading(self) -> bool {
        self.time.fixed().is_some() && (!self.is_filled.get() || self.then.with(Loaded::is_loading))
    }

    /// True if there is any.
    pub fn any(self) -> bool {
        self.all.with(|all| !all.is_empty())
    }

    /// Says why the list can't be read, or else what is to be said of it.
    pub fn says(self, said: impl Fn() -> Option<String> + Send + Sync + 'static) -> Derived<Option<String>> {
        Derived::new(move || {
            let failure = self.then.with(|then| then.failure().map(ToString::to_string));
            failure.map(|why| format!("They could not be read: {why}")).or_else(&said)
        })
    }
}

/// Why they are in no other list.
#[must_use]
pub fn why(what: &str) -> String {
    format!("Nothing has come of these {what} for long, so no list of now has them.")
}

/// What is to be said of a list of them; nothing if there are none.
#[must_use]
pub fn said(what: &str, all: usize) -> Option<String> {
    let shown = match all {
        0 => return None,
        all if all > SHOWN => format!(" {SHOWN} of {} are listed.", format::count(all as u64)),
        _ => String::new(),
    };
    Some(format!("{}{shown}", why(what)))
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
        <section class="gone-since" aria-label=format!("{what} that are gone") hidden=move || says.with(Option::is_none)>
            <p><b>"Gone since then"</b> " " <span class="soft" role="status" data-testid="gone-says">{move || says.get()}</span></p>
            {children()}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_a_list_is_said() {
        assert_eq!(said("pools", 0), None);
        assert_eq!(said("pools", 200), Some(why("pools")));
        assert!(said("pools", 1_201).unwrap().ends_with("no list of now has them. 200 of 1,201 are listed."));
    }

    #[test]
    fn where_nothing_is_chosen_all_is_meant() {
        assert!(is_of("", "shop") && is_of("shop", "shop") && !is_of("mail", "shop"));
    }
}
