//! The history of a pool: read for the time that is looked at, moved on by the live stream, and read again now and then
//! for its totals.

use std::time::Duration;

use leptos::prelude::*;
use poolscope_wire::{PoolDetail, PoolPoint};

use crate::{
    api::{self, Failure},
    browser,
    derived::{Derived, effect},
    state::live::Live,
    time::{
        Time,
        compare::Compare,
        range::{Range, Span},
    },
};

/// How often it is looked whether to read again: the stream carries no totals.
const REFRESH: Duration = Duration::from_secs(5);

/// How many points are asked for: about as many as a chart has places.
const POINTS: usize = 600;

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

    /// Takes in an answer. A history that is shown stays until the pool is gone: what a busy server refuses now it tells
    /// later.
    fn take(&mut self, answer: Result<PoolDetail, Failure>) {
        match (answer, &*self) {
            (Ok(detail), _) => *self = Self::Ready(Box::new(detail)),
            (Err(failure), Self::Ready(_)) if !matches!(failure, Failure::NotFound(_)) => {}
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

/// The history of a pool for the time that is looked at, and an earlier one beside it.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// The history.
    pub now: RwSignal<Loaded>,
    /// The history of the earlier time, while there is to be one.
    pub before: RwSignal<Loaded>,
    /// Why the newest reading of the history failed, if it did.
    pub trouble: RwSignal<Option<Failure>>,
    /// True while another time is being read.
    pub is_reading: RwSignal<bool>,
    /// Counts the answers of the server.
    answers: RwSignal<u32>,
}

impl History {
    /// What an answer tells that the stream does not move on, such as totals: read when there is another answer, and not
    /// for each point. All that is read so is of one answer, so that it fits together.
    pub fn told<T: Default + PartialEq + Send + Sync + 'static>(
        self,
        read: impl Fn(&PoolDetail) -> T + Send + Sync + 'static,
    ) -> Derived<T> {
        Derived::new(move || {
            self.answers.track();
            self.now.with_untracked(|loaded| loaded.detail().map(&read).unwrap_or_default())
        })
    }

    /// Takes in an answer for the time that is looked at.
    fn take(self, answer: Result<PoolDetail, Failure>) {
        self.is_reading.set(false);
        self.trouble.set(answer.as_ref().err().cloned());
        self.now.update(|loaded| loaded.take(answer));
        self.answers.update(|answers| *answers = answers.wrapping_add(1));
    }
}

/// After how many refreshes a history of a length is read again: a point of a long one changes slowly.
fn refresh_every(width_ms: u64) -> u64 {
    (width_ms / 180 / 5_000).clamp(1, 12)
}

/// The history of a pool, kept up to date.
pub fn use_history(live: Live, time: Time, id: String) -> History {
    let history = History {
        now: RwSignal::new(Loaded::default()),
        before: RwSignal::new(Loaded::default()),
        trouble: RwSignal::new(None),
        is_reading: RwSignal::new(false),
        answers: RwSignal::new(0),
    };
    let kept_id = StoredValue::new(id.clone());
    // Counts what is looked at, so that an answer that comes too late is known.
    let generation = StoredValue::new(0_u32);
    let fetch = move |range: Range, compare: Option<Compare>| {
        let asked = generation.get_value();
        let span = range.span(untrack(|| live.now_ms()));
        let read = move |span: Span, is_now: bool| {
            let Some(id) = kept_id.try_get_value() else { return };
            browser::spawn(async move {
                let answer = api::pool(&id, span, POINTS).await;
                // The page may be gone by now, or look at another time.
                if generation.try_get_value() != Some(asked) {
                    return;
                }
                if is_now {
                    history.take(answer);
                } else {
                    history.before.update(|loaded| loaded.take(answer));
                }
            });
        };
        read(span, true);
        if let Some(compare) = compare {
            let mut before = span.earlier(compare.shift_ms());
            // What followed then is known already, and the live time moves on before this is read again.
            before.to_ms += REFRESH.as_millis() as u64 * (refresh_every(range.width_ms()) + 1);
            read(before, false);
        }
    };
    effect(move || {
        let (range, compare) = (time.range(), time.compare());
        generation.update_value(|generation| *generation += 1);
        history.is_reading.set(true);
        if compare.is_none() {
            history.before.set(Loaded::default());
        }
        fetch(range, compare);
    });
    let ticks = StoredValue::new(0_u64);
    browser::use_interval(REFRESH, move || {
        let (range, compare) = untrack(|| (time.range(), time.compare()));
        let is_over = match range {
            Range::Live(_) => false,
            // What has passed does not change any more, once it has been read.
            Range::Fixed(span) => span.to_ms < untrack(|| live.now_ms()),
        };
        let is_here = history.now.with_untracked(|loaded| loaded.detail().is_some());
        ticks.update_value(|ticks| *ticks += 1);
        let is_due = ticks.get_value().is_multiple_of(refresh_every(range.width_ms()));
        // A picture that is held stays as it is.
        if !is_here || (is_due && !is_over && !untrack(|| live.held())) {
            fetch(range, compare);
        }
    });
    effect(move || {
        if let Some(point) = live.newest_point(&id)
            && time.range().is_live()
            && history.now.with_untracked(|loaded| loaded.wants(&point))
        {
            history.now.update(|loaded| loaded.push(point));
        }
    });
    history
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

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
        loaded.take(Err(Failure::Refused("busy".to_owned())));
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

    #[test]
    fn what_only_answers_tell_is_read_once_for_each_of_them() {
        static READ: AtomicU32 = AtomicU32::new(0);
        let owner = Owner::new();
        owner.set();
        let history = History {
            now: RwSignal::default(),
            before: RwSignal::default(),
            trouble: RwSignal::default(),
            is_reading: RwSignal::default(),
            answers: RwSignal::default(),
        };
        let total = history.told(|detail| {
            READ.fetch_add(1, Ordering::Relaxed);
            detail.summary.requests_total
        });
        let answer = |total| {
            let mut detail = PoolDetail::default();
            detail.summary.requests_total = Some(total);
            detail
        };
        assert_eq!(total.get(), None);
        history.take(Ok(answer(3)));
        assert_eq!(total.get(), Some(3));
        for at_ms in 1..9 {
            history.now.update(|loaded| loaded.push(at(at_ms)));
            assert_eq!(total.get(), Some(3));
        }
        assert_eq!(READ.load(Ordering::Relaxed), 1, "a point of the stream tells nothing of it");
        history.take(Ok(answer(4)));
        assert_eq!(total.get(), Some(4));
    }

    #[test]
    fn long_histories_are_read_again_less_often() {
        assert_eq!(refresh_every(300_000), 1, "each five seconds");
        assert_eq!(refresh_every(3_600_000), 4);
        assert_eq!(refresh_every(7 * 86_400_000), 12, "each minute");
    }
}
