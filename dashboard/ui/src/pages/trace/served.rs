//! Which connection served a request: its pool, how long it had been open, and its set-up.

use leptos::prelude::*;
use poolscope_wire::Call;

use super::say;
use crate::{navigation::Navigation, route::Route, state::live::Live, words};

/// One line under a request; nothing if its sender does not tell the connection.
pub fn line(call: &Call) -> Option<AnyView> {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let (before, after) = say::served(call)?;
    let number = call.connection?.to_string();
    let pool = call.pool.clone().unwrap_or_default();
    let others = navigation.link_to(
        &Route::Traces.path(),
        &[("pool", pool.clone()), ("connection", number.clone()), ("status", "all".to_owned())],
    );
    // The picture with the names of the pools may come later than this.
    let of_pool = move || {
        let name = live.with_pool(&pool, |entry| words::pool_name(&entry.summary))?;
        let href = navigation.link(&Route::Pool(pool.clone()));
        Some(view! { " of pool " <a dir="auto" href=href>{name}</a> })
    };
    let set_up = call.set_up.as_ref().map(|set_up| {
        let href = navigation.link(&Route::Trace(set_up.trace_id.clone()));
        view! { ": " <a href=href data-testid="set-up-link">"its set-up"</a> }
    });
    let view = view! {
        <p class="soft served" data-testid="served-by">
            {before} " " <a href=others title="Requests that it served">"connection #" {number.clone()}</a>{of_pool}", " {after} {set_up}
        </p>
    };
    Some(view.into_any())
}
