//! [`Permit`]: a call that was let through.

use std::error::Error;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use poolscope_semconv::value::ErrorType;

use super::circuit::Circuit;
use super::classify::{Answer, Verdict};
use super::last;
use super::state::Report;
use crate::current;
use crate::http_message::Watch;

/// A call that was let through. Its end is told once: by an answer that fails it, by the end of a body, or by the drop of
/// either.
///
/// Two words, which processors pass on faster than more, and many times by the end of a call.
#[derive(Debug)]
pub struct Permit {
    /// Taken when the permit is given back, for the next call to use it.
    circuit: Option<Arc<Circuit>>,
    word: NonZeroU64,
}

/// Bits of [`Permit::word`]; the generation is in those above. This one is always set.
const PERMIT: u64 = 1;
const TRIAL: u64 = 2;
const SLOW: u64 = 4;
/// What is told if nothing more is: ignored, unless one of these is set.
const SUCCESS: u64 = 8;
const FAILURE: u64 = 16;
/// Nothing more can be told: its end is not that of a drop.
const OVER: u64 = 32;
const GENERATION: u32 = 6;

impl Permit {
    #[inline]
    pub(super) fn new(circuit: Arc<Circuit>, generation: u64, is_trial: bool) -> Self {
        let trial = if is_trial { TRIAL } else { 0 };
        let word = NonZeroU64::MIN | (generation << GENERATION | trial | PERMIT);
        Self { circuit: Some(circuit), word }
    }

    pub(super) fn generation(&self) -> u64 {
        self.word.get() >> GENERATION
    }

    pub(super) fn is_trial(&self) -> bool {
        self.is(TRIAL)
    }

    fn is(&self, bits: u64) -> bool {
        self.word.get() & bits != 0
    }

    #[inline]
    fn circuit(&self) -> &Circuit {
        self.circuit.as_ref().expect("taken only when the permit is given back")
    }

    /// The call, which started then if it is judged how long it takes, got an answer. True if it is judged again at the end
    /// of its body; otherwise the permit is not needed any more. If the user's rule panics over it, the call counts as
    /// dropped.
    #[inline]
    pub(super) fn answered(&mut self, answer: &Answer<'_>, started: Option<Instant>) -> bool {
        let verdict = self.circuit().verdict(answer);
        if let Some(started) = started.filter(|_| verdict != Verdict::Ignored)
            && self.circuit().is_slow(started)
        {
            self.word |= SLOW;
        }
        match verdict {
            Verdict::Success => {
                self.word |= SUCCESS;
                let goes_on = self.circuit().judges_bodies();
                if !goes_on {
                    self.word |= OVER;
                }
                goes_on
            }
            Verdict::Ignored => {
                self.word |= OVER;
                false
            }
            Verdict::Failure => {
                self.fail(answer);
                false
            }
        }
    }

    /// The call is over, and this is what it says.
    pub(crate) fn judged(mut self, verdict: Verdict) {
        self.word |= match verdict {
            Verdict::Success => SUCCESS | OVER,
            Verdict::Failure => FAILURE | OVER,
            Verdict::Ignored => OVER,
        };
    }

    /// The call, which started then, is dropped before its head is there. How long it took matters if it was too slow for
    /// whoever drops it.
    #[cold]
    pub(super) fn dropped(&mut self, started: Instant) {
        if current::drop_cause() == ErrorType::Timeout && self.circuit().is_slow(started) {
            self.word |= SLOW;
        }
    }

    /// The call, or the body of its response, was too slow for a timeout around the breaker.
    #[cold]
    fn timed_out(&mut self) {
        let permit = Self { circuit: self.circuit.take(), word: self.word };
        permit.judge_again(&Answer::TimedOut);
    }

    /// The last word about the call. How long it took to answer is known from its head. If the user's rule panics, the call
    /// says nothing.
    fn judge_again(mut self, answer: &Answer<'_>) {
        self.word = NonZeroU64::MIN | self.word.get() & !SUCCESS | OVER;
        let verdict = self.circuit().verdict(answer);
        self.judged(verdict);
    }

    #[cold]
    fn fail(&mut self, answer: &Answer<'_>) {
        self.word |= FAILURE;
        let report = Report {
            is_unconnected: answer.is_connect_failure(),
            retry_after: answer.retry_after(),
            ..self.report()
        };
        self.give_back(&report);
    }

    /// What is known of the call.
    fn report(&self) -> Report {
        let verdict = if self.is(FAILURE) {
            Verdict::Failure
        } else if self.is(SUCCESS) {
            Verdict::Success
        } else {
            Verdict::Ignored
        };
        Report { verdict, is_slow: self.is(SLOW), is_unconnected: false, retry_after: None }
    }

    #[cold]
    fn give_back(&mut self, report: &Report) {
        if let Some(circuit) = self.circuit.take() {
            circuit.settle(self.generation(), self.is_trial(), report);
            last::remember(circuit);
        }
    }
}

/// The permit of a call whose body is on its way.
impl Watch for Permit {
    #[inline]
    fn ended(mut self) {
        self.word |= OVER;
    }

    fn failed(self, error: &(dyn Error + 'static)) {
        self.judge_again(&Answer::Body(error));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // A rule of the user's that panics, while a panic goes on already, would end the program.
        if !self.is(OVER)
            && self.circuit.is_some()
            && current::drop_cause() == ErrorType::Timeout
            && !current::take_unsent()
            && !thread::panicking()
        {
            self.timed_out();
        }
        let is_good = !self.is(TRIAL | SLOW | FAILURE) && self.is(SUCCESS);
        match self.circuit.take() {
            Some(circuit) if is_good && circuit.take_good(self.generation()) => last::remember(circuit),
            None => {}
            circuit => {
                self.circuit = circuit;
                self.give_back(&self.report());
            }
        }
    }
}
