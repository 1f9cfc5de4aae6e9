//! [`GuardBuilder`].

use std::sync::Arc;
use std::time::Duration;

use super::handle::ResourceGuard;
use super::limits::Limits;
use super::resource::{CONNECTIONS, MEMORY, OPEN_FILES};
use super::shared::{Shared, Shown};
use super::watched::Watched;
use crate::config_error::require;
use crate::{ConfigError, Scope};

/// Name of a guard by default, and of its breaker.
pub const DEFAULT_NAME: &str = "resources";

/// Limits of open files by default: shares of what the system allows (`RLIMIT_NOFILE`).
pub const DEFAULT_OPEN_FILES: Limits = Limits::shares(0.8, 0.95);

/// Limits of memory by default: shares of what the control group allows, and none without such a limit.
pub const DEFAULT_MEMORY: Limits = Limits::shares(0.8, 0.95);

/// How often a guard looks by default.
pub const DEFAULT_INTERVAL: Duration = Duration::from_millis(250);

/// Share of the soft limit below which a resource has recovered, by default.
pub const DEFAULT_RECOVER_AT: f64 = 1.0;

/// Options of a [`ResourceGuard`].
#[derive(Debug, Clone)]
#[must_use]
pub struct GuardBuilder {
    scope: Scope,
    name: String,
    limits: [Option<Limits>; 3],
    interval: Duration,
    recover_at: f64,
}

impl GuardBuilder {
    pub(super) fn new(scope: &Scope) -> Self {
        Self {
            scope: scope.clone(),
            name: DEFAULT_NAME.to_owned(),
            limits: [Some(DEFAULT_OPEN_FILES), Some(DEFAULT_MEMORY), None],
            interval: DEFAULT_INTERVAL,
            recover_at: DEFAULT_RECOVER_AT,
        }
    }

    /// Its name in telemetry and errors, and that of its breaker. A second guard of the same name in one scope gets a
    /// number. By default, this is [`DEFAULT_NAME`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Limits of open files, sockets included; `None` only watches them. By default, this is [`DEFAULT_OPEN_FILES`].
    pub fn open_files(mut self, limits: impl Into<Option<Limits>>) -> Self {
        self.limits[0] = limits.into();
        self
    }

    /// Limits of resident memory, in bytes or as shares of what the control group allows; `None` only watches it. By
    /// default, this is [`DEFAULT_MEMORY`].
    ///
    /// Memory that a program has given back may stay resident, as its allocator likes: the hard limit is for the moment
    /// before the kernel ends the process.
    pub fn memory(mut self, limits: impl Into<Option<Limits>>) -> Self {
        self.limits[1] = limits.into();
        self
    }

    /// Limits of the connections that all pools of the scope have open; `None` only watches them, which is the default.
    pub fn connections(mut self, limits: impl Into<Option<Limits>>) -> Self {
        self.limits[2] = limits.into();
        self
    }

    /// How often it looks while all is well; ten times as often when a limit is near. By default, this is
    /// [`DEFAULT_INTERVAL`].
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Requests pass again when less than this share of the soft limit is used, above 0 and up to 1. By default, this is
    /// [`DEFAULT_RECOVER_AT`].
    pub fn recover_at(mut self, share: f64) -> Self {
        self.recover_at = share;
        self
    }

    /// Makes the guard, which looks at once and then from a thread of its own.
    ///
    /// # Errors
    ///
    /// A value out of its range, or two that exclude each other; no thread can be had.
    pub fn build(self) -> Result<ResourceGuard, ConfigError> {
        require(!self.interval.is_zero(), || {
            format!("the interval of guard {} must be above zero", self.name)
        })?;
        require(self.recover_at > 0.0 && self.recover_at <= 1.0, || {
            let (name, share) = (&self.name, self.recover_at);
            format!("guard {name} must recover at a share above 0 and up to 1 of the soft limit, not {share}")
        })?;
        let known = [(OPEN_FILES, true), (MEMORY, true), (CONNECTIONS, false)];
        for ((resource, has_system_limit), limits) in known.into_iter().zip(&self.limits) {
            limits.map_or(Ok(()), |limits| limits.check(resource, has_system_limit))?;
        }
        // Its breaker has the same name.
        let name = self.scope.distinct_breaker_prefix(Some(self.name.into())).unwrap_or_default();
        let shared = self.scope.resources().add(&name, |name| {
            let watched = Watched::new(Arc::clone(&name), self.limits, self.recover_at);
            let scope = (self.scope.downgrade(), Arc::clone(self.scope.events()));
            Shared::new(name, scope, self.interval, watched)
        });
        shared
            .begin()
            .map_err(|error| ConfigError::new(format!("guard {name} has no thread to look from: {error}")))?;
        self.scope.show_breakers(Shown(Arc::downgrade(&shared)));
        Ok(ResourceGuard::new(shared))
    }
}
