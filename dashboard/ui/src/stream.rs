//! The live stream: an `EventSource` that feeds the picture.

use leptos::prelude::*;
use poolscope_wire::path;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

use std::time::Duration;

use crate::{
    api, browser,
    state::{
        live::Live,
        message::{Message, Unreadable},
    },
};

/// How long to wait before opening a stream that the browser itself gave up, as it does when the server answers an error.
const REOPEN_AFTER: Duration = Duration::from_secs(2);

/// How often the wait is doubled while the server refuses.
const MOST_DOUBLED: u32 = 4;

/// Where a reload for another version is noted, so that a page that stays old does not reload for ever.
const RELOADED_KEY: &str = "poolscope-reloaded-for";

/// Opens the stream and keeps it open for as long as the page lives.
pub fn start(live: Live) {
    let refused = StoredValue::new(0);
    open(live, refused);
    // A page that was left and is shown again as it was has closed its stream.
    window_event_listener_untyped("pageshow", move |event| {
        if js_sys::Reflect::get(&event, &"persisted".into()).is_ok_and(|kept| kept.is_truthy()) {
            open(live, refused);
        }
    });
}

/// Opens it; `refused` counts how often it was refused since the last message.
fn open(live: Live, refused: StoredValue<u32>) {
    let Ok(source) = EventSource::new(path::STREAM) else {
        live.break_off();
        set_timeout(move || open(live, refused), REOPEN_AFTER);
        return;
    };
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let Some(text) = event.data().as_string() else { return };
        refused.set_value(0);
        match Message::parse(&text) {
            Ok(message) => live.receive(message, browser::now_ms()),
            Err(Unreadable::OtherVersion(version)) => reload_for(version, live),
            Err(error) => live.trouble.set(Some(error.to_string())),
        }
    });
    // The browser keeps a page that was left for a while, and has few connections to one server: streams that nobody sees
    // would leave none for what is asked.
    let left = source.clone();
    window_event_listener_untyped("pagehide", move |_| left.close());
    let failed = source.clone();
    let on_error = Closure::<dyn FnMut()>::new(move || {
        live.break_off();
        if failed.ready_state() == EventSource::CLOSED {
            browser::spawn(reopen(live, refused));
        }
    });
    source.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    // The stream lives as long as the page.
    on_message.forget();
    on_error.forget();
}

/// Opens the stream again after the server refused it, and says why it did.
async fn reopen(live: Live, refused: StoredValue<u32>) {
    let refusal = api::refusal(path::STREAM).await;
    if matches!(refusal, Some((401, _))) {
        // The login is over: the server leads to a new one, and from there back to this very view.
        browser::reload();
        return;
    }
    refused.update_value(|refused| *refused = if refusal.is_some() { refused.saturating_add(1) } else { 0 });
    live.trouble.set(refusal.map(|(_, sentence)| format!("{sentence}. The page tries again by itself")));
    set_timeout(move || open(live, refused), wait(refused.get_value()));
}

/// Ever longer while the server refuses: half a minute at last.
fn wait(refused: u32) -> Duration {
    REOPEN_AFTER * (1 << refused.saturating_sub(1).min(MOST_DOUBLED))
}

fn reload_for(version: u32, live: Live) {
    let version_text = version.to_string();
    if browser::session_note(RELOADED_KEY).as_deref() == Some(&version_text) {
        live.trouble.set(Some(Unreadable::OtherVersion(version).to_string()));
    } else {
        browser::set_session_note(RELOADED_KEY, &version_text);
        browser::reload();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_comes_back_ever_more_slowly() {
        let seconds = [0, 1, 2, 3, 4, 5, 99].map(|refused| wait(refused).as_secs());
        assert_eq!(seconds, [2, 2, 4, 8, 16, 32, 32]);
    }
}
