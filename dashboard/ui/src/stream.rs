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

/// Where a reload for another version is noted, so that a page that stays old does not reload for ever.
const RELOADED_KEY: &str = "poolscope-reloaded-for";

/// Opens the stream and keeps it open for as long as the page lives.
pub fn start(live: Live) {
    let Ok(source) = EventSource::new(path::STREAM) else {
        live.break_off();
        set_timeout(move || start(live), REOPEN_AFTER);
        return;
    };
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let Some(text) = event.data().as_string() else { return };
        match Message::parse(&text) {
            Ok(message) => live.receive(message, browser::now_ms()),
            Err(Unreadable::OtherVersion(version)) => reload_for(version, live),
            Err(error) => live.trouble.set(Some(error.to_string())),
        }
    });
    let failed = source.clone();
    let on_error = Closure::<dyn FnMut()>::new(move || {
        live.break_off();
        if failed.ready_state() == EventSource::CLOSED {
            leptos::task::spawn_local(async move {
                // The login is over: the server leads to a new one, and from there back to this very view.
                if api::wants_login().await {
                    browser::reload();
                } else {
                    set_timeout(move || start(live), REOPEN_AFTER);
                }
            });
        }
    });
    source.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    // The stream lives as long as the page.
    on_message.forget();
    on_error.forget();
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
