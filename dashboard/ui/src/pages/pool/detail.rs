//! The history of a pool: read once, moved on by the live stream, and read again now and then for its totals.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};
use poolscope_wire::{PoolDetail, PoolPoint};

use crate::{
    api::{self, Failure},
    browser,
    state::live::Live,
};

/// How often totals are read again: the stream does not carry them.
const REFRESH: Duration = Duration::from_secs(5);

/// The most points that are kept, however long the page stays open.
const MAX_POINTS: usize = 7_200;

/// The history of a pool, or what became of reading it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Loaded {
    /// It is on its way.
    #[default]
    Loading,
    /// It is here.
    Ready(Box<PoolDetail>),
    /// It could not be read.
    Failed(Failure),
}

/// [`Loaded`] without its data: what decides which page is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It is on its way.
    Loading,
    /// It is here.
    Ready,
    /// It could not be read.
    Failed(Failure),
}

impl Loaded {
    /// Which page is shown.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Loading => Stage::Loading,
            Self::Ready(_) => Stage::Ready,
            Self::Failed(failure) => Stage::Failed(failure.clone()),
        }
    }

    /// The history, if it is here.
    pub fn detail(&self) -> Option<&PoolDetail> {
        match self {
            Self::Ready(detail) => Some(detail),
            Self::Loading | Self::Failed(_) => None,
        }
    }

    /// Takes in an answer. A history that is shown stays when a later reading only fails to get through.
    fn take(&mut self, answer: Result<PoolDetail, Failure>) {
        match (answer, &*self) {
            (Ok(detail), _) => *self = Self::Ready(Box::new(detail)),
            (Err(Failure::Unreachable), Self::Ready(_)) => {}
            (Err(failure), _) => *self = Self::Failed(failure),
        }
    }

    /// True if a point of the stream moves the history on.
    fn wants(&self, point: &PoolPoint) -> bool {
        self.detail().is_some_and(|detail| {
            point.at_ms > 0 && detail.points.last().is_none_or(|newest| newest.at_ms < point.at_ms)
        })
    }

    fn push(&mut self, point: PoolPoint) {
        if let Self::Ready(detail) = self {
            detail.points.push(point);
            let extra = detail.points.len().saturating_sub(MAX_POINTS);
            detail.points.drain(..extra);
        }
    }
}

/// The history of a pool, kept up to date.
pub fn use_detail(live: Live, id: String) -> RwSignal<Loaded> {
    let loaded = RwSignal::new(Loaded::default());
    let fetch = {
        let id = id.clone();
        move || {
            // A picture that is held stays as it is.
            if untrack(|| live.held()) && loaded.with_untracked(|loaded| loaded.detail().is_some()) {
                return;
            }
            let id = id.clone();
            spawn_local(async move {
                let answer = api::pool(&id).await;
                // The page may be gone by now.
                loaded.try_update(|loaded| loaded.take(answer));
            });
        }
    };
    fetch();
    browser::use_interval(REFRESH, fetch);
    Effect::new(move |_| {
        if let Some(point) = live.newest_point(&id)
            && loaded.with_untracked(|loaded| loaded.wants(&point))
        {
            loaded.update(|loaded| loaded.push(point));
        }
    });
    loaded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_ms: u64) -> PoolPoint {
        PoolPoint { at_ms, ..PoolPoint::default() }
    }

    #[test]
    fn a_history_survives_a_reading_that_does_not_get_through() {
        let mut loaded = Loaded::default();
        loaded.take(Err(Failure::Unreachable));
        assert_eq!(loaded.stage(), Stage::Failed(Failure::Unreachable));
        loaded.take(Ok(PoolDetail::default()));
        loaded.take(Err(Failure::Unreachable));
        assert_eq!(loaded.stage(), Stage::Ready);
        let gone = Failure::NotFound("gone".to_owned());
        loaded.take(Err(gone.clone()));
        assert_eq!(loaded.stage(), Stage::Failed(gone));
    }

    #[test]
    fn only_newer_points_move_it_on_and_it_stays_bounded() {
        let mut loaded = Loaded::Loading;
        assert!(!loaded.wants(&at(1)));
        loaded.take(Ok(PoolDetail { points: vec![at(5)], ..PoolDetail::default() }));
        assert!(!loaded.wants(&at(5)));
        assert!(loaded.wants(&at(6)));
        for at_ms in 6..6 + MAX_POINTS as u64 {
            loaded.push(at(at_ms));
        }
        assert_eq!(loaded.detail().map(|detail| detail.points.len()), Some(MAX_POINTS));
    }
}
