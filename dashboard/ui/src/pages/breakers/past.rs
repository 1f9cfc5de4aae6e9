//! The history of a breaker over the time that is looked at: the stream brings only its state and its newest changes, and
//! nothing of when it was not known.

use std::time::Duration;

use leptos::prelude::*;
use poolscope_wire::{Breaker, BreakerDetail, Transition};

use crate::{
    api::{self, Failure},
    browser,
    derived::{Derived, effect},
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
    /// Why it is not here; empty while it is read.
    pub fn untold(&self) -> Option<String> {
        match (&self.detail, &self.failure) {
            (Some(_), _) => None,
            (None, Some(failure)) => Some(format!("Its history can't be read: {failure}")),
            (None, None) => Some(String::new()),
        }
    }

    /// Every change of state that is known, oldest first: those of the history, and those that the stream told since.
    pub fn changes(&self, breaker: &Breaker) -> Vec<Transition> {
        let Some(detail) = &self.detail else { return breaker.transitions.clone() };
        let newer = breaker.transitions.iter().filter(|change| change.at_ms > detail.range.to_ms);
        detail.transitions.iter().chain(newer).cloned().collect()
    }
}

/// Histories by the ids of their breakers.
pub type Pasts = Vec<(String, Past)>;

/// Reads the history of a breaker, and reads it again while the time that is looked at moves on.
pub fn use_past(live: Live, time: Time, id: String) -> Derived<Past> {
    let pasts = use_pasts(live, time, Derived::from(vec![id]));
    Derived::new(move || pasts.with(|pasts| pasts.first().map(|(_, past)| past.clone()).unwrap_or_default()))
}

/// The same of several breakers; one of which nothing has come is not there.
pub fn use_pasts(live: Live, time: Time, ids: Derived<Vec<String>>) -> RwSignal<Pasts> {
    let pasts = RwSignal::new(Pasts::new());
    let fetch = move |range: Range, id: String| {
        let now_ms = untrack(|| live.now_ms());
        let span = match range {
            // The list below a strip reaches back further than the strip.
            range if range == Range::default() => Span::ending_at(now_ms, LISTED_MS),
            range => range.span(now_ms),
        };
        browser::spawn(async move {
            let answer = api::breaker(&id, span).await;
            // The card may be gone by now, or show another time.
            if !pasts.is_disposed() && untrack(|| time.range()) == range {
                pasts.update(|pasts| take(pasts, id, answer));
            }
        });
    };
    let is_missing = move |id: &String| {
        pasts.with_untracked(|pasts| !pasts.iter().any(|(of, past)| of == id && past.detail.is_some()))
    };
    let shown = StoredValue::new(None::<Range>);
    effect(move || {
        let range = time.range();
        if shown.get_value() != Some(range) {
            shown.set_value(Some(range));
            pasts.set(Pasts::new());
        }
        let ids = ids.get();
        ids.into_iter().filter(is_missing).for_each(|id| fetch(range, id));
    });
    browser::use_interval(REFRESH, move || {
        let range = untrack(|| time.range());
        let moves = range.is_live() && !untrack(|| live.held());
        let ids = ids.get_untracked();
        ids.into_iter().filter(|id| moves || is_missing(id)).for_each(|id| fetch(range, id));
    });
    pasts
}

/// Takes what the server answered. What is here stays here while nothing newer comes.
fn take(pasts: &mut Pasts, id: String, answer: Result<BreakerDetail, Failure>) {
    let place = pasts.iter().position(|(of, _)| *of == id).unwrap_or_else(|| {
        pasts.push((id, Past::default()));
        pasts.len() - 1
    });
    let past = &mut pasts[place].1;
    match answer {
        Ok(detail) => *past = Past { detail: Some(Box::new(detail)), failure: None },
        Err(failure) => past.failure = Some(failure),
    }
}
