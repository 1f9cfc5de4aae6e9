//! [`RetryPolicyBuilder`]: the options of a policy and their defaults.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use tower::retry::budget::Budget;

use super::plan::Plan;
use super::policy::RetryPolicy;
use crate::backoff::Backoff;
use crate::config_error::require;
use crate::http_message::Asked;
use crate::{ConfigError, Scope};

/// Attempts of a call by default, the first included.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 3;

/// Wait before the second attempt by default, before jitter.
pub const DEFAULT_BASE_DELAY: Duration = Duration::from_millis(100);

/// What each further wait is multiplied by, by default.
pub const DEFAULT_FACTOR: f64 = 2.0;

/// Longest wait of the backoff by default.
pub const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(10);

/// Largest share by which a wait is made shorter at random by default, so that calls that failed together do not come
/// back together.
pub const DEFAULT_JITTER: f64 = 0.5;

/// Longest `Retry-After` that is waited for by default.
pub const DEFAULT_RETRY_AFTER_LIMIT: Duration = Duration::from_secs(60);

/// Statuses that are tried again by default.
pub const DEFAULT_STATUSES: [StatusCode; 5] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// Options of a [`RetryPolicy`].
#[must_use]
pub struct RetryPolicyBuilder {
    plan: Plan,
}

impl RetryPolicyBuilder {
    pub(super) fn new(scope: &Scope, name: &str) -> Self {
        Self {
            plan: Plan {
                name: name.into(),
                max_attempts: DEFAULT_MAX_ATTEMPTS,
                backoff: Backoff {
                    base: DEFAULT_BASE_DELAY,
                    factor: DEFAULT_FACTOR,
                    max: DEFAULT_MAX_DELAY,
                    jitter: DEFAULT_JITTER,
                },
                statuses: DEFAULT_STATUSES.into_iter().collect(),
                retry_after_limit: DEFAULT_RETRY_AFTER_LIMIT,
                all_methods: false,
                safe_if: None,
                budget: None,
                stats: scope.retry_stats(name),
                events: scope.events().clone(),
            },
        }
    }

    /// Attempts of a call, the first included; at least 1. By default, this is [`DEFAULT_MAX_ATTEMPTS`].
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.plan.max_attempts = attempts;
        self
    }

    /// Wait before the second attempt. By default, this is [`DEFAULT_BASE_DELAY`].
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.plan.backoff.base = delay;
        self
    }

    /// What each further wait is multiplied by; at least 1. By default, this is [`DEFAULT_FACTOR`].
    pub fn factor(mut self, factor: f64) -> Self {
        self.plan.backoff.factor = factor;
        self
    }

    /// Longest wait of the backoff. By default, this is [`DEFAULT_MAX_DELAY`].
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.plan.backoff.max = delay;
        self
    }

    /// Largest share by which a wait is made shorter at random, from 0 to 1. What `Retry-After` asks for is never made
    /// shorter. By default, this is [`DEFAULT_JITTER`].
    pub fn jitter(mut self, share: f64) -> Self {
        self.plan.backoff.jitter = share;
        self
    }

    /// Statuses that are tried again. By default, these are [`DEFAULT_STATUSES`].
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.plan.statuses = statuses.into_iter().collect();
        self
    }

    /// Longest `Retry-After` that is waited for. A call that is asked to wait longer gets the response at once. By
    /// default, this is [`DEFAULT_RETRY_AFTER_LIMIT`].
    pub fn retry_after_limit(mut self, limit: Duration) -> Self {
        self.plan.retry_after_limit = limit;
        self
    }

    /// Tries requests of every method again, for clients that send nothing that must not arrive twice.
    pub fn all_methods(mut self) -> Self {
        self.plan.all_methods = true;
        self
    }

    /// Requests that may be sent twice although their method is not idempotent and they are not marked as
    /// [`RetrySafe`](super::RetrySafe), for requests that can't be marked, as those of reqwest can't. By default, there are
    /// none.
    ///
    /// ```
    /// use poolscope::{Scope, retry::RetryPolicy};
    ///
    /// // The server recognises what it has seen before by this key.
    /// let policy = RetryPolicy::builder(&Scope::new(), "payments")
    ///     .safe_if(|asked| asked.headers().is_some_and(|headers| headers.contains_key("idempotency-key")));
    /// # policy.build().unwrap();
    /// ```
    pub fn safe_if(mut self, rule: impl Fn(&Asked<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.plan.safe_if = Some(Box::new(rule));
        self
    }

    /// Budget that every retry is paid from, such as tower's [`TpsBudget`](tower::retry::budget::TpsBudget), so that
    /// retries can't multiply the load on a destination that is down. By default, there is none.
    pub fn budget(mut self, budget: impl Budget + Send + Sync + 'static) -> Self {
        self.plan.budget = Some(Box::new(budget));
        self
    }

    /// Makes the policy.
    ///
    /// # Errors
    ///
    /// A value out of its range.
    pub fn build(self) -> Result<RetryPolicy, ConfigError> {
        self.check()?;
        Ok(self.finish())
    }

    pub(super) fn finish(self) -> RetryPolicy {
        RetryPolicy::from_plan(self.plan)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let Plan { name, max_attempts, backoff, .. } = &self.plan;
        require(*max_attempts > 0, || format!("retry policy {name} must allow at least 1 attempt"))?;
        require(backoff.factor >= 1.0 && backoff.factor.is_finite(), || {
            format!("the factor of retry policy {name} must be 1 or more, not {}", backoff.factor)
        })?;
        require(backoff.base <= backoff.max, || {
            format!(
                "the longest delay of retry policy {name} must not be below its base delay of {:?}, as {:?} is",
                backoff.base, backoff.max
            )
        })?;
        require((0.0..=1.0).contains(&backoff.jitter), || {
            format!("the jitter of retry policy {name} must be from 0 to 1, not {}", backoff.jitter)
        })
    }
}

impl fmt::Debug for RetryPolicyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RetryPolicyBuilder").field(&self.plan).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_in_words() {
        let builder = || RetryPolicy::builder(&Scope::new(), "p");
        let refused = [
            (builder().max_attempts(0), "attempt"),
            (builder().factor(0.5), "factor"),
            (builder().factor(f64::NAN), "factor"),
            (builder().factor(f64::INFINITY), "factor"),
            (builder().base_delay(Duration::from_secs(11)), "longest delay"),
            (builder().jitter(1.5), "jitter"),
        ];
        for (builder, word) in refused {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(builder().build().is_ok());
    }
}
