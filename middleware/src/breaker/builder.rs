//! [`BreakerBuilder`]: the options of a breaker layer and their defaults.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::classify::{Answer, Classifier, Verdict};
use super::key::KeyRule;
use super::layer::BreakerLayer;
use super::state::{Rules, SlowCalls};
use super::store::BreakerStore;
use super::window::Span;
use crate::config_error::require;
use crate::http_message::Asked;
use crate::{ConfigError, Scope};

/// Share of failed calls at which a breaker opens by default.
pub const DEFAULT_FAILURE_RATIO: f64 = 0.5;

/// Calls that a breaker looks back on by default.
pub const DEFAULT_WINDOW: usize = 100;

/// Largest window of calls; each takes a byte for each destination.
pub const MAX_WINDOW: usize = 100_000;

/// Shortest window of time: it moves on by a tenth of it.
pub const MIN_WINDOW_TIME: Duration = Duration::from_millis(100);

/// Longest window of time.
pub const MAX_WINDOW_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Calls below which the share of failures is not judged by default: a single failure of two calls is no trend.
pub const DEFAULT_MINIMUM_CALLS: usize = 20;

/// Time that a breaker stays open at first by default.
pub const DEFAULT_OPEN_TIME: Duration = Duration::from_secs(5);

/// Longest time that a breaker stays open by default.
pub const DEFAULT_MAX_OPEN_TIME: Duration = Duration::from_secs(60);

/// Longest open time that can be asked for. Whoever wants longer wants [`Force::Open`](super::Force::Open).
pub const MAX_OPEN_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest share by which the open time is made longer at random by default, so that many instances do not try at once.
pub const DEFAULT_JITTER: f64 = 0.1;

/// Trial calls that must succeed to close a half-open breaker by default.
pub const DEFAULT_TRIAL_CALLS: u32 = 3;

/// Most destinations with a breaker of their own by default.
pub const DEFAULT_MAX_BREAKERS: usize = 1_000;

/// Options of a [`BreakerLayer`].
#[derive(Debug, Clone)]
#[must_use]
pub struct BreakerBuilder {
    scope: Scope,
    config: Config,
}

/// What holds for all breakers of a layer.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) rules: Rules,
    pub(super) classifier: Classifier,
    pub(super) key: KeyRule,
    pub(super) heads_only: bool,
    pub(super) metrics_only: bool,
    pub(super) max_breakers: usize,
    pub(super) name: Option<Arc<str>>,
    pub(super) store: Option<Store>,
}

#[derive(Clone)]
pub(super) struct Store(pub(super) Arc<dyn BreakerStore>);

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rules: Rules {
                failure_ratio: DEFAULT_FAILURE_RATIO,
                connect_failure_ratio: None,
                slow_calls: None,
                window: Span::Calls(DEFAULT_WINDOW),
                minimum_calls: DEFAULT_MINIMUM_CALLS,
                consecutive_failures: None,
                open_time: DEFAULT_OPEN_TIME,
                max_open_time: DEFAULT_MAX_OPEN_TIME,
                jitter: DEFAULT_JITTER,
                trial_calls: DEFAULT_TRIAL_CALLS,
            },
            classifier: Classifier::default(),
            key: KeyRule::default(),
            heads_only: false,
            metrics_only: false,
            max_breakers: DEFAULT_MAX_BREAKERS,
            name: None,
            store: None,
        }
    }
}

impl BreakerBuilder {
    pub(super) fn new(scope: &Scope) -> Self {
        Self { scope: scope.clone(), config: Config::default() }
    }

    /// Name that stands before the destination in the name of each breaker; the name of the client is a good one. By
    /// default, there is none. A second layer of the same name in one scope gets a number, so that no two breakers are
    /// shown as one.
    pub fn name(mut self, name: &str) -> Self {
        self.config.name = Some(name.into());
        self
    }

    /// Share of failed calls in the window at which a breaker opens, above 0 and up to 1. By default, this is
    /// [`DEFAULT_FAILURE_RATIO`].
    pub fn failure_ratio(mut self, ratio: f64) -> Self {
        self.config.rules.failure_ratio = ratio;
        self
    }

    /// Share of calls in the window at which a breaker opens because nothing could be connected for them (no name, no
    /// connection, no TLS), above 0 and up to 1. Such calls are failed ones too; this is for who wants to open sooner for
    /// them, and the reason tells them apart. By default, this is not asked.
    pub fn connect_failure_ratio(mut self, ratio: f64) -> Self {
        self.config.rules.connect_failure_ratio = Some(ratio);
        self
    }

    /// Share of calls in the window, above 0 and up to 1, at which a breaker opens because they took so long to be answered
    /// or to fail. The body of a response has its time. A trial call that is slow opens the breaker again. By default, this
    /// is not asked; it costs two looks at the clock for each call.
    pub fn slow_calls(mut self, from: Duration, ratio: f64) -> Self {
        self.config.rules.slow_calls = Some(SlowCalls { from, ratio });
        self
    }

    /// Calls that a breaker looks back on, from 1 to [`MAX_WINDOW`]. By default, this is [`DEFAULT_WINDOW`].
    pub fn window(mut self, calls: usize) -> Self {
        self.config.rules.window = Span::Calls(calls);
        self
    }

    /// Time that a breaker looks back on instead of a number of calls, from [`MIN_WINDOW_TIME`] to [`MAX_WINDOW_TIME`]. It
    /// moves on by a tenth of it, so that between nine tenths and all of it count. It costs a look at the clock for each
    /// call.
    pub fn window_time(mut self, time: Duration) -> Self {
        self.config.rules.window = Span::Time(time);
        self
    }

    /// Judges a call by the head of its response alone. By default, one whose body fails is a failed call, which is known
    /// when the body is over; a trial call has its place until then. For destinations whose bodies go on for as long as
    /// somebody listens.
    pub fn heads_only(mut self) -> Self {
        self.config.heads_only = true;
        self
    }

    /// Calls that must be in the window before shares are judged, from 1, and up to a window of calls. By default, this is
    /// [`DEFAULT_MINIMUM_CALLS`].
    pub fn minimum_calls(mut self, calls: usize) -> Self {
        self.config.rules.minimum_calls = calls;
        self
    }

    /// Calls in a row whose failure opens a breaker, whatever the share of failures is. By default, this is not asked.
    pub fn consecutive_failures(mut self, calls: u32) -> Self {
        self.config.rules.consecutive_failures = Some(calls);
        self
    }

    /// Time that a breaker stays open. It doubles each time that a trial call fails. By default, this is
    /// [`DEFAULT_OPEN_TIME`].
    pub fn open_time(mut self, time: Duration) -> Self {
        self.config.rules.open_time = time;
        self
    }

    /// Longest time that a breaker stays open, before jitter, up to [`MAX_OPEN_TIME`]; `Retry-After` is held to it too. By
    /// default, this is [`DEFAULT_MAX_OPEN_TIME`].
    pub fn max_open_time(mut self, time: Duration) -> Self {
        self.config.rules.max_open_time = time;
        self
    }

    /// Largest share by which the open time is made longer at random, from 0 to 1. By default, this is
    /// [`DEFAULT_JITTER`].
    pub fn jitter(mut self, share: f64) -> Self {
        self.config.rules.jitter = share;
        self
    }

    /// Trial calls that a half-open breaker lets through, and that must all succeed to close it. By default, this is
    /// [`DEFAULT_TRIAL_CALLS`].
    pub fn trial_calls(mut self, calls: u32) -> Self {
        self.config.rules.trial_calls = calls;
        self
    }

    /// Judges and counts every call, and never opens: to find out what a breaker would see before it may act.
    pub fn metrics_only(mut self) -> Self {
        self.config.metrics_only = true;
        self
    }

    /// Most destinations with a breaker of their own. Beyond it, breakers make room that are closed and were not used lately,
    /// or whose open time is over for longer than [`BreakerBuilder::max_open_time`], since nobody calls any more. If
    /// there are none, further destinations share one breaker that never opens, since the failures of one would block the
    /// others. By default, this is [`DEFAULT_MAX_BREAKERS`].
    pub fn max_breakers(mut self, breakers: usize) -> Self {
        self.config.max_breakers = breakers;
        self
    }

    /// Which breaker a request has, by its name; `None` is the one of its destination. By default, each destination has one.
    /// What the rule can make up is bounded by [`BreakerBuilder::max_breakers`].
    ///
    /// ```
    /// use poolscope::{Scope, breaker::BreakerLayer};
    ///
    /// // What the slow reports of a service do is no reason to reject its other calls.
    /// let breaker = BreakerLayer::builder(&Scope::new())
    ///     .key(|asked| asked.path().starts_with("/reports/").then(|| "reports".into()));
    /// # breaker.build().unwrap();
    /// ```
    pub fn key(
        mut self,
        rule: impl for<'a> Fn(&Asked<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        self.config.key = KeyRule::new(rule);
        self
    }

    /// What a call says about its destination. By default, this is [`Answer::default_verdict`].
    ///
    /// ```
    /// use http::StatusCode;
    /// use poolscope::{Scope, breaker::{Answer, BreakerLayer, Verdict}};
    ///
    /// let breaker = BreakerLayer::builder(&Scope::new()).classify(|answer| match answer {
    ///     Answer::Response { status: StatusCode::TOO_MANY_REQUESTS, .. } => Verdict::Failure,
    ///     answer => answer.default_verdict(),
    /// });
    /// # breaker.build().unwrap();
    /// ```
    pub fn classify(mut self, rule: impl Fn(&Answer<'_>) -> Verdict + Send + Sync + 'static) -> Self {
        self.config.classifier = Classifier::new(rule);
        self
    }

    /// Where breakers that are open or held by hand are kept, so that the next start of the program begins with them: each
    /// by its name, which its handle knows from the start; its event comes with its first call. By default, every start begins
    /// with closed breakers.
    ///
    /// They are saved by a thread of the layer's own, soon after each change. [`Scope`]'s `shutdown` waits for what is not
    /// saved yet, for a few seconds at most.
    pub fn store(mut self, store: impl BreakerStore) -> Self {
        self.config.store = Some(Store(Arc::new(store)));
        self
    }

    /// Makes the layer, and shows its breakers in the snapshots of the scope.
    ///
    /// # Errors
    ///
    /// A value out of its range, or two that exclude each other.
    pub fn build(self) -> Result<BreakerLayer, ConfigError> {
        self.config.check()?;
        Ok(BreakerLayer::from_config(&self.scope, self.config))
    }
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let rules = &self.rules;
        let ratios = [
            ("failure", Some(rules.failure_ratio)),
            ("connect failure", rules.connect_failure_ratio),
            ("slow call", rules.slow_calls.map(|slow| slow.ratio)),
        ];
        for (name, ratio) in ratios.into_iter().filter_map(|(name, ratio)| Some((name, ratio?))) {
            require(ratio > 0.0 && ratio <= 1.0, || {
                format!("the {name} ratio of a breaker must be above 0 and up to 1, not {ratio}")
            })?;
        }
        require(rules.slow_calls.is_none_or(|slow| !slow.from.is_zero()), || {
            "the time from which on a call is slow must be above zero".to_owned()
        })?;
        let most_calls = match rules.window {
            Span::Calls(calls) => {
                require((1..=MAX_WINDOW).contains(&calls), || {
                    format!("the window of a breaker must be from 1 to {MAX_WINDOW} calls, not {calls}")
                })?;
                calls
            }
            Span::Time(time) => {
                require((MIN_WINDOW_TIME..=MAX_WINDOW_TIME).contains(&time), || {
                    format!(
                        "the window of a breaker must be from {MIN_WINDOW_TIME:?} to {MAX_WINDOW_TIME:?}, not {time:?}"
                    )
                })?;
                usize::MAX
            }
        };
        require(rules.minimum_calls > 0, || {
            "the minimum calls of a breaker must be 1 or more, not 0".to_owned()
        })?;
        require(rules.minimum_calls <= most_calls, || {
            let or_default = |is_default: bool| if is_default { " (the default)" } else { "" };
            format!(
                "the minimum calls of a breaker must be from 1 to its window of {most_calls}{} calls, not {}{}",
                or_default(most_calls == DEFAULT_WINDOW),
                rules.minimum_calls,
                or_default(rules.minimum_calls == DEFAULT_MINIMUM_CALLS)
            )
        })?;
        require(rules.consecutive_failures != Some(0), || {
            "the consecutive failures of a breaker must be 1 or more, or not be set".to_owned()
        })?;
        require(!rules.open_time.is_zero(), || "the open time of a breaker must be above zero".to_owned())?;
        require((rules.open_time..=MAX_OPEN_TIME).contains(&rules.max_open_time), || {
            format!(
                "the longest open time of a breaker must be from its open time of {:?} to {MAX_OPEN_TIME:?}, not {:?}",
                rules.open_time, rules.max_open_time
            )
        })?;
        require((0.0..=1.0).contains(&rules.jitter), || {
            format!("the jitter of a breaker must be from 0 to 1, not {}", rules.jitter)
        })?;
        require(rules.trial_calls > 0, || "a breaker needs at least 1 trial call".to_owned())?;
        require(self.max_breakers > 0, || "a layer needs room for at least 1 breaker".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_in_words() {
        let builder = || BreakerLayer::builder(&Scope::new());
        let second = Duration::from_secs(1);
        let refused = [
            (builder().failure_ratio(0.0), "failure ratio"),
            (builder().failure_ratio(1.1), "failure ratio"),
            (builder().failure_ratio(f64::NAN), "failure ratio"),
            (builder().connect_failure_ratio(0.0), "connect failure ratio"),
            (builder().slow_calls(second, 1.5), "slow call ratio"),
            (builder().slow_calls(Duration::ZERO, 0.5), "slow must be above zero"),
            (builder().window_time(Duration::ZERO), "window"),
            (builder().window_time(Duration::MAX), "window"),
            (builder().window(0), "window"),
            (builder().window(MAX_WINDOW + 1), "window"),
            (builder().minimum_calls(0), "minimum calls"),
            (builder().window_time(second).minimum_calls(0), "must be 1 or more, not 0"),
            (builder().window(10).minimum_calls(11), "from 1 to its window of 10 calls, not 11"),
            (builder().window(10), "from 1 to its window of 10 calls, not 20 (the default)"),
            (builder().minimum_calls(101), "from 1 to its window of 100 (the default) calls, not 101"),
            (builder().consecutive_failures(0), "consecutive failures"),
            (builder().open_time(Duration::ZERO), "open time"),
            (builder().open_time(second * 2).max_open_time(second), "longest open time"),
            (builder().max_open_time(Duration::MAX), "longest open time"),
            (builder().jitter(-0.1), "jitter"),
            (builder().trial_calls(0), "trial call"),
            (builder().max_breakers(0), "room"),
        ];
        for (builder, word) in refused {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(builder().build().is_ok());
    }
}
