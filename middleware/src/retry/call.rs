//! [`Call`]: one call with its attempts, counted once.

use std::borrow::Borrow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use poolscope_semconv::value::RetryOutcome;

use super::plan::Plan;
use crate::classify;
use crate::current;
use crate::event::{Event, RetryExhausted};
use crate::http_message::{Answered, retry_after};
use crate::origin::Origin;
use crate::registry::CallResult;

/// One call with its attempts. Counted once: by its last result, or as canceled when it is dropped before.
pub(super) struct Call<P: Borrow<Plan>> {
    plan: Arc<P>,
    /// Attempts that have begun.
    attempts: u32,
    /// Why the next attempt is made, and how long the call waits for it.
    next: Option<(CallResult, Duration)>,
    /// Who called; all attempts are the caller's.
    origin: Option<Origin>,
    ended: bool,
}

impl<P: Borrow<Plan>> Call<P> {
    /// A call whose first attempt begins.
    pub(super) fn new(plan: &Arc<P>) -> Self {
        Self { plan: Arc::clone(plan), attempts: 1, next: None, origin: Origin::current(), ended: false }
    }

    /// Attempts beyond the first.
    pub(super) fn resends(&self) -> u32 {
        self.attempts - 1
    }

    /// What it was begun with.
    pub(super) fn common(&self) -> &P {
        &self.plan
    }

    fn plan(&self) -> &Plan {
        (*self.plan).borrow()
    }

    /// An attempt beyond the first begins.
    pub(super) fn resend<R>(&mut self, start: impl FnOnce() -> R) -> R {
        self.attempts = self.attempts.saturating_add(1);
        if let Some((cause, delay)) = self.next.take() {
            self.plan().stats.tried_again(cause.as_str(), delay);
        }
        let _resend = current::resend(self.resends());
        Origin::in_scope_of(self.origin, start)
    }

    /// Takes the result of an attempt, which has just come in. Tells how long to wait for the next attempt; `None` if the
    /// call is over with this result.
    pub(super) fn judge<R: Answered, E: StdError + 'static>(
        &mut self,
        result: &Result<R, E>,
        can_repeat: bool,
        destination: impl FnOnce() -> Option<String>,
    ) -> Option<Duration> {
        let came = match result {
            Ok(response) => CallResult::Status(response.status()),
            Err(error) => CallResult::Error(classify::error_type(error)),
        };
        if !self.plan().may_pass(came) {
            self.finish(came, destination);
            return None;
        }
        if !can_repeat {
            self.end(RetryOutcome::NotReplayable, came);
            return None;
        }
        let asked = result
            .as_ref()
            .ok()
            .and_then(|response| retry_after(response.headers(), SystemTime::now()))
            .unwrap_or_default();
        if self.attempts >= self.plan().max_attempts || asked > self.plan().retry_after_limit {
            self.exhausted(came, destination);
            return None;
        }
        if self.plan().budget.as_ref().is_some_and(|budget| !budget.withdraw()) {
            self.end(RetryOutcome::BudgetRefused, came);
            return None;
        }
        let delay = self.plan().backoff.delay(self.attempts, fastrand::f64()).max(asked);
        self.next = Some((came, delay));
        Some(delay)
    }

    /// The call ends by an error outside of an attempt.
    pub(super) fn fail<E: StdError + 'static>(
        &mut self,
        error: &E,
        destination: impl FnOnce() -> Option<String>,
    ) {
        self.exhausted(CallResult::Error(classify::error_type(error)), destination);
    }

    /// The call ends by a result that no retry mends.
    fn finish(&mut self, came: CallResult, destination: impl FnOnce() -> Option<String>) {
        let is_first = self.attempts == 1;
        match came {
            CallResult::Status(_) => {
                if let Some(budget) = &self.plan().budget {
                    budget.deposit();
                }
                self.end(if is_first { RetryOutcome::FirstTry } else { RetryOutcome::AfterRetry }, came);
            }
            CallResult::Error(_) if is_first => self.end(RetryOutcome::FirstTry, came),
            // It was tried again, and failed for good: a breaker that has opened meanwhile, say.
            CallResult::Error(_) => self.exhausted(came, destination),
        }
    }

    #[cold]
    fn exhausted(&mut self, came: CallResult, destination: impl FnOnce() -> Option<String>) {
        self.end(RetryOutcome::Exhausted, came);
        self.plan().events.emit(&Event::RetryExhausted(RetryExhausted {
            name: Arc::clone(&self.plan().name),
            attempts: self.attempts,
            reason: came.as_str().to_owned(),
            destination: destination(),
        }));
    }

    fn end(&mut self, outcome: RetryOutcome, came: CallResult) {
        self.ended = true;
        self.plan().stats.ended(outcome, came);
    }
}

impl<P: Borrow<Plan>> Drop for Call<P> {
    fn drop(&mut self) {
        if !self.ended {
            self.plan().stats.canceled();
        }
    }
}

impl<P: Borrow<Plan>> fmt::Debug for Call<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("name", &self.plan().name)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
