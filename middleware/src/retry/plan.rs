//! [`Plan`]: what a policy was told, and where its calls are counted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use poolscope_semconv::value::ErrorType;
use tower::retry::budget::Budget;

use super::replay::Replay;
use crate::backoff::Backoff;
use crate::event::Events;
use crate::http_message::Asked;
use crate::registry::{CallResult, RetryStats};

/// Tells requests that may be sent twice.
pub(super) type SafeRule = dyn Fn(&Asked<'_>) -> bool + Send + Sync;

/// What a policy was told, and where its calls are counted. Shared by all clones of a policy.
pub(super) struct Plan {
    pub(super) name: Arc<str>,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) statuses: Statuses,
    pub(super) retry_after_limit: Duration,
    pub(super) all_methods: bool,
    /// Tells more requests that may be sent twice.
    pub(super) safe_if: Option<Box<SafeRule>>,
    pub(super) budget: Option<Box<dyn Budget + Send + Sync>>,
    pub(super) stats: Arc<RetryStats>,
    pub(super) events: Arc<Events>,
}

/// A set of statuses: a bit for each that there can be, since every call looks its own up.
#[derive(Clone, Copy, Default)]
pub(super) struct Statuses([u64; 16]);

impl Statuses {
    #[inline]
    pub(super) fn contains(&self, status: StatusCode) -> bool {
        let status = usize::from(status.as_u16());
        self.0[status / 64 % 16] >> (status % 64) & 1 == 1
    }

    fn iter(&self) -> impl Iterator<Item = u16> {
        (0..1_024).filter(|status| self.0[status / 64] >> (status % 64) & 1 == 1).map(|status| status as u16)
    }
}

impl FromIterator<StatusCode> for Statuses {
    fn from_iter<I: IntoIterator<Item = StatusCode>>(statuses: I) -> Self {
        let mut set = Self::default();
        for status in statuses {
            let status = usize::from(status.as_u16());
            set.0[status / 64 % 16] |= 1 << (status % 64);
        }
        set
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Plan {
    /// Whether an attempt that came to a result is worth another one.
    pub(super) fn may_pass(&self, result: CallResult) -> bool {
        match result {
            CallResult::Status(status) => self.statuses.contains(status),
            CallResult::Error(error_type) => may_pass(error_type),
        }
    }

    /// Whether a request may be sent twice.
    pub(super) fn is_safe<R: Replay>(&self, request: &R) -> bool {
        self.all_methods
            || request.method().is_idempotent()
            || request.is_marked_safe()
            || self.safe_if.as_ref().is_some_and(|rule| rule(&Asked::new(request)))
    }
}

/// Errors that may be gone at the next attempt.
fn may_pass(error_type: ErrorType) -> bool {
    match error_type {
        ErrorType::Dns
        | ErrorType::Connect
        | ErrorType::Timeout
        | ErrorType::ConnectionReset
        | ErrorType::StreamReset
        | ErrorType::IncompleteMessage => true,
        // A certificate that is not trusted will not be at the next attempt either.
        ErrorType::Tls
        | ErrorType::Protocol
        | ErrorType::Redirect
        | ErrorType::Request
        | ErrorType::Body
        | ErrorType::BreakerOpen
        | ErrorType::LimitExceeded
        | ErrorType::Shutdown
        | ErrorType::ResourcesExhausted
        | ErrorType::Canceled
        | ErrorType::ClientDisconnected
        | ErrorType::Panic
        | ErrorType::Other => false,
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("name", &self.name)
            .field("max_attempts", &self.max_attempts)
            .field("backoff", &self.backoff)
            .field("statuses", &self.statuses)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_statuses_holds_what_was_put_in() {
        let all = || (100..1_000).map(|status| StatusCode::from_u16(status).unwrap());
        let some: Statuses = all().filter(|status| status.as_u16() % 7 == 0).collect();
        assert!(all().all(|status| some.contains(status) == (status.as_u16() % 7 == 0)));
        assert_eq!(format!("{:?}", [StatusCode::OK].into_iter().collect::<Statuses>()), "[200]");
    }
}
