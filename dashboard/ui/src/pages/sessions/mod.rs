//! Sessions: who is there by kind, how they end, and what does not end although it should.
//!
//! A kind is one registry's name over all instances of a service; its instances are behind it.

pub mod kinds;
pub mod strip;

use leptos::prelude::*;
use poolscope_semconv::event::{SESSION_ENDED, SESSION_OVERDUE};
use poolscope_wire::{Severity, Subject};

use crate::{
    components::{
        each::each,
        empty::{Empty, NoData, Waiting},
        shape::SeverityShape,
        warnings::WarningsAbout,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    pages::events::EventRow,
    state::live::Live,
    words,
};

use kinds::{Kind, end_reason, kinds};
use strip::Strip;

/// Events of sessions.
const EVENTS: [&str; 2] = [SESSION_ENDED, SESSION_OVERDUE];
/// The most events that are listed.
const MAX_EVENTS: usize = 20;

/// The sessions page.
#[component]
pub fn SessionsPage() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let all = Derived::new(move || {
        let service = navigation.query("service");
        live.with_sessions(|store| kinds(store, &service))
    });
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    let nobody_sends = Derived::new(move || live.with_status(|store| store.services.is_empty()));
    let is_empty = Derived::new(move || all.with(Vec::is_empty));
    let keys = move || all.with(|all| all.iter().map(Kind::key).collect());
    let summary = move || {
        all.with(|all| {
            let there = all.iter().map(|kind| u64::from(kind.active)).sum();
            let overdue: u64 = all.iter().map(|kind| u64::from(kind.overdue)).sum();
            let mut parts = vec![format::counted(there, "session is there", "sessions are there")];
            if overdue > 0 {
                parts.push(format!("{} overdue", format::count(overdue)));
            }
            parts.join(" \u{b7} ")
        })
    };
    view! {
        <div class="pagehead"><h1>"Sessions"</h1><span class="soft" hidden=move || is_empty.get()>{summary}</span></div>
        {move || {
            if !is_empty.get() {
                view! { <div class="kinds">{each(keys, move |key| view! { <KindCard all key /> }.into_any())}</div> <SessionEvents /> }.into_any()
            } else if !is_filled.get() {
                view! { <Waiting /> }.into_any()
            } else if nobody_sends.get() {
                view! { <NoData /> }.into_any()
            } else {
                view! { <Nothing /> }.into_any()
            }
        }}
    }
}

/// What makes something appear.
#[component]
fn Nothing() -> impl IntoView {
    view! {
        <Empty title="No sessions">
            <p>"Services send here, and none of them has a registry of sessions. These three lines make what lives longer \
                than a request (a WebSocket, a stream of events, a user's visit) appear:"</p>
            <pre class="lines"><code>
                "let chats = scope.sessions(\"chat\").idle_timeout(Duration::from_secs(60)).build()?;\n\
                 let session = chats.begin(\"room 7\")?;   // hold it for as long as it lasts\n\
                 session.touch();                        // when something happens in it"
            </code></pre>
        </Empty>
    }
}

/// A kind of sessions.
#[component]
fn KindCard(all: Derived<Vec<Kind>>, key: String) -> impl IntoView {
    let live = expect_context::<Live>();
    let kind = Derived::after(move |before: Option<&Kind>| {
        let found = all.with(|all| all.iter().find(|kind| kind.key() == key).cloned());
        found.or_else(|| before.cloned()).unwrap_or_default()
    });
    let text = move |read: fn(&Kind) -> String| move || kind.with(read);
    let severity = Derived::new(move || kind.with(|kind| kind.severity));
    let ids = Derived::new(move || {
        kind.with(|kind| kind.instances.iter().map(|one| one.id.clone()).collect::<Vec<_>>())
    });
    let figure = move |label: &'static str,
                       about: &'static str,
                       testid: &'static str,
                       read: fn(&Kind) -> Option<String>| {
        view! {
            <div title=about hidden=move || kind.with(read).is_none()>
                <dd data-testid=testid>{move || kind.with(read)}</dd>
                <dt>{label}</dt>
            </div>
        }
    };
    let ends = move || {
        let rows = kind.with(|kind| kind.ends.clone());
        rows.into_iter()
            .map(|(reason, count)| {
                view! {
                    <tr class:is-warn=kinds::is_trouble(&reason)>
                        <th scope="row">{end_reason(&reason)}</th>
                        <td class="number">{format::count(count.minute)}</td>
                        <td class="number">{format::count(count.total)}</td>
                    </tr>
                }
            })
            .collect_view()
    };
    let instances = move || {
        let rows = kind.with(|kind| kind.instances.clone());
        rows.into_iter()
            .map(|one| {
                let seen = one.last_seen_ms;
                let heard = move || one.stale.then(|| format!("last reported {}", format::ago(live.now_ms(), seen)));
                view! {
                    <tr class:is-stale=one.stale>
                        <th scope="row" dir="auto">
                            <SeverityShape severity=Derived::from(if one.stale { Severity::Ok } else { one.health.severity }) />
                            " " {one.instance.clone()} <span class="block is-warn">{heard}</span>
                        </th>
                        <td class="number">{format::count(u64::from(one.now.active))}</td>
                        <td class="number">{format::count(u64::from(one.now.overdue))}</td>
                        <td class="number">{format::duration_or_unknown(one.oldest_age_s)}</td>
                    </tr>
                }
            })
            .collect_view()
    };
    view! {
        <article class=move || format!("card v-{}", words::severity_key(severity.get())) tabindex="-1" data-stop
            data-testid="session-kind" data-name=text(|kind| kind.name.clone())>
            <header>
                <SeverityShape severity />
                <h2 dir="auto">{text(|kind| kind.name.clone())}</h2>
                <span class="soft" dir="auto">{text(|kind| kind.service.clone())}</span>
                <span class="grow"></span>
                <span class="soft">{text(|kind| format::counted(kind.instances.len() as u64, "instance", "instances"))}</span>
            </header>
            <p class="sentence" data-testid="session-sentence">{text(|kind| kind.sentence.clone())}</p>
            <dl class="figures">
                {figure("there", "Sessions that are there now, and the most that may be", "session-active", |kind| Some(kind.there()))}
                {figure("overdue", "Sessions that were told to end and are still there after the time that they had for it", "session-overdue",
                    |kind| Some(format::count(u64::from(kind.overdue))))}
                {figure("oldest", "How long the oldest has been there", "session-oldest", |kind| Some(format::duration_or_unknown(kind.oldest_age_s)))}
                {figure("began, last minute", "Sessions that began in the last minute", "session-started", |kind| Some(format::count(kind.started.minute)))}
                {figure("refused, last minute", "Sessions that could not begin: there were too many, or the program shut down", "session-refused",
                    |kind| (kind.refused.total > 0).then(|| format::count(kind.refused.minute)))}
                {figure("life p50", "Half of the sessions that ended in the last minute lasted so long at most", "session-life",
                    |kind| kind.life_p50_s.map(|life| format::duration(f64::from(life))))}
                {figure("silent for too long", "Liveness: sessions of the last minute that ended because nothing happened in them for too long", "session-silent",
                    |kind| Some(format::count(kind.silent())))}
                {figure("late sweeps", "Sweeps that told a session to end more than 250 ms after its deadline: the runtime was busy", "session-late",
                    |kind| (kind.late_sweeps > 0).then(|| format::count(kind.late_sweeps)))}
            </dl>
            <WarningsAbout what=Subject::Session ids />
            <Strip points=Derived::new(move || kind.with(|kind| kind.points.clone())) />
            <table class="facts">
                <caption class="sr">"How sessions ended"</caption>
                <thead><tr><th scope="col">"ended"</th><th scope="col" class="number">"last minute"</th><th scope="col" class="number">"in all"</th></tr></thead>
                <tbody>{ends}</tbody>
            </table>
            <p class="soft" hidden=move || kind.with(|kind| !kind.ends.is_empty())>"None has ended yet."</p>
            <details>
                <summary>"By instance"</summary>
                <table class="facts">
                    <thead><tr><th scope="col">"instance"</th><th scope="col" class="number">"there"</th>
                        <th scope="col" class="number">"overdue"</th><th scope="col" class="number">"oldest"</th></tr></thead>
                    <tbody>{instances}</tbody>
                </table>
            </details>
        </article>
    }
}

/// What sessions told of themselves.
#[component]
fn SessionEvents() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let events = Derived::new(move || {
        let service = navigation.query("service");
        live.with_events(|store| {
            let of_sessions = store.events.iter().filter(|event| EVENTS.contains(&&*event.kind));
            let of_service = of_sessions.filter(|event| service.is_empty() || event.service == service);
            of_service.take(MAX_EVENTS).cloned().collect::<Vec<_>>()
        })
    });
    view! {
        <section class="below">
            <h2>"Events of sessions"</h2>
            {move || events.with(Vec::is_empty).then(|| view! { <p class="soft">"None has ended in a way worth a word."</p> })}
            <ul class="events">
                <For each=move || events.get() key=|event| event.id let:event>
                    <EventRow event />
                </For>
            </ul>
        </section>
    }
}
