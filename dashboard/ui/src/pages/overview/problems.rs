//! What is wrong, at a glance: how much of it, and the worst in words.

use leptos::prelude::*;
use poolscope_wire::Severity;

use crate::{
    components::warnings::{Warnings, counts},
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::{
        fleet::{merge_warnings, vanished, warnings_of},
        live::Live,
    },
    time::Time,
};

/// Rows that are shown before somebody asks for all.
const SHOWN: usize = 4;

/// The warnings, and who has vanished.
#[component]
pub fn Problems() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let all = Derived::new(move || {
        let (service, instance) = (navigation.query("service"), navigation.query("instance"));
        live.with_warnings(|store| merge_warnings(&warnings_of(store, &service, &instance)))
    });
    let time = expect_context::<Time>();
    let is_open = move || navigation.query("warnings") == "all";
    let log = move || if navigation.query("warnings") == "log" { "" } else { "log" };
    let rows = Derived::new(move || {
        let open = is_open();
        all.with(|all| {
            // Notes are no news: they are there for those who ask.
            let worth = all.iter().filter(|row| open || row.worst.severity > Severity::Ok);
            worth.take(if open { usize::MAX } else { SHOWN }).cloned().collect::<Vec<_>>()
        })
    });
    let hidden = Derived::new(move || all.with(Vec::len) - rows.with(Vec::len));
    let gone = move || {
        let service = navigation.query("service");
        let now_ms = live.now_ms();
        live.with_status(|store| vanished(&store.services, &service, now_ms))
    };
    let toggle = move |_| navigation.set_query("warnings", if is_open() { "" } else { "all" });
    let label = move || match (is_open(), hidden.get() as u64) {
        (true, _) => "show the worst alone".to_owned(),
        (false, many) => format!("show {} more", format::count(many)),
    };
    view! {
        <section class="problems" aria-label="Warnings" data-testid="warnings">
            <p class="bar-line">
                <b>{move || if time.fixed().is_some() { "Warnings now" } else { "Warnings" }}</b>
                <span class="soft" data-testid="warning-counts">{move || all.with(|all| if all.is_empty() { "none".to_owned() } else { counts(all) })}</span>
                {move || gone().map(|text| view! {
                    <a href=navigation.link(&Route::Services) data-testid="vanished">{text}</a>
                })}
                <span class="grow"></span>
                <button type="button" class="quiet" data-testid="warning-log-open" hidden=move || time.fixed().is_some()
                    aria-expanded=move || if log().is_empty() { "true" } else { "false" }
                    on:click=move |_| navigation.set_query("warnings", log())>"what was wrong"</button>
                <button type="button" class="quiet" data-testid="all-warnings" on:click=toggle
                    aria-expanded=move || if is_open() { "true" } else { "false" }
                    hidden=move || hidden.get() == 0 && !is_open()>{label}</button>
            </p>
            <Warnings rows names=true />
        </section>
    }
}
