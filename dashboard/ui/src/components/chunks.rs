//! A long list in chunks, of which only those near the view are in the page; the others keep their place. For things that
//! are not all of one height, as rows of pools are.

use std::sync::Arc;

use leptos::{
    ev,
    html::{self, Div, Tbody},
    prelude::*,
};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::each::each;
use crate::derived::{Derived, effect};

/// Chunks that are so many pixels above or below the view are in the page, so that scrolling and `j` find what is there
/// already.
const MARGIN: f64 = 900.0;

/// What the things of a list are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Cards side by side.
    Cards,
    /// Rows of a table of so many columns.
    Rows(usize),
}

impl Shape {
    /// Things of a chunk: as many as fill whole lines of up to four cards.
    fn size(self) -> usize {
        match self {
            Self::Cards => 24,
            Self::Rows(_) => 50,
        }
    }

    /// About how high a chunk is that was never in the page.
    fn height(self, things: usize) -> f64 {
        match self {
            Self::Cards => things.div_ceil(3) as f64 * 460.0,
            Self::Rows(_) => things as f64 * 76.0,
        }
    }
}

type Item = Arc<dyn Fn(String) -> AnyView + Send + Sync>;

/// What all chunks of a list share. Cheap to copy.
#[derive(Debug, Clone, Copy)]
struct List {
    keys: Derived<Vec<String>>,
    shape: Shape,
    /// Chunks that came into the page or left it: what is below them moved.
    moved: RwSignal<u32>,
}

/// The things of some keys. `first` is the key of one that is in the page from the begin, wherever it stands.
pub fn chunks(
    keys: Derived<Vec<String>>,
    shape: Shape,
    first: Option<String>,
    item: impl Fn(String) -> AnyView + Send + Sync + 'static,
) -> AnyView {
    let list = List { keys, shape, moved: RwSignal::new(0) };
    let places =
        move || (0..keys.with(Vec::len).div_ceil(shape.size())).map(|place| place.to_string()).collect();
    let item: Item = Arc::new(item);
    each(places, move |place| chunk(list, place.parse().unwrap_or_default(), first.as_ref(), item.clone()))
}

fn chunk(list: List, place: usize, first: Option<&String>, item: Item) -> AnyView {
    let own = Derived::new(move || list.keys.with(|keys| of_place(keys, place, list.shape.size()).to_vec()));
    let has_first = first.is_some_and(|first| own.with_untracked(|own| own.contains(first)));
    let is_near = RwSignal::new(place == 0 || has_first);
    let height = RwSignal::new(list.shape.height(own.with_untracked(Vec::len)));
    let ids = move || if is_near.get() { own.get() } else { Vec::new() };
    let room = move || format!("{:.0}px", if is_near.get() { 0.0 } else { height.get() });
    let things = each(ids, move |id| item(id));
    match list.shape {
        Shape::Cards => {
            let node = NodeRef::<Div>::new();
            use_near(list, element_of(node), is_near, height);
            view! { <div class="cards" node_ref=node style:min-height=room>{things}</div> }.into_any()
        }
        Shape::Rows(columns) => {
            let node = NodeRef::<Tbody>::new();
            use_near(list, element_of(node), is_near, height);
            let spacer = move || {
                (!is_near.get()).then(|| {
                    view! { <tr class="spacer" aria-hidden="true"><td colspan=columns.to_string() style:height=room></td></tr> }
                })
            };
            view! { <tbody node_ref=node>{things}{spacer}</tbody> }.into_any()
        }
    }
}

/// The keys of a chunk.
fn of_place(keys: &[String], place: usize, size: usize) -> &[String] {
    let begin = (place * size).min(keys.len());
    &keys[begin..(begin + size).min(keys.len())]
}

type Found = Box<dyn Fn() -> Option<HtmlElement>>;

fn element_of<E>(node: NodeRef<E>) -> Found
where
    E: html::ElementType + 'static,
    E::Output: JsCast + Clone + 'static,
{
    Box::new(move || Some(node.try_get_untracked().flatten()?.unchecked_into()))
}

/// Puts a chunk into the page when it comes near the view, and takes it out when it has left that.
fn use_near(list: List, element: Found, is_near: RwSignal<bool>, height: RwSignal<f64>) {
    let element = StoredValue::new_local(element);
    let measure = move || {
        let Some(Some(element)) = element.try_with_value(|element| element()) else { return };
        let view = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(1_000.0);
        let place = element.get_bounding_client_rect();
        // A short list is whole, so that the browser's own search finds all of it.
        let is_only = list.keys.with_untracked(Vec::len) <= list.shape.size();
        let now = is_only || is_in_reach(place.top(), place.bottom(), view);
        if is_near.try_get_untracked().is_none_or(|before| before == now) {
            return;
        }
        if !now {
            // Whoever is in it with the keyboard stays in it.
            let focused = document().active_element();
            if element.contains(focused.as_ref().map(AsRef::as_ref)) {
                return;
            }
            height.set(place.height());
        }
        is_near.set(now);
        list.moved.update(|times| *times = times.wrapping_add(1));
    };
    effect(move || {
        list.moved.track();
        list.keys.with(Vec::len);
        request_animation_frame(measure);
    });
    for listener in [
        window_event_listener(ev::scroll, move |_| measure()),
        window_event_listener(ev::resize, move |_| measure()),
    ] {
        on_cleanup(move || listener.remove());
    }
}

fn is_in_reach(top: f64, bottom: f64, view: f64) -> bool {
    bottom > -MARGIN && top < view + MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_one_chunk() {
        let keys: Vec<String> = (0..1_003).map(|key| key.to_string()).collect();
        for shape in [Shape::Cards, Shape::Rows(5)] {
            let size = shape.size();
            let places = 0..keys.len().div_ceil(size);
            let all: Vec<String> = places.flat_map(|place| of_place(&keys, place, size).to_vec()).collect();
            assert_eq!(all, keys);
        }
        assert!(of_place(&keys, 99, 50).is_empty(), "the list may have become shorter");
    }

    #[test]
    fn what_is_in_view_or_close_to_it_is_in_reach() {
        assert!(is_in_reach(-5_000.0, 5_000.0, 900.0) && is_in_reach(0.0, 10.0, 900.0));
        assert!(is_in_reach(1_700.0, 9_000.0, 900.0) && is_in_reach(-2_000.0, -800.0, 900.0));
        assert!(!is_in_reach(2_000.0, 9_000.0, 900.0) && !is_in_reach(-9_000.0, -1_000.0, 900.0));
    }
}
