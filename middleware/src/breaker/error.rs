//! [`BreakerOpen`] and [`Error`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use poolscope_semconv::value::{BreakerReason, BreakerState};

use crate::said::Said;

/// The breaker did not let a call through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerOpen {
    /// Name of the breaker.
    pub name: Arc<str>,
    /// State that it is in: open, half open with all trial calls under way, or forced open.
    pub state: BreakerState,
    /// Why it opened; of a half-open one too. One that has opened again says that its trial calls failed.
    pub reason: BreakerReason,
    /// Time until the next call may try; `None` if that does not depend on time alone. It does not for a breaker that is half
    /// open: the next call may pass as soon as a trial call is over.
    pub retry_in: Option<Duration>,
}

impl fmt::Display for BreakerOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.state, self.retry_in) {
            (BreakerState::HalfOpen, _) => {
                write!(f, "breaker {name} is half open and waits for the results of its trial calls")
            }
            (BreakerState::ForcedOpen, _) if self.reason == BreakerReason::Forced => {
                write!(f, "breaker {name} is held open from the dashboard")
            }
            (BreakerState::ForcedOpen, _) => write!(f, "breaker {name} is held open by hand"),
            (_, Some(wait)) => write!(f, "breaker {name} is open and lets a call try in {}", Said(wait)),
            (_, None) => write!(f, "breaker {name} is open"),
        }
    }
}

impl std::error::Error for BreakerOpen {}

/// Error of a service under a breaker.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The breaker did not let the call through; the service was not called.
    #[error("{0}")]
    Open(#[source] BreakerOpen),
    /// The service failed.
    #[error("{0}")]
    Inner(#[source] E),
}
