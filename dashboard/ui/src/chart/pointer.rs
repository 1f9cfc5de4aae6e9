//! A pointer over an axis of time: it moves the cursor of the page, and marks a time while it is down.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, PointerEvent};

use super::series::Frame;
use crate::{
    derived::Derived,
    time::{Time, brush, range::Span},
};

/// How far beside the plot the pointer still belongs to it.
const BESIDE_PX: f64 = 6.0;

/// See the module. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Pointer {
    time: Time,
    cursor: RwSignal<Option<u64>>,
    span: Derived<Span>,
    width: ReadSignal<f64>,
    /// Where something so wide is drawn.
    frame: fn(f64) -> Frame,
    /// Place and moment at which the pointer went down.
    down: StoredValue<Option<(f64, u64)>>,
    /// True if it has drawn since then.
    drew: StoredValue<bool>,
}

impl Pointer {
    /// The pointer over something that shows `span` and is `width` wide.
    #[must_use]
    pub fn new(
        time: Time,
        cursor: RwSignal<Option<u64>>,
        span: Derived<Span>,
        width: ReadSignal<f64>,
        frame: fn(f64) -> Frame,
    ) -> Self {
        Self { time, cursor, span, width, frame, down: StoredValue::new(None), drew: StoredValue::new(false) }
    }

    fn place(self, event: &PointerEvent) -> (f64, Frame, Span) {
        let frame = (self.frame)(self.width.get_untracked());
        (f64::from(event.offset_x()), frame, self.span.get_untracked())
    }

    /// It went down.
    pub fn down(self, event: &PointerEvent) {
        let (x, frame, span) = self.place(event);
        self.drew.set_value(false);
        if event.button() != 0 || x > frame.right + BESIDE_PX {
            return;
        }
        self.down.set_value(Some((x, brush::moment_at(x, frame, span))));
        if let Some(target) = event.current_target().and_then(|target| target.dyn_into::<Element>().ok()) {
            // Where it can't be captured, the mark ends at the edge of the plot.
            drop(target.set_pointer_capture(event.pointer_id()));
        }
    }

    /// It moved.
    pub fn moved(self, event: &PointerEvent) {
        let (x, frame, span) = self.place(event);
        let is_inside = x >= frame.left - BESIDE_PX && x <= frame.right + BESIDE_PX;
        self.cursor.set(is_inside.then(|| brush::moment_at(x, frame, span)));
        if let Some(down) = self.down.get_value() {
            let drawn = brush::dragged(down, x, frame, span);
            self.drew.set_value(drawn.is_some());
            self.time.draw(drawn);
        }
    }

    /// It went up: a click marks nothing, and clears what was marked.
    pub fn up(self, event: &PointerEvent) {
        let (x, frame, span) = self.place(event);
        if let Some(down) = self.down.try_update_value(Option::take).flatten() {
            self.time.mark(brush::dragged(down, x, frame, span));
        }
    }

    /// What it began is not to be.
    pub fn cancel(self) {
        self.down.set_value(None);
        self.time.draw(None);
    }

    /// It is not over the plot any more.
    pub fn left(self) {
        self.cursor.set(None);
    }

    /// True if it has drawn, so that the click which follows is none.
    #[must_use]
    pub fn drew(self) -> bool {
        self.drew.get_value()
    }

    /// Left edge and width of what is marked, as far as it is in view; a moment is seen, too.
    #[must_use]
    pub fn marked(self) -> Option<(f64, f64)> {
        let place = brush::place(self.time.marked()?, (self.frame)(self.width.get()), self.span.get());
        place.map(|(x, wide)| (x, wide.max(1.5)))
    }
}
