//! [`Permit`]: a call that was let through.

use std::sync::Arc;

use super::circuit::Circuit;
use super::classify::Answer;

/// A call that was let through. Its end is told once: by the answer, or by the drop of a call that got none.
#[derive(Debug)]
pub(super) struct Permit {
    circuit: Arc<Circuit>,
    generation: u64,
    is_trial: bool,
    answered: bool,
}

impl Permit {
    pub(super) fn new(circuit: Arc<Circuit>, generation: u64, is_trial: bool) -> Self {
        Self { circuit, generation, is_trial, answered: false }
    }

    /// The call got an answer. If the user's rule panics over it, the call counts as dropped.
    pub(super) fn answer(mut self, answer: &Answer<'_>) {
        let verdict = self.circuit.verdict(answer);
        self.answered = true;
        self.circuit.answered(self.generation, verdict, answer);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.answered {
            self.circuit.dropped(self.generation, self.is_trial);
        }
    }
}
