//! What protected calls in the time that is looked at, and is in no list of now.

use leptos::prelude::*;
use poolscope_wire::{Protection, path};

use super::{cells::Kind, groups::Filter};
use crate::{
    chart::figures,
    components::{
        gone::{Gone as GoneOnes, GoneSince, cut_short, is_of, said_of},
        gone_rows::{Row, gone_rows},
        over_time::OverTime,
    },
    derived::Derived,
    state::live::Live,
    time::Time,
    words,
};

/// Reads what is gone of a time that stands still, of the service that is chosen.
pub fn use_gone(live: Live, time: Time, filter: Derived<Filter>) -> GoneOnes<Protection> {
    GoneOnes::start(live, time, path::PROTECTION, move |then: &[Protection]| {
        let of = filter.with(|filter| (filter.service.clone(), filter.serves));
        live.with_protection(|store| gone(then, |id| store.protection.get(id).is_some(), (&of.0, of.1)))
    })
}

/// Those that are not here now, of a service if one is chosen, and only those that serve or only the others.
fn gone(
    then: &[Protection],
    is_here: impl Fn(&str) -> bool,
    (service, serves): (&str, bool),
) -> Vec<Protection> {
    let is_gone = |one: &&Protection| is_of(service, &one.service) && !is_here(&one.id);
    then.iter().filter(|one| one.figures.serves() == serves).filter(is_gone).cloned().collect()
}

/// Rows of those that a filter lets through.
fn rows(gone: &[Protection], filter: &Filter) -> Vec<Row> {
    let passes = |one: &&Protection| {
        filter.passes_silent(&[&one.name, &one.service, &one.instance, &one.health.sentence])
    };
    gone.iter().filter(passes).map(row).collect()
}

fn row(one: &Protection) -> Row {
    let kind = Kind::of(&one.figures);
    Row {
        id: one.id.clone(),
        name: words::protection_name(one.name.clone(), kind == Kind::Resource),
        place: words::place(&[kind.key(), &words::guard(&one.figures), &one.service, &one.instance]),
        last_seen_ms: one.last_seen_ms,
    }
}

/// They, each with its charts; nothing while there are none.
#[component]
pub fn Gone(
    /// They.
    gone: GoneOnes<Protection>,
    /// Which of them are shown.
    filter: Derived<Filter>,
) -> impl IntoView {
    let rows = Derived::new(move || gone.all.with(|all| filter.with(|filter| rows(all, filter))));
    let charts = move |id: &str| {
        let one = gone.all.with_untracked(|all| all.iter().find(|one| one.id == id).cloned())?;
        let charts = figures::protection(&one.figures, &one.name);
        let (path, name) = (format!("{}/{id}", path::PROTECTION), format!("{} {}", one.service, one.name));
        Some(view! { <OverTime path of="" charts name title="Over time".to_owned() /> }.into_any())
    };
    let says = gone.says(move || {
        let shown = rows.with(Vec::len);
        cut_short(said_of(["part", "parts"], gone.all.with(Vec::len), shown), shown)
    });
    view! { <GoneSince what="Parts" says>{gone_rows(rows, charts)}</GoneSince> }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Severity;

    use super::*;

    #[test]
    fn what_is_gone_is_silent_and_found_by_words() {
        let part = |id: &str, name: &str| Protection {
            id: id.to_owned(),
            name: name.to_owned(),
            service: "shop".to_owned(),
            ..Protection::default()
        };
        let then = [part("a", "call"), part("b", "headers")];
        let ids = |filter: Filter| rows(&then, &filter).into_iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids(Filter::default()), ["a", "b"]);
        assert_eq!(ids(Filter { text: "shop head".to_owned(), ..Filter::default() }), ["b"]);
        assert_eq!(ids(Filter { how: Some(None), ..Filter::default() }), ["a", "b"]);
        assert_eq!(ids(Filter { how: Some(Some(Severity::Ok)), ..Filter::default() }), [""; 0]);
        assert_eq!(gone(&then, |id| id == "a", ("shop", false)), then[1..]);
        assert!(gone(&then, |_| false, ("mail", false)).is_empty());
        assert!(gone(&then, |_| false, ("shop", true)).is_empty(), "none of them serves");
    }
}
