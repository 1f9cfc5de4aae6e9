//! Breakers of the time that is looked at that are in no list of now, as they were then.

use leptos::prelude::*;
use poolscope_wire::{Breaker, path};

use super::{
    list::list,
    shelf::Shelf,
    then::{at_end, states_in},
};
use crate::{
    components::gone::{Gone as GoneOnes, GoneSince, is_of, said_of},
    derived::Derived,
    navigation::Navigation,
    state::{
        filter::{BreakerFilter, worst_first},
        fleet::breaker_groups,
        live::Live,
    },
    time::{Time, range::Span},
};

/// What the figures of their cards are.
const FIGURES: &str = "They are shown as they were in this time: the state is that at its end, and calls are those counted in it.";

/// The breakers that are gone. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct GoneBreakers {
    /// Those of the service that is chosen.
    pub of_service: GoneOnes<Breaker>,
    /// Those of them that the filter lets through.
    shown: Derived<Vec<Breaker>>,
}

impl GoneBreakers {
    /// Reads them when a time stands still.
    pub fn start(live: Live, navigation: Navigation, time: Time, filter: Derived<BreakerFilter>) -> Self {
        let of_service = GoneOnes::start(live, time, path::BREAKERS, move |then| {
            let service = navigation.query("service");
            live.with_breakers(|store| gone(then, |id| store.breakers.get(id).is_some(), &service))
        });
        let shown = Derived::new(move || {
            let Some(span) = time.fixed() else { return Vec::new() };
            filter.with(|filter| of_service.all.with(|all| passed(all, filter, span)))
        });
        Self { of_service, shown }
    }

    /// True if any is shown.
    pub fn any_shown(self) -> bool {
        self.shown.with(|shown| !shown.is_empty())
    }

    /// True if this is one of them.
    pub fn has(self, id: &str) -> bool {
        self.of_service.all.with(|all| all.iter().any(|one| one.id == id))
    }
}

/// Those that are not here now, of a service if one is chosen.
fn gone(then: &[Breaker], is_here: impl Fn(&str) -> bool, service: &str) -> Vec<Breaker> {
    let is_gone = |one: &&Breaker| is_of(service, &one.service) && !is_here(&one.id);
    then.iter().filter(is_gone).cloned().collect()
}

/// Those that a filter lets through, as they were at the end of a time.
fn passed(gone: &[Breaker], filter: &BreakerFilter, span: Span) -> Vec<Breaker> {
    let passed = gone.iter().filter(|one| filter.passed(one, states_in(one, span)));
    passed.map(|one| at_end(one, span)).collect()
}

/// What is to be said of them; nothing if there are none.
fn said(all: usize, shown: usize) -> Option<String> {
    let said = said_of(["breaker", "breakers"], all, shown)?;
    Some(if shown > 0 { format!("{said} {FIGURES}") } else { said })
}

/// The breakers that are gone; nothing while there are none.
#[component]
pub fn Gone(
    /// They.
    gone: GoneBreakers,
    /// Id of the breaker that a link led to.
    marked: Option<String>,
) -> impl IntoView {
    let groups =
        Derived::new(move || gone.shown.with(|shown| breaker_groups(&worst_first(shown.iter().collect()))));
    let says =
        gone.of_service.says(move || said(gone.of_service.all.with(Vec::len), gone.shown.with(Vec::len)));
    let shelf = Shelf::Then(gone.shown);
    view! {
        <GoneSince what="Breakers" says>
            <Show when=move || gone.any_shown()>{list(groups, marked.clone(), shelf)}</Show>
        </GoneSince>
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{BreakerState, Transition};

    use super::*;

    #[test]
    fn who_is_here_of_another_service_or_filtered_out_is_not_shown() {
        let breaker = |id: &str, service: &str| Breaker {
            id: id.to_owned(),
            service: service.to_owned(),
            name: format!("to-{id}"),
            stale: true,
            ..Breaker::default()
        };
        let opened = Transition { at_ms: 50, to: BreakerState::Open, ..Transition::default() };
        let tripped = Breaker { transitions: vec![opened], ..breaker("b", "shop") };
        let then = [breaker("a", "shop"), tripped, breaker("c", "mail")];
        let all = gone(&then, |id| id == "a", "");
        let ids = |all: &[Breaker]| all.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&all), ["b", "c"]);
        assert_eq!(ids(&gone(&then, |_| false, "shop")), ["a", "b"]);
        let shown = |text: &str, state: &str, to_ms| {
            let filter = BreakerFilter { text: text.to_owned(), state: state.to_owned() };
            ids(&passed(&all, &filter, Span { from_ms: 0, to_ms }))
        };
        assert_eq!(shown("", "", 100), ["b", "c"]);
        assert_eq!(shown("to-c", "", 100), ["c"]);
        assert_eq!(shown("", "open", 100), ["b"], "it opened in this time");
        assert_eq!(shown("", "open", 40), [""; 0], "and not in this");
        assert_eq!(shown("", "silent", 40), ["b", "c"]);
    }

    #[test]
    fn what_is_said_tells_what_is_shown_of_them() {
        assert_eq!(said(0, 0), None);
        assert!(said(3, 2).unwrap().ends_with(
            "of this time. They are shown as they were in this time: the state is \
            that at its end, and calls are those counted in it."
        ));
        assert!(said(1, 0).unwrap().ends_with("let through."), "nothing is shown");
    }
}
