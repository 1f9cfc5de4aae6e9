//! Registries of sessions of the time that is looked at that are in no list of now.

use leptos::prelude::*;
use poolscope_wire::{Sessions, path};

use crate::{
    chart::figures::SESSIONS,
    components::{
        gone::{Gone as GoneOnes, GoneSince, cut_short, is_of, said},
        gone_rows::{Row, gone_rows},
        over_time::OverTime,
    },
    derived::Derived,
    navigation::Navigation,
    state::live::Live,
    time::Time,
    words,
};

/// Reads what is gone of a time that stands still.
pub fn use_gone(live: Live, navigation: Navigation, time: Time) -> GoneOnes<Sessions> {
    GoneOnes::start(live, time, path::SESSIONS, move |then: &[Sessions]| {
        let service = navigation.query("service");
        live.with_sessions(|store| gone(then, |id| store.sessions.get(id).is_some(), &service))
    })
}

/// Those that are not here now, of a service if one is chosen.
fn gone(then: &[Sessions], is_here: impl Fn(&str) -> bool, service: &str) -> Vec<Sessions> {
    let is_gone = |one: &&Sessions| is_of(service, &one.service) && !is_here(&one.id);
    then.iter().filter(is_gone).cloned().collect()
}

fn row(one: &Sessions) -> Row {
    Row {
        id: one.id.clone(),
        name: one.name.clone(),
        place: words::place(&[&one.service, &one.instance]),
        last_seen_ms: one.last_seen_ms,
    }
}

/// They, each with its charts; nothing while there are none.
#[component]
pub fn Gone(
    /// They.
    gone: GoneOnes<Sessions>,
) -> impl IntoView {
    let rows = Derived::new(move || gone.all.with(|all| all.iter().map(row).collect::<Vec<_>>()));
    let charts = move |id: &str| {
        let row = rows.with_untracked(|rows| rows.iter().find(|row| row.id == id).cloned())?;
        let path = format!("{}/{id}", path::SESSIONS);
        let title = format!("{} over time", row.name);
        Some(view! { <OverTime path of="" charts=&SESSIONS name=row.name title /> }.into_any())
    };
    let count = move || gone.all.with(Vec::len);
    let says = gone.says(move || cut_short(said("registries of sessions", count()), count()));
    view! { <GoneSince what="Sessions" says>{gone_rows(rows, charts)}</GoneSince> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_here_or_of_another_service_is_not_listed() {
        let registry = |id: &str, service: &str| Sessions {
            id: id.to_owned(),
            service: service.to_owned(),
            ..Sessions::default()
        };
        let then = [registry("a", "shop"), registry("b", "shop"), registry("c", "mail")];
        let ids = |service: &str| {
            let gone = gone(&then, |id| id == "a", service);
            gone.into_iter().map(|one| one.id).collect::<Vec<_>>()
        };
        assert_eq!((ids(""), ids("shop")), (vec!["b".to_owned(), "c".to_owned()], vec!["b".to_owned()]));
    }
}
