//! Pools of the time that is looked at that are in no list of now: nothing has come of them for long.

use leptos::prelude::*;
use poolscope_wire::{PoolSummary, path};

use crate::{
    components::loaded::{Loaded, use_loaded},
    derived::Derived,
    format,
    navigation::Navigation,
    route::{Query, Route},
    state::live::Live,
    time::Time,
    words,
};

/// The most that are listed.
const SHOWN: usize = 200;

/// The pools that are gone; nothing while there are none.
#[component]
pub fn Gone() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let url = Derived::new(move || {
        let Some(span) = time.fixed() else { return String::new() };
        let query = Query::default()
            .with("from_ms", &span.from_ms.to_string())
            .with("to_ms", &span.to_ms.to_string());
        format!("{}{}", path::POOLS, query.to_text())
    });
    let then: RwSignal<Loaded<Vec<PoolSummary>>> = use_loaded(live, url, move || url.get(), || false);
    let gone = Derived::new(move || {
        let of = [navigation.query("service"), navigation.query("instance")];
        then.with(|then| {
            let then = then.ready().map(Vec::as_slice).unwrap_or_default();
            live.with_list(|store| gone(then, |id| store.entry(id).is_some(), &of))
        })
    });
    let row = move |pool: PoolSummary| {
        let place = [words::destination(&pool), pool.service.clone(), pool.instance.clone()];
        let place: Vec<String> = place.into_iter().filter(|part| !part.is_empty()).collect();
        view! {
            <li data-testid="gone-pool">
                <a href=navigation.link(&Route::Pool(pool.id.clone())) data-stop dir="auto">{words::pool_name(&pool)}</a>
                " " <span class="soft" dir="auto">{place.join(" \u{b7} ")}</span>
                " " <span class="soft">"last heard " {format::exact_time(pool.last_seen_ms)}</span>
            </li>
        }
    };
    let rows = move || gone.with(|gone| gone.iter().take(SHOWN).cloned().map(row).collect_view());
    let says = Derived::new(move || {
        let failure = then.with(|then| then.failure().map(ToString::to_string));
        failure.map(|why| format!("They could not be read: {why}")).or_else(|| gone.with(|gone| said(gone)))
    });
    view! {
        <section class="gone-pools" aria-label="Pools that are gone" hidden=move || says.with(Option::is_none)>
            <p><b>"Gone since then"</b> " " <span class="soft" role="status">{move || says.get()}</span></p>
            <ul>{rows}</ul>
        </section>
    }
}

/// What is to be said of them; nothing if there are none.
fn said(gone: &[PoolSummary]) -> Option<String> {
    let all = gone.len();
    let shown = if all > SHOWN {
        format!(" {SHOWN} of {} are listed.", format::count(all as u64))
    } else {
        String::new()
    };
    (all > 0).then(|| format!("Nothing has come of these pools for long, so no list of now has them.{shown}"))
}

/// Those of a time that are not here now, of a service and an instance if these are chosen.
fn gone(
    then: &[PoolSummary],
    is_here: impl Fn(&str) -> bool,
    [service, instance]: &[String; 2],
) -> Vec<PoolSummary> {
    let is_meant = |chosen: &str, of: &str| chosen.is_empty() || chosen == of;
    let is_gone = |pool: &&PoolSummary| {
        is_meant(service, &pool.service) && is_meant(instance, &pool.instance) && !is_here(&pool.id)
    };
    then.iter().filter(is_gone).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_here_or_of_another_service_is_not_listed() {
        let pool = |id: &str, service: &str| PoolSummary {
            id: id.to_owned(),
            service: service.to_owned(),
            ..PoolSummary::default()
        };
        let then = [pool("a", "shop"), pool("b", "shop"), pool("c", "mail")];
        let ids = |service: &str| {
            let gone = gone(&then, |id| id == "a", &[service.to_owned(), String::new()]);
            gone.into_iter().map(|pool| pool.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(""), ["b", "c"]);
        assert_eq!(ids("mail"), ["c"]);
        assert_eq!(said(&[]), None);
        assert!(said(&vec![PoolSummary::default(); 1_201]).unwrap().ends_with("200 of 1,201 are listed."));
    }
}
