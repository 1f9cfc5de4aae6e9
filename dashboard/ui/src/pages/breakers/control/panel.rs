//! What a card shows of control: until when the breaker is held, how an order stands, and the menu.

use leptos::prelude::*;
use poolscope_wire::{Breaker, ControlAction};

use super::{Desk, Plan, say};
use crate::{components::menu::menu, derived::Derived, state::live::Live};

/// Control of one breaker.
#[component]
pub fn Panel(
    /// The breaker.
    breaker: Derived<Breaker>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let desk = expect_context::<Desk>();
    let newest = Derived::new(move || breaker.with(|breaker| desk.newest(&breaker.id)));
    let held = Derived::new(move || {
        breaker.with(|breaker| newest.with(|newest| say::held(breaker, newest.as_ref())))
    });
    let standing = Derived::new(move || {
        newest.with(|newest| newest.as_ref().and_then(|order| say::standing(order, live.now_ms())))
    });
    let why_not = Derived::new(move || {
        breaker.with(|breaker| say::why_not(desk.is_fixed(&breaker.id), desk.takes(&breaker.id)))
    });
    let is_held = Derived::new(move || say::is_held(breaker.with(|breaker| breaker.state)));
    let plan = move |action| {
        breaker.with_untracked(|breaker| {
            desk.plan(Plan { action, breakers: vec![breaker.id.clone()], name: breaker.name.clone() });
        });
    };
    view! {
        {move || held.get().map(|text| view! { <p class="held" data-testid="breaker-held">{text}</p> })}
        {move || {
            let offered = desk.offered.get();
            offered
                .then(|| {
                    view! {
                        <div class="control" data-testid="breaker-control">
                            <p aria-live="polite">
                                {move || {
                                    standing
                                        .get()
                                        .map(|(text, bad)| {
                                            view! { <span class=if bad { "is-bad" } else { "soft" } data-testid="order">{text}</span> }
                                        })
                                }}
                            </p>
                            {move || match why_not.get() {
                                None => choices(&breaker.with_untracked(|breaker| breaker.name.clone()), is_held.get(), plan),
                                Some(why) => view! { <p class="soft" data-testid="takes-no-orders">{why}</p> }.into_any(),
                            }}
                        </div>
                    }
                })
        }}
    }
}

/// Control of all breakers of a group that take orders.
#[component]
pub fn GroupPanel(
    /// What they are called.
    name: Derived<String>,
    /// Their ids.
    ids: Derived<Vec<String>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let desk = expect_context::<Desk>();
    let reached = Derived::new(move || {
        let breakers = ids.with(|ids| ids.iter().filter_map(|id| live.breaker(id)).collect::<Vec<_>>());
        let listening =
            breakers.iter().filter(|breaker| desk.takes(&breaker.id) && !desk.is_fixed(&breaker.id));
        listening.map(|breaker| (breaker.id.clone(), say::is_held(breaker.state))).collect::<Vec<_>>()
    });
    let any_held = Derived::new(move || reached.with(|all| all.iter().any(|(_, held)| *held)));
    let none = Derived::new(move || reached.with(Vec::is_empty));
    let plan = move |action| {
        let breakers = reached.with_untracked(|all| all.iter().map(|(id, _)| id.clone()).collect());
        desk.plan(Plan { action, breakers, name: name.get_untracked() });
    };
    move || {
        let is_there = desk.offered.get() && !none.get();
        is_there.then(|| {
            let choices = choices(&name.get(), any_held.get(), plan);
            view! { <div class="control" data-testid="group-control">{choices}</div> }
        })
    }
}

/// The menu. What is held can be let go; whether it is held by hand in the application, the application says.
fn choices(name: &str, is_held: bool, plan: impl Fn(ControlAction) + Copy + 'static) -> AnyView {
    let entry = |action, testid| (say::verb(action), testid, Box::new(move || plan(action)) as Box<dyn Fn()>);
    let mut entries = vec![
        entry(ControlAction::ForceOpen, "force-open"),
        entry(ControlAction::ForceClosed, "force-closed"),
    ];
    if is_held {
        entries.push(entry(ControlAction::Automatic, "automatic"));
    }
    menu("Control", name, entries)
}
