//! The line under the header that says why the picture is not moving.

use leptos::prelude::*;

use crate::{
    format,
    state::{connection::Connection, live::Live},
};

/// Says that the picture is old, held, or that the stream can't be read. Empty while all is well.
#[component]
pub fn Notice() -> impl IntoView {
    let live = expect_context::<Live>();
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
                Some("The picture is held. Press space to let it go on.".to_owned())
            }
            Connection::Connecting | Connection::Live => None,
        }
    };
    view! {
        <div role="status">
            {move || text().map(|text| view! { <p class="notice" data-testid="notice">{text}</p> })}
        </div>
    }
}
