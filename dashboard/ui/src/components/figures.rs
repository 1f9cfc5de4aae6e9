//! The history of what is neither a pool nor a breaker, for the time that is looked at and an earlier one beside it.

use leptos::prelude::*;
use poolscope_wire::FigureHistory;

use super::loaded::{Loaded, use_loaded};
use crate::{
    chart::section::{Answer, History},
    derived::Derived,
    state::live::Live,
    time::{
        Time,
        range::{Range, Span},
    },
};

/// How many points are asked for: of what is counted now and then, each second by itself would show no course.
const POINTS: usize = 200;

/// What followed the earlier time is read too, because the live time moves on before it is read again.
const AHEAD_MS: u64 = 60_000;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// The history.
    pub now: RwSignal<Loaded<FigureHistory>>,
    /// That of the earlier time, while there is to be one.
    before: RwSignal<Loaded<FigureHistory>>,
}

impl History for Figures {
    fn now<T>(self, read: impl FnOnce(Option<&dyn Answer>) -> T) -> T {
        self.now.with(|loaded| read(loaded.ready().map(|history| history as &dyn Answer)))
    }

    fn before<T>(self, read: impl FnOnce(Option<&dyn Answer>) -> T) -> T {
        self.before.with(|loaded| read(loaded.ready().map(|history| history as &dyn Answer)))
    }

    fn failures(self) -> [Option<String>; 2] {
        [self.now, self.before].map(|of| of.with(|loaded| loaded.failure().map(ToString::to_string)))
    }
}

/// The history below an address of the server, kept up to date. `of` is a part of its query, with a `&` behind it.
pub fn use_figures(live: Live, time: Time, path: String, of: &'static str) -> Figures {
    let path = StoredValue::new(path);
    let url = move |span: Span| {
        let Span { from_ms, to_ms } = span;
        path.with_value(|path| format!("{path}?{of}from_ms={from_ms}&to_ms={to_ms}&max_points={POINTS}"))
    };
    let now_url = move || url(time.range().span(live.now_ms()));
    let before_url = move || {
        time.compare().map_or_else(String::new, |compare| {
            let span = time.range().span(live.now_ms()).earlier(compare.shift_ms());
            url(Span { to_ms: span.to_ms + AHEAD_MS, ..span })
        })
    };
    // What has passed does not change any more.
    let again = move || match time.range() {
        Range::Live(_) => true,
        Range::Fixed(span) => span.to_ms >= live.now_ms(),
    };
    let range = move || time.range().to_query().map(|(_, value)| value).join(" ");
    let key = Derived::new(range);
    let before_key = Derived::new(move || {
        time.compare().map_or_else(String::new, |by| format!("{} {}", by.key(), range()))
    });
    Figures {
        now: use_loaded(live, key, now_url, again),
        before: use_loaded(live, before_key, before_url, again),
    }
}
