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
fn why(what: &str) -> String {
    format!("Nothing has come of these {what} for long, so no list of now has them.")
}

/// What is to be said of them; nothing if there are none.
#[must_use]
pub fn said(what: &str, all: usize) -> Option<String> {
    (all > 0).then(|| why(what))
}

/// The same where a filter lets only some of them through.
#[must_use]
pub fn said_of([one, many]: [&'static str; 2], all: usize, shown: usize) -> Option<String> {
    let counted = format::counted(all as u64, one, many);
    match shown {
        shown if shown == all => said(many, all),
        0 => Some(format!("{counted} of this time, but none that this search and this choice let through.")),
        shown => Some(format!("{} of {counted} of this time.", format::count(shown as u64))),
    }
}

/// The same of a list that is not longer than [`SHOWN`].
#[must_use]
pub fn cut_short(said: Option<String>, count: usize) -> Option<String> {
    match said {
        Some(said) if count > SHOWN => {
            Some(format!("{said} {SHOWN} of {} are listed.", format::count(count as u64)))
        }
        said => said,
    }
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
        let listed = |all| cut_short(said("pools", all), all);
        assert_eq!((listed(0), listed(200)), (None, Some(why("pools"))));
        assert!(listed(1_201).unwrap().ends_with("no list of now has them. 200 of 1,201 are listed."));
    }

    #[test]
    fn what_a_filter_leaves_of_them_is_said() {
        let of = |all, shown| said_of(["part", "parts"], all, shown).unwrap_or_default();
        assert_eq!((of(0, 0), of(2, 2)), (String::new(), why("parts")));
        assert_eq!(of(1_200, 3), "3 of 1,200 parts of this time.");
        assert_eq!(of(1, 0), "1 part of this time, but none that this search and this choice let through.");
    }

    #[test]
    fn where_nothing_is_chosen_all_is_meant() {
        assert!(is_of("", "shop") && is_of("shop", "shop") && !is_of("mail", "shop"));
    }
}
