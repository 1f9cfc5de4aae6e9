//! One event: when, how bad, what in plain words, and what it happened to.

use leptos::prelude::*;
use poolscope_wire::Event;

use crate::{
    components::shape::SeverityShape, derived::Derived, format, navigation::Navigation, route::Route,
    state::live::Live, words,
};

/// One event.
#[component]
pub fn EventRow(
    /// What happened.
    event: Event,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let Event { id: _, at_ms, kind, severity, service, instance, pool, breaker, text, attributes, trace_id } =
        event;
    let attributes: Vec<String> = attributes.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let severity_key = words::severity_key(severity);
    view! {
        <li class=format!("event v-{severity_key}") data-testid="event-row" data-severity=severity_key data-kind=kind.clone()>
            <time class="soft" title=format::exact_time(at_ms)>{move || format::ago(live.now_ms(), at_ms)}</time>
            <SeverityShape severity />
            <div class="what">
                <span class="text" dir="auto">{text}</span>
                <span class="soft meta">
                    <span title=kind.clone()>{words::event_kind(&kind)}</span>
                    <Subject pool breaker />
                    <span dir="auto" title=instance>{service}</span>
                    {trace_id.map(|id| view! {
                        <a class="mono" title="Its trace" href=navigation.link(&Route::Trace(id.clone()))>{id.clone()}</a>
                    })}
                </span>
                {(!attributes.is_empty()).then(|| view! {
                    <details>
                        <summary data-stop>"details"</summary>
                        <ul class="mono">{attributes.into_iter().map(|text| view! { <li dir="auto">{text}</li> }).collect_view()}</ul>
                    </details>
                })}
            </div>
        </li>
    }
}

/// Links to what an event happened to.
#[component]
fn Subject(pool: Option<String>, breaker: Option<String>) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    // An event may be here before the picture is, which knows the names; a name that was known stays, since an event is about
    // the past.
    let named = move |name: Option<String>, is_filled: bool, before: Option<&Name>| match (name, before) {
        (Some(name), _) => Name::Known(name),
        (None, Some(Name::Known(name))) => Name::Known(name.clone()),
        (None, _) if is_filled => Name::Gone,
        (None, _) => Name::Unknown,
    };
    let pool = pool.map(|id| {
        let route = Route::Pool(id.clone());
        let name = Derived::after(move |before: Option<&Name>| {
            live.with_list(|store| {
                let name = store.pools.get(&id).map(|entry| words::pool_name(&entry.summary));
                named(name, store.filled, before)
            })
        });
        subject(navigation, name, route, "a pool that is gone")
    });
    let breaker = breaker.map(|id| {
        let route = Route::Breakers(Some(id.clone()));
        let name = Derived::after(move |before: Option<&Name>| {
            live.with_breakers(|store| {
                let name = store.breakers.get(&id).map(|breaker| format!("breaker {}", breaker.name));
                named(name, store.filled, before)
            })
        });
        subject(navigation, name, route, "a breaker that is gone")
    });
    view! { {pool} {breaker} }
}

/// What something is called.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// There is no picture yet.
    Unknown,
    Known(String),
    Gone,
}

fn subject(navigation: Navigation, name: Derived<Name>, route: Route, gone: &'static str) -> AnyView {
    (move || {
        let route = route.clone();
        let name = match name.get() {
            Name::Known(name) => name,
            // Its history may be there for long yet.
            Name::Gone => gone.to_owned(),
            Name::Unknown => return None,
        };
        Some(view! { <a dir="auto" href=move || navigation.link(&route)>{name}</a> })
    })
    .into_any()
}
