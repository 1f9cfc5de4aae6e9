//! [`Permit`]: a call that was let through.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use super::circuit::{Circuit, now};
use super::classify::{Answer, Verdict};
use super::last;
use super::state::Report;
use crate::http_message::Watch;

/// A call that was let through. Its end is told once: by an answer that fails it, by the end of a body, or by the drop of
/// either.
#[derive(Debug)]
pub struct Permit {
    /// Taken when the permit is given back, for the next call to use it.
    circuit: Option<Arc<Circuit>>,
    pub(super) generation: u64,
    /// When it was let through, where it is judged how long it takes.
    started: Option<Instant>,
    pub(super) is_trial: bool,
    /// What is told if nothing more is.
    verdict: Verdict,
    is_slow: bool,
}

impl Permit {
    #[inline]
    pub(super) fn new(circuit: Arc<Circuit>, generation: u64, is_trial: bool) -> Self {
        let started = circuit.slow_from().map(|_| now());
        let verdict = Verdict::Ignored;
        Self { circuit: Some(circuit), generation, started, is_trial, verdict, is_slow: false }
    }

    fn circuit(&self) -> &Circuit {
        self.circuit.as_ref().expect("taken only when the permit is given back")
    }

    /// The call got an answer. A response is not judged for good before its body is over, unless it fails the call: then
    /// this gives the permit back. If the user's rule panics over it, the call counts as dropped.
    #[inline]
    pub(super) fn answered(mut self, answer: &Answer<'_>) -> Option<Self> {
        let verdict = self.circuit().verdict(answer);
        self.is_slow = self.started.is_some() && verdict != Verdict::Ignored && self.is_slow_now();
        if verdict == Verdict::Failure {
            self.fail(answer);
            return None;
        }
        self.verdict = verdict;
        (verdict == Verdict::Success && self.circuit().judges_bodies()).then_some(self)
    }

    /// The call is over, and this is what it says.
    pub(super) fn judged(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }

    fn is_slow_now(&self) -> bool {
        let limits = self.started.zip(self.circuit().slow_from());
        limits.is_some_and(|(started, from)| now().saturating_duration_since(started) >= from)
    }

    #[cold]
    fn fail(mut self, answer: &Answer<'_>) {
        let failed = Report {
            verdict: Verdict::Failure,
            is_slow: self.is_slow,
            is_unconnected: answer.is_connect_failure(),
            retry_after: answer.retry_after(),
        };
        self.give_back(&failed);
    }

    fn give_back(&mut self, report: &Report) {
        if let Some(circuit) = self.circuit.take() {
            circuit.settle(self.generation, self.is_trial, report);
            last::remember(circuit);
        }
    }
}

/// The permit of a call whose body is on its way.
impl Watch for Permit {
    #[inline]
    fn ended(self) {}

    fn failed(mut self, error: &(dyn Error + 'static)) {
        // How long it took to answer is known from its head.
        self.verdict = Verdict::Ignored;
        self.verdict = self.circuit().verdict(&Answer::Body(error));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let (verdict, is_slow) = (self.verdict, self.is_slow);
        self.give_back(&Report { verdict, is_slow, is_unconnected: false, retry_after: None });
    }
}
