//! [`Plan`]: what a policy was told, and where its calls are counted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use poolscope_semconv::value::ErrorType;
use tower::retry::budget::Budget;

use super::backoff::Backoff;
use super::replay::Replay;
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
    pub(super) statuses: Vec<StatusCode>,
    pub(super) retry_after_limit: Duration,
    pub(super) all_methods: bool,
    /// Tells more requests that may be sent twice.
    pub(super) safe_if: Option<Box<SafeRule>>,
    pub(super) budget: Option<Box<dyn Budget + Send + Sync>>,
    pub(super) stats: Arc<RetryStats>,
    pub(super) events: Arc<Events>,
}

impl Plan {
    /// Whether an attempt that came to a result is worth another one.
    pub(super) fn may_pass(&self, result: CallResult) -> bool {
        match result {
            CallResult::Status(status) => self.statuses.contains(&status),
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
