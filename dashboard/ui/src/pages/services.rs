//! Services and their instances: who they are, what they send and lack, and what of it was lost.

use leptos::prelude::*;
use poolscope_wire::{Instance, Service, Severity};

use crate::{
    components::{
        empty::{NoData, Waiting},
        shape::SeverityShape,
        stretch::Stretch,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::{
        fleet::{vanished, warnings_of},
        live::Live,
    },
    time::{Time, range::Span},
    words,
};

/// A clock that is off by less is on time: a report takes a while.
const CLOCK_SLACK_MS: u64 = 2_000;

/// So long after its begin the server has heard everybody who was there before: the longest usual interval of reports.
const SETTLED_MS: u64 = 60_000;

/// The services page.
#[component]
pub fn Services() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let services = Derived::new(move || {
        let chosen = navigation.query("service");
        live.with_status(|store| {
            let all = store.services.iter().filter(|one| chosen.is_empty() || one.name == chosen);
            all.cloned().collect::<Vec<_>>()
        })
    });
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    let is_empty = Derived::new(move || services.with(Vec::is_empty));
    let summary = move || {
        let now_ms = live.now_ms();
        services.with(|all| {
            let instances = all.iter().map(|one| one.instances.len() as u64).sum();
            let parts = [
                Some(format::counted(all.len() as u64, "service", "services")),
                Some(format::counted(instances, "instance", "instances")),
                vanished(all, "", now_ms),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
        })
    };
    view! {
        <div class="pagehead"><h1>"Services"</h1><span class="soft" hidden=move || is_empty.get()>{summary}</span></div>
        {move || {
            if !is_empty.get() {
                services.get().into_iter().map(|service| view! { <OneService service /> }).collect_view().into_any()
            } else if !is_filled.get() {
                view! { <Waiting /> }.into_any()
            } else {
                view! { <NoData /> }.into_any()
            }
        }}
    }
}

#[component]
fn OneService(service: Service) -> impl IntoView {
    let name = service.name.clone();
    let href = {
        let name = name.clone();
        move || format!("{}?service={}", Route::Overview.path(), crate::route::encode(&name))
    };
    let mut instances = service.instances;
    // Who vanished goes last; the others keep their places.
    instances.sort_by(|a, b| (a.vanished, &a.id).cmp(&(b.vanished, &b.id)));
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let seen: Vec<_> =
        instances.iter().map(|one| (one.first_seen_ms, one.last_seen_ms, one.vanished)).collect();
    let turnover =
        Derived::new(move || turnover(&seen, time.span(), live.with_status(|store| store.status.started_ms)));
    let count = format::counted(instances.len() as u64, "instance", "instances");
    let heads = ["instance", "sends", "lacks", "reports", "since", "last heard", "heard in this time"];
    let rows = instances.into_iter().map(|instance| {
        let service = name.clone();
        view! { <Row service instance /> }
    });
    view! {
        <section class="service-block" data-testid="service-block">
            <div class="sectionhead">
                <h2 class="clip" dir="auto" title=service.name.clone()><a href=href data-stop>{service.name.clone()}</a></h2>
                <span class="soft">{count} {move || turnover.get()}</span>
            </div>
            <table class="facts instances">
                <thead><tr>{heads.map(|head| view! { <th scope="col">{head}</th> }).collect_view()}</tr></thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </section>
    }
}

#[component]
fn Row(service: String, instance: Instance) -> impl IntoView {
    let live = expect_context::<Live>();
    let (first, last, gone) = (instance.first_seen_ms, instance.last_seen_ms, instance.vanished);
    let id = instance.id.clone();
    let href = {
        let (service, id) = (crate::route::encode(&service), crate::route::encode(&id));
        move || format!("/?service={service}&instance={id}")
    };
    // The worst of what this instance has, and how much of it there is; what it lost at last is among that.
    let worst = Derived::new({
        let (service, id) = (service.clone(), id.clone());
        move || {
            live.with_warnings(|store| {
                let all = warnings_of(store, &service, &id);
                let count = all.iter().filter(|one| one.severity > Severity::Ok).count() as u64;
                let severity = all.first().map(|one| one.severity).unwrap_or_default();
                (severity, count)
            })
        }
    });
    let severity = Derived::new(move || worst.with(|(severity, _)| *severity));
    let made_of = made_of(&instance);
    let lost = lost(&instance);
    let label = if id.is_empty() { "(it names no instance)".to_owned() } else { id };
    view! {
        <tr data-testid="instance-row" data-vanished=if gone { "yes" } else { "no" } class:is-stale=gone>
            <th scope="row" data-label="instance">
                <SeverityShape severity />
                " "
                <a href=href class="mono" dir="auto" data-stop>{label}</a>
                <span class="under" dir="auto">{made_of}</span>
                {move || {
                    let count = worst.with(|(_, count)| *count);
                    (count > 0).then(|| view! { <span class="under">{format::counted(count, "warning", "warnings")}</span> })
                }}
            </th>
            <td data-label="sends">{sends(&instance)}
                {(!lost.is_empty()).then(|| view! { <span class="under is-warn" data-testid="dropped">{lost}</span> })}
            </td>
            <td data-label="lacks" class="soft">{lacks(&instance)}</td>
            <td data-label="reports">{reports(&instance)}
                {clock(instance.clock_offset_ms).map(|text| view! { <span class="under is-warn">{text}</span> })}
            </td>
            <td data-label="since" class="soft" title=format::exact_time(first)>{move || format::ago(live.now_ms(), first)}</td>
            <td data-label="last heard" title=format::exact_time(last) class:is-warn=gone>
                {move || format::ago(live.now_ms(), last)}
                {gone.then(|| view! { <span class="under is-warn">"vanished"</span> })}
            </td>
            <td class="heard" data-label="heard in this time"><Stretch of=Span { from_ms: first, to_ms: last }.into() /></td>
        </tr>
    }
}

/// How many came and went in a time: one after the other is a restart. Who was here when the server began is not new.
fn turnover(seen: &[(u64, u64, bool)], span: Span, started_ms: u64) -> String {
    let is_new = |first: u64| span.contains(first) && first > started_ms + SETTLED_MS;
    let came = seen.iter().filter(|(first, ..)| is_new(*first)).count() as u64;
    let went = seen.iter().filter(|(_, last, gone)| *gone && span.contains(*last)).count() as u64;
    let parts = [(came, "came"), (went, "vanished")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, word)| format!("{} {word}", format::count(count))).collect();
    if parts.is_empty() { String::new() } else { format!("\u{b7} {} in this time", parts.join(", ")) }
}

/// Language and version.
fn made_of(instance: &Instance) -> String {
    let version =
        if instance.version.is_empty() { String::new() } else { format!("version {}", instance.version) };
    let parts = [instance.language.clone(), version];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" \u{b7} ")
}

/// What it sends, as far as it has sent any.
fn sends(instance: &Instance) -> String {
    let parts = [
        (instance.pools, "pool", "pools"),
        (instance.breakers, "breaker", "breakers"),
        (instance.protection, "other protection", "others that protect"),
        (instance.sessions, "kind of sessions", "kinds of sessions"),
        (instance.spans, "span", "spans"),
        (instance.events, "event", "events"),
    ];
    let told = parts.into_iter().filter(|(count, ..)| *count > 0);
    let told: Vec<String> = told.map(|(count, one, many)| format::counted(count, one, many)).collect();
    if told.is_empty() { "nothing that is shown here".to_owned() } else { told.join(", ") }
}

/// What it does not send, and what its pools do not tell.
fn lacks(instance: &Instance) -> String {
    let whole = [(instance.pools, "pools"), (instance.spans, "traces"), (instance.events, "events")];
    let mut parts: Vec<String> =
        whole.into_iter().filter(|(count, _)| *count == 0).map(|(_, what)| what.to_owned()).collect();
    parts.extend(instance.lacks.iter().map(|lack| words::lack_name(*lack).to_owned()));
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// What was lost on the way here.
fn lost(instance: &Instance) -> String {
    let parts: Vec<String> = instance
        .dropped
        .iter()
        .map(|(signal, count)| format!("{} {signal}", format::count(*count)))
        .collect();
    if parts.is_empty() { String::new() } else { format!("lost before they came here: {}", parts.join(", ")) }
}

fn reports(instance: &Instance) -> String {
    match instance.interval_ms {
        Some(interval) => format!("every {}", format::duration(interval as f64 / 1e3)),
        None => "not known yet".to_owned(),
    }
}

/// By how much its clock is off, if that is worth a word.
fn clock(offset_ms: Option<i64>) -> Option<String> {
    let offset = offset_ms.filter(|offset| offset.unsigned_abs() >= CLOCK_SLACK_MS)?;
    let by = format::duration(offset.unsigned_abs() as f64 / 1e3);
    Some(if offset > 0 {
        format!("its clock is {by} ahead")
    } else {
        format!("its clock is {by} behind, or its reports are late")
    })
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Lack;

    use super::*;

    #[test]
    fn an_instance_says_what_it_sends_lacks_and_lost() {
        let instance = Instance {
            language: "rust".to_owned(),
            version: "1.2".to_owned(),
            pools: 1,
            events: 3,
            lacks: vec![Lack::Reuse],
            dropped: vec![("spans".to_owned(), 7)],
            interval_ms: Some(1_000),
            ..Instance::default()
        };
        assert_eq!(made_of(&instance), "rust \u{b7} version 1.2");
        assert_eq!(sends(&instance), "1 pool, 3 events");
        assert_eq!(lacks(&instance), "traces, reuse");
        assert_eq!(lost(&instance), "lost before they came here: 7 spans");
        assert_eq!(reports(&instance), "every 1 s");
        let nothing = Instance::default();
        assert_eq!((sends(&nothing).as_str(), lost(&nothing).as_str()), ("nothing that is shown here", ""));
        assert_eq!(reports(&nothing), "not known yet");
    }

    #[test]
    fn who_came_and_went_is_counted() {
        let span = Span { from_ms: 1_000_000, to_ms: 2_000_000 };
        let seen = [(10, 1_500_000, true), (1_500_000, 1_990_000, false), (100, 900_000, true)];
        assert_eq!(turnover(&seen, span, 0), "\u{b7} 1 came, 1 vanished in this time");
        assert_eq!(turnover(&seen[1..2], span, 1_450_000), "", "it was here before the server");
    }

    #[test]
    fn a_clock_is_told_when_it_is_off() {
        assert_eq!(clock(None), None);
        assert_eq!(clock(Some(-900)), None);
        assert_eq!(clock(Some(90_000)).as_deref(), Some("its clock is 1 min 30 s ahead"));
        assert_eq!(
            clock(Some(-2_500)).as_deref(),
            Some("its clock is 2.5 s behind, or its reports are late")
        );
    }
}
