//! Counters of retry policies, shared by everything that has the same name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poolscope_semconv::value::RetryOutcome;
use poolscope_semconv::{attr, metric};

use super::histogram::Histogram;
use super::mirror::Mirroring;
use super::retry_results::{CallResult, CallResults, merge};
use super::snapshot::RetrySnapshot;
use crate::series::text;

/// Most names of one kind; what comes later shares [`OTHER`].
const MAX_NAMES: usize = 256;

/// Most causes of a retry that are told apart; all further ones are [`OTHER`].
const MAX_REASONS: usize = 64;

/// What is beyond a limit.
const OTHER: &str = poolscope_semconv::value::OVERFLOW;

/// Counters by name. Resolved once per layer, never per request.
#[derive(Debug)]
pub(crate) struct Named<T>(Mutex<BTreeMap<String, Arc<T>>>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Named<T> {
    /// The counters of a name, made by `make` when it is new, for the name that they have then.
    pub(crate) fn get(&self, name: &str, make: impl FnOnce(&str) -> T) -> Arc<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if all.contains_key(name) || all.len() < MAX_NAMES { name } else { OTHER };
        Arc::clone(all.entry(name.to_owned()).or_insert_with(|| Arc::new(make(name))))
    }

    /// All names with their counters.
    pub(crate) fn all(&self) -> Vec<(String, Arc<T>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, value)| (name.clone(), Arc::clone(value))).collect()
    }
}

/// What a retry policy did.
#[derive(Debug)]
pub(crate) struct RetryStats {
    /// Calls by outcome, but for those that the first attempt has decided: these are known by their results.
    calls: [AtomicU64; RetryOutcome::COUNT],
    first_try: CallResults,
    later: CallResults,
    /// By cause. Written only when a call is tried again, so a lock costs nothing that matters.
    attempts: Mutex<BTreeMap<String, u64>>,
    delay: Histogram,
}

impl RetryStats {
    pub(crate) fn new() -> Self {
        Self {
            calls: Default::default(),
            first_try: CallResults::new(),
            later: CallResults::new(),
            attempts: Mutex::default(),
            delay: Histogram::new(&metric::RETRY_DELAY),
        }
    }

    /// Waits before attempts go to a mirror besides from now on, or to none any more.
    pub(crate) fn mirror(&self, mirrors: Mirroring<'_>, name: &str) {
        self.delay.mirror(mirrors, || vec![text(attr::RETRY_NAME, name)]);
    }

    /// Counts a call that ended with a result.
    pub(crate) fn ended(&self, outcome: RetryOutcome, result: CallResult) {
        if outcome == RetryOutcome::FirstTry {
            self.first_try.count(result);
        } else {
            self.later.count(result);
            self.calls[outcome.index()].fetch_add(1, Relaxed);
        }
    }

    /// Counts a call that was dropped.
    pub(crate) fn canceled(&self) {
        self.calls[RetryOutcome::Canceled.index()].fetch_add(1, Relaxed);
    }

    /// Counts an attempt beyond the first: what caused it, and how long the call waited for it.
    pub(crate) fn tried_again(&self, reason: &str, delay: Duration) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let reason =
            if attempts.contains_key(reason) || attempts.len() < MAX_REASONS { reason } else { OTHER };
        *attempts.entry(reason.to_owned()).or_default() += 1;
        drop(attempts);
        self.delay.record(delay);
    }

    pub(crate) fn snapshot(&self, name: String) -> RetrySnapshot {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first_try: Vec<_> = self.first_try.rows().collect();
        let calls = |outcome: RetryOutcome| match outcome {
            RetryOutcome::FirstTry => first_try.iter().map(|row| row.calls).sum(),
            _ => self.calls[outcome.index()].load(Relaxed),
        };
        RetrySnapshot {
            name,
            calls: RetryOutcome::ALL.iter().map(|outcome| (*outcome, calls(*outcome))).collect(),
            attempts: attempts.into_iter().collect(),
            results: merge(first_try, self.later.rows()),
            delay: self.delay.snapshot(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_share_one_entry() {
        let named = Named::default();
        for number in 0..MAX_NAMES + 10 {
            named.get(&format!("name {number}"), |_| ());
        }
        assert_eq!(named.all().len(), MAX_NAMES + 1);
        assert!(named.all().iter().any(|(name, _)| name == OTHER));
    }
}
