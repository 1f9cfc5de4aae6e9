//! What an address of the server answers with, kept up to date.
//!
//! An answer belongs to the question that was asked: once that is another, the answer is old, and is shown as such or not at
//! all. What can't be renewed says so, and how old it is.

use std::time::Duration;

use leptos::prelude::*;
use poolscope_wire::json::Read;

use crate::{
    api::{self, Failure},
    browser,
    derived::{Derived, effect},
    format,
    state::live::Live,
};

/// How often it is read again.
const REFRESH: Duration = Duration::from_secs(3);

/// So many times of [`REFRESH`] are waited at most where the server refuses again and again: half a minute.
const MOST_WAITED: u32 = 10;

/// An answer, or what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<T> {
    /// The newest answer, and when it came by the server's clock.
    answer: Option<(T, u64)>,
    /// It is that to the question before.
    is_old: bool,
    /// Why the last try brought none.
    failure: Option<Failure>,
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self { answer: None, is_old: false, failure: None }
    }
}

impl<T> Loaded<T> {
    /// The answer to what is asked, if it is here.
    pub fn ready(&self) -> Option<&T> {
        self.shown().filter(|_| !self.is_old)
    }

    /// The newest answer, though it may be that to the question before: see [`Self::is_old`].
    pub fn shown(&self) -> Option<&T> {
        self.answer.as_ref().map(|(answer, _)| answer)
    }

    /// True while the newest answer is that to the question before.
    pub fn is_old(&self) -> bool {
        self.is_old
    }

    /// True while the answer to what is asked is on its way for the first time.
    pub fn is_loading(&self) -> bool {
        self.ready().is_none() && self.failure.is_none()
    }

    /// Why there is none.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().filter(|_| self.ready().is_none())
    }

    /// Of what moment the answer is, and why it is not renewed, while that is so.
    pub fn late(&self) -> Option<Late> {
        let (_, at_ms) = self.answer.as_ref().filter(|_| !self.is_old)?;
        Some(Late { at_ms: *at_ms, why: self.failure.as_ref()?.to_string() })
    }

    /// Another question is asked.
    fn ask(&mut self) {
        self.is_old = self.answer.is_some();
        self.failure = None;
    }

    /// Takes in an answer. One that is shown stays when a later one only fails for now.
    fn take(&mut self, answer: Result<T, Failure>, now_ms: u64) {
        match answer {
            Ok(answer) => *self = Self { answer: Some((answer, now_ms)), is_old: false, failure: None },
            Err(failure) => {
                if !failure.passes() {
                    self.answer = None;
                }
                self.failure = Some(failure);
            }
        }
    }
}

/// An answer that could not be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// When it came.
    pub at_ms: u64,
    /// Why there is no newer one.
    pub why: String,
}

/// Says of what moment something is that could not be renewed; nothing while all is well.
pub fn late_note(live: Live, late: Derived<Option<Late>>) -> AnyView {
    let why = Derived::new(move || late.with(|late| late.as_ref().map(|late| late.why.clone())));
    let age = move || {
        let at_ms = late.with(|late| late.as_ref().map_or(0, |late| late.at_ms));
        format!("As of {}. ", format::ago(live.now_ms(), at_ms))
    };
    view! {
        <div role="status">
            {move || why.get().map(|why| view! {
                <p class="is-warn" data-testid="late"><span aria-hidden="true">{age}</span> {why}</p>
            })}
        </div>
    }
    .into_any()
}

/// When to try again: at once after an answer, and ever more slowly while there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pace {
    failures: u32,
    waited: u32,
}

impl Pace {
    fn note(&mut self, is_good: bool) {
        self.waited = 0;
        self.failures = if is_good { 0 } else { self.failures.saturating_add(1) };
    }

    /// One more [`REFRESH`] has passed.
    fn is_due(&mut self) -> bool {
        self.waited += 1;
        let wait = 1_u32 << self.failures.saturating_sub(1).min(8);
        self.waited >= wait.min(MOST_WAITED)
    }
}

/// What is asked, and how it goes.
#[derive(Debug, Clone, Default)]
struct Turn {
    wanted: String,
    /// The question that is on its way.
    asked: Option<String>,
    pace: Pace,
}

/// Reads an address, again when it changes, and now and then for as long as the picture is not held and `again` says so.
/// The address is made anew for each reading, since it may have a time in it; `key` is what makes another question of it.
/// An empty address is nothing to read.
pub fn use_loaded<T>(
    live: Live,
    key: Derived<String>,
    url: impl Fn() -> String + Copy + 'static,
    again: impl Fn() -> bool + Copy + 'static,
) -> RwSignal<Loaded<T>>
where
    T: Read + Default + Send + Sync + 'static,
{
    use_loaded_by(live, key, url, again, async |url| api::read(&url).await)
}

/// The same by another way of reading.
pub fn use_loaded_by<T>(
    live: Live,
    key: Derived<String>,
    url: impl Fn() -> String + Copy + 'static,
    again: impl Fn() -> bool + Copy + 'static,
    read: impl AsyncFn(String) -> Result<T, Failure> + Copy + 'static,
) -> RwSignal<Loaded<T>>
where
    T: Send + Sync + 'static,
{
    let loaded = RwSignal::new(Loaded::default());
    let turn = StoredValue::new(Turn::default());
    let fetch = move || {
        let url = untrack(url);
        if url.is_empty() {
            if loaded.with_untracked(|loaded| loaded.answer.is_some() || loaded.failure.is_some()) {
                loaded.set(Loaded::default());
            }
            return;
        }
        let asked = turn.with_value(|turn| turn.wanted.clone());
        turn.update_value(|turn| turn.asked = Some(turn.wanted.clone()));
        browser::spawn(async move {
            let answer = read(url).await;
            // The page may be gone by now, or ask for something else.
            let is_wanted = turn.try_update_value(|turn| {
                if turn.wanted != asked {
                    return false;
                }
                turn.asked = None;
                turn.pace.note(answer.is_ok());
                true
            });
            if is_wanted == Some(true) {
                let now_ms = untrack(|| live.now_ms());
                loaded.try_update(|loaded| loaded.take(answer, now_ms));
            }
        });
    };
    effect(move || {
        let wanted = key.get();
        turn.set_value(Turn { wanted, ..Turn::default() });
        loaded.update(Loaded::ask);
        fetch();
    });
    browser::use_interval(REFRESH, move || {
        let is_free = turn.try_update_value(|turn| turn.asked.is_none() && turn.pace.is_due());
        let is_well = loaded.with_untracked(|loaded| loaded.failure.is_none() && loaded.ready().is_some());
        if is_free == Some(true) && (!is_well || untrack(|| !live.held() && again())) {
            fetch();
        }
    });
    loaded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Failure {
        Failure::Later("too many".to_owned())
    }

    #[test]
    fn what_is_shown_survives_a_reading_that_fails_for_now_and_says_its_age() {
        for failure in [Failure::Unreachable, busy()] {
            let mut loaded = Loaded::<u32>::default();
            assert!(loaded.is_loading());
            loaded.take(Err(failure.clone()), 1);
            assert_eq!((loaded.failure(), loaded.late()), (Some(&failure), None));
            loaded.take(Ok(7), 2);
            assert_eq!(loaded.late(), None);
            loaded.take(Err(failure.clone()), 3);
            assert_eq!((loaded.ready(), loaded.failure()), (Some(&7), None));
            assert_eq!(loaded.late().map(|late| late.at_ms), Some(2), "when it came, not when it failed");
            loaded.take(Err(Failure::NotFound("gone".to_owned())), 4);
            assert!(loaded.ready().is_none() && loaded.failure().is_some());
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let mut loaded = Loaded::<u32>::default();
        loaded.take(Ok(7), 1);
        loaded.ask();
        assert!(loaded.ready().is_none() && loaded.is_loading() && loaded.is_old());
        assert_eq!(loaded.shown(), Some(&7), "it may be shown as what it is");
        loaded.take(Err(busy()), 2);
        assert!(loaded.late().is_none() && loaded.failure().is_some(), "it is not late, it is another");
        loaded.take(Ok(8), 3);
        assert_eq!((loaded.ready(), loaded.is_old()), (Some(&8), false));
    }

    #[test]
    fn who_is_refused_asks_ever_more_slowly() {
        let mut pace = Pace::default();
        let mut waits = |is_good: bool| {
            pace.note(is_good);
            (1..).find(|_| pace.is_due()).unwrap_or(0)
        };
        assert_eq!([waits(true), waits(false), waits(false), waits(false), waits(false)], [1, 1, 2, 4, 8]);
        assert_eq!([waits(false), waits(false), waits(true)], [MOST_WAITED, MOST_WAITED, 1]);
    }
}
