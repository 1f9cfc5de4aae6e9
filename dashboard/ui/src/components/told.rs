//! A count that moves on by itself: seen all the time, and told aloud only when somebody asked for something else.

use std::time::Duration;

use leptos::prelude::*;

use crate::derived::Derived;

/// Long enough for the answer of the server, and for the next letter of a word.
const SETTLED: Duration = Duration::from_secs(1);

/// A count. It is told a moment after `asked` has changed.
pub fn told(testid: &'static str, text: Derived<String>, asked: Derived<String>) -> AnyView {
    let said = RwSignal::new(String::new());
    Effect::new(move |before: Option<String>| {
        let asked = asked.get();
        if before.is_some_and(|before| before != asked) {
            // The page may be gone by then.
            let tell = move || {
                if !said.is_disposed() {
                    said.set(text.get_untracked());
                }
            };
            set_timeout(tell, SETTLED);
        }
        asked
    });
    view! {
        <span class="soft" data-testid=testid>{move || text.get()}</span>
        <span class="sr" role="status">{said}</span>
    }
    .into_any()
}
