//! Asks for a reason and a time before an order is given.

use leptos::{
    html::{Dialog as DialogElement, Input, Select},
    prelude::*,
};
use poolscope_wire::{ControlAction, ControlOrder};

use super::{Desk, say, send};
use crate::{
    browser,
    derived::{Derived, effect},
    focus,
};

/// The times that are offered, in minutes.
const MINUTES: [(u64, &str); 5] =
    [(1, "1 minute"), (5, "5 minutes"), (15, "15 minutes"), (30, "30 minutes"), (60, "1 hour")];
/// The one that is chosen at first.
const USUAL: u64 = 5;

/// The dialog of the page.
#[component]
pub fn Dialog(
    /// What there is to ask for.
    desk: Desk,
) -> impl IntoView {
    let dialog = NodeRef::<DialogElement>::new();
    let reason = NodeRef::<Input>::new();
    let minutes = NodeRef::<Select>::new();
    let problem = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let plan = desk.plan;
    effect(move || {
        let (Some(dialog), is_there) = (dialog.get(), plan.with(Option::is_some)) else { return };
        if is_there && !dialog.open() {
            problem.set(String::new());
            if let Some(reason) = reason.get_untracked() {
                reason.set_value("");
            }
            drop(dialog.show_modal());
        } else if !is_there && dialog.open() {
            dialog.close();
        }
    });
    let action = Derived::new(move || plan.with(|plan| plan.as_ref().map(|plan| plan.action)));
    let verb = move || action.get().map(say::verb).unwrap_or_default();
    let effect = move || action.get().map(say::effect).unwrap_or_default();
    let about =
        move || plan.with(|plan| plan.as_ref().map(|plan| say::about(plan.breakers.len(), &plan.name)));
    let needs_no_time = move || action.get() == Some(ControlAction::Automatic);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let Some(wanted) = plan.get_untracked().filter(|_| !busy.get_untracked()) else { return };
        let reason = reason.get_untracked().map(|input| input.value()).unwrap_or_default();
        let minutes = minutes.get_untracked().and_then(|select| select.value().parse::<u64>().ok());
        busy.set(true);
        browser::spawn(async move {
            let mut failed = Vec::new();
            for breaker in &wanted.breakers {
                let order = ControlOrder {
                    breaker: breaker.clone(),
                    action: wanted.action,
                    for_s: Some(60 * minutes.unwrap_or(USUAL)),
                    reason: reason.clone(),
                };
                failed.extend(send::send(&order).await.err());
            }
            desk.read();
            busy.try_set(false);
            match say::failures(wanted.breakers.len(), &failed) {
                Some(sentence) => drop(problem.try_set(sentence)),
                None => drop(plan.try_set(None)),
            }
        });
    };
    view! {
        <dialog class="orderbox" node_ref=dialog aria-labelledby="order-title" aria-describedby="order-effect"
            data-testid="order-dialog" on:close=move |_| { plan.set(None); focus::rescue(); }>
            <h2 id="order-title">{verb}</h2>
            <p class="what" dir="auto" data-testid="order-about">{about}</p>
            <p class="soft" id="order-effect">{effect}</p>
            <form on:submit=submit>
                <label>
                    "Why, for those who see it later"
                    <input node_ref=reason required maxlength="200" autocomplete="off" data-testid="order-reason" autofocus />
                </label>
                <label hidden=needs_no_time>
                    "For"
                    <select node_ref=minutes data-testid="order-time">
                        {MINUTES
                            .map(|(minutes, words)| {
                                view! { <option value=minutes.to_string() selected=minutes == USUAL>{words}</option> }
                            })
                            .collect_view()}
                    </select>
                </label>
                <p class="is-bad" role="alert" data-testid="order-problem">{move || problem.get()}</p>
                <div class="buttons">
                    <button type="button" class="button" data-testid="order-cancel" on:click=move |_| plan.set(None)>
                        "Cancel"
                    </button>
                    <button class="button is-main" data-testid="order-give" disabled=move || busy.get()>{verb}</button>
                </div>
            </form>
        </dialog>
    }
}
