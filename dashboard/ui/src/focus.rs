//! Where the focus goes when what has it is taken away: a page that is left, a row that makes room for newer ones.
//!
//! Browsers leave it nowhere then, and the next Tab or `j` begins somewhere else than where somebody was. Nor may it go to
//! another row by itself: Enter would open what nobody chose.

use std::time::Duration;

use leptos::{ev, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{
    Element, FocusOptions, HtmlElement, MutationObserver, MutationObserverInit, MutationRecord, Node,
};

/// The content of the page, which is always there.
pub const CONTENT: &str = "#main";

/// What stands for a row that is gone, for as long as it has the focus.
const GONE: &str = ".gone";

/// Gives the focus to the content, without scrolling.
pub fn to_content() {
    if let Some(content) = element(CONTENT) {
        give(&content);
    }
}

/// Gives the focus to an element, without scrolling.
fn give(element: &HtmlElement) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    drop(element.focus_with_options(&options));
}

/// Gives the focus to the content if nothing has it.
pub fn rescue() {
    if is_nowhere() {
        to_content();
    }
}

/// Follows the focus through the content. When a row that has it is taken away, its place keeps it and says so; when it is
/// only put elsewhere, as rows are that change their order, it gets it again.
pub fn keep() {
    let last = StoredValue::new_local(None::<HtmlElement>);
    let on_change = Closure::<dyn FnMut(js_sys::Array)>::new(move |records: js_sys::Array| {
        let Some(last) = last.get_value().filter(|_| is_nowhere()) else { return };
        let mut records = records.iter().map(JsCast::unchecked_into::<MutationRecord>);
        let Some(record) = records.rfind(|record| took(record, &last)) else { return };
        if last.is_connected() {
            drop(last.focus());
        } else {
            match place(&record).or_else(|| around(&record)) {
                Some(next) => give(&next),
                None => to_content(),
            }
        }
    });
    let Ok(observer) = MutationObserver::new(on_change.as_ref().unchecked_ref()) else { return };
    // The observer lives as long as the page.
    on_change.forget();
    let observer = StoredValue::new_local(observer);
    window_event_listener(ev::focusin, move |event| {
        let target = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
        let content = element(CONTENT);
        let within = content.filter(|content| content.contains(target.as_deref().map(AsRef::as_ref)));
        // Nothing is watched for those who use no keyboard here.
        observer.with_value(|observer| match within {
            Some(content) => {
                let all = MutationObserverInit::new();
                all.set_child_list(true);
                all.set_subtree(true);
                drop(observer.observe_with_options(&content, &all));
                last.set_value(target);
            }
            None => {
                observer.disconnect();
                last.set_value(None);
            }
        });
    });
    window_event_listener(ev::focusout, move |event| {
        let left = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        // Not when the window is left: who comes back finds the place.
        let left = left.filter(|left| {
            left.matches(GONE).unwrap_or(false) && document().active_element().as_ref() != Some(left)
        });
        if let Some(left) = left {
            last.set_value(None);
            left.remove();
        } else if event.related_target().is_none() {
            // What was taken away has found its neighbour by then; else somebody let go of it.
            let let_go = move || {
                if is_nowhere() {
                    last.set_value(None);
                }
            };
            set_timeout(let_go, Duration::ZERO);
        }
    });
}

fn element(selector: &str) -> Option<HtmlElement> {
    document().query_selector(selector).ok().flatten()?.dyn_into().ok()
}

fn is_nowhere() -> bool {
    document().active_element().is_none_or(|element| element.tag_name() == "BODY")
}

/// True if a change took an element out of the page, also to put it in again.
fn took(record: &MutationRecord, element: &HtmlElement) -> bool {
    let removed = record.removed_nodes();
    (0..removed.length())
        .filter_map(|index| removed.get(index))
        .any(|node| node.contains(Some(element.as_ref())))
}

/// Puts a row that says so in the place of the one that a list has lost.
fn place(record: &MutationRecord) -> Option<HtmlElement> {
    let list =
        record.target()?.dyn_into::<Element>().ok().filter(|list| list.matches("ul, ol").unwrap_or(false))?;
    let row: HtmlElement = document().create_element("li").ok()?.unchecked_into();
    for (name, value) in [("class", "gone"), ("tabindex", "-1")] {
        row.set_attribute(name, value).ok()?;
    }
    row.set_text_content(Some("What was here is not listed any more."));
    let is_here = |node: &Node| list.contains(Some(node));
    // What stood below it may be gone too.
    let next = record.next_sibling().filter(is_here);
    let after = || record.previous_sibling().filter(is_here)?.next_sibling();
    list.insert_before(&row, next.or_else(after).as_ref()).ok()?;
    Some(row)
}

/// The nearest around what was taken away that can have the focus.
fn around(record: &MutationRecord) -> Option<HtmlElement> {
    let around = record.target()?.dyn_into::<Element>().ok()?.closest("[tabindex]").ok()??;
    around.dyn_into().ok()
}
