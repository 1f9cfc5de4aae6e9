//! Results of health probes, which count in a breaker like calls.

use std::sync::Arc;

use super::circuit::{Circuit, now};
use super::classify::Verdict;
use super::handle::BreakerHandle;

impl BreakerHandle {
    /// Takes in the result of a probe as that of a call; false if there is no breaker of that name.
    ///
    /// A closed breaker has it in its window, and a half-open one takes it for a trial call, if it lets another one through. An
    /// open one becomes half open by a probe that succeeded, before its time is over, unless the destination asked not to be
    /// called (`Retry-After`); one that failed changes nothing there. A breaker that is held by hand stays as it is.
    ///
    /// ```
    /// use poolscope::{Scope, breaker::BreakerLayer};
    ///
    /// let handle = BreakerLayer::new(&Scope::new()).handle();
    /// assert!(!handle.probed("http://pay.example:80", true), "nothing was called yet");
    /// ```
    pub fn probed(&self, name: &str, succeeded: bool) -> bool {
        let verdict = if succeeded { Verdict::Success } else { Verdict::Failure };
        self.circuit(name).map(|circuit| circuit.probed(verdict)).is_some()
    }

    /// The same for a destination, whatever the layer puts before its name.
    #[cfg(feature = "health")]
    pub(crate) fn destination_probed(&self, destination: &str, succeeded: bool) -> bool {
        self.probed(&self.name_of(destination), succeeded)
    }
}

impl Circuit {
    fn probed(self: &Arc<Self>, verdict: Verdict) {
        if verdict == Verdict::Success {
            self.with(|machine| ((), machine.end_open_time(now())));
        }
        if let Ok(permit) = Arc::clone(self).try_admit() {
            permit.judged(verdict);
        }
    }
}
