//! [`SessionStoreBuilder`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::kept::{Bytes, SessionStore};
use crate::config_error::require;
use crate::session::builder::{DEFAULT_OVERDUE_AFTER, DEFAULT_SWEEP_INTERVAL, named, timed};
use crate::session::registry::Shared;
use crate::session::table::Rules;
use crate::{ConfigError, Scope};

/// How long nobody may ask for a session by default.
pub const DEFAULT_STORE_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Most sessions of a store by default.
pub const DEFAULT_STORE_MAX_SESSIONS: usize = 100_000;

/// Options of a [`SessionStore`].
#[must_use]
pub struct SessionStoreBuilder<V> {
    scope: Scope,
    name: String,
    idle_timeout: Option<Duration>,
    max_duration: Option<Duration>,
    max_sessions: usize,
    bytes: Option<Bytes<V>>,
}

impl<V: Send + Sync + 'static> SessionStoreBuilder<V> {
    pub(crate) fn new(scope: &Scope, name: String) -> Self {
        Self {
            scope: scope.clone(),
            name,
            idle_timeout: Some(DEFAULT_STORE_IDLE_TIMEOUT),
            max_duration: None,
            max_sessions: DEFAULT_STORE_MAX_SESSIONS,
            bytes: None,
        }
    }

    /// How long nobody may ask for a session, from 1 ms to a year; `None` for ever. By default, this is
    /// [`DEFAULT_STORE_IDLE_TIMEOUT`].
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// How long a session may be there, from 1 ms to a year, whoever asks for it; `None` for ever, which is the default.
    pub fn max_duration(mut self, max: impl Into<Option<Duration>>) -> Self {
        self.max_duration = max.into();
        self
    }

    /// Most sessions at a time, at least 1. When there are more, the one goes that was not asked for for the longest time. By
    /// default, this is [`DEFAULT_STORE_MAX_SESSIONS`].
    pub fn max_sessions(mut self, max: usize) -> Self {
        self.max_sessions = max;
        self
    }

    /// Most bytes of all sessions, at least 1, of which the closure tells how many a value has. Each session counts as the share
    /// of the bytes that it would have if there were as many as there may be, or as more if it has more; so both limits hold, and
    /// sessions may have to go a little before either is reached. By default, only their number is limited.
    pub fn max_bytes(mut self, max: u64, bytes_of: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        self.bytes = Some(Bytes { max, of: Arc::new(bytes_of) });
        self
    }

    /// Makes the store. A second one of the same name in a scope gets a number, as it does with a registry of that name.
    ///
    /// # Errors
    ///
    /// A value out of its range.
    pub fn build(self) -> Result<SessionStore<V>, ConfigError> {
        let name = &self.name;
        named(name)?;
        require(self.max_sessions > 0, || format!("at least 1 session of {name} must be allowed, not 0"))?;
        require(self.bytes.as_ref().is_none_or(|bytes| bytes.max > 0), || {
            format!("at least 1 byte of sessions of {name} must be allowed, not 0")
        })?;
        timed(name, &[("idle timeout", self.idle_timeout), ("maximum duration", self.max_duration)])?;
        let rules = Rules {
            idle_timeout: self.idle_timeout,
            max_duration: self.max_duration,
            max_sessions: self.max_sessions,
            overdue_after: DEFAULT_OVERDUE_AFTER,
            liveness: None,
            max_data: 0,
        };
        // Who comes when it is full is let in, and another one goes.
        let let_in = Rules { max_sessions: usize::MAX, ..rules };
        let shared = Shared::add(&self.scope, name, rules, let_in, DEFAULT_SWEEP_INTERVAL);
        Ok(SessionStore::new(shared, rules, self.bytes))
    }
}

impl<V> fmt::Debug for SessionStoreBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStoreBuilder")
            .field("name", &self.name)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_duration", &self.max_duration)
            .field("max_sessions", &self.max_sessions)
            .finish_non_exhaustive()
    }
}
