//! Sessions: who is there by kind, how they end, and what does not end although it should; below them the servers, supervised
//! connections, tasks and queues that they live by.
//!
//! A kind is one registry's name over all instances of a service; its instances are behind it.

pub mod events;
pub mod gone;
pub mod kinds;
pub mod serving;
pub mod strip;

use leptos::prelude::*;
use poolscope_wire::{Count, Severity, Subject, path};

use crate::{
    chart::figures::SESSIONS,
    components::{
        each::each,
        empty::{Empty, NoData, NoneOfService, Waiting},
        over_time::OverTime,
        shape::SeverityShape,
        warnings::WarningsAbout,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    state::live::Live,
    time::Time,
    words,
};

use events::SessionEvents;
use gone::{Gone, use_gone};
use kinds::{Kind, NOT_KNOWN, end_reason, kinds, summary};
use serving::{Serving, use_serving};
use strip::Strip;

/// The sessions page.
#[component]
pub fn SessionsPage() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let all = Derived::new(move || {
        let service = navigation.query("service");
        live.with_sessions(|store| kinds(store, &service))
    });
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    let nobody_sends = Derived::new(move || live.with_status(|store| store.services.is_empty()));
    let is_empty = Derived::new(move || all.with(Vec::is_empty));
    let gone = use_gone(live, navigation, time);
    let serving = use_serving(live, navigation, time);
    let keys = move || all.with(|all| all.iter().map(Kind::key).collect());
    let shown = Derived::after(move |before: Option<&Option<(String, String)>>| {
        let asked = navigation.query("show");
        // What was shown stays while registries come and go.
        let before = before.and_then(|before| before.as_ref()).map_or("", |(_, id)| id.as_str());
        all.with(|all| chosen(all, if asked.is_empty() { before } else { &asked }))
    });
    let summary = move || all.with(|all| summary(all));
    view! {
        <div class="pagehead"><h1>"Sessions"</h1><span class="soft" hidden=move || is_empty.get()>{summary}</span></div>
        <p class="soft" hidden=move || is_empty.get() || time.fixed().is_none()>"The cards tell how it is now. The charts are of this time."</p>
        {move || {
            if !is_empty.get() {
                view! {
                    <div class="kinds">{each(keys, move |key| view! { <KindCard all key shown /> }.into_any())}</div>
                    {move || shown.get().map(|(name, id)| {
                        let path = format!("{}/{id}", path::SESSIONS);
                        let title = format!("{name} over time");
                        view! { <OverTime path of="instances=all&" charts=&SESSIONS name title /> }
                    })}
                    <Serving serving />
                    <Show when=move || time.fixed().is_some()><Gone gone /></Show>
                    <SessionEvents />
                }.into_any()
            } else if !is_filled.get() {
                view! { <Waiting /> }.into_any()
            } else if gone.any() || gone.is_loading() || serving.any() {
                // What is looked at is there: nothing is missing that has to be explained.
                ().into_any()
            } else if nobody_sends.get() {
                view! { <NoData /> }.into_any()
            } else if live.with_sessions(|store| !store.sessions.is_empty()) {
                view! { <NoneOfService what="sessions" /> }.into_any()
            } else {
                view! { <Nothing /> }.into_any()
            }
        }}
        <Show when=move || is_empty.get()>
            <Serving serving />
            <Show when=move || time.fixed().is_some()>
                <Gone gone />
                <Show when=move || gone.any()><SessionEvents /></Show>
            </Show>
        </Show>
    }
}

/// Name of the kind that charts are shown of, and the registry that they are asked for by: the one that has the id, else
/// the first by name, which does not change with how they fare.
fn chosen(all: &[Kind], asked: &str) -> Option<(String, String)> {
    let is_asked = |kind: &&Kind| kind.instances.iter().any(|one| one.id == asked);
    let kind = all.iter().find(is_asked).or_else(|| all.iter().min_by_key(|kind| kind.key()))?;
    let ids = kind.instances.iter().map(|one| &one.id);
    let id = ids.clone().find(|id| *id == asked).or_else(|| ids.min())?;
    Some((format!("{} {}", kind.service, kind.name), id.clone()))
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
fn KindCard(
    all: Derived<Vec<Kind>>,
    key: String,
    /// Name and registry of the kind that charts are shown of.
    shown: Derived<Option<(String, String)>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let kind = Derived::after(move |before: Option<&Kind>| {
        let found = all.with(|all| all.iter().find(|kind| kind.key() == key).cloned());
        found.or_else(|| before.cloned()).unwrap_or_default()
    });
    let text = move |read: fn(&Kind) -> String| move || kind.with(read);
    let severity = Derived::new(move || kind.with(|kind| kind.severity));
    let ids = Derived::new(move || {
        kind.with(|kind| kind.instances.iter().map(|one| one.id.clone()).collect::<Vec<_>>())
    });
    let is_shown = Derived::new(move || {
        shown.with(|shown| shown.as_ref().is_some_and(|(_, id)| ids.with(|ids| ids.contains(id))))
    });
    let show = move |_| {
        let first = ids.with_untracked(|ids| ids.iter().min().cloned());
        navigation.set_query("show", &first.unwrap_or_default());
    };
    let is_silent = Derived::new(move || kind.with(Kind::is_silent));
    let figure = move |label: &'static str,
                       about: &'static str,
                       testid: &'static str,
                       read: fn(&Kind) -> Option<String>| {
        view! {
            <div title=move || if is_silent.get() { NOT_KNOWN } else { about } hidden=move || kind.with(read).is_none()>
                <dd data-testid=testid>{move || kind.with(read)}</dd>
                <dt>{label}</dt>
            </div>
        }
    };
    let ends = move || {
        let rows = kind.with(|kind| {
            let minute =
                |(reason, count): &(String, Count)| (reason.clone(), kind.count(count.minute), count.total);
            kind.ends.iter().map(minute).collect::<Vec<_>>()
        });
        rows.into_iter()
            .map(|(reason, minute, total)| {
                view! {
                    <tr class:is-warn=kinds::is_trouble(&reason)>
                        <th scope="row">{end_reason(&reason)}</th>
                        <td class="number">{minute}</td>
                        <td class="number">{format::count(total)}</td>
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
                // What it told at last is not how it is.
                let now = |count: u32| if one.stale { format::UNKNOWN.to_owned() } else { format::count(u64::from(count)) };
                let title = one.stale.then_some(NOT_KNOWN);
                let heard = move || one.stale.then(|| format!("last reported {}", format::ago(live.now_ms(), seen)));
                view! {
                    <tr class:is-stale=one.stale title=title>
                        <th scope="row" dir="auto">
                            <SeverityShape severity=Derived::from(if one.stale { Severity::Ok } else { one.health.severity }) />
                            " " {one.instance.clone()} <span class="block is-warn">{heard}</span>
                        </th>
                        <td class="number">{now(one.now.active)}</td>
                        <td class="number">{now(one.now.overdue)}</td>
                        <td class="number">{format::duration_or_unknown(one.oldest_age_s.filter(|_| !one.stale))}</td>
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
                    |kind| Some(kind.count(u64::from(kind.overdue))))}
                {figure("oldest", "How long the oldest has been there", "session-oldest", |kind| Some(format::duration_or_unknown(kind.oldest_age_s)))}
                {figure("began, last minute", "Sessions that began in the last minute", "session-started", |kind| Some(kind.count(kind.started.minute)))}
                {figure("refused, last minute", "Sessions that could not begin: there were too many, or the program shut down", "session-refused",
                    |kind| (kind.refused.total > 0).then(|| kind.count(kind.refused.minute)))}
                {figure("life p50", "Half of the sessions that ended in the last minute lasted so long at most", "session-life",
                    |kind| kind.life_p50_s.map(|life| format::duration(f64::from(life))))}
                {figure("silent for too long", "Liveness: sessions of the last minute that ended because nothing happened in them for too long", "session-silent",
                    |kind| Some(kind.count(kind.silent())))}
                {figure("messages in / out", "Messages that came and that were sent in the last minute", "session-messages",
                    |kind| kind.has_messages().then(|| format!("{} / {}", kind.count(kind.received.minute), kind.count(kind.sent.minute))))}
                {figure("pings missed", "Liveness: pings of the last minute that the other end did not answer in time", "session-missed",
                    |kind| (kind.missed_pings.total > 0).then(|| kind.count(kind.missed_pings.minute)))}
                {figure("errors", "Errors of the transport in the last minute", "session-errors",
                    |kind| (kind.errors.total > 0).then(|| kind.count(kind.errors.minute)))}
                {figure("handlers cut", "Handlers that did not end when their session was told to, and were cut", "session-cut",
                    |kind| (kind.handlers_cut > 0).then(|| format::count(kind.handlers_cut)))}
                {figure("late sweeps", "Sweeps that told a session to end more than 250 ms after its deadline: the runtime was busy", "session-late",
                    |kind| (kind.late_sweeps > 0).then(|| format::count(kind.late_sweeps)))}
            </dl>
            <WarningsAbout about=Derived::new(move || vec![(Subject::Session, ids.get())]) />
            <Strip points=Derived::new(move || kind.with(|kind| kind.points.clone()))
                silent_since=Derived::new(move || kind.with(Kind::silent_since)) />
            <p hidden=move || is_shown.get()>
                <button type="button" class="button" data-testid="session-over-time" on:click=show>"Show over time, below"</button>
            </p>
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

#[cfg(test)]
mod tests {
    use poolscope_wire::Sessions;

    use super::*;

    #[test]
    fn charts_are_of_the_kind_that_was_asked_for_else_of_the_first_by_name() {
        let kind = |name: &str, ids: &[&str]| {
            let one = |id: &&str| Sessions { id: (*id).to_owned(), ..Sessions::default() };
            Kind { name: name.to_owned(), instances: ids.iter().map(one).collect(), ..Kind::default() }
        };
        let all = [kind("visit", &["c"]), kind("chat", &["b", "a"])];
        let chosen = |asked: &str| chosen(&all, asked).unwrap_or_default();
        assert_eq!(chosen("b"), (" chat".to_owned(), "b".to_owned()));
        assert_eq!(chosen("c").1, "c");
        assert_eq!(chosen(""), (" chat".to_owned(), "a".to_owned()));
        assert_eq!(chosen("gone").1, "a");
        assert_eq!(super::chosen(&[], ""), None);
    }
}
