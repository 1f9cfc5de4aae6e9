//! The bar on top: pages, service, state of the stream, theme, help.

use leptos::prelude::*;
use poolscope_wire::Severity;

use super::{choice::Choice, timebar::TimeBar};
use crate::{
    derived::Derived,
    format,
    navigation::Navigation,
    pages::part,
    route::Route,
    state::{connection::Connection, filter::Headline, live::Live},
    theme,
};

/// The bar on top.
#[component]
pub fn Header(
    /// Opens the help.
    help: RwSignal<bool>,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let live = expect_context::<Live>();
    let services = Derived::new(move || {
        live.with_status(|store| store.services.iter().map(|one| one.name.clone()).collect::<Vec<_>>())
    });
    view! {
        <header class="top">
            <a class="brand" href=move || navigation.link(&Route::Overview)>
                <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
                    <circle cx="10" cy="10" r="8.5" />
                    <path d="M2 12c2.7-2.7 5.3-2.7 8 0s5.3 2.7 8 0" />
                </svg>
                "Poolscope"
            </a>
            <Pages />
            <span class="grow"></span>
            <div class="contents" hidden=move || shows_now(&navigation.route())><TimeBar /></div>
            <Choice key="service" label="Service" all="all services" names=services />
            <StreamState />
            <ThemeButton />
            <button type="button" class="icon" aria-label="Keyboard help" title="Keyboard help (?)"
                on:click=move |_| help.set(true)>"?"</button>
        </header>
    }
}

/// True for a page that tells what is now, or one thing of its own time: the time that is looked at changes nothing there.
fn shows_now(route: &Route) -> bool {
    matches!(route, Route::Trace(_) | Route::About | Route::NotFound(_))
}

#[component]
fn Pages() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let headline =
        Derived::new(move || live.with_figures(|store| Headline::of(store, &navigation.query("service"))));
    let bad_pools = Derived::new(move || headline.get().bad);
    let open_breakers = Derived::new(move || headline.get().open_breakers);
    let bad_of = move |serves: bool| {
        let service = navigation.query("service");
        live.with_protection(|store| {
            let all = store.protection.values().filter(|one| one.figures.serves() == serves);
            let of_service = all.filter(|one| service.is_empty() || one.service == service);
            of_service.filter(|one| !one.stale && one.health.severity == Severity::Bad).count() as u64
        })
    };
    let bad_protection = Derived::new(move || bad_of(false));
    let bad_sessions = Derived::new(move || {
        let service = navigation.query("service");
        live.with_sessions(|store| {
            let all = store.sessions.values().map(|entry| &entry.summary);
            let of_service = all.filter(|one| service.is_empty() || one.service == service);
            of_service.filter(|one| !one.stale && one.health.severity == Severity::Bad).count() as u64
        }) + bad_of(true)
    });
    let link = move |route: Route, name: &'static str, testid: &'static str, count: Derived<u64>| {
        let here = {
            let route = route.clone();
            move || match (navigation.route(), &route) {
                (Route::Breakers(_), Route::Breakers(_)) => Some("page"),
                (Route::Pool(_), Route::Overview) | (Route::Trace(_), Route::Traces) => Some("true"),
                (now, route) if now == *route => Some("page"),
                _ => None,
            }
        };
        view! {
            <a href=move || navigation.link(&route) data-testid=testid aria-current=here>
                {name}
                {move || (count.get() > 0).then(|| view! { <span class="count">{count.get()}</span> })}
            </a>
        }
    };
    let none = Derived::new(|| 0);
    view! {
        <nav aria-label="Pages">
            {link(Route::Overview, "Overview", "nav-overview", bad_pools)}
            {link(Route::Breakers(None), "Breakers", "nav-breakers", open_breakers)}
            {link(Route::Protection, "Protection", "nav-protection", bad_protection)}
            {link(Route::Events, "Events", "nav-events", none)}
            {link(Route::Traces, "Traces", "nav-traces", none)}
            {link(Route::Sessions, "Sessions", "nav-sessions", bad_sessions)}
            {link(Route::Services, "Services", "nav-services", none)}
            {link(Route::About, "About", "nav-about", none)}
        </nav>
    }
}

#[component]
fn StreamState() -> impl IntoView {
    let live = expect_context::<Live>();
    let word = move || match (live.held(), live.trouble.with(Option::is_some)) {
        (true, _) => "held",
        // Why is said below the bar.
        (false, true) => "stopped",
        (false, false) => live.connection().word(),
    };
    let held_for = move || live.held_for_s().map(format::span);
    let age = move || {
        matches!(live.connection(), Connection::Stale | Connection::Lost)
            .then(|| live.age_s().map(format::span))
            .flatten()
            .or_else(held_for)
    };
    let title = move || match (live.held(), live.lagged.get()) {
        (true, _) => "Let the picture go on (space)".to_owned(),
        (false, 0) => "Hold the picture (space)".to_owned(),
        (false, times) => format!("Hold the picture (space). This browser was too slow {times} times."),
    };
    view! {
        <button type="button" class=move || format!("stream l-{}", word()) title=title
            aria-pressed=move || if live.held() { "true" } else { "false" } on:click=move |_| part::toggle_hold(live)
        >
            <i aria-hidden="true"></i>
            <span data-testid="connection-state">{word}</span>
            {move || age().map(|age| view! { <span class="soft">{age}</span> })}
        </button>
    }
}

#[component]
fn ThemeButton() -> impl IntoView {
    let theme = theme::use_theme();
    let sign = move || match theme.get() {
        theme::Theme::Auto => "M10 3a7 7 0 1 0 0 14Z",
        theme::Theme::Light => {
            "M10 6a4 4 0 1 0 .01 0ZM10 1V3M10 17V19M1 10H3M17 10H19M3.6 3.6L5 5M15 15L16.4 16.4M3.6 16.4L5 15M15 5L16.4 3.6"
        }
        theme::Theme::Dark => "M15 12.5A6.5 6.5 0 0 1 7.5 4a6.5 6.5 0 1 0 7.5 8.5Z",
    };
    let label = move || format!("Theme: {}", theme.get().word());
    view! {
        <button type="button" class="icon" data-testid="theme-toggle" aria-label=label title=label
            on:click=move |_| theme.update(|theme| *theme = theme.next())
        >
            <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
                <circle cx="10" cy="10" r="7" class="ring" hidden=move || theme.get() != theme::Theme::Auto />
                <path d=sign />
            </svg>
        </button>
    }
}
