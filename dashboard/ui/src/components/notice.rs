//! The line under the header that says why the picture is not moving, or not what the address asks for.

use leptos::prelude::*;

use crate::{
    components::source,
    derived::Derived,
    format,
    navigation::Navigation,
    pages::part,
    state::{connection::Connection, live::Live},
    time::{Time, zone},
};

/// Says that the picture is old, held, that the stream can't be read, or what of the address. Empty while all is well.
#[component]
pub fn Notice() -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let navigation = expect_context::<Navigation>();
    let unread = part::use_unread(navigation);
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
        let Some(span) = time.fixed() else { return unread.get().filter(|text| !text.is_empty()) };
        let words = format::span_between(span.from_ms, span.to_ms, live.now_ms());
        Some(format!(
            "This time stands still: {words} ({}), {}. {}",
            zone::name(span.to_ms),
            format::ago(live.now_ms(), span.to_ms),
            unread.get().unwrap_or_default()
        ))
    };
    view! {
        <div role="status">
            {move || text.get().map(|text| view! { <p class="notice" data-testid="notice">{text} {age}</p> })}
        </div>
        <div>
            {move || still().map(|text| view! {
                <section aria-label="What is shown" dir="auto"><p class="notice still" data-testid="still">{text}</p></section>
            })}
        </div>
    }
}
