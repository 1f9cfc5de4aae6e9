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

/// How often in a window those are looked for that were not used.
const LOOKS: u64 = 16;

/// The limits of a timeout that adapts.
#[derive(Debug)]
pub(in crate::timeout) struct Destinations {
    rules: Rules,
    /// Times are counted from here.
    base: Instant,
    most: usize,
    by_key: papaya::HashMap<Destination, Arc<Learned>, RandomState>,
    /// Held to make one, never to find one: when to look next for some that were not used.
    making: Mutex<Instant>,
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

    fn samples(&self, now: Instant) -> u64 {
        self.estimator.samples(self.at(now))
    }

    fn at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.base))
    }

    fn told(&self, destination: String, now: Instant) -> TimeoutDestination {
        TimeoutDestination { destination, limit: self.limit(now), samples: self.samples(now) }
    }
}

impl Destinations {
    pub(in crate::timeout) fn new(adaptive: &Adaptive) -> Self {
        let base = Instant::now();
        Self {
            rules: adaptive.rules(),
            base,
            most: adaptive.max_destinations,
            by_key: papaya::HashMap::with_hasher(RandomState::default()),
            making: Mutex::new(base),
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
        let mut look_at = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.by_key.pin();
        if let Some(known) = all.get(destination) {
            return Arc::clone(known);
        }
        if all.len() >= self.most {
            let now = Instant::now();
            if now >= *look_at {
                *look_at = now + Duration::from_nanos(self.rules.window / LOOKS);
                // Nobody has one of these, and nothing that it knows still counts.
                let is_unused =
                    |known: &Arc<Learned>| Arc::strong_count(known) == 1 && known.samples(now) == 0;
                for (unused, _) in all.iter().filter(|(_, known)| is_unused(known)) {
                    all.remove(unused);
                }
            }
            if all.len() >= self.most {
                return self.other();
            }
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
