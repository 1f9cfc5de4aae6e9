//! No page has this address.

use leptos::prelude::*;

use crate::{components::empty::Empty, navigation::Navigation, route::Route};

/// No page has this address.
#[component]
pub fn NotFound(
    /// The path that was asked for.
    path: String,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    view! {
        <Empty title="No such page" alone=true>
            <p>"Nothing is at " <code>{path}</code> "."</p>
            <p><a href=move || navigation.link(&Route::Overview) data-stop>"See all pools"</a></p>
        </Empty>
    }
}
