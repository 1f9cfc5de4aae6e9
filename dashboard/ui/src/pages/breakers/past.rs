//! The history of a breaker over a time that stands still: the stream brings only its newest changes.

use leptos::{prelude::*, task::spawn_local};
use poolscope_wire::BreakerDetail;

use crate::{api, time::Time};

/// A history, while another time is looked at and it is here.
pub type Past = Option<Box<BreakerDetail>>;

/// Reads the history of a breaker over the time that is looked at, if that stands still.
pub fn use_past(time: Time, id: String) -> RwSignal<Past> {
    let past = RwSignal::new(None);
    Effect::new(move |_| {
        past.set(None);
        let Some(span) = time.fixed() else { return };
        let id = id.clone();
        spawn_local(async move {
            let answer = api::breaker(&id, span).await;
            // The card may be gone by now, or show another time. What can't be read is told by the newest changes.
            if !past.is_disposed() && untrack(|| time.fixed()) == Some(span) {
                past.set(answer.ok().map(Box::new));
            }
        });
    });
    past
}
