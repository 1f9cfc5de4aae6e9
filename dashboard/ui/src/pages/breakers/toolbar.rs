//! Search among breakers, the choice of a state, and how many there are.

use leptos::prelude::*;

use crate::{
    components::told::told,
    derived::Derived,
    format,
    navigation::Navigation,
    route::Query,
    state::{
        filter::{breakers_of, condition_of},
        fleet::BreakerGroup,
        live::Live,
    },
};

/// How breakers may be, in the address and on the screen.
const CONDITIONS: [(&str, &str); 4] = [
    ("open", "open"),
    ("half_open", "half open"),
    ("passing", "let calls pass"),
    ("silent", "not heard any more"),
];

/// How many breakers are how, and how many of them are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// In the order of [`CONDITIONS`].
    of: [u64; 4],
    shown: u64,
}

impl Counts {
    /// How many are how.
    pub fn sentence(&self) -> String {
        let parts = self.of.iter().zip(CONDITIONS).filter(|(count, _)| **count > 0);
        let parts = parts.map(|(count, (_, name))| format!("{} {name}", format::count(*count)));
        parts.collect::<Vec<_>>().join(" \u{b7} ")
    }

    fn shown(&self) -> String {
        match self.of.iter().sum::<u64>() {
            // Those that are gone tell their number themselves.
            0 => String::new(),
            all if all == self.shown => format::counted(all, "breaker", "breakers"),
            all => {
                format!("{} of {}", format::count(self.shown), format::counted(all, "breaker", "breakers"))
            }
        }
    }
}

/// The counts, with those of a group that is shown as one.
pub fn use_counts(live: Live, navigation: Navigation, shown: Derived<Vec<BreakerGroup>>) -> Derived<Counts> {
    Derived::new(move || {
        let service = navigation.query("service");
        let of = live.with_breakers(|store| {
            let all = breakers_of(store, &service);
            CONDITIONS.map(|(key, _)| all.iter().filter(|one| condition_of(one) == key).count() as u64)
        });
        Counts { of, shown: shown.with(|groups| groups.iter().map(|group| group.ids.len() as u64).sum()) }
    })
}

/// See the module.
#[component]
pub fn Toolbar(
    /// How many there are.
    counts: Derived<Counts>,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let choices = CONDITIONS.iter().enumerate().map(|(place, (key, name))| {
        let is_chosen = move || navigation.word("state") == *key;
        let count = Derived::new(move || counts.with(|counts| counts.of[place]));
        view! {
            <button type="button" class="chip" data-testid=format!("breakers-{key}") title="Show only these"
                aria-pressed=move || if is_chosen() { "true" } else { "false" } hidden=move || count.get() == 0 && !is_chosen()
                on:click=move |_| navigation.set_query("state", if is_chosen() { "" } else { key })>
                {move || format!("{} {name}", format::count(count.get()))}
            </button>
        }
    });
    let asked = Derived::new(move || navigation.with_query(Query::to_text));
    view! {
        <div class="toolbar" role="search">
            <input type="search" data-search data-testid="search" placeholder="Search breakers ( / )" aria-label="Search breakers"
                prop:value=move || navigation.query("q")
                on:input=move |event| navigation.set_query("q", &event_target_value(&event)) />
            {choices.collect_view()}
            {told("breaker-count", Derived::new(move || counts.with(Counts::shown)), asked)}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_say_what_is_shown_of_what_there_is() {
        let counts = Counts { of: [1, 0, 1_000, 2], shown: 12 };
        assert_eq!(counts.sentence(), "1 open \u{b7} 1,000 let calls pass \u{b7} 2 not heard any more");
        assert_eq!(counts.shown(), "12 of 1,003 breakers");
        assert_eq!(Counts { shown: 1_003, ..counts }.shown(), "1,003 breakers");
        assert_eq!(Counts::default().shown(), "");
    }
}
