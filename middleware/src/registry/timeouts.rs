//! Counters of named timeouts, shared by everything that has the same name, and their snapshot.

use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use poolscope_semconv::value::TimeoutOutcome;
use poolscope_semconv::{attr, metric};

use super::histogram::{Histogram, HistogramSnapshot, MILLIONTHS};
use super::mirror::Mirroring;
#[cfg(feature = "serde")]
use super::serial;
use crate::series::text;

/// Limits that a named timeout has learned from the time that its calls took.
pub(crate) trait LimitSource: std::fmt::Debug + Send + Sync {
    /// The limits that hold now.
    fn limits(&self) -> Vec<TimeoutDestination>;
}

/// What a named timeout did.
#[derive(Debug)]
pub(crate) struct TimeoutStats {
    limit_nanos: AtomicU64,
    fired: AtomicU64,
    canceled: AtomicU64,
    /// Of all that were not canceled, those that fired included; so it counts those in time too.
    used: Histogram,
    learned: Mutex<Vec<Weak<dyn LimitSource>>>,
}

impl TimeoutStats {
    pub(crate) fn new() -> Self {
        Self {
            limit_nanos: AtomicU64::new(0),
            fired: AtomicU64::new(0),
            canceled: AtomicU64::new(0),
            used: Histogram::new(&metric::TIMEOUT_BUDGET_USED),
            learned: Mutex::default(),
        }
    }

    /// What its calls use goes to a mirror besides from now on, or to none any more.
    pub(crate) fn mirror(&self, mirrors: Mirroring<'_>, name: &str) {
        self.used.mirror(mirrors, || vec![text(attr::TIMEOUT_NAME, name)]);
    }

    /// Tells the limit that holds from now on.
    pub(crate) fn set_limit(&self, limit: Duration) {
        self.limit_nanos.store(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// One more part of the program has limits that it learns.
    pub(crate) fn learns(&self, source: Weak<dyn LimitSource>) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.retain(|source| source.strong_count() > 0);
        learned.push(source);
    }

    /// Counts a call that ended in time, with the share of the limit that it used.
    #[inline]
    pub(crate) fn in_time(&self, share: f64) {
        self.used.record_raw((share * MILLIONTHS) as u64);
    }

    /// Counts a call that took too long.
    pub(crate) fn fired(&self, share: f64) {
        self.in_time(share);
        self.fired.fetch_add(1, Release);
    }

    /// Counts a call that was dropped before its end.
    pub(crate) fn canceled(&self) {
        self.canceled.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self, name: String) -> TimeoutSnapshot {
        // Before those that it is a part of.
        let fired = self.fired.load(Acquire);
        let budget_used = self.used.snapshot();
        let count = |outcome| match outcome {
            TimeoutOutcome::InTime => budget_used.count().saturating_sub(fired),
            TimeoutOutcome::Fired => fired,
            TimeoutOutcome::Canceled => self.canceled.load(Relaxed),
        };
        TimeoutSnapshot {
            name,
            limit: Duration::from_nanos(self.limit_nanos.load(Relaxed)),
            calls: TimeoutOutcome::ALL.iter().map(|outcome| (*outcome, count(*outcome))).collect(),
            budget_used,
            destinations: self.destinations(),
        }
    }

    /// What was learned, by destination. Where two layers of one name go to the same one, the longer limit is told.
    fn destinations(&self) -> Vec<TimeoutDestination> {
        let sources = self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut by_name = BTreeMap::<String, TimeoutDestination>::new();
        for found in sources.iter().filter_map(Weak::upgrade).flat_map(|source| source.limits()) {
            match by_name.get(&found.destination) {
                Some(known) if known.limit >= found.limit => {}
                _ => drop(by_name.insert(found.destination.clone(), found)),
            }
        }
        by_name.into_values().collect()
    }
}

/// One named timeout.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TimeoutSnapshot {
    /// Name of the timeout.
    pub name: String,
    /// Time after which it fires; of one that adapts, where nothing is known of the destination yet.
    #[cfg_attr(feature = "serde", serde(rename = "limit_secs", serialize_with = "serial::secs"))]
    pub limit: Duration,
    /// Calls by outcome, in the order of [`TimeoutOutcome::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub calls: Vec<(TimeoutOutcome, u64)>,
    /// Share of the limit that calls used which ended in time or at the limit.
    pub budget_used: HistogramSnapshot,
    /// Limits of a timeout that adapts, by destination; empty for one that does not.
    pub destinations: Vec<TimeoutDestination>,
}

/// The limit of a timeout that adapts, for one destination.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TimeoutDestination {
    /// Scheme, host and port; `_OTHER` for those beyond the limit of destinations.
    pub destination: String,
    /// Time after which the timeout fires for it now.
    #[cfg_attr(feature = "serde", serde(rename = "limit_secs", serialize_with = "serial::secs"))]
    pub limit: Duration,
    /// Calls in the window from which the limit was found; below the minimum it is the one to start with.
    pub samples: u64,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Debug)]
    struct Fixed(u64);

    impl LimitSource for Fixed {
        fn limits(&self) -> Vec<TimeoutDestination> {
            let limit = Duration::from_secs(self.0);
            vec![TimeoutDestination { destination: "http://pay:80".to_owned(), limit, samples: 1 }]
        }
    }

    #[test]
    fn each_call_counts_once_and_those_that_fired_used_all() {
        let stats = TimeoutStats::new();
        stats.in_time(0.05);
        stats.in_time(0.8);
        stats.fired(1.1);
        stats.canceled();
        let snapshot = stats.snapshot("call".to_owned());
        let counts: Vec<_> = snapshot.calls.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!(snapshot.budget_used.buckets, [1, 0, 0, 0, 1, 0, 1]);
        assert!((snapshot.budget_used.sum - 1.95).abs() < 1e-6);
    }

    #[test]
    fn of_two_layers_the_longer_limit_is_told_and_none_that_is_gone() {
        let stats = TimeoutStats::new();
        let learn = |seconds| {
            let source: Arc<dyn LimitSource> = Arc::new(Fixed(seconds));
            stats.learns(Arc::downgrade(&source));
            source
        };
        let (kept, longer) = (learn(1), learn(2));
        let told = || stats.snapshot(String::new()).destinations;
        assert_eq!(told()[0].limit, Duration::from_secs(2));
        drop(longer);
        assert_eq!((told().len(), told()[0].limit), (1, Duration::from_secs(1)));
        drop(kept);
        assert_eq!(told(), []);
    }
}
