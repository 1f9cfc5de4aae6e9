//! The address as a signal over the browser's history, links that stay in the page, and the keyboard.

use leptos::{ev, prelude::*};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement, HtmlInputElement, KeyboardEvent, MouseEvent};

use crate::{
    derived::Derived,
    keys::{self, Action},
    pages::part,
    route::{Address, Query, Route},
    state::live::Live,
    time::range::Range,
};

/// What `j` and `k` move through.
const STOPS: &str = "[data-stop]";

/// What of an address goes along to another page: the choice of a service, and of a time.
const KEPT: [&str; 6] = ["service", "window", "from", "to", "compare", "tz"];

/// Where the page is.
#[derive(Debug, Clone, Copy)]
pub struct Navigation {
    address: RwSignal<Address>,
    route: Derived<Route>,
    /// How many addresses of ours are behind this one, so that going back never leaves the dashboard.
    depth: StoredValue<u32>,
}

impl Navigation {
    /// Starts at the address of the browser, and follows its history, links and keys from then on.
    #[must_use]
    pub fn start(live: Live, help: RwSignal<bool>) -> Self {
        let address = RwSignal::new(current());
        let route = Derived::new(move || address.with(|address| address.route.clone()));
        let navigation = Self { address, route, depth: StoredValue::new(0) };
        window_event_listener(ev::popstate, move |_| {
            navigation.depth.update_value(|depth| *depth = depth.saturating_sub(1));
            address.set(current());
        });
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
        self.address.set(after);
        drop(if as_step {
            self.depth.update_value(|depth| *depth += 1);
            history().push_state_with_url(&JsValue::NULL, "", Some(&text))
        } else {
            history().replace_state_with_url(&JsValue::NULL, "", Some(&text))
        });
    }

    /// Goes to an address of ours.
    pub fn go(self, text: &str) {
        drop(history().push_state_with_url(&JsValue::NULL, "", Some(text)));
        self.depth.update_value(|depth| *depth += 1);
        self.address.set(current());
        window().scroll_to_with_x_and_y(0.0, 0.0);
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
        if let Some(link) = link.filter(|_| plain)
            && let Some(text) = link.get_attribute("href").filter(|text| text.starts_with('/'))
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
        let focused = document().active_element();
        let is_one_of = |selector: &str| {
            focused.as_ref().is_some_and(|element| element.matches(selector).unwrap_or(false))
        };
        let typing = is_one_of("input, select, textarea");
        let on_control = is_one_of("a, button, summary, [role=button]");
        let Some(action) = keys::action(&event.key(), typing, on_control) else { return };
        if help.get_untracked() {
            // The dialog closes itself on Escape; nothing behind it may move.
            if action == Action::Help {
                help.set(false);
            }
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
    let Ok(menus) = document().query_selector_all("details[open].menu") else { return };
    for menu in (0..menus.length()).filter_map(|index| menus.get(index)) {
        if !menu.contains(clicked.map(AsRef::as_ref))
            && let Ok(menu) = menu.dyn_into::<Element>()
        {
            drop(menu.remove_attribute("open"));
        }
    }
}

/// Closes the menu that has the focus, and says whether there was one.
fn close_menu() -> bool {
    let focused = document().active_element();
    let Some(menu) = focused.and_then(|element| element.closest("details[open].menu").ok().flatten()) else {
        return false;
    };
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

/// Moves the focus through the stops of the page, in the order in which they are read.
fn move_focus(by: i32) {
    let Ok(stops) = document().query_selector_all(STOPS) else { return };
    let focused = document().active_element();
    let place = (0..stops.length()).find(|index| {
        let stop = stops.get(*index);
        stop.is_some() && stop.as_ref() == focused.as_ref().map(AsRef::as_ref)
    });
    let next = match place {
        Some(place) => place.saturating_add_signed(by).min(stops.length().saturating_sub(1)),
        None => 0,
    };
    if let Some(stop) = stops.get(next).and_then(|node| node.dyn_into::<HtmlElement>().ok()) {
        drop(stop.focus());
    }
}
