//! The server about itself: what it received, what it dropped, and how to send to it.

use leptos::prelude::*;
use poolscope_wire::{Limit, Service, Status, StoreFile};

use super::health::{Access, Browsers, Losses, Signals};
use crate::{
    components::{bar::Bar, copy::CopyLines, empty::sender_lines, help::KeyTable, source::Source},
    derived::Derived,
    format,
    state::live::Live,
};

/// From this share on a limit is worth a look.
const NEARLY_FULL: f64 = 0.8;

/// The about page.
#[component]
pub fn About() -> impl IntoView {
    let live = expect_context::<Live>();
    let status = Derived::new(move || live.with_status(|store| store.status.clone()));
    let lines = Derived::new(move || status.with(sender_lines));
    let own = Derived::new(move || status.with(|status| status.own.clone()));
    let fact = move |label: &'static str, read: fn(&Status) -> String| {
        view! { <tr><th scope="row">{label}</th><td>{move || status.with(read)}</td></tr> }
    };
    let running =
        move || format::span(live.now_ms().saturating_sub(status.with(|status| status.started_ms)) / 1_000);
    view! {
        <div class="pagehead"><h1>"About this server"</h1></div>
        <div class="columns">
            <section>
                <h2>"Server"</h2>
                <table class="facts">
                    <tbody>
                        {fact("Poolscope", |status| status.version.clone())}
                        <tr>
                            <th scope="row">"Running for"</th>
                            <td title=move || format::exact_time(status.with(|status| status.started_ms))>{running}</td>
                        </tr>
                        {fact("Takes OTLP over gRPC at", |status| status.otlp_grpc.clone())}
                        {fact("Takes OTLP over HTTP at", |status| status.otlp_http.clone())}
                        {fact("Keeps history in", store_file)}
                        {fact("Memory", |status| status.own.memory_bytes.map_or("not known here".to_owned(), format::bytes))}
                        {fact("Browsers that watch", |status| format::count(status.streams))}
                        <tr>
                            <th scope="row">"Full pictures because this browser was too slow"</th>
                            <td>{move || format::count(live.lagged.get())}</td>
                        </tr>
                    </tbody>
                </table>
            </section>
            <Source />
            <section>
                <h2>"Received"</h2>
                <Signals own />
            </section>
            <section>
                <h2>"Refused and cut off"</h2>
                <Losses own />
            </section>
            <section>
                <h2>"Access"</h2>
                <Access own />
            </section>
            <section>
                <h2>"Who looks"</h2>
                <Browsers own />
            </section>
            <section>
                <h2>"Limits"</h2>
                <p class="soft">"Memory is bounded. What does not fit is dropped, the oldest first, or refused, and counted here."</p>
                <Limits limits=Derived::new(move || status.with(|status| status.limits.clone())) />
            </section>
            <section>
                <h2>"Send data here"</h2>
                <p>"Any OpenTelemetry sender works. In the environment of a service:"</p>
                <CopyLines text=lines />
            </section>
            <section>
                <h2>"Who sends"</h2>
                <Senders />
            </section>
            <section>
                <h2>"Keyboard"</h2>
                <KeyTable />
            </section>
        </div>
    }
}

/// The file of the history, or why there is none.
fn store_file(status: &Status) -> String {
    match &status.store_file {
        None => "memory alone; --store FILE keeps it over restarts".to_owned(),
        Some(StoreFile { problem: Some(problem), .. }) => problem.clone(),
        Some(file) => {
            let (used, max) = (format::bytes(file.bytes), format::bytes(file.max_bytes));
            format!("{}, {used} of {max}", file.path)
        }
    }
}

#[component]
fn Limits(limits: Derived<Vec<Limit>>) -> impl IntoView {
    let row = |limit: Limit| {
        let share = if limit.max == 0 { 0.0 } else { limit.used as f64 / limit.max as f64 };
        let class = if share >= NEARLY_FULL { "c-warn" } else { "c-soft" };
        // What bounds each single thing is not used up.
        let fill = match limit.used {
            0 => format!("at most {}", format::count(limit.max)),
            used => format!("{} of {}", format::count(used), format::count(limit.max)),
        };
        let hits = (limit.hits > 0).then(
            || view! { <span class="is-warn">{format!("{}\u{d7} reached", format::count(limit.hits))}</span> },
        );
        view! {
            <tr>
                <th scope="row">{limit.name}</th>
                <td class="wide"><Bar share=share class=class /></td>
                <td class="number">{fill}</td>
                <td class="number">{hits}</td>
            </tr>
        }
    };
    view! { <table class="facts limits"><tbody>{move || limits.get().into_iter().map(row).collect_view()}</tbody></table> }
}

#[component]
fn Senders() -> impl IntoView {
    let live = expect_context::<Live>();
    let services = Derived::new(move || live.with_status(|store| store.services.clone()));
    let rows = move |service: Service| {
        let name = service.name;
        service
            .instances
            .into_iter()
            .map(|instance| {
                let seen = instance.last_seen_ms;
                let made_of = [instance.language, instance.version];
                let made_of = made_of.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
                view! {
                    <tr>
                        <th scope="row" dir="auto">{name.clone()} <span class="soft mono block">{instance.id}</span></th>
                        <td>{made_of}</td>
                        <td>{format::counted(instance.pools, "pool", "pools")} <span class="block">{format::counted(instance.breakers, "breaker", "breakers")}</span></td>
                        <td class="number soft" title=format::exact_time(seen)>{move || format::ago(live.now_ms(), seen)}</td>
                    </tr>
                }
            })
            .collect_view()
    };
    view! {
        {move || services.with(Vec::is_empty).then(|| view! { <p class="soft">"Nobody yet."</p> })}
        <table class="facts"><tbody>{move || services.get().into_iter().map(rows).collect_view()}</tbody></table>
    }
}
