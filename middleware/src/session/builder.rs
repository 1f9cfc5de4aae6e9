//! [`SessionsBuilder`].

use std::time::Duration;

use super::pulse::Liveness;
use super::registry::{Sessions, Shared};
use super::table::Rules;
use crate::config_error::require;
use crate::{ConfigError, Scope};

/// How long nothing may happen in a session by default.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Most sessions of a registry by default.
pub const DEFAULT_MAX_SESSIONS: usize = 10_000;

/// Time that a session has to end when it was told to, by default.
pub const DEFAULT_OVERDUE_AFTER: Duration = Duration::from_secs(5);

/// Most bytes that may be kept with a session by default.
pub const DEFAULT_MAX_DATA: usize = 16 * 1024;

/// Shortest time from one sweep to the next by default.
pub const DEFAULT_SWEEP_INTERVAL: Duration = Duration::from_millis(50);

/// How finely the runtime's timers tell time.
const SHORTEST: Duration = Duration::from_millis(1);

/// Sweeps that are further apart could not keep the promise of 250 ms.
const LONGEST_INTERVAL: Duration = Duration::from_millis(200);

/// What may last longer has no limit worth the name.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Most bytes of a name, which every point and event of the registry carries.
const LONGEST_NAME: usize = 256;

/// Options of [`Sessions`].
#[derive(Debug, Clone)]
#[must_use]
pub struct SessionsBuilder {
    scope: Scope,
    name: String,
    idle_timeout: Option<Duration>,
    max_duration: Option<Duration>,
    max_sessions: usize,
    overdue_after: Duration,
    liveness: Option<Liveness>,
    max_data: usize,
    sweep_interval: Duration,
}

impl SessionsBuilder {
    pub(crate) fn new(scope: &Scope, name: String) -> Self {
        Self {
            scope: scope.clone(),
            name,
            idle_timeout: Some(DEFAULT_IDLE_TIMEOUT),
            max_duration: None,
            max_sessions: DEFAULT_MAX_SESSIONS,
            overdue_after: DEFAULT_OVERDUE_AFTER,
            liveness: None,
            max_data: DEFAULT_MAX_DATA,
            sweep_interval: DEFAULT_SWEEP_INTERVAL,
        }
    }

    /// How long nothing may happen in a session, from 1 ms to a year; `None` for ever. By default, this is
    /// [`DEFAULT_IDLE_TIMEOUT`].
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// How long a session may last, from 1 ms to a year, whatever happens in it; `None` for ever, which is the default.
    pub fn max_duration(mut self, max: impl Into<Option<Duration>>) -> Self {
        self.max_duration = max.into();
        self
    }

    /// Most sessions at a time, at least 1; more are refused. A session that was told to end counts until it is dropped. By
    /// default, this is [`DEFAULT_MAX_SESSIONS`].
    pub fn max_sessions(mut self, max: usize) -> Self {
        self.max_sessions = max;
        self
    }

    /// Time that a session has to end when it was told to, from 1 ms to a year; after it, the session is reported as overdue.
    /// By default, this is [`DEFAULT_OVERDUE_AFTER`].
    pub fn overdue_after(mut self, after: Duration) -> Self {
        self.overdue_after = after;
        self
    }

    /// Asks the other end whether it is there when nothing was heard of it for the interval. It has so long to answer, from 1 ms
    /// to a year as the interval, and is asked again at once when it does not; after so many failures in a row, at least 1, the
    /// session ends as [`SessionEnd::Unresponsive`](super::SessionEnd::Unresponsive), within 250 ms of the end of the last ping's
    /// time. By default, nobody is asked.
    ///
    /// Who holds the session sends the pings, by [`Session::ping_due`](super::Session::ping_due),
    /// [`Session::ping_by`](super::Session::ping_by) or a `Socket` (feature `websocket`).
    pub fn liveness(mut self, interval: Duration, timeout: Duration, failures: u32) -> Self {
        self.liveness = Some(Liveness { interval, timeout, failures });
        self
    }

    /// Most bytes that may be kept with a session by [`Session::set`](super::Session::set), where each entry counts as 64 bytes
    /// more than it has. By default, this is [`DEFAULT_MAX_DATA`].
    pub fn max_data(mut self, bytes: usize) -> Self {
        self.max_data = bytes;
        self
    }

    /// Shortest time from one sweep to the next, from 1 ms to 200 ms: a session is told to end so much after its deadline at
    /// most, and those that are due within that time are told together. By default, this is [`DEFAULT_SWEEP_INTERVAL`].
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.sweep_interval = interval;
        self
    }

    /// Makes the registry. A second one of the same name in a scope gets a number.
    ///
    /// # Errors
    ///
    /// A value out of its range.
    pub fn build(self) -> Result<Sessions, ConfigError> {
        let name = &self.name;
        named(name)?;
        require(self.max_sessions > 0, || format!("at least 1 session of {name} must be allowed, not 0"))?;
        let times = [
            ("idle timeout", self.idle_timeout),
            ("maximum duration", self.max_duration),
            ("time to end", Some(self.overdue_after)),
            ("ping interval", self.liveness.map(|rule| rule.interval)),
            ("ping timeout", self.liveness.map(|rule| rule.timeout)),
        ];
        timed(name, &times)?;
        require(self.liveness.is_none_or(|rule| rule.failures > 0), || {
            format!("at least 1 ping of sessions of {name} must fail before one ends, not 0")
        })?;
        require((SHORTEST..=LONGEST_INTERVAL).contains(&self.sweep_interval), || {
            format!(
                "the sweep interval of sessions of {name} must be from 1 ms to 200 ms, not {:?}: a session is told to end \
                 within 250 ms of its deadline",
                self.sweep_interval
            )
        })?;
        let rules = Rules {
            idle_timeout: self.idle_timeout,
            max_duration: self.max_duration,
            max_sessions: self.max_sessions,
            overdue_after: self.overdue_after,
            liveness: self.liveness,
            max_data: self.max_data,
        };
        Ok(Sessions::new(Shared::add(&self.scope, name, rules, rules, self.sweep_interval)))
    }
}

/// A name that can be told.
pub(super) fn named(name: &str) -> Result<(), ConfigError> {
    require(!name.trim().is_empty(), || "sessions need a name: it is empty".to_owned())?;
    require(name.len() <= LONGEST_NAME, || {
        format!("the name of the sessions has {} bytes: it may have {LONGEST_NAME}", name.len())
    })
}

/// Times that timers can keep.
pub(super) fn timed(name: &str, times: &[(&str, Option<Duration>)]) -> Result<(), ConfigError> {
    times.iter().try_for_each(|(what, time)| {
        require(time.is_none_or(|time| (SHORTEST..=LONGEST).contains(&time)), || {
            let time = time.unwrap_or_default();
            format!("the {what} of sessions of {name} must be from 1 ms to a year, not {time:?}")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_in_words() {
        let named = |name: &str| Scope::new().sessions(name);
        let builder = || named("chat");
        let refused = [
            (named(""), "it is empty"),
            (named(" \n"), "it is empty"),
            (named(&"n".repeat(257)), "has 257 bytes: it may have 256"),
            (builder().max_sessions(0), "at least 1 session of chat"),
            (builder().idle_timeout(Duration::ZERO), "idle timeout of sessions of chat must be from 1 ms"),
            (builder().idle_timeout(Duration::MAX), "idle timeout"),
            (builder().max_duration(Duration::from_micros(999)), "maximum duration"),
            (builder().max_duration(LONGEST + SHORTEST), "to a year, not 31536000.001s"),
            (builder().overdue_after(Duration::ZERO), "time to end"),
            (builder().liveness(Duration::ZERO, SHORTEST, 1), "ping interval of sessions of chat"),
            (builder().liveness(SHORTEST, Duration::ZERO, 1), "ping timeout of sessions of chat"),
            (builder().liveness(SHORTEST, SHORTEST, 0), "at least 1 ping"),
            (builder().sweep_interval(Duration::ZERO), "from 1 ms to 200 ms, not 0ns"),
            (builder().sweep_interval(Duration::from_millis(201)), "within 250 ms of its deadline"),
        ];
        for (builder, words) in refused {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let widest = builder().idle_timeout(LONGEST).max_duration(LONGEST).overdue_after(LONGEST);
        widest.sweep_interval(LONGEST_INTERVAL).max_sessions(usize::MAX).build().unwrap();
        let shortest = builder().idle_timeout(SHORTEST).max_duration(SHORTEST).overdue_after(SHORTEST);
        shortest.sweep_interval(SHORTEST).max_sessions(1).build().unwrap();
        named(&"n".repeat(256)).idle_timeout(None).max_duration(None).build().unwrap();
    }
}
