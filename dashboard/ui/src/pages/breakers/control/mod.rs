//! Holding breakers from here, where the server offers it. Without that nothing of this is drawn or asked.

pub mod dialog;
pub mod panel;
pub mod say;
pub mod send;

use std::time::Duration;

use leptos::prelude::*;
use poolscope_wire::{Control, ControlAction, ControlList, json, path};

use crate::{
    api, browser,
    derived::{Derived, effect},
    state::live::Live,
};

/// How often is asked what became of orders.
const REFRESH: Duration = Duration::from_millis(500);

/// What somebody is about to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What.
    pub action: ControlAction,
    /// Of which breakers, by their ids.
    pub breakers: Vec<String>,
    /// What they are called.
    pub name: String,
}

/// What is known of control, on the page of the breakers.
#[derive(Debug, Clone, Copy)]
pub struct Desk {
    /// As it came, so that what has not changed wakes nobody.
    text: RwSignal<String>,
    list: Derived<ControlList>,
    plan: RwSignal<Option<Plan>>,
    /// The server offers it.
    pub offered: Derived<bool>,
}

impl Desk {
    /// Begins to ask, for as long as the page is there.
    pub fn start(live: Live) -> Self {
        let offered = Derived::new(move || live.with_status(|store| store.status.own.offers_control));
        let text = RwSignal::new(String::new());
        let list = Derived::new(move || text.with(|text| json::read(text).unwrap_or_default()));
        let desk = Self { text, list, plan: RwSignal::new(None), offered };
        effect(move || {
            if offered.get() {
                desk.read();
            }
        });
        browser::use_interval(REFRESH, move || {
            if offered.get_untracked() {
                desk.read();
            }
        });
        desk
    }

    /// Reads what there is. A server that does not answer is told elsewhere; what was known stays.
    pub fn read(self) {
        browser::spawn(async move {
            if let Ok(text) = api::body(path::CONTROL).await
                && self.text.try_with_untracked(|known| *known != text) == Some(true)
            {
                self.text.try_set(text);
            }
        });
    }

    /// True if a breaker takes orders.
    pub fn takes(self, breaker: &str) -> bool {
        self.list.with(|list| list.taking.iter().any(|taking| taking == breaker))
    }

    /// True if no order moves a breaker.
    pub fn is_fixed(self, breaker: &str) -> bool {
        self.list.with(|list| list.fixed.iter().any(|fixed| fixed == breaker))
    }

    /// The newest order for a breaker.
    pub fn newest(self, breaker: &str) -> Option<Control> {
        self.list.with(|list| list.orders.iter().find(|order| order.breaker == breaker).cloned())
    }

    /// Opens the dialog.
    pub fn plan(self, plan: Plan) {
        self.plan.set(Some(plan));
    }
}
