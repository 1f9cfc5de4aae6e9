//! The box with the rows: what is in view, the axis above it, and the keys that move through it.

use leptos::{html::Div, prelude::*};
use poolscope_wire::ConnectionLane;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};

use super::{
    View,
    geometry::{self, in_view, stretch_at},
    row::LaneRow,
};
use crate::{
    chart::axes::TimeAxis,
    components::each::each,
    derived::{Derived, effect},
    time::Time,
};

/// Height of the box before it is measured.
const BOX_HEIGHT: f64 = 460.0;

/// The box with the rows.
#[component]
pub(super) fn Rows(view: View, axis: NodeRef<Div>) -> impl IntoView {
    let scroller = NodeRef::<Div>::new();
    let (scrolled, set_scrolled) = signal(0.0);
    let (row_height, set_row_height) = signal(28.0);
    let count = Derived::new(move || view.known.with(|known| known.lanes.rows.len()));
    let measure = move || {
        let Some(element) = scroller.try_get_untracked().flatten() else { return };
        let row = element.query_selector(".lane").ok().flatten();
        if let Some(row) = row {
            set_row_height.try_set(f64::from(row.unchecked_into::<HtmlElement>().offset_height()).max(1.0));
        }
        set_scrolled.try_set(f64::from(element.scroll_top()));
    };
    // The height of a row follows from the width of the page.
    effect(move || {
        view.width.track();
        if count.get() > 0 {
            request_animation_frame(measure);
        }
    });
    let range = Derived::new(move || in_view(scrolled.get(), BOX_HEIGHT, row_height.get(), count.get()));
    let ids = move || {
        let range = range.get();
        view.known.with(|known| {
            known.lanes.rows[range.start.min(known.lanes.rows.len())..range.end.min(known.lanes.rows.len())]
                .iter()
                .map(|row| row.id.to_string())
                .collect()
        })
    };
    let space = move |rows: usize| format!("{:.0}px", rows as f64 * row_height.get());
    let frame = Derived::new(move || geometry::frame(view.width.get()));
    let time = expect_context::<Time>();
    let is_past = Derived::new(move || time.fixed().is_some());
    let on_key = move |event: KeyboardEvent| on_key(&event, view, scroller, row_height.get_untracked());
    view! {
        <div class="lanebox" node_ref=scroller tabindex="0" role="group" data-testid="lanebox" on:scroll=move |_| measure() on:keydown=on_key
            on:pointerleave=move |_| { view.pointed.set(None); view.cursor.set(None); }
            on:focusout=move |_| { view.pointed.set(None); view.cursor.set(None); }
            aria-label="Lanes of connections; up and down move through them, left and right move the cursor, Enter keeps one"
        >
            <div class="lanehead" aria-hidden="true">
                <span class="l-id">"conn"</span>
                <span class="l-peer">"peer"</span>
                <span class="l-age number">"age"</span>
                <span class="l-reqs number">"requests"</span>
                <div class="l-lane" node_ref=axis>
                    <svg width=move || view.width.get().to_string() height="20">
                        <TimeAxis span=view.shown frame line=|_| [16.0, 20.0] text=|_| 12.0 />
                    </svg>
                </div>
                <span class="l-what">{move || if is_past.get() { "then, or how it ended" } else { "now, or how it ended" }}</span>
            </div>
            <div style:height=move || space(range.get().start)></div>
            {each(ids, move |id| match id.parse() {
                Ok(id) => view! { <LaneRow id view /> }.into_any(),
                Err(_) => ().into_any(),
            })}
            <div style:height=move || space(count.get().saturating_sub(range.get().end))></div>
        </div>
    }
}

/// Moves through rows and time.
fn on_key(event: &KeyboardEvent, view: View, scroller: NodeRef<Div>, row_height: f64) {
    let ids: Vec<u64> =
        view.known.with_untracked(|known| known.lanes.rows.iter().map(|row| row.id).collect());
    let pointed = view.pointed.get_untracked().or_else(|| untrack(|| view.chosen()));
    let index = pointed.and_then(|pointed| ids.iter().position(|id| *id == pointed));
    let last = ids.len().saturating_sub(1);
    let to = match event.key().as_str() {
        "ArrowDown" => Some(index.map_or(0, |index| (index + 1).min(last))),
        "ArrowUp" => Some(index.map_or(0, |index| index.saturating_sub(1))),
        "Home" => Some(0),
        "End" => Some(last),
        "Enter" => {
            if let Some(id) = pointed {
                view.choose(id);
            }
            None
        }
        "ArrowLeft" | "ArrowRight" => {
            let step: i64 = if event.key() == "ArrowLeft" { -1 } else { 1 };
            let lane = pointed.and_then(|id| view.known.with_untracked(|known| known.row(id).cloned()));
            view.cursor.update(|cursor| {
                *cursor = Some(moved(lane.as_ref(), *cursor, untrack(|| view.ends()), step));
            });
            view.pointed.set(pointed.or_else(|| ids.first().copied()));
            None
        }
        _ => return,
    };
    event.prevent_default();
    let Some(to) = to.filter(|to| *to < ids.len()) else { return };
    view.pointed.set(Some(ids[to]));
    if let Some(element) = scroller.get_untracked() {
        // The head stays on top of the rows, as high as one of them.
        let (top, visible) = (to as f64 * row_height, f64::from(element.client_height()) - 2.0 * row_height);
        let scrolled = f64::from(element.scroll_top());
        if top < scrolled {
            element.set_scroll_top(top as i32);
        } else if top > scrolled + visible {
            element.set_scroll_top((top - visible) as i32);
        }
    }
}

/// Where a step takes the cursor: to the middle of the next stretch of the row.
fn moved(lane: Option<&ConnectionLane>, cursor: Option<u64>, (from_ms, to_ms): (u64, u64), step: i64) -> u64 {
    let at_ms = cursor.unwrap_or(to_ms);
    let stretch = lane.and_then(|lane| {
        let (begin_ms, stretch) = stretch_at(lane, at_ms.min(lane.seen_ms.saturating_sub(1)))?;
        let next_ms = if step < 0 { begin_ms.checked_sub(1)? } else { begin_ms + stretch.length_ms };
        let (begin_ms, next) = stretch_at(lane, next_ms)?;
        Some(begin_ms + next.length_ms / 2)
    });
    let plain = at_ms.saturating_add_signed(step * i64::try_from((to_ms - from_ms) / 60).unwrap_or(1));
    stretch.unwrap_or(plain).clamp(from_ms, to_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_goes_from_stretch_to_stretch() {
        let stretch = |length_ms| poolscope_wire::LaneSegment { length_ms, ..Default::default() };
        let lane = ConnectionLane {
            start_ms: 1_000,
            seen_ms: 6_000,
            segments: vec![stretch(2_000), stretch(1_000), stretch(2_000)],
            ..ConnectionLane::default()
        };
        let span = (0, 60_000);
        assert_eq!(moved(Some(&lane), None, span, -1), 3_500);
        assert_eq!(moved(Some(&lane), Some(3_500), span, -1), 2_000);
        assert_eq!(moved(Some(&lane), Some(2_000), span, 1), 3_500);
        assert_eq!(moved(Some(&lane), Some(1_200), span, -1), 200, "before its begin it goes on evenly");
        assert_eq!(moved(None, Some(59_900), span, 1), 60_000);
    }
}
