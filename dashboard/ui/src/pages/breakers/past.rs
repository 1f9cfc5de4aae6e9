//! The history of a breaker over the time that is looked at: the stream brings only its state and its newest changes, and
//! nothing of when it was not known.

use std::time::Duration;

use leptos::prelude::*;
use poolscope_wire::{Breaker, BreakerDetail, Transition};

use crate::{
    api::{self, Failure},
    browser,
    derived::effect,
    state::live::Live,
    time::{
        Time,
        range::{Range, Span},
    },
};

/// How often it is read again while the time moves on. The stream tells every change meanwhile.
const REFRESH: Duration = Duration::from_secs(30);

/// How far back changes are listed while nobody has asked for a time.
const LISTED_MS: u64 = 3_600_000;

/// A history, or what became of reading it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    /// The history, if it is here.
    pub detail: Option<Box<BreakerDetail>>,
    /// Why it is not, or why it is not newer.
    pub failure: Option<Failure>,
}

impl Past {
    /// Every change of state that is known, oldest first: those of the history, and those that the stream told since.
    pub fn changes(&self, breaker: &Breaker) -> Vec<Transition> {
        let Some(detail) = &self.detail else { return breaker.transitions.clone() };
        let newer = breaker.transitions.iter().filter(|change| change.at_ms > detail.range.to_ms);
        detail.transitions.iter().chain(newer).cloned().collect()
    }
}

/// Reads the history of a breaker, and reads it again while the time that is looked at moves on.
pub fn use_past(live: Live, time: Time, id: String) -> RwSignal<Past> {
    let past = RwSignal::new(Past::default());
    let id = StoredValue::new(id);
    let fetch = move |range: Range| {
        let Some(id) = id.try_get_value() else { return };
        let now_ms = untrack(|| live.now_ms());
        let span = match range {
            // The list below a strip reaches back further than the strip.
            range if range == Range::default() => Span::ending_at(now_ms, LISTED_MS),
            range => range.span(now_ms),
        };
        browser::spawn(async move {
            let answer = api::breaker(&id, span).await;
            // The card may be gone by now, or show another time.
            if past.is_disposed() || untrack(|| time.range()) != range {
                return;
            }
            past.update(|past| match answer {
                Ok(detail) => *past = Past { detail: Some(Box::new(detail)), failure: None },
                Err(failure) => past.failure = Some(failure),
            });
        });
    };
    effect(move || {
        past.set(Past::default());
        fetch(time.range());
    });
    browser::use_interval(REFRESH, move || {
        let range = untrack(|| time.range());
        let is_missing = past.with_untracked(|past| past.detail.is_none());
        if is_missing || (range.is_live() && !untrack(|| live.held())) {
            fetch(range);
        }
    });
    past
}
