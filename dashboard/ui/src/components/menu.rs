//! A small menu: a button that opens a list of buttons. The keys of both are the browser's own; `Esc` closes it.

use leptos::{html::Details, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{FocusEvent, HtmlElement, Node};

/// One entry: its words, its `data-testid`, and what it does.
pub type Entry = (&'static str, &'static str, Box<dyn Fn()>);

/// A menu.
pub fn menu(name: &'static str, about: &str, entries: Vec<Entry>) -> AnyView {
    let details = NodeRef::<Details>::new();
    let close = move || {
        if let Some(details) = details.get_untracked() {
            details.set_open(false);
        }
    };
    // What closes around the focus would lose it, and a dialog gives it back to where it was.
    let rest = move || {
        let summary = details.get_untracked().and_then(|details| details.first_element_child());
        if let Some(summary) = summary.and_then(|summary| summary.dyn_into::<HtmlElement>().ok()) {
            drop(summary.focus());
        }
    };
    let on_focus_out = move |event: FocusEvent| {
        let next = event.related_target().and_then(|target| target.dyn_into::<Node>().ok());
        let details = details.get_untracked();
        // Without a next element the focus goes nowhere, as it does when a button of the menu is pressed in some browsers.
        if next.is_some() && !details.is_some_and(|details| details.contains(next.as_ref())) {
            close();
        }
    };
    let entries = entries.into_iter().map(|(words, testid, act)| {
        view! {
            <li><button type="button" data-testid=testid on:click=move |_| { close(); rest(); act(); }>{words}</button></li>
        }
    });
    view! {
        <details class="menu" node_ref=details on:focusout=on_focus_out>
            <summary aria-label=format!("{name}: {about}")>{name}</summary>
            <ul>{entries.collect_view()}</ul>
        </details>
    }
    .into_any()
}
