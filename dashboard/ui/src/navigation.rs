//! The address as a signal over the browser's history, links that stay in the page, and the keyboard.

use leptos::{ev, prelude::*};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement, HtmlInputElement, KeyboardEvent, MouseEvent, Node, ScrollRestoration};

use std::time::Duration;

use crate::{
    derived::Derived,
    focus,
    keys::{self, Action},
    pages::part,
    route::{Address, Query, Route},
    state::live::Live,
    time::range::Range,
    unread,
};

/// What `j` and `k` move through.
const STOPS: &str = "[data-stop]";

/// What holds the keyboard for itself while it is open.
const DIALOG: &str = "dialog[open]";
const MENU: &str = "details[open].menu";

/// How often, and how many times, a page that fills itself is scrolled to where it was left: lists are read first.
const SETTLE: Duration = Duration::from_millis(50);
const SETTLE_TRIES: u32 = 100;

/// How many times more once it is where it was: what fills itself later above it would move it again.
const SETTLE_MORE: u32 = 8;

/// What of an address goes along to another page: the choice of a service, and of a time.
const KEPT: [&str; 6] = ["service", "window", "from", "to", "compare", "tz"];

/// Where the page is.
#[derive(Debug, Clone, Copy)]
pub struct Navigation {
    address: RwSignal<Address>,
    route: Derived<Route>,
    /// How many addresses of ours are behind this one, so that going back never leaves the dashboard. Each entry of the
    /// browser's history keeps its own, so that it is right after going forward, and after a reload.
    depth: StoredValue<u32>,
    /// How far down each address was when it was left, by its depth.
    places: StoredValue<Vec<f64>>,
    /// Rises with each page that is shown.
    shown: StoredValue<u32>,
}

impl Navigation {
    /// Starts at the address of the browser, and follows its history, links and keys from then on.
    #[must_use]
    pub fn start(live: Live, help: RwSignal<bool>) -> Self {
        let address = RwSignal::new(current());
        let route = Derived::new(move || address.with(|address| address.route.clone()));
        let depth = kept_depth();
        let navigation = Self {
            address,
            route,
            depth: StoredValue::new(depth.unwrap_or(0)),
            places: StoredValue::new(Vec::new()),
            shown: StoredValue::new(0),
        };
        if depth.is_none() {
            drop(history().replace_state_with_url(&JsValue::from_f64(0.0), "", None));
        }
        // The browser would do it before there is anything to scroll over.
        drop(history().set_scroll_restoration(ScrollRestoration::Manual));
        window_event_listener(ev::popstate, move |_| navigation.on_step());
        window_event_listener(ev::click, move |event| navigation.on_click(&event));
        window_event_listener(ev::keydown, move |event| navigation.on_key(&event, live, help));
        navigation
    }

    /// The page.
    #[must_use]
    pub fn route(self) -> Route {
        self.route.get()
    }

    /// A value of the query; empty if it is not there.
    #[must_use]
    pub fn query(self, key: &str) -> String {
        self.address.with(|address| address.query.get(key).to_owned())
    }

    /// The same, where a page knows a few words only: empty also if it is none of them.
    #[must_use]
    pub fn word(self, key: &str) -> String {
        self.address.with(|address| unread::value(address, key).to_owned())
    }

    /// Path and query.
    #[must_use]
    pub fn text(self) -> String {
        self.address.with(Address::to_text)
    }

    /// Reads the query.
    pub fn with_query<T>(self, read: impl FnOnce(&Query) -> T) -> T {
        self.address.with(|address| read(&address.query))
    }

    /// The address of a page that keeps the choice of a service and of a time.
    #[must_use]
    pub fn link(self, route: &Route) -> String {
        self.link_to(&route.path(), &[])
    }

    /// The same, of a path with more in its query.
    #[must_use]
    pub fn link_to(self, path: &str, more: &[(&str, String)]) -> String {
        let query = self.with_query(|query| {
            let kept = KEPT.into_iter().fold(Query::default(), |kept, key| kept.with(key, query.get(key)));
            more.iter().fold(kept, |all, (key, value)| all.with(key, value))
        });
        format!("{path}{}", query.to_text())
    }

    /// The address of this page with another value in its query.
    #[must_use]
    pub fn link_with(self, key: &str, value: &str) -> String {
        self.address.with(|address| {
            Address { route: address.route.clone(), query: address.query.with(key, value) }.to_text()
        })
    }

    /// Changes a value of the query in place: a setting of the page is not a step of the history.
    pub fn set_query(self, key: &str, value: &str) {
        self.set_queries(&[(key, value.to_owned())], false);
    }

    /// Changes values of the query, in place or as a step of the history.
    pub fn set_queries(self, values: &[(&str, String)], as_step: bool) {
        let before = self.address.with_untracked(Address::to_text);
        let after = self.address.with_untracked(|address| Address {
            route: address.route.clone(),
            query: values.iter().fold(address.query.clone(), |query, (key, value)| query.with(key, value)),
        });
        let text = after.to_text();
        if text == before {
            return;
        }
        if as_step {
            self.push(&text);
        } else {
            let depth = JsValue::from_f64(self.depth.get_value().into());
            drop(history().replace_state_with_url(&depth, "", Some(&text)));
        }
        self.address.set(after);
    }

    /// Goes to an address of ours.
    pub fn go(self, text: &str) {
        let before = self.address.with_untracked(Address::to_text);
        if text != before {
            self.push(text);
        }
        let next = current();
        // Another view of the same page stays where it is; a link to the very same address leads to its begin.
        let is_other = text == before || self.route.get_untracked() != next.route;
        self.show(next, is_other);
        if is_other {
            window().scroll_to_with_x_and_y(0.0, 0.0);
        }
    }

    /// Makes a step of the history.
    fn push(self, text: &str) {
        self.leave();
        self.depth.update_value(|depth| *depth += 1);
        let depth = self.depth.get_value();
        self.places.update_value(|places| places.truncate(depth as usize));
        drop(history().push_state_with_url(&JsValue::from_f64(depth.into()), "", Some(text)));
    }

    /// Notes how far down the page is that is left.
    fn leave(self) {
        let (depth, y) = (self.depth.get_value() as usize, scroll_y());
        self.places.update_value(|places| {
            if places.len() <= depth {
                places.resize(depth + 1, 0.0);
            }
            places[depth] = y;
        });
    }

    /// Follows the browser a step back or forward.
    fn on_step(self) {
        self.leave();
        let depth = kept_depth().unwrap_or(0);
        self.depth.set_value(depth);
        let next = current();
        let is_other = self.route.get_untracked() != next.route;
        self.show(next, is_other);
        if is_other {
            let y = self.places.with_value(|places| places.get(depth as usize).copied());
            anchor(false);
            let shown = self.shown.get_value();
            // Not before the page that is left has gone: it would be scrolled instead.
            set_timeout(move || self.settle(y.unwrap_or(0.0), shown, SETTLE_TRIES), SETTLE);
        }
    }

    /// Shows an address. The focus goes to the content before what had it goes: else it would be nowhere, and the Tab key
    /// would go on wherever the browser thinks that it was.
    fn show(self, next: Address, is_other: bool) {
        if is_other {
            self.shown.update_value(|shown| *shown += 1);
            focus::to_content();
        }
        self.address.set(next);
    }

    /// Scrolls to where a page was left as soon as it is long enough and for a moment more, unless somebody scrolls meanwhile.
    fn settle(self, y: f64, shown: u32, tries: u32) {
        window().scroll_to_with_x_and_y(0.0, y);
        let reached = scroll_y();
        let left = if y - reached > 1.0 { tries } else { tries.min(SETTLE_MORE) };
        let again = move || {
            let is_still = (scroll_y() - reached).abs() < 1.0 && self.shown.get_value() == shown;
            if is_still && left > 0 {
                self.settle(y, shown, left - 1);
            } else {
                anchor(true);
            }
        };
        set_timeout(again, SETTLE);
    }

    /// Lets go of what is open or marked first, and then of the page.
    fn back(self) {
        if close_menu() {
        } else if !untrack(|| self.query("sel")).is_empty() {
            self.set_query("sel", "");
        } else if self.depth.get_value() > 0 {
            drop(history().back());
        } else if self.route.get_untracked() != Route::Overview {
            self.go(&untrack(|| self.link(&Route::Overview)));
        }
    }

    fn on_click(self, event: &MouseEvent) {
        let plain = event.button() == 0
            && !(event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key())
            && !event.default_prevented();
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        close_menus_but(target.as_ref());
        let link = target.and_then(|element| element.closest("a[href]").ok().flatten());
        let Some(link) = link.filter(|_| plain) else { return };
        if link.get_attribute("href").is_some_and(|text| text == focus::CONTENT) {
            // It is no other address.
            event.prevent_default();
            focus::to_content();
        } else if let Some(text) = link.get_attribute("href").filter(|text| text.starts_with('/'))
            && !link.has_attribute("target")
        {
            event.prevent_default();
            self.go(&text);
        }
    }

    fn on_key(self, event: &KeyboardEvent, live: Live, help: RwSignal<bool>) {
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        if is_there(DIALOG) {
            // A dialog closes itself on Escape; nothing behind it may move.
            if help.get_untracked() && event.key() == "?" {
                help.set(false);
            }
            return;
        }
        let focused = document().active_element();
        let is_one_of = |selector: &str| {
            focused.as_ref().is_some_and(|element| element.matches(selector).unwrap_or(false))
        };
        let typing = is_one_of("input, select, textarea");
        let on_control = is_one_of("a, button, summary, [role=button]");
        let Some(action) = keys::action(&event.key(), typing, on_control) else { return };
        if action != Action::Back && is_there(MENU) {
            return;
        }
        event.prevent_default();
        match action {
            Action::Search => focus_search(),
            Action::Next => move_focus(1),
            Action::Previous => move_focus(-1),
            // A time that stands still is held already: it goes on by being live again.
            Action::Pause if untrack(|| !self.with_query(Range::of_query).is_live()) => {
                let [window, from, to] = Range::default().to_query();
                self.set_queries(&[window, from, to], true);
            }
            Action::Pause => part::toggle_hold(live),
            Action::Help => help.set(true),
            Action::Page(index) => {
                let pages = [
                    Route::Overview,
                    Route::Breakers(None),
                    Route::Protection,
                    Route::Events,
                    Route::Traces,
                    Route::Sessions,
                    Route::Services,
                    Route::About,
                ];
                if let Some(page) = pages.get(index) {
                    self.go(&untrack(|| self.link(page)));
                }
            }
            Action::Back if typing => {
                if !close_menu() {
                    leave_field(focused);
                }
            }
            Action::Back => self.back(),
        }
    }
}

fn history() -> web_sys::History {
    // The binding throws only in a document that is not shown.
    window().history().unwrap_or_else(|error| wasm_bindgen::throw_val(error))
}

/// The depth that the entry of the history has, if it is one of ours.
fn kept_depth() -> Option<u32> {
    history().state().ok()?.as_f64().map(|depth| depth as u32)
}

/// Whether the browser keeps what is read where it is when something comes above it. Not while a page is scrolled to where
/// it was left: that would look as if somebody scrolled.
fn anchor(is_kept: bool) {
    if let Some(root) = document().document_element().and_then(|root| root.dyn_into::<HtmlElement>().ok()) {
        drop(root.style().set_property("overflow-anchor", if is_kept { "auto" } else { "none" }));
    }
}

fn scroll_y() -> f64 {
    window().scroll_y().unwrap_or_default()
}

fn is_there(selector: &str) -> bool {
    document().query_selector(selector).ok().flatten().is_some()
}

fn current() -> Address {
    let location = window().location();
    Address::parse(&location.pathname().unwrap_or_default(), &location.search().unwrap_or_default())
}

fn focus_search() {
    if let Ok(Some(field)) = document().query_selector("[data-search]")
        && let Ok(field) = field.dyn_into::<HtmlInputElement>()
    {
        drop(field.focus());
        field.select();
    }
}

/// Closes the menus that were not clicked.
fn close_menus_but(clicked: Option<&Element>) {
    let Ok(menus) = document().query_selector_all(MENU) else { return };
    for menu in (0..menus.length()).filter_map(|index| menus.get(index)) {
        if !menu.contains(clicked.map(AsRef::as_ref))
            && let Ok(menu) = menu.dyn_into::<Element>()
        {
            drop(menu.remove_attribute("open"));
        }
    }
}

/// Closes the menu that is open, and says whether there was one. The focus goes back to its button.
fn close_menu() -> bool {
    let Ok(Some(menu)) = document().query_selector(MENU) else { return false };
    drop(menu.remove_attribute("open"));
    if let Some(summary) = menu.first_element_child().and_then(|child| child.dyn_into::<HtmlElement>().ok()) {
        drop(summary.focus());
    }
    true
}

fn leave_field(focused: Option<Element>) {
    if let Some(field) = focused.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        drop(field.blur());
    }
}

/// Moves the focus through the stops of the page, in the order in which they are read, from wherever it is.
fn move_focus(by: i32) {
    let Ok(stops) = document().query_selector_all(STOPS) else { return };
    let mut next = 0;
    if let Some(focused) = document().active_element() {
        for index in 0..stops.length() {
            let order = stops.get(index).map_or(0, |stop| focused.compare_document_position(&stop));
            if order == 0 {
                next = index.saturating_add_signed(by);
                break;
            }
            if order & Node::DOCUMENT_POSITION_FOLLOWING != 0 {
                next = index.saturating_add_signed(by.min(0));
                break;
            }
            next = index;
        }
    }
    let next = next.min(stops.length().saturating_sub(1));
    let stop = stops.get(next).and_then(|node| node.dyn_into::<HtmlElement>().ok());
    if let Some(stop) = stop {
        drop(stop.focus());
    }
}
