//! [`Permit`]: a call that was let through.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::circuit::{Circuit, now};
use super::classify::{Answer, Verdict};
use super::state::Report;
use crate::http_message::Watch;

/// A call that was let through. Its end is told once: by an answer that fails it, by the end of a body, or by the drop of
/// either.
#[derive(Debug)]
pub struct Permit {
    circuit: Arc<Circuit>,
    generation: u64,
    is_trial: bool,
    /// When it was let through, where it is judged how long it takes.
    started: Option<Instant>,
    /// What is told if nothing more is.
    report: Option<Report>,
}

const IGNORED: Report =
    Report { verdict: Verdict::Ignored, is_slow: false, is_unconnected: false, retry_after: None };

impl Permit {
    pub(super) fn new(circuit: Arc<Circuit>, generation: u64, is_trial: bool) -> Self {
        let started = circuit.slow_from().map(|_| now());
        Self { circuit, generation, is_trial, started, report: Some(IGNORED) }
    }

    /// The call got an answer. A response is not judged for good before its body is over, unless it fails the call: then
    /// this gives the permit back. If the user's rule panics over it, the call counts as dropped.
    pub(super) fn answered(mut self, answer: &Answer<'_>) -> Option<Self> {
        let report = self.judge(answer);
        self.report = Some(report);
        let may_change = report.verdict == Verdict::Success && self.circuit.judges_bodies();
        may_change.then_some(self)
    }

    fn judge(&self, answer: &Answer<'_>) -> Report {
        let verdict = self.circuit.verdict(answer);
        let took = self.started.map(|started| now().saturating_duration_since(started));
        let is_slow = |from: Duration| took.is_some_and(|took| took >= from);
        Report {
            verdict,
            is_slow: verdict != Verdict::Ignored && self.circuit.slow_from().is_some_and(is_slow),
            is_unconnected: answer.is_connect_failure(),
            retry_after: if verdict == Verdict::Failure { answer.retry_after() } else { None },
        }
    }
}

/// The permit of a call whose body is on its way.
impl Watch for Permit {
    fn ended(self) {}

    fn failed(mut self, error: &(dyn Error + 'static)) {
        let head = self.report.replace(IGNORED);
        let body = self.judge(&Answer::Body(error));
        // How long it took to answer is known from its head.
        let is_slow = head.is_some_and(|head| head.is_slow);
        self.report = Some(Report { is_slow, is_unconnected: false, ..body });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            self.circuit.settle(self.generation, self.is_trial, &report);
        }
    }
}
