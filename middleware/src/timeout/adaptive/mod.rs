//! [`Adaptive`]: a limit that is found from the time that calls take.

mod destinations;
mod estimator;

use std::time::Duration;

pub(super) use destinations::{Destinations, Learned};
use estimator::Rules;

use crate::ConfigError;
use crate::config_error::require;

/// Share of calls that [`Adaptive`] looks at by default: the slowest one in a hundred is slower.
pub const DEFAULT_QUANTILE: f64 = 0.99;

/// How many times as long as that a call may take by default. A destination under load is about twice as slow as usual
/// before it is rather broken.
pub const DEFAULT_FACTOR: f64 = 2.0;

/// Calls that have to be known by default before the limit is found from them: with fewer, one slow call in a hundred
/// would not be among them.
pub const DEFAULT_MINIMUM_SAMPLES: u64 = 100;

/// Time over which calls are looked at by default.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// Destinations that have a limit of their own by default; each takes 8 KiB.
pub const DEFAULT_MAX_DESTINATIONS: usize = 64;

/// A limit that follows the destination: a quantile of the time that its calls took, times a factor, between two bounds.
///
/// Each destination has its own, so that a slow one does not make the others wait. Calls of the last
/// [window](Adaptive::window) that were answered count, with the time that the limited part took; those that failed, or
/// were dropped, say nothing about how long an answer takes. A call that was timed out counts as long as its limit, or
/// what it really took if that was more: so when a destination becomes slower, the limit grows by the factor each time
/// that it is found anew, until calls pass again or the maximum is reached. It falls again when the slow ones are older
/// than the window. Where the window holds too few calls, the limit is the one to start with.
///
/// The quantile is exact to 6 %, never too low, and found anew 64 times in a window.
///
/// ```
/// use std::time::Duration;
/// use poolscope::Scope;
/// use poolscope::timeout::{Adaptive, TimeoutLayer};
///
/// let scope = Scope::new();
/// let adaptive = Adaptive::between(Duration::from_millis(50), Duration::from_secs(5));
/// let attempt = TimeoutLayer::builder(&scope, "attempt").adaptive(adaptive.factor(3.0)).build()?;
/// # let _: TimeoutLayer = attempt;
/// # Ok::<(), poolscope::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "it is given to a builder"]
pub struct Adaptive {
    min: Duration,
    max: Duration,
    start: Option<Duration>,
    quantile: f64,
    factor: f64,
    minimum_samples: u64,
    window: Duration,
    max_destinations: usize,
}

impl Adaptive {
    /// A limit that is never shorter than `min` and never longer than `max`.
    pub fn between(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            start: None,
            quantile: DEFAULT_QUANTILE,
            factor: DEFAULT_FACTOR,
            minimum_samples: DEFAULT_MINIMUM_SAMPLES,
            window: DEFAULT_WINDOW,
            max_destinations: DEFAULT_MAX_DESTINATIONS,
        }
    }

    /// The limit while too little is known. By default, this is the maximum.
    pub fn start(mut self, limit: Duration) -> Self {
        self.start = Some(limit);
        self
    }

    /// Share of calls, above 0 and below 1, that the limit is found from. By default, this is [`DEFAULT_QUANTILE`].
    pub fn quantile(mut self, quantile: f64) -> Self {
        self.quantile = quantile;
        self
    }

    /// How many times as long as they a call may take, at least 1. By default, this is [`DEFAULT_FACTOR`]. With 1 the
    /// limit grows by no more than 6 % at a time.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Calls in the window that it takes to find the limit. By default, this is [`DEFAULT_MINIMUM_SAMPLES`].
    pub fn minimum_samples(mut self, samples: u64) -> Self {
        self.minimum_samples = samples;
        self
    }

    /// Time over which calls are looked at, to a quarter of it. By default, this is [`DEFAULT_WINDOW`].
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Most destinations with a limit of their own. Beyond it, one without an answer in the whole window makes room. If
    /// there is none, all further ones share one limit, and the fast ones decide how long a slow one among them may take;
    /// so make room for as many as you talk to in a window. By default, this is [`DEFAULT_MAX_DESTINATIONS`].
    pub fn max_destinations(mut self, destinations: usize) -> Self {
        self.max_destinations = destinations;
        self
    }

    /// The limit while too little is known.
    pub(super) fn first_limit(&self) -> Duration {
        self.start.unwrap_or(self.max)
    }

    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        let Self { min, max, quantile, factor, window, .. } = self;
        let start = self.first_limit();
        require(!min.is_zero(), || {
            format!("the least limit of timeout {name} is zero; no call could keep it")
        })?;
        require(min <= max, || {
            format!("the least limit of timeout {name}, {min:?}, is above the greatest, {max:?}")
        })?;
        require((min..=max).contains(&&start), || {
            format!("timeout {name} starts with {start:?}, which is not between {min:?} and {max:?}")
        })?;
        require(*quantile > 0.0 && *quantile < 1.0, || {
            format!("the quantile of timeout {name} is {quantile}; it must be above 0 and below 1")
        })?;
        require(*factor >= 1.0 && factor.is_finite(), || {
            format!("the factor of timeout {name} is {factor}; it must be 1 or more")
        })?;
        require(self.minimum_samples > 0, || {
            format!("timeout {name} is to adapt to no samples at all; it needs one or more")
        })?;
        require(self.max_destinations > 0, || {
            format!("timeout {name} may know no destination at all; let it know one or more")
        })?;
        require(*window >= MIN_WINDOW, || {
            format!("the window of timeout {name} is {window:?}; it must be {MIN_WINDOW:?} or more")
        })
    }

    fn rules(&self) -> Rules {
        Rules {
            quantile: self.quantile,
            factor: self.factor,
            min: nanos(self.min),
            max: nanos(self.max),
            start: nanos(self.first_limit()),
            minimum_samples: self.minimum_samples,
            window: nanos(self.window),
        }
    }
}

/// Shortest window. The limit is found anew 64 times in it, which is not to cost more than what is protected.
const MIN_WINDOW: Duration = Duration::from_millis(100);

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
