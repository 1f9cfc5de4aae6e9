//! The Poolscope dashboard in the browser.
//!
//! One picture ([`state::live::Live`]) is fed by the live stream ([`stream`]) and read by the [`pages`]. What decides
//! and computes is pure and tested natively: [`state::store`], [`state::order`], [`state::filter`], [`route`],
//! [`mod@format`], [`words`], [`keys`], [`unread`], [`time`] but for its context, and the geometry in [`chart`] and [`export`].

pub mod api;
pub mod browser;
pub mod chart;
pub mod compact;
pub mod components;
pub mod derived;
pub mod export;
pub mod focus;
pub mod format;
pub mod keys;
pub mod navigation;
pub mod pages;
pub mod route;
pub mod state;
pub mod stream;
pub mod theme;
pub mod time;
pub mod unread;
pub mod words;

use std::time::Duration;

use leptos::prelude::*;
use poolscope_wire::Severity;

use components::{header::Header, help::Help, notice::Notice};
use derived::{Derived, effect};
use navigation::Navigation;
use pages::part::{self, Piece};
use route::Route;
use state::{connection::Connection, filter::Headline, live::Live};
use time::Time;

/// How often relative times move.
const TICK: Duration = Duration::from_millis(500);

/// The dashboard.
#[component]
pub fn App() -> impl IntoView {
    let live = Live::new(browser::now_ms());
    let help = RwSignal::new(false);
    let navigation = Navigation::start(live, help);
    provide_context(live);
    let time = Time::start(navigation, live);
    provide_context(navigation);
    provide_context(time);
    stream::start(live);
    browser::use_interval(TICK, move || live.tick_in_silence(browser::now_ms()));
    show_state_outside(live, navigation);
    part::fetch_early();
    focus::keep();

    view! {
        <a class="skip" href="#main">"Skip to the content"</a>
        <Header help />
        <Notice />
        <main id="main" tabindex="-1">
            {move || {
                // In another zone everything reads differently.
                let _ = time.utc();
                part::piece(Piece::Page(navigation.route()))
            }}
        </main>
        <Help open=help />
    }
}

/// Shows the worst severity in the title and the icon, and the state of the stream on the root element.
fn show_state_outside(live: Live, navigation: Navigation) {
    let headline = Derived::new(move || live.with_figures(|store| Headline::of(store, "")));
    let title = Derived::new(move || {
        let page = match navigation.route() {
            Route::Overview => String::new(),
            Route::Pool(id) => live
                .with_pool(&id, |entry| words::pool_name(&entry.summary))
                .unwrap_or_else(|| "Pool".to_owned()),
            Route::Breakers(_) => "Breakers".to_owned(),
            Route::Protection => "Protection".to_owned(),
            Route::Events => "Events".to_owned(),
            Route::Traces => "Traces".to_owned(),
            Route::Trace(_) => "Trace".to_owned(),
            Route::Sessions => "Sessions".to_owned(),
            Route::Services => "Services".to_owned(),
            Route::About => "About".to_owned(),
            Route::NotFound(_) => "Not found".to_owned(),
        };
        headline.with(|headline| headline.title(&page))
    });
    let worst = Derived::new(move || headline.with(Headline::worst));
    let dimmed = Derived::new(move || matches!(live.connection(), Connection::Stale | Connection::Lost));
    effect(move || document().set_title(&title.get()));
    effect(move || {
        browser::set_icon(match worst.get() {
            Severity::Ok => "/favicon.svg",
            Severity::Warn => "/favicon-warn.svg",
            Severity::Bad => "/favicon-bad.svg",
        });
    });
    effect(move || browser::set_root_attribute("data-dimmed", dimmed.get().then_some("")));
}

/// Tells on the page that the dashboard stopped, and why: after a panic nothing else would.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.to_string();
        web_sys::console::error_1(&message.as_str().into());
        if let Some(element) = document().get_element_by_id("fatal") {
            element.set_text_content(Some(&format!(
                "The dashboard stopped because of an error of its own. Reload the page. {message}"
            )));
            drop(element.remove_attribute("hidden"));
        }
    }));
}
