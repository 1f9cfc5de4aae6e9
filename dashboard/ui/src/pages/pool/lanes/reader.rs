//! The figures of one lane, for keyboard and pointer alike.

use leptos::prelude::*;

use super::{
    View,
    text::{self, RowText},
};
use crate::{derived::Derived, route::encode};

/// The row that is pointed at or chosen, and what it did where the cursor is.
#[component]
pub(super) fn Reader(view: View) -> impl IntoView {
    let id = Derived::new(move || view.pointed.get().or_else(|| view.chosen()));
    let lane = Derived::new(move || {
        let id = id.get()?;
        view.known.with(|known| known.row(id).cloned())
    });
    let figures = move || {
        lane.with(|lane| {
            let Some(lane) = lane else {
                return "Point at a lane, or move through them with the arrow keys; Enter keeps one here."
                    .to_owned();
            };
            let (to_ms, interval_ms) = (view.ends().1, view.known.with(|known| known.lanes.interval_ms));
            RowText::new(lane, to_ms, interval_ms).sentence()
        })
    };
    let moment = move || {
        let at_ms = view.cursor.get()?;
        lane.with(|lane| lane.as_ref().map(|lane| text::at(lane, at_ms)))
    };
    let leaks = move || {
        lane.with(|lane| {
            let lane = lane.as_ref()?;
            let leaks = lane.leaks.iter().map(|leak| {
                let trace = (!leak.trace_id.is_empty()).then(|| {
                    let (href, id) = (format!("/traces/{}", encode(&leak.trace_id)), leak.trace_id.clone());
                    view! { " \u{b7} trace " <a class="mono" href=href>{id}</a> }
                });
                view! { <span class="block"><b>{text::leak(leak, lane.seen_ms)}</b> {trace}</span> }
            });
            Some(leaks.collect_view())
        })
    };
    view! {
        <p class="reader" data-testid="lanes-reader">
            <span dir="auto">{figures}</span>
            <span class="soft block moment" data-testid="lanes-moment">{move || moment().unwrap_or_else(|| "\u{a0}".to_owned())}</span>
            {leaks}
        </p>
    }
}
