//! What is said where a link led to a breaker that is not in the list: when it was there.

use leptos::prelude::*;
use poolscope_wire::{BreakerDetail, path};

use super::gone::GoneBreakers;
use crate::{
    components::loaded::{Loaded, use_loaded},
    derived::Derived,
    format,
    navigation::Navigation,
    route::{Route, encode},
    state::live::Live,
    time::range::{Range, Span},
    words,
};

/// So much of the time before its last word is led to: it is what somebody looks for who came by an event.
const BEFORE_MS: u64 = 600_000;

/// So much after it, in which it is seen to be silent.
const AFTER_MS: u64 = 10_000;

/// The time in which a breaker was there that was heard last at a moment.
fn its_time(last_seen_ms: u64, now_ms: u64) -> Span {
    let to_ms = last_seen_ms.saturating_add(AFTER_MS).min(now_ms.max(last_seen_ms));
    Span::ending_at(to_ms, BEFORE_MS)
}

/// Says where the breaker of a link is, while no list has it.
#[component]
pub fn Lost(
    /// Its id.
    id: String,
    /// Those that are gone and listed.
    gone: GoneBreakers,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let own = id.clone();
    let url = Derived::new(move || {
        let is_known = live.with_list(|store| store.filled) && !gone.of_service.is_loading();
        let is_listed = live.with_breakers(|store| store.breakers.get(&own).is_some()) || gone.has(&own);
        match is_known && !is_listed {
            true => format!("{}/{}?max_points=1", path::BREAKERS, encode(&own)),
            false => String::new(),
        }
    });
    let found: RwSignal<Loaded<BreakerDetail>> = use_loaded(live, url, move || url.get(), || false);
    move || {
        let failure = found.with(|found| found.failure().map(ToString::to_string));
        if let Some(why) = failure {
            let text = format!("The breaker that the link leads to can't be shown: {why}");
            return Some(
                view! { <p class="is-warn" role="status" data-testid="lost-breaker">{text}</p> }.into_any(),
            );
        }
        let breaker = found.with(|found| found.ready().map(|detail| detail.breaker.clone()))?;
        let [window, from, to] =
            Range::Fixed(its_time(breaker.last_seen_ms, live.now_ms_untracked())).to_query();
        // Another service that is chosen would hide it there.
        let chosen = navigation.query("service");
        let service = if chosen.is_empty() { chosen } else { breaker.service.clone() };
        let link = navigation
            .link_to(&Route::Breakers(Some(id.clone())).path(), &[window, from, to, ("service", service)]);
        let place = words::place(&[&breaker.service, &breaker.instance]);
        Some(
            view! {
                <p role="status" data-testid="lost-breaker">
                    <b dir="auto">{breaker.name}</b> " " <span class="soft" dir="auto">{place}</span>
                    " is not in this list: it was heard last " {format::exact_time(breaker.last_seen_ms)} ". "
                    <a href=link data-stop>"Look at the time when it was there"</a>
                </p>
            }
            .into_any(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_has_its_last_word_and_is_not_to_come() {
        let span = its_time(1_000_000, 5_000_000);
        assert_eq!(span, Span { from_ms: 410_000, to_ms: 1_010_000 });
        assert_eq!(its_time(1_000_000, 1_002_000).to_ms, 1_002_000);
        assert_eq!(its_time(1_000_000, 900_000).to_ms, 1_000_000, "a clock that is off");
    }
}
