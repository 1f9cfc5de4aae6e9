//! Which rows of a long list are in view: only those are in the page, with room kept for the others.

use std::ops::Range;

use leptos::{ev, html::Ul, prelude::*};

use crate::{
    browser,
    derived::{Derived, effect},
};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// Lists that are not longer than this are in the page whole.
const WHOLE_UP_TO: usize = 60;

/// Rows above and below the view, so that scrolling and `j` find one that is there already.
const MARGIN: usize = 8;

/// Rows by which the window moves, so that not every pixel of scrolling changes the page.
const STEP: usize = 4;

/// What the window of a list follows from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Geometry {
    /// Pixels of the list that are above the view.
    scrolled: f64,
    /// Height of the view.
    height: f64,
    /// Height of a row; zero until one was measured.
    row: f64,
}

/// The window of a list.
#[derive(Debug, Clone, Copy)]
pub struct RowWindow {
    /// The rows that are in the page.
    pub range: Derived<Range<usize>>,
    /// Those of them that can be seen, and so have to be up to date; all of a short list.
    pub in_view: Derived<Range<usize>>,
    /// Pixels of the rows above.
    pub above: Derived<f64>,
    /// Pixels of the rows below.
    pub below: Derived<f64>,
}

impl Geometry {
    /// The rows of a list of `count` that are in the page.
    fn range(self, count: usize) -> Range<usize> {
        if count <= WHOLE_UP_TO {
            return 0..count;
        }
        if self.row <= 0.0 {
            return 0..WHOLE_UP_TO;
        }
        let first = (self.scrolled.max(0.0) / self.row) as usize;
        let visible = (self.height / self.row) as usize + 1;
        let start = first.saturating_sub(MARGIN) / STEP * STEP;
        let start = start.min(count.saturating_sub(visible + MARGIN));
        start..(start + visible + 2 * MARGIN + STEP).min(count)
    }

    /// The rows of a list of `count` that can be seen.
    fn in_view(self, count: usize) -> Range<usize> {
        if count <= WHOLE_UP_TO || self.row <= 0.0 {
            return 0..count;
        }
        // What is below 0 becomes 0.
        let first = (self.scrolled / self.row) as usize;
        let end = ((self.scrolled + self.height) / self.row).ceil() as usize;
        first.min(count)..end.min(count)
    }
}

/// The window of a list, kept up to date while the page scrolls.
pub fn use_row_window(list: NodeRef<Ul>, count: Derived<usize>) -> RowWindow {
    let (geometry, set_geometry) = signal(Geometry::default());
    let measure = move || {
        let Some(list) = list.try_get_untracked().flatten() else { return };
        let row = list
            .query_selector("[data-stop]")
            .ok()
            .flatten()
            .and_then(|row| row.closest("li").ok().flatten());
        let row = row.map_or(0.0, |row| f64::from(row.unchecked_into::<HtmlElement>().offset_height()));
        let height = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(1_000.0);
        let scrolled = -list.get_bounding_client_rect().top();
        set_geometry.try_set(Geometry { scrolled, height, row });
    };
    // Measured once there is a row, and whenever one of the things it follows from may have changed.
    effect(move || {
        if list.get().is_some() && count.get() > WHOLE_UP_TO {
            request_animation_frame(measure);
        }
    });
    // What stands above the list grows and shrinks, and moves it without a scroll: then what it stands in has another height.
    effect(move || {
        if let Some(around) = list.get().and_then(|list| list.parent_element()) {
            browser::on_resize(&around, measure);
        }
    });
    for listener in [
        window_event_listener(ev::scroll, move |_| measure()),
        window_event_listener(ev::resize, move |_| measure()),
    ] {
        on_cleanup(move || listener.remove());
    }
    let range = Derived::new(move || geometry.get().range(count.get()));
    RowWindow {
        range,
        in_view: Derived::new(move || geometry.get().in_view(count.get())),
        above: Derived::new(move || range.get().start as f64 * geometry.get().row),
        below: Derived::new(move || count.get().saturating_sub(range.get().end) as f64 * geometry.get().row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_are_whole() {
        assert_eq!(Geometry::default().range(WHOLE_UP_TO), 0..WHOLE_UP_TO);
        let far_away = Geometry { scrolled: -5_000.0, height: 900.0, row: 64.0 };
        assert_eq!(far_away.in_view(WHOLE_UP_TO), 0..WHOLE_UP_TO);
    }

    #[test]
    fn every_row_in_view_is_in_the_page_wherever_it_is_scrolled_to() {
        for count in [61, 100, 1_000] {
            for scrolled in (-200..64 * 1_000).step_by(37) {
                let geometry = Geometry { scrolled: f64::from(scrolled), height: 900.0, row: 64.0 };
                let range = geometry.range(count);
                assert!(range.end <= count && range.len() <= 50, "{range:?}");
                let in_view = geometry.in_view(count);
                assert!(
                    in_view.is_empty() || range.start <= in_view.start && in_view.end <= range.end,
                    "{in_view:?}"
                );
                for row in 0..count {
                    let top = row as f64 * 64.0 - f64::from(scrolled);
                    let is_seen = top < 900.0 && top + 64.0 > 0.0;
                    assert!(!is_seen || in_view.contains(&row), "{scrolled}: {row} is not in {in_view:?}");
                }
                let first = (f64::from(scrolled.max(0)) / 64.0) as usize;
                for row in first..(first + 15).min(count) {
                    assert!(range.contains(&row), "{scrolled}: {row} is not in {range:?} of {count}");
                }
            }
        }
    }
}
