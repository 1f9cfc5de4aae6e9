//! [`Verdict`]: what a call says about its destination.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use poolscope_semconv::value::ErrorType;

use crate::classify;
use crate::http_message::{Answered, retry_after};

/// What a call says about its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing: the caller was at fault, or does not want the answer any more.
    Ignored,
}

/// What came back from a call.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Answer<'a> {
    /// A response; its body is still on its way.
    #[non_exhaustive]
    Response {
        /// Its status.
        status: StatusCode,
        /// Its headers.
        headers: &'a HeaderMap,
    },
    /// An error of the service under the breaker.
    Error(&'a (dyn Error + 'static)),
    /// The body of a response that was a success so far has failed with this error.
    Body(&'a (dyn Error + 'static)),
    /// A timeout around the breaker has dropped the call, or the rest of the body of a response that was a success so far:
    /// one of [`timeout`](crate::timeout). Of any other timeout nothing is known but that the call was dropped.
    /// A call that still waited in the queue of a [`limit`](crate::limit) below the breaker says nothing.
    TimedOut,
}

impl<'a> Answer<'a> {
    #[inline]
    pub(super) fn response(response: &'a impl Answered) -> Self {
        Self::Response { status: response.status(), headers: response.headers() }
    }

    /// The verdict of a breaker that was told no other: statuses from 500 on and errors are failures. Not so errors that
    /// say nothing about the destination: a request that could not be built or sent because of its own content, and the
    /// rejection of another breaker or of a limit. A body that fails is a failure, and so is a call that was too slow for a
    /// timeout around the breaker.
    #[must_use]
    #[inline]
    pub fn default_verdict(&self) -> Verdict {
        match self {
            Self::Response { status, .. } if status.as_u16() >= 500 => Verdict::Failure,
            Self::Response { .. } => Verdict::Success,
            Self::Error(error) => verdict_of_error(*error),
            Self::Body(_) | Self::TimedOut => Verdict::Failure,
        }
    }

    /// True if nothing could be connected: no name, no connection or no TLS.
    #[must_use]
    pub fn is_connect_failure(&self) -> bool {
        match self {
            Self::Error(error) => {
                matches!(classify::error_type(*error), ErrorType::Dns | ErrorType::Connect | ErrorType::Tls)
            }
            Self::Response { .. } | Self::Body(_) | Self::TimedOut => false,
        }
    }

    /// How long the destination asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Response { headers, .. } => retry_after(headers, SystemTime::now()),
            Self::Error(_) | Self::Body(_) | Self::TimedOut => None,
        }
    }
}

#[cold]
fn verdict_of_error(error: &(dyn Error + 'static)) -> Verdict {
    match classify::error_type(error) {
        ErrorType::Request
        | ErrorType::BreakerOpen
        | ErrorType::LimitExceeded
        | ErrorType::Shutdown
        | ErrorType::ResourcesExhausted => Verdict::Ignored,
        _ => Verdict::Failure,
    }
}

type Rule = dyn Fn(&Answer<'_>) -> Verdict + Send + Sync;

/// The rule that makes a verdict of an answer.
#[derive(Clone, Default)]
pub(super) struct Classifier(Option<Arc<Rule>>);

impl Classifier {
    pub(super) fn new(rule: impl Fn(&Answer<'_>) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(rule)))
    }

    #[inline]
    pub(super) fn verdict(&self, answer: &Answer<'_>) -> Verdict {
        self.0.as_ref().map_or_else(|| answer.default_verdict(), |rule| rule(answer))
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Classifier(custom)" } else { "Classifier(default)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn verdict(result: Result<u16, &(dyn Error + 'static)>) -> Verdict {
        let headers = HeaderMap::new();
        let answer = match result {
            Ok(status) => {
                Answer::Response { status: StatusCode::from_u16(status).unwrap(), headers: &headers }
            }
            Err(error) => Answer::Error(error),
        };
        Classifier::default().verdict(&answer)
    }

    #[test]
    fn errors_of_the_server_and_of_the_network_are_failures() {
        assert_eq!(verdict(Ok(200)), Verdict::Success);
        assert_eq!(verdict(Ok(404)), Verdict::Success);
        assert_eq!(verdict(Ok(429)), Verdict::Success);
        assert_eq!(verdict(Ok(500)), Verdict::Failure);
        assert_eq!(verdict(Ok(503)), Verdict::Failure);
        assert_eq!(verdict(Err(&io::Error::from(io::ErrorKind::ConnectionReset))), Verdict::Failure);
        assert_eq!(verdict(Err(&io::Error::other("who knows"))), Verdict::Failure);
    }

    #[test]
    fn the_rejection_of_another_breaker_says_nothing() {
        let open = super::super::BreakerOpen {
            name: "inner".into(),
            state: super::super::BreakerState::Open,
            reason: poolscope_semconv::value::BreakerReason::FailureRatio,
            retry_in: None,
        };
        assert_eq!(verdict(Err(&open)), Verdict::Ignored);
    }
}
