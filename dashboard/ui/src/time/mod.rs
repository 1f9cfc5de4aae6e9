//! Which time is looked at: one for the whole dashboard, and all of it in the address.

pub mod brush;
pub mod compare;
pub mod range;
pub mod zone;

use leptos::prelude::*;

use crate::{browser, derived::Derived, format, navigation::Navigation, state::live::Live};

use compare::Compare;
use range::{Range, Span};

/// Where the choice of UTC is kept.
const UTC_KEY: &str = "poolscope-utc";

/// The time that is looked at. Cheap to copy, and every copy is the same.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    navigation: Navigation,
    live: Live,
    range: Derived<Range>,
    compare: Derived<Option<Compare>>,
    utc: Derived<bool>,
    prefers_utc: RwSignal<bool>,
    /// What a pointer is about to mark.
    drag: RwSignal<Option<Span>>,
    marked: Derived<Option<Span>>,
}

impl Time {
    /// The time of the address.
    #[must_use]
    pub fn start(navigation: Navigation, live: Live) -> Self {
        let drag = RwSignal::new(None);
        let prefers_utc = RwSignal::new(browser::setting(UTC_KEY).is_some_and(|word| word == "utc"));
        if prefers_utc.get_untracked() {
            navigation.set_query("tz", "utc");
        }
        Self {
            navigation,
            live,
            range: Derived::new(move || navigation.with_query(Range::of_query)),
            compare: Derived::new(move || Compare::of_key(&navigation.query("compare"))),
            utc: Derived::new(move || {
                let utc = prefers_utc.get() || navigation.query("tz") == "utc";
                // Whoever formats a moment looks there, and is drawn anew after this.
                zone::choose_utc(utc);
                utc
            }),
            prefers_utc,
            drag,
            marked: Derived::new(move || drag.get().or_else(|| Span::parse(&navigation.query("sel")))),
        }
    }

    /// Which time is looked at.
    #[must_use]
    pub fn range(self) -> Range {
        self.range.get()
    }

    /// The time itself, at this moment.
    #[must_use]
    pub fn span(self) -> Span {
        match self.range.get() {
            Range::Fixed(span) => span,
            // Whole seconds: nothing need be drawn more often for the clock.
            live @ Range::Live(_) => live.span(self.live.now_ms() / 1_000 * 1_000),
        }
    }

    /// A time that stands still, if that is what is looked at.
    #[must_use]
    pub fn fixed(self) -> Option<Span> {
        match self.range.get() {
            Range::Fixed(span) => Some(span),
            Range::Live(_) => None,
        }
    }

    /// When something happened: how long ago while time goes on, and by the clock in a time that stands still.
    #[must_use]
    pub fn when(self, at_ms: u64) -> String {
        match self.range.get() {
            Range::Fixed(_) => format::dated_time(at_ms, untrack(|| self.live.now_ms())),
            Range::Live(_) => format::ago(self.live.now_ms(), at_ms),
        }
    }

    /// Looks at another time. That is a step of the browser's history, so that back undoes it.
    pub fn go(self, range: Range) {
        let [window, from, to] = range.to_query();
        self.navigation.set_queries(&[window, from, to, ("sel", String::new())], true);
    }

    /// Changes the time that is looked at.
    pub fn change(self, by: impl FnOnce(Range, u64) -> Range) {
        self.go(by(self.range.get_untracked(), untrack(|| self.live.now_ms())));
    }

    /// The earlier time that is drawn beside it.
    #[must_use]
    pub fn compare(self) -> Option<Compare> {
        self.compare.get()
    }

    /// The marked time, also while the pointer still draws it.
    #[must_use]
    pub fn marked(self) -> Option<Span> {
        self.marked.get()
    }

    /// Shows what a pointer is about to mark.
    pub fn draw(self, span: Option<Span>) {
        self.drag.set(span);
    }

    /// Marks a time, or clears the mark. That is no step of the history.
    pub fn mark(self, span: Option<Span>) {
        self.drag.set(None);
        self.navigation.set_query("sel", &span.map_or_else(String::new, Span::to_text));
    }

    /// Looks at the marked time.
    pub fn zoom_to_mark(self) {
        if let Some(span) = self.marked.get_untracked() {
            self.go(Range::Fixed(span.widened()));
        }
    }

    /// True if moments are written in UTC.
    #[must_use]
    pub fn utc(self) -> bool {
        self.utc.get()
    }

    /// Writes moments in UTC, or in the zone of the browser.
    pub fn set_utc(self, utc: bool) {
        let word = if utc { "utc" } else { "" };
        browser::set_setting(UTC_KEY, word);
        self.prefers_utc.set(utc);
        self.navigation.set_query("tz", word);
    }

    /// How far back the server keeps history.
    #[must_use]
    pub fn kept_ms(self) -> u64 {
        self.live.with_status(|store| store.status.retention_ms)
    }
}
