//! Pools of the time that is looked at that are in no list of now.

use leptos::prelude::*;
use poolscope_wire::{PoolSummary, path};

use crate::{
    components::{
        gone::{Gone as GoneOnes, GoneSince, SHOWN, cut_short, is_of, said},
        gone_rows::{Row, gone_links},
    },
    navigation::Navigation,
    route::Route,
    state::{filter::is_of_instance, live::Live},
    time::Time,
    words,
};

/// The pools that are gone; nothing while there are none.
#[component]
pub fn Gone() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let gone = GoneOnes::start(live, expect_context::<Time>(), path::POOLS, move |then| {
        let of = [navigation.query("service"), navigation.query("instance")];
        live.with_list(|store| gone(then, |id| store.entry(id).is_some(), &of))
    });
    let rows = move || {
        let row = |pool: &PoolSummary| (row(pool), navigation.link(&Route::Pool(pool.id.clone())));
        gone_links(gone.all.with(|gone| gone.iter().take(SHOWN).map(row).collect()), "gone-pool")
    };
    let count = move || gone.all.with(Vec::len);
    let says = gone.says(move || cut_short(said("pools", count()), count()));
    view! { <GoneSince what="Pools" says>{rows}</GoneSince> }
}

fn row(pool: &PoolSummary) -> Row {
    Row {
        id: pool.id.clone(),
        name: words::pool_name(pool),
        place: words::place(&[&words::destination(pool), &pool.service, &pool.instance]),
        last_seen_ms: pool.last_seen_ms,
    }
}

/// Those of a time that are not here now, of a service and an instance if these are chosen.
fn gone(
    then: &[PoolSummary],
    is_here: impl Fn(&str) -> bool,
    [service, instance]: &[String; 2],
) -> Vec<PoolSummary> {
    let is_gone = |pool: &&PoolSummary| {
        is_of(service, &pool.service) && is_of_instance(instance, &pool.instance) && !is_here(&pool.id)
    };
    then.iter().filter(is_gone).cloned().collect()
}

#[cfg(test)]
mod tests {
    use poolscope_wire::NO_ID;

    use super::*;

    #[test]
    fn who_is_here_or_of_another_service_or_instance_is_not_listed() {
        let pool = |id: &str, service: &str, instance: &str| PoolSummary {
            id: id.to_owned(),
            service: service.to_owned(),
            instance: instance.to_owned(),
            ..PoolSummary::default()
        };
        let then = [pool("a", "shop", "1"), pool("b", "shop", "1"), pool("c", "mail", "")];
        let ids = |service: &str, instance: &str| {
            let gone = gone(&then, |id| id == "a", &[service.to_owned(), instance.to_owned()]);
            gone.into_iter().map(|pool| pool.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("", ""), ["b", "c"]);
        assert_eq!(ids("mail", ""), ["c"]);
        assert_eq!(ids("", "1"), ["b"]);
        assert_eq!(ids("", NO_ID), ["c"]);
    }
}
