//! Pools of the time that is looked at that are in no list of now.

use leptos::prelude::*;
use poolscope_wire::{PoolSummary, path};

use crate::{
    components::gone::{GoneSince, is_of, use_says, use_then, why},
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
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
    let then = use_then::<PoolSummary>(live, expect_context::<Time>(), path::POOLS);
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
    let says = use_says(then, move || gone.with(|gone| said(gone.len())));
    view! { <GoneSince what="Pools" says><ul>{rows}</ul></GoneSince> }
}

/// What is to be said of them; nothing if there are none.
fn said(all: usize) -> Option<String> {
    let shown = match all {
        0 => return None,
        all if all > SHOWN => format!(" {SHOWN} of {} are listed.", format::count(all as u64)),
        _ => String::new(),
    };
    Some(format!("{}{shown}", why("pools")))
}

/// Those of a time that are not here now, of a service and an instance if these are chosen.
fn gone(
    then: &[PoolSummary],
    is_here: impl Fn(&str) -> bool,
    [service, instance]: &[String; 2],
) -> Vec<PoolSummary> {
    let is_gone = |pool: &&PoolSummary| {
        is_of(service, &pool.service) && is_of(instance, &pool.instance) && !is_here(&pool.id)
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
        assert_eq!(said(0), None);
        assert!(said(1_201).unwrap().ends_with("no list of now has them. 200 of 1,201 are listed."));
    }
}
