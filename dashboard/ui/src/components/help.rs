//! Help for the keyboard.

use leptos::{html::Dialog, prelude::*};

use crate::{
    derived::effect,
    focus, keys,
    pages::part::{self, Piece},
};

/// The keys and what they do.
#[component]
pub fn KeyTable() -> impl IntoView {
    view! {
        <table class="keys">
            <tbody>
                {keys::HELP
                    .into_iter()
                    .map(|(key, what)| view! { <tr><th scope="row"><kbd>{key}</kbd></th><td>{what}</td></tr> })
                    .collect_view()}
            </tbody>
        </table>
    }
}

/// The help over the page.
#[component]
pub fn Help(
    /// True while it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    effect(move || {
        let (Some(dialog), open) = (dialog.get(), open.get()) else { return };
        if open && !dialog.open() {
            drop(dialog.show_modal());
        } else if !open && dialog.open() {
            dialog.close();
        }
    });
    view! {
        <dialog node_ref=dialog aria-labelledby="help-title" data-testid="help" on:close=move |_| { open.set(false); focus::rescue(); }>
            <h2 id="help-title">"Keyboard"</h2>
            {move || open.get().then(|| part::piece(Piece::Keys))}
            <form method="dialog"><button class="button">"Close"</button></form>
        </dialog>
    }
}
