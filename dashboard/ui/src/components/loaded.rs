//! What an address of the server answers with, kept up to date.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};
use poolscope_wire::json::Read;

use crate::{
    api::{self, Failure},
    browser,
    derived::Derived,
    state::live::Live,
};

/// How often it is read again.
const REFRESH: Duration = Duration::from_secs(3);

/// An answer, or what became of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Loaded<T> {
    /// It is on its way.
    #[default]
    Loading,
    /// It is here.
    Ready(T),
    /// It could not be read.
    Failed(Failure),
}

impl<T> Loaded<T> {
    /// The answer, if it is here.
    pub fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(answer) => Some(answer),
            Self::Loading | Self::Failed(_) => None,
        }
    }

    /// Why there is none.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Loading | Self::Ready(_) => None,
        }
    }

    /// Takes in an answer. One that is shown stays when a later one only fails to get through.
    fn take(&mut self, answer: Result<T, Failure>) {
        match (answer, &*self) {
            (Ok(answer), _) => *self = Self::Ready(answer),
            (Err(Failure::Unreachable), Self::Ready(_)) => {}
            (Err(failure), _) => *self = Self::Failed(failure),
        }
    }
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
    let loaded = RwSignal::new(Loaded::Loading);
    let wanted = StoredValue::new(String::new());
    let fetch = move || {
        let (asked, url) = (wanted.get_value(), untrack(url));
        if url.is_empty() {
            if !loaded.with_untracked(|loaded| matches!(loaded, Loaded::Loading)) {
                loaded.set(Loaded::Loading);
            }
            return;
        }
        spawn_local(async move {
            let answer = api::read(&url).await;
            // The page may be gone by now, or ask for something else.
            if wanted.try_with_value(|wanted| *wanted == asked) == Some(true) {
                loaded.try_update(|loaded| loaded.take(answer));
            }
        });
    };
    Effect::new(move |_| {
        wanted.set_value(key.get());
        fetch();
    });
    browser::use_interval(REFRESH, move || {
        let is_here = loaded.with_untracked(|loaded| loaded.ready().is_some());
        if !is_here || untrack(|| !live.held() && again()) {
            fetch();
        }
    });
    loaded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_survives_a_reading_that_does_not_get_through() {
        let mut loaded = Loaded::<u32>::Loading;
        loaded.take(Err(Failure::Unreachable));
        assert_eq!(loaded.failure(), Some(&Failure::Unreachable));
        loaded.take(Ok(7));
        loaded.take(Err(Failure::Unreachable));
        assert_eq!(loaded.ready(), Some(&7));
        loaded.take(Err(Failure::NotFound("gone".to_owned())));
        assert!(loaded.ready().is_none());
    }
}
