//! Lines to copy.

use std::time::Duration;

use leptos::prelude::*;

use crate::browser;
use crate::derived::Derived;

/// How long the button says what became of it.
const SHOWN_FOR: Duration = Duration::from_secs(2);

/// Lines with a button that copies them.
#[component]
pub fn CopyLines(
    /// The lines.
    #[prop(into)]
    text: Derived<String>,
) -> impl IntoView {
    let (word, set_word) = signal("Copy");
    let copy = move |_| {
        browser::copy(&text.get_untracked(), move |copied| {
            set_word.try_set(if copied { "Copied" } else { "Select and copy by hand" });
            set_timeout(move || _ = set_word.try_set("Copy"), SHOWN_FOR);
        });
    };
    view! {
        <div class="copy">
            <pre><code>{move || text.get()}</code></pre>
            <button type="button" class="button" data-testid="copy" on:click=copy aria-live="polite">{word}</button>
        </div>
    }
}
