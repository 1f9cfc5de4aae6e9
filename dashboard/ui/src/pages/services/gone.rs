//! Instances of the time that is looked at that are in no list of now.

use leptos::prelude::*;
use poolscope_wire::{Service, Severity, path};

use super::{find::find, say::made_of};
use crate::{
    components::{
        gone::{Gone as GoneOnes, GoneSince, SHOWN, cut_short, is_of, said_of},
        gone_rows::{Row, gone_links},
    },
    derived::Derived,
    navigation::Navigation,
    route::Route,
    state::{filter::instance_choice, live::Live},
    time::Time,
    words,
};

/// Reads what is gone of a time that stands still, of the service that is chosen.
pub fn use_gone(live: Live, navigation: Navigation, time: Time) -> GoneOnes<Service> {
    GoneOnes::start(live, time, path::SERVICES, move |then: &[Service]| {
        let chosen = navigation.query("service");
        live.with_status(|store| gone(then, &store.services, &chosen))
    })
}

/// Services with those of their instances that are not here now.
fn gone(then: &[Service], now: &[Service], chosen: &str) -> Vec<Service> {
    let is_here = |service: &str, id: &str| {
        let mut of_service = now.iter().filter(|one| one.name == service).flat_map(|one| &one.instances);
        of_service.any(|one| one.id == id)
    };
    let left = |service: &Service| {
        let instances = service.instances.iter().filter(|one| !is_here(&service.name, &one.id));
        Service { name: service.name.clone(), instances: instances.cloned().collect() }
    };
    let of_chosen = then.iter().filter(|service| is_of(chosen, &service.name));
    of_chosen.map(left).filter(|service| !service.instances.is_empty()).collect()
}

/// A row for each instance that a search lets through, with the service that it is of.
fn rows(gone: &[Service], text: &str) -> Vec<(String, Row)> {
    let found = find(&gone.iter().collect::<Vec<_>>(), text, "", |_, _| Severity::Ok);
    let row = |service: &str, id: &str| {
        let of_service = gone.iter().find(|one| one.name == service)?;
        let one = of_service.instances.iter().find(|one| one.id == id)?;
        Some(Row {
            id: id.to_owned(),
            name: instance_choice(id).to_owned(),
            place: words::place(&[service, &made_of(one)]),
            last_seen_ms: one.last_seen_ms,
        })
    };
    let of_service = |service: &str, ids: &[String]| -> Vec<_> {
        ids.iter().filter_map(|id| Some((service.to_owned(), row(service, id)?))).collect()
    };
    found.iter().flat_map(|found| of_service(&found.service, &found.ids)).collect()
}

/// They; nothing while there are none.
#[component]
pub fn Gone(
    /// They.
    gone: GoneOnes<Service>,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let rows = Derived::new(move || {
        let text = navigation.query("q");
        gone.all.with(|all| rows(all, &text))
    });
    let all = move || gone.all.with(|all| all.iter().map(|service| service.instances.len()).sum());
    let says = gone.says(move || {
        let shown = rows.with(Vec::len);
        cut_short(said_of(["instance", "instances"], all(), shown), shown)
    });
    let links = move || {
        let link = |(service, row): &(String, Row)| {
            let of_it = [("service", service.clone()), ("instance", instance_choice(&row.id).to_owned())];
            (row.clone(), navigation.link_to(&Route::Overview.path(), &of_it))
        };
        gone_links(rows.with(|rows| rows.iter().take(SHOWN).map(link).collect()), "gone-instance")
    };
    view! { <GoneSince what="Instances" says>{links}</GoneSince> }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Instance;

    use super::*;

    #[test]
    fn instances_that_are_here_or_of_another_service_are_not_listed() {
        let service = |name: &str, ids: &[&str]| {
            let one = |id: &&str| Instance {
                id: (*id).to_owned(),
                language: "rust".to_owned(),
                last_seen_ms: 7,
                ..Instance::default()
            };
            Service { name: name.to_owned(), instances: ids.iter().map(one).collect() }
        };
        let then = [service("shop", &["a", "b"]), service("mail", &["a"]), service("pay", &["", "c"])];
        let now = [service("shop", &["a"]), service("mail", &["a"])];
        let told = |chosen: &str, text: &str| {
            let rows = rows(&gone(&then, &now, chosen), text);
            rows.into_iter().map(|(_, row)| format!("{} {}", row.place, row.name)).collect::<Vec<_>>()
        };
        let unnamed = "pay \u{b7} rust no id";
        assert_eq!(told("", ""), ["shop \u{b7} rust b", unnamed, "pay \u{b7} rust c"]);
        assert_eq!(
            told("shop", ""),
            ["shop \u{b7} rust b"],
            "the name is that of one of another service too"
        );
        assert_eq!(told("", "pay"), [unnamed, "pay \u{b7} rust c"]);
        assert_eq!(told("mail", ""), [""; 0]);
    }
}
