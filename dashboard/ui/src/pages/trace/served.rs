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
    let name = live.peek(|store| store.pools.get(&pool).map(|entry| words::pool_name(&entry.summary)));
    let others = navigation
        .link_to(&Route::Traces, &[("pool", pool.as_str()), ("connection", number.as_str()), ("status", "all")]);
    let pool = name.map(|name| {
        view! { "of pool " <a dir="auto" href=navigation.link(&Route::Pool(pool))>{name}</a> }
    });
    let set_up = call.set_up.as_ref().map(|set_up| {
        let href = navigation.link(&Route::Trace(set_up.trace_id.clone()));
        view! { ": " <a href=href data-testid="set-up-link">"its set-up"</a> }
    });
    let view = view! {
        <p class="soft served" data-testid="served-by">
            {before} " " <a href=others title="Requests that it served">"connection #" {number.clone()}</a> " " {pool} ", " {after} {set_up}
        </p>
    };
    Some(view.into_any())
}
