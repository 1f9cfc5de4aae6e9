//! What can be done with the time that is marked on the charts.

use leptos::prelude::*;

use crate::{
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::live::Live,
    time::{Time, zone},
};

/// Says which time is marked, and where it leads. Empty while none is.
#[component]
pub fn MarkBar(
    /// Pool whose events and traces the links lead to.
    pool: String,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let words = Derived::new(move || {
        let span = time.marked()?;
        let between = format::span_between(span.from_ms, span.to_ms, live.now_ms());
        let long = format::duration(span.width_ms() as f64 / 1_000.0);
        Some(format!("{between} {} \u{b7} {long}", zone::name(span.to_ms)))
    });
    let is_marked = Derived::new(move || words.with(Option::is_some));
    let link = move |path: String| {
        let span = time.marked().unwrap_or_default();
        let more = [
            ("pool", pool.clone()),
            ("from", span.from_ms.to_string()),
            ("to", span.to_ms.to_string()),
            ("window", String::new()),
        ];
        navigation.link_to(&path, &more)
    };
    let (to_events, to_traces) = (link.clone(), link);
    view! {
        <div class="markbar" role="group" aria-label="Marked time" data-testid="mark" hidden=move || !is_marked.get()>
            <strong role="status" data-testid="mark-words">{move || words.get()}</strong>
            <button type="button" class="button" data-testid="mark-zoom" on:click=move |_| time.zoom_to_mark()>"Zoom to it"</button>
            <a class="button" data-testid="mark-events" href=move || to_events(Route::Events.path())>"Events in it"</a>
            <a class="button" data-testid="mark-traces" href=move || to_traces("/traces".to_owned())>"Traces in it"</a>
            <button type="button" class="quiet" data-testid="mark-clear" on:click=move |_| time.mark(None)>"clear (esc)"</button>
        </div>
    }
}
