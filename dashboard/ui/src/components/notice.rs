//! The line under the header that says why the picture is not moving.

use leptos::prelude::*;

use crate::{
    components::source,
    format,
    state::{connection::Connection, live::Live},
    time::{Time, zone},
};

/// Says that the picture is old, held, or that the stream can't be read. Empty while all is well.
#[component]
pub fn Notice() -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let age = move || live.age_s().map_or_else(|| "unknown".to_owned(), format::span);
    let text = move || {
        if let Some(trouble) = live.trouble.get() {
            return Some(format!("The live stream stopped: {trouble}."));
        }
        match live.connection() {
            Connection::Lost if live.age_s().is_none() => {
                Some("The server does not answer. The page keeps trying by itself.".to_owned())
            }
            Connection::Lost => Some(format!(
                "The server is lost. This is the last picture, {} old. The page keeps trying by itself.",
                age()
            )),
            Connection::Stale => {
                Some(format!("Nothing has come from the server for {}. This is the last picture.", age()))
            }
            Connection::Connecting | Connection::Live if live.held() => {
                let age = live.held_for_s().map_or_else(String::new, format::span);
                Some(format!("The picture is held and {age} old. Press space to let it go on."))
            }
            Connection::Connecting | Connection::Live => {
                live.with_status(|store| source::trouble(&store.status))
            }
        }
    };
    // A time that stands still is what was asked for: it is said, and is nothing to worry about.
    let still = move || {
        let span = time.fixed()?;
        let words = format::span_between(span.from_ms, span.to_ms, live.now_ms());
        Some(format!(
            "This time stands still: {words} ({}), {}.",
            zone::name(span.to_ms),
            format::ago(live.now_ms(), span.to_ms)
        ))
    };
    view! {
        <div role="status">
            {move || text().map(|text| view! { <p class="notice" data-testid="notice">{text}</p> })}
        </div>
        <div>
            {move || still().map(|text| view! {
                <p class="notice still" data-testid="still">{text}</p>
            })}
        </div>
    }
}
