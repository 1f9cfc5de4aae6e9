//! One lane.

use leptos::prelude::*;

use super::{
    View,
    geometry::{HEIGHT, Shape},
    text::{RowText, Tone},
};
use crate::{chart::scale::Scale, derived::Derived};

/// A connection as a row.
#[component]
pub fn LaneRow(
    /// Its identity.
    id: u64,
    /// What the rows share.
    view: View,
) -> impl IntoView {
    let lane = view.row(id);
    let text = Derived::new(move || {
        let (to_ms, interval_ms) = (view.ends().1, view.known.with(|known| known.lanes.interval_ms));
        lane.with(|lane| lane.as_ref().map(|lane| RowText::new(lane, to_ms, interval_ms)).unwrap_or_default())
    });
    let shape = Derived::new(move || {
        lane.with(|lane| {
            lane.as_ref().map(|lane| Shape::new(lane, view.ends(), view.width.get())).unwrap_or_default()
        })
    });
    let is_wasted = Derived::new(move || lane.with(|lane| lane.as_ref().is_some_and(|lane| lane.wasted)));
    let word = move |read: fn(&RowText) -> String| move || text.with(read);
    let path = move |read: fn(&Shape) -> &String| move || shape.with(|shape| read(shape).clone());
    let cursor = Derived::new(move || {
        let ((from, to), at) = (view.ends(), view.cursor.get()?);
        let x = Scale::new((from as f64, to as f64), (0.0, view.width.get())).map(at as f64);
        (from..=to).contains(&at).then(|| format!("{x:.1}"))
    });
    let class = move || {
        let tone = match text.with(|text| text.tone) {
            Tone::Fine => "",
            Tone::Warn => " v-warn",
            Tone::Bad => " v-bad",
        };
        let is_pointed = if view.pointed.get() == Some(id) { " is-pointed" } else { "" };
        let is_chosen = if view.chosen() == Some(id) { " is-chosen" } else { "" };
        format!("lane{tone}{is_pointed}{is_chosen}")
    };
    // Nothing is chosen by drawing.
    let choose = move |_| {
        if !view.pointer.drew() {
            view.choose(id);
        }
    };
    let marked = Derived::new(move || view.pointer.marked());
    let mark = move || {
        let d = if is_wasted.get() { "M0 -5L5 0L0 5L-5 0Z" } else { "M-3.5 -3.5L3.5 3.5M3.5 -3.5L-3.5 3.5" };
        let class = if is_wasted.get() { "mark wasted" } else { "mark" };
        shape.with(|shape| shape.closed).map(|x| {
            view! { <g transform=format!("translate({x:.1} 11)")><path class=class d=d /></g> }
        })
    };
    view! {
        <div class=class data-testid="lane" data-connection=id.to_string()
            on:pointerenter=move |_| view.pointed.set(Some(id)) on:click=choose>
            <span class="l-id">{word(|text| text.name.clone())}</span>
            <span class="l-peer mono clip" dir="auto" title=word(|text| text.peer.clone())>{word(|text| text.peer.clone())}</span>
            <span class="l-age number">{word(|text| text.age.clone())}</span>
            <span class="l-reqs number">{word(|text| text.requests.clone())}</span>
            <div class="l-lane" on:pointerdown=move |event| view.pointer.down(&event) on:pointermove=move |event| view.pointer.moved(&event)
                on:pointerup=move |event| view.pointer.up(&event) on:pointercancel=move |_| view.pointer.cancel()
                on:pointerleave=move |_| view.pointer.left()>
                <svg width=move || view.width.get().to_string() height=HEIGHT.to_string() role="img" aria-label=word(RowText::sentence)>
                    {move || marked.get().map(|(x, wide)| view! {
                        <rect class="brush" x=x.to_string() width=wide.to_string() y="-4" height=(HEIGHT + 8.0).to_string() />
                    })}
                    <path class="open" d=path(|shape| &shape.open) />
                    <path class="active" d=path(|shape| &shape.active) />
                    <path class="draining" d=path(|shape| &shape.draining) />
                    <path class="upgraded" d=path(|shape| &shape.upgraded) />
                    <path class="leak" d=path(|shape| &shape.leaks) />
                    {mark}
                    {move || cursor.get().map(|x| view! { <line class="cursor" x1=x.clone() x2=x y1="0" y2=HEIGHT.to_string() /> })}
                </svg>
            </div>
            <span class="l-what clip" title=word(|text| text.what.clone())>{word(|text| text.what.clone())}</span>
        </div>
    }
}
