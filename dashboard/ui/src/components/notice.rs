//! The line under the header that says why the picture is not moving.

use leptos::prelude::*;

use crate::{
    components::source,
    derived::Derived,
    format,
    state::{connection::Connection, live::Live},
    time::{Time, zone},
};

/// Says that the picture is old, held, or that the stream can't be read. Empty while all is well.
#[component]
pub fn Notice() -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let text = Derived::new(move || {
        if let Some(trouble) = live.trouble.get() {
            return Some(format!("The live stream stopped: {trouble}."));
        }
        let text = match live.connection() {
            Connection::Lost if live.age_s().is_none() => {
                "The server does not answer. The page keeps trying by itself."
            }
            Connection::Lost => {
                "The server is lost. This is the last picture. The page keeps trying by itself."
            }
            Connection::Stale => "Nothing has come from the server for a while. This is the last picture.",
            Connection::Connecting | Connection::Live if live.held() => {
                "The picture is held. Press space to let it go on."
            }
            Connection::Connecting | Connection::Live => {
                return live.with_status(|store| source::trouble(&store.status));
            }
        };
        Some(text.to_owned())
    });
    // Told aloud it would never end.
    let age = move || {
        let age_s = match live.connection() {
            Connection::Lost | Connection::Stale => live.age_s(),
            Connection::Connecting | Connection::Live => live.held_for_s(),
        };
        age_s.map(|age_s| view! { <span aria-hidden="true">{format!(" It is {} old.", format::span(age_s))}</span> })
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
            {move || text.get().map(|text| view! { <p class="notice" data-testid="notice">{text} {age}</p> })}
        </div>
        <div>
            {move || still().map(|text| view! {
                <section aria-label="Time that is shown"><p class="notice still" data-testid="still">{text}</p></section>
            })}
        </div>
    }
}
