//! Breakers of the same name on several instances: how they stand together, and the cards behind it.

use leptos::prelude::*;
use poolscope_wire::{Breaker, BreakerState, Severity, Subject};

use super::{
    axis::Axis,
    card::{Card, last_heard, last_reported, next_try},
    control::panel::GroupPanel,
    drawn::Drawn,
    figures::{Counted, Ratios},
    merged::{together, worst},
    past::{Past, Pasts, use_pasts},
    shelf::Shelf,
    strip::Strip,
    then::in_time,
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

/// The histories of several breakers, as far as they are read.
#[derive(Debug, Clone, Copy)]
struct Together {
    ids: Derived<Vec<String>>,
    shelf: Shelf,
    /// Those whose histories are read.
    read: Derived<Vec<String>>,
    pasts: RwSignal<Pasts>,
}

impl Together {
    fn start(live: Live, time: Time, ids: Derived<Vec<String>>, shelf: Shelf) -> Self {
        // In an order that follows from no state, so that a change of one reads no history anew.
        let read = Derived::new(move || {
            let mut ids = ids.with(|ids| if ids.len() > MOST_READ { Vec::new() } else { ids.clone() });
            sort_by(&mut ids, Ord::cmp);
            ids
        });
        Self { ids, shelf, read, pasts: use_pasts(live, time, read) }
    }

    /// What the strip draws.
    fn drawn(self, live: Live, time: Time) -> Derived<Drawn> {
        let view = expect_context::<Axis>().view;
        Derived::new(move || {
            let (view, is_live) = (view.get(), time.range().is_live());
            let none = Past::default();
            let all = self.ids.with(|ids| self.shelf.of(live, ids));
            self.pasts.with(|pasts| {
                let drawn = all
                    .iter()
                    .map(|one| Drawn::new(one, past_of(pasts, &one.id).unwrap_or(&none), view, is_live));
                worst(&drawn.collect::<Vec<_>>(), view)
            })
        })
    }

    /// Why a history is not in it.
    fn untold(self, time: Time) -> Option<String> {
        if self.ids.with(Vec::len) > MOST_READ {
            return time.fixed().map(|_| MANY.to_owned());
        }
        self.pasts.with(|pasts| {
            let is_read = pasts.len() == self.read.with(Vec::len);
            let failed = pasts.iter().find_map(|(_, past)| past.untold());
            if is_read { failed } else { Some(failed.unwrap_or_default()) }
        })
    }

    /// How they stand together, or stood.
    fn breaker(self, live: Live) -> Breaker {
        let mut all = self.ids.with(|ids| self.shelf.of(live, ids));
        if self.shelf.is_then() {
            self.pasts.with(|pasts| {
                for one in &mut all {
                    *one = past_of(pasts, &one.id).map_or_else(|| one.clone(), |past| in_time(one, past));
                }
            });
        }
        together(&all)
    }
}

fn past_of<'a>(pasts: &'a Pasts, id: &str) -> Option<&'a Past> {
    pasts.iter().find(|(of, _)| of == id).map(|(_, past)| past)
}

/// The states, of how many, since when nothing is heard, and when the next call tries.
#[component]
fn Top(
    state: Derived<BreakerState>,
    /// How many are in which state.
    summary: Derived<String>,
    ids: Derived<Vec<String>>,
    /// All of them as one.
    breaker: Derived<Breaker>,
    shelf: Shelf,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let old = move || {
        breaker.with(|breaker| match shelf.is_then() {
            true => Some(last_heard(breaker, live.now_ms())),
            false => last_reported(breaker, live.now_ms()),
        })
    };
    let next = move || breaker.with(|breaker| next_try(breaker, live.now_ms()));
    let count = move || ids.with(|ids| format::counted(ids.len() as u64, "instance", "instances"));
    view! {
        <header>
            <span class="state"><BreakerBadge state /></span>
            <strong data-testid="breaker-states">{move || summary.get()}</strong>
            <span class="soft">{count}</span>
            {move || old().map(|text| view! { <span class="soft">{text}</span> })}
            <span class="grow"></span>
            {move || next().map(|text| view! { <strong data-testid="next-try">{text}</strong> })}
        </header>
    }
}

/// A group of breakers as one card, which can be taken apart.
#[component]
pub fn Group(
    /// The group; `None` when it is gone.
    group: Derived<Option<BreakerGroup>>,
    /// Id of the breaker that a link led to.
    marked: Option<String>,
    /// Where they are found.
    shelf: Shelf,
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
        let asked = navigation.query(shelf.apart()) == text(BreakerGroup::key)();
        asked || leads_here.as_ref().is_some_and(|id| ids.with(|ids| ids.contains(id)))
    });
    let toggle = move |_| {
        let key = text(BreakerGroup::key)();
        navigation.set_query(shelf.apart(), if is_open.get_untracked() { "" } else { &key });
    };
    let all = Together::start(live, time, ids, shelf);
    let breaker = Derived::new(move || all.breaker(live));
    let (drawn, untold) = (all.drawn(live, time), Derived::new(move || all.untold(time)));
    let warned = Derived::new(move || vec![(Subject::Breaker, ids.get())]);
    // Of a time that has passed there are none before the histories are here.
    let has_figures = move || !shelf.is_then() || untold.with(Option::is_none);
    let class = move || {
        let severity = words::severity_key(words::breaker_severity(state.get()));
        let stale = if breaker.with(|breaker| breaker.stale) { " is-stale" } else { "" };
        format!("card group v-{severity}{stale}")
    };
    view! {
        <article class=class data-testid=if shelf.is_then() { "gone-group" } else { "breaker-group" } data-breaker-name=text(|g| g.name.clone())
            data-state=move || words::breaker_key(state.get())>
            <Top state summary=Derived::new(text(BreakerGroup::summary)) ids breaker shelf />
            <h2 dir="auto" title=text(|g| g.name.clone())>{text(|g| g.name.clone())}</h2>
            <p class="soft two" dir="auto">{text(|g| g.service.clone())}</p>
            <p class="sentence" hidden=move || words::breaker_severity(state.get()) == Severity::Ok>
                {move || breaker.with(|breaker| breaker.sentence.clone())}
            </p>
            {(!shelf.is_then()).then(|| view! { <GroupPanel name=Derived::new(text(|g| g.name.clone())) ids /> })}
            <Show when=has_figures><Ratios breaker most=shelf.is_then() /><Counted breaker most=shelf.is_then() /></Show>
            {(!shelf.is_then()).then(|| view! { <WarningsAbout about=warned /> })}
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
                    view! { <Card marked=marked.as_deref() == Some(id.as_str()) id shelf /> }.into_any()
                })
            }
        </Show>
    }
}
