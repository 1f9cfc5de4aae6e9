//! [`Plan`]: what a policy was told, and where its calls are counted.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use poolscope_semconv::value::ErrorType;
use tower::retry::budget::Budget;

use super::backoff::Backoff;
use super::replay::Replay;
use crate::classify;
use crate::event::Events;
use crate::http_message::Answered;
use crate::registry::RetryStats;

/// What a policy was told, and where its calls are counted. Shared by all clones of a policy.
pub(super) struct Plan {
    pub(super) name: Arc<str>,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) statuses: Vec<StatusCode>,
    pub(super) retry_after_limit: Duration,
    pub(super) all_methods: bool,
    pub(super) budget: Option<Box<dyn Budget + Send + Sync>>,
    pub(super) stats: Arc<RetryStats>,
    pub(super) events: Arc<Events>,
}

/// What an attempt failed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    Status(StatusCode),
    Error(ErrorType),
}

impl Cause {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Error(error_type) => error_type.as_str(),
        }
    }
}

impl Plan {
    /// Why an attempt is worth another one; `None` if it is not.
    pub(super) fn cause<R: Answered, E: StdError + 'static>(&self, result: &Result<R, E>) -> Option<Cause> {
        match result {
            Ok(response) => {
                let status = response.status();
                self.statuses.contains(&status).then_some(Cause::Status(status))
            }
            Err(error) => {
                let error_type = classify::error_type(error);
                may_pass(error_type).then_some(Cause::Error(error_type))
            }
        }
    }

    /// Whether a request may be sent twice.
    pub(super) fn is_safe<R: Replay>(&self, request: &R) -> bool {
        self.all_methods || request.method().is_idempotent() || request.is_marked_safe()
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
