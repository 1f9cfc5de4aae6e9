//! [`Destinations`]: the limits that a timeout has learned, by destination, bounded in number.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::estimator::{Estimator, Rules};
use super::{Adaptive, nanos};
use crate::TimeoutDestination;
use crate::http_message::Target;
use crate::registry::{Destination, DestinationRef, LimitSource};

/// Name of what destinations without a limit of their own share.
const OTHER: &str = poolscope_semconv::value::OVERFLOW;

/// The limits of a timeout that adapts.
#[derive(Debug)]
pub(in crate::timeout) struct Destinations {
    rules: Rules,
    /// Times are counted from here.
    base: Instant,
    most: usize,
    by_key: papaya::HashMap<Destination, Arc<Learned>, RandomState>,
    /// Held to make one, never to find one.
    making: Mutex<()>,
    other: OnceLock<Arc<Learned>>,
}

/// The limit of one destination.
#[derive(Debug)]
pub(in crate::timeout) struct Learned {
    estimator: Estimator,
    base: Instant,
}

impl Learned {
    pub(in crate::timeout) fn limit(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.estimator.limit(self.at(now)))
    }

    /// Counts the time of a call that ended.
    pub(in crate::timeout) fn record(&self, took: Duration, now: Instant) {
        self.estimator.record(nanos(took), self.at(now));
    }

    fn at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.base))
    }

    fn told(&self, destination: String, now: Instant) -> TimeoutDestination {
        TimeoutDestination {
            destination,
            limit: self.limit(now),
            samples: self.estimator.samples(self.at(now)),
        }
    }
}

impl Destinations {
    pub(in crate::timeout) fn new(adaptive: &Adaptive) -> Self {
        Self {
            rules: adaptive.rules(),
            base: Instant::now(),
            most: adaptive.max_destinations,
            by_key: papaya::HashMap::with_hasher(RandomState::default()),
            making: Mutex::new(()),
            other: OnceLock::new(),
        }
    }

    /// The limit of a destination. Takes no lock and allocates nothing once it exists.
    pub(in crate::timeout) fn of(&self, target: Option<Target<'_>>) -> Arc<Learned> {
        let Some(destination) = target.and_then(Target::destination) else { return self.other() };
        match self.by_key.pin().get(&destination) {
            Some(known) => Arc::clone(known),
            None => self.make(&destination),
        }
    }

    fn make(&self, destination: &DestinationRef<'_>) -> Arc<Learned> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.by_key.pin();
        if let Some(known) = all.get(destination) {
            return Arc::clone(known);
        }
        if all.len() >= self.most {
            return self.other();
        }
        let learned = self.learned();
        all.insert(destination.to_owned(), Arc::clone(&learned));
        learned
    }

    fn other(&self) -> Arc<Learned> {
        Arc::clone(self.other.get_or_init(|| self.learned()))
    }

    fn learned(&self) -> Arc<Learned> {
        Arc::new(Learned { estimator: Estimator::new(self.rules.clone()), base: self.base })
    }
}

impl LimitSource for Destinations {
    fn limits(&self) -> Vec<TimeoutDestination> {
        let now = Instant::now();
        let all = self.by_key.pin();
        let own = all.iter().map(|(destination, learned)| learned.told(destination.to_string(), now));
        let other = self.other.get().map(|learned| learned.told(OTHER.to_owned(), now));
        own.chain(other).collect()
    }
}
