//! Mounts the dashboard into the page.

use leptos::prelude::*;
use poolscope_ui::{App, report_panics};
use wasm_bindgen::JsCast;

fn main() {
    report_panics();
    let Some(root) = document().get_element_by_id("app") else { return };
    // What the page showed while this was loading makes room.
    root.set_inner_html("");
    mount_to(root.unchecked_into(), App).forget();
}
