//! Where the focus goes when what has it is taken away: a page that is left, a row that makes room for newer ones.
//!
//! Browsers leave it nowhere then, and the next Tab or `j` begins somewhere else than where somebody was.

use std::time::Duration;

use leptos::{ev, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{
    Element, FocusOptions, HtmlElement, MutationObserver, MutationObserverInit, MutationRecord, Node,
};

/// The content of the page, which is always there.
pub const CONTENT: &str = "#main";

/// What of a neighbour gets the focus, best first.
const TARGETS: [&str; 2] = ["[data-stop]", "a[href], button:enabled, summary, input, select, [tabindex]"];

/// Gives the focus to the content, without scrolling.
pub fn to_content() {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    if let Some(content) = element(CONTENT) {
        drop(content.focus_with_options(&options));
    }
}

/// Gives the focus to the content if nothing has it.
pub fn rescue() {
    if is_nowhere() {
        to_content();
    }
}

/// Follows the focus through the content. When what has it is taken away, its neighbour gets it; when it is only put
/// elsewhere, as rows are that change their order, it gets it again.
pub fn keep() {
    let last = StoredValue::new_local(None::<HtmlElement>);
    let on_change = Closure::<dyn FnMut(js_sys::Array)>::new(move |records: js_sys::Array| {
        let Some(last) = last.get_value().filter(|_| is_nowhere()) else { return };
        let mut records = records.iter().map(JsCast::unchecked_into::<MutationRecord>);
        let Some(record) = records.rfind(|record| took(record, &last)) else { return };
        let next = if last.is_connected() { Some(last) } else { neighbour(&record) };
        match next {
            Some(next) => drop(next.focus()),
            None => to_content(),
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
        if event.related_target().is_none() {
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

/// What stands where something was: after it, else before it, else anywhere in the list that it was in.
fn neighbour(record: &MutationRecord) -> Option<HtmlElement> {
    let after = beside(record.next_sibling(), Node::next_sibling).and_then(|next| target(&next, false));
    let before =
        || beside(record.previous_sibling(), Node::previous_sibling).and_then(|one| target(&one, true));
    let around = || record.target()?.dyn_into::<Element>().ok().and_then(|list| target(&list, false));
    after.or_else(before).or_else(around)
}

/// The nearest element in a direction, if it is still in the page.
fn beside(from: Option<Node>, step: fn(&Node) -> Option<Node>) -> Option<Element> {
    let mut at = from;
    while let Some(node) = at {
        if let Some(element) = node.dyn_ref::<Element>() {
            return node.is_connected().then(|| element.clone());
        }
        at = step(&node);
    }
    None
}

/// What can have the focus in an element, the last or the first of it.
fn target(within: &Element, last: bool) -> Option<HtmlElement> {
    TARGETS.into_iter().find_map(|selector| {
        if within.matches(selector).unwrap_or(false) {
            return within.clone().dyn_into().ok();
        }
        let all = within.query_selector_all(selector).ok()?;
        let index = if last { all.length().checked_sub(1)? } else { 0 };
        all.get(index)?.dyn_into().ok()
    })
}
