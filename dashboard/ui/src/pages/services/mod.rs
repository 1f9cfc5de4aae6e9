//! Services and their instances: who they are, what they send and lack, and what of it was lost.

pub mod find;
pub mod gone;
pub mod row;
pub mod say;

use leptos::prelude::*;
use poolscope_wire::{Service, Severity};

use crate::{
    components::{
        each::each,
        empty::{Empty, NoData, NoneOfService, Waiting},
        told::told,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::{Query, Route},
    state::{
        fleet::{vanished, warnings_of},
        live::Live,
    },
    time::Time,
};

use find::{Found, SORTS, counted, find, turnover};
use gone::{Gone, use_gone};
use row::Row;

/// Who sends, of the service that is chosen.
pub type Known = Derived<Vec<Service>>;

/// What there is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    NoData,
    NoneOfService,
    NoMatch,
    /// What is looked at is there: nothing is missing that has to be explained.
    GoneAlone,
    List,
}

/// The services page.
#[component]
pub fn Services() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let gone = use_gone(live, navigation, time);
    let known: Known = Derived::new(move || {
        let chosen = navigation.query("service");
        live.with_status(|store| {
            let all = store.services.iter().filter(|one| chosen.is_empty() || one.name == chosen);
            all.cloned().collect()
        })
    });
    let found = Derived::new(move || {
        let (text, sort) = (navigation.query("q"), navigation.query("sort"));
        let severity = |service: &str, id: &str| {
            live.with_warnings(|store| {
                warnings_of(store, service, id).first().map_or(Severity::Ok, |one| one.severity)
            })
        };
        known.with(|all| find(&all.iter().collect::<Vec<_>>(), &text, &sort, severity))
    });
    let stage = Derived::new(move || {
        if found.with(|found| !found.is_empty()) {
            return Stage::List;
        }
        if known.with(|known| !known.is_empty()) {
            return Stage::NoMatch;
        }
        match live.with_status(|store| (store.filled, store.services.is_empty())) {
            (false, _) => Stage::Waiting,
            (true, _) if gone.any() || gone.is_loading() => Stage::GoneAlone,
            (true, true) => Stage::NoData,
            (true, false) => Stage::NoneOfService,
        }
    });
    let count = Derived::new(move || {
        let all = known.with(|all| all.iter().map(|one| one.instances.len()).sum());
        found.with(|found| counted(found, all))
    });
    let asked = Derived::new(move || navigation.with_query(Query::to_text));
    let services = move || {
        let now_ms = live.now_ms();
        known.with(|all| {
            let parts =
                [Some(format::counted(all.len() as u64, "service", "services")), vanished(all, "", now_ms)];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
        })
    };
    let names = move || found.with(|found| found.iter().map(|one| one.service.clone()).collect());
    view! {
        <div class="pagehead"><h1>"Services"</h1><span class="soft" hidden=move || known.with(Vec::is_empty)>{services}</span></div>
        <div hidden=move || known.with(Vec::is_empty) && !gone.any()>
            <Toolbar />
            <p hidden=move || known.with(Vec::is_empty)>{told("instance-count", count, asked)}</p>
        </div>
        {move || match stage.get() {
            Stage::List => each(names, move |name| view! { <OneService known found name /> }.into_any()),
            Stage::NoMatch => view! {
                <Empty title="No instance matches"><p>"Nobody who sends has this in its name, its language or its version."</p></Empty>
            }
            .into_any(),
            Stage::NoneOfService => view! { <NoneOfService what="instance that is known" /> }.into_any(),
            Stage::Waiting => view! { <Waiting /> }.into_any(),
            Stage::NoData => view! { <NoData /> }.into_any(),
            Stage::GoneAlone => ().into_any(),
        }}
        <Show when=move || time.fixed().is_some()><Gone gone /></Show>
    }
}

/// Search and order.
#[component]
fn Toolbar() -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let options = SORTS.map(|(key, name)| {
        view! { <option value=key prop:selected=move || navigation.query("sort") == key>{name}</option> }
    });
    view! {
        <div class="toolbar" role="search">
            <input type="search" data-search data-testid="search" placeholder="Search instances ( / )" aria-label="Search instances"
                maxlength="200" prop:value=move || navigation.query("q")
                on:input=move |event| navigation.set_query("q", &event_target_value(&event)) />
            <label>
                <span class="sr">"Order"</span>
                <select data-testid="instance-sort" on:change=move |event| navigation.set_query("sort", &event_target_value(&event))>
                    {options.collect_view()}
                </select>
            </label>
        </div>
    }
}

/// A service with its instances.
#[component]
fn OneService(known: Known, found: Derived<Vec<Found>>, name: String) -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let navigation = expect_context::<Navigation>();
    let href = {
        let name = name.clone();
        move || navigation.link_to(&Route::Overview.path(), &[("service", name.clone())])
    };
    let own = {
        let name = name.clone();
        Derived::after(move |before: Option<&Found>| {
            let own = found.with(|found| found.iter().find(|one| one.service == name).cloned());
            own.or_else(|| before.cloned()).unwrap_or_default()
        })
    };
    let seen = {
        let name = name.clone();
        Derived::new(move || {
            known.with(|all| {
                let own = all.iter().find(|one| one.name == name);
                let own = own.into_iter().flat_map(|one| &one.instances);
                own.map(|one| (one.first_seen_ms, one.last_seen_ms, one.vanished)).collect::<Vec<_>>()
            })
        })
    };
    let came_and_went = Derived::new(move || {
        let started_ms = live.with_status(|store| store.status.started_ms);
        seen.with(|seen| turnover(seen, time.span(), started_ms))
    });
    let count = move || own.with(|own| counted(std::slice::from_ref(own), own.all));
    let heads = ["instance", "sends", "lacks", "reports", "since", "last heard", "heard in this time"];
    let ids = move || own.with(|own| own.ids.clone());
    let row = {
        let service = name.clone();
        move |id| view! { <Row known service=service.clone() id /> }.into_any()
    };
    view! {
        <section class="service-block" data-testid="service-block">
            <div class="sectionhead">
                <h2 class="clip" dir="auto" title=name.clone()><a href=href data-stop>{name.clone()}</a></h2>
                <span class="soft">{count} " " {move || came_and_went.get()}</span>
            </div>
            <table class="facts instances">
                <thead><tr>{heads.map(|head| view! { <th scope="col">{head}</th> }).collect_view()}</tr></thead>
                <tbody>{each(ids, row)}</tbody>
            </table>
        </section>
    }
}
