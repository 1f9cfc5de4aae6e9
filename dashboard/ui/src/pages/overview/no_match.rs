//! What stands in the place of a list of pools that a search or a filter has emptied.

use leptos::prelude::*;

use crate::{components::empty::Empty, navigation::Navigation};

/// That there are pools, and the way back to them.
#[component]
pub fn NoMatch() -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let clear = move |_| {
        for key in ["q", "severity", "service", "instance"] {
            navigation.set_query(key, "");
        }
    };
    view! {
        <Empty title="No pool matches">
            <p>"There are pools, but none that this search and these filters let through."</p>
            <p><button type="button" class="button" on:click=clear>"Show all pools"</button></p>
        </Empty>
    }
}
