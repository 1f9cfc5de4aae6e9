//! [`Machine`]: the states of a destination that is probed, without clocks, tasks or telemetry.

use std::time::{Duration, Instant};

use poolscope_semconv::value::{HealthState, ProbeOutcome};

/// What the probes say of one destination.
#[derive(Debug)]
pub(super) struct Machine {
    failing_after: u32,
    healthy_after: u32,
    state: HealthState,
    since: Instant,
    /// Probes in a row, up to the last one, that failed; that were answered; that were answered in time.
    failed: u32,
    answered: u32,
    fast: u32,
    /// Why nobody probes any more.
    ended: Option<&'static str>,
}

impl Machine {
    pub(super) fn new(failing_after: u32, healthy_after: u32, now: Instant) -> Self {
        let state = HealthState::Unknown;
        Self { failing_after, healthy_after, state, since: now, failed: 0, answered: 0, fast: 0, ended: None }
    }

    pub(super) fn state(&self) -> HealthState {
        self.state
    }

    /// How long it has been in its state.
    pub(super) fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Takes in a probe, and gives the state before it if that was another one.
    pub(super) fn record(&mut self, outcome: ProbeOutcome, now: Instant) -> Option<HealthState> {
        let next = |count: u32, goes_on| if goes_on { count.saturating_add(1) } else { 0 };
        self.failed = next(self.failed, outcome == ProbeOutcome::Failure);
        self.answered = next(self.answered, outcome != ProbeOutcome::Failure);
        self.fast = next(self.fast, outcome == ProbeOutcome::Success);
        let before = self.state;
        let is_back = before != HealthState::Failing || self.answered >= self.healthy_after;
        self.state = match outcome {
            ProbeOutcome::Failure if self.failed >= self.failing_after => HealthState::Failing,
            _ if !is_back => HealthState::Failing,
            ProbeOutcome::Failure | ProbeOutcome::Slow => HealthState::Degraded,
            ProbeOutcome::Success if self.fast >= self.healthy_after => HealthState::Healthy,
            // Nothing speaks against it yet.
            ProbeOutcome::Success if before == HealthState::Unknown => HealthState::Healthy,
            ProbeOutcome::Success if before == HealthState::Healthy => HealthState::Healthy,
            ProbeOutcome::Success => HealthState::Degraded,
        };
        if self.state == before {
            return None;
        }
        self.since = now;
        Some(before)
    }

    /// Nobody probes any more, so nobody knows; gives the state before if that was another one.
    pub(super) fn end(&mut self, why: &'static str, now: Instant) -> Option<HealthState> {
        self.ended = Some(why);
        let before = std::mem::replace(&mut self.state, HealthState::Unknown);
        (before != HealthState::Unknown).then(|| {
            self.since = now;
            before
        })
    }

    /// Why it is in its state; `last` says how the last probe went.
    pub(super) fn reason(&self, last: &str) -> String {
        let Self { failed, failing_after, answered, healthy_after, fast, .. } = self;
        if let Some(why) = self.ended {
            let last = if last.is_empty() { "none had ended" } else { last };
            return format!("it is not probed any more, since {why}; the last probe: {last}");
        }
        match self.state {
            HealthState::Unknown => "no probe has ended yet".to_owned(),
            HealthState::Healthy => format!("the last probe succeeded: {last}"),
            _ if *failed > *failing_after => format!("{failed} probes in a row failed, last: {last}"),
            _ if *failed > 0 => format!("{failed} of {failing_after} probes failed, last: {last}"),
            HealthState::Failing => {
                format!("{answered} of {healthy_after} probes were answered since it failed, last: {last}")
            }
            HealthState::Degraded if *fast == 0 => format!("the last probe was slow: {last}"),
            HealthState::Degraded => {
                format!("{fast} of {healthy_after} probes succeeded since one did not, last: {last}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use HealthState::{Degraded, Failing, Healthy, Unknown};
    use ProbeOutcome::{Failure, Slow, Success};

    fn after(outcomes: &[ProbeOutcome]) -> Machine {
        let now = Instant::now();
        let mut machine = Machine::new(3, 2, now);
        for outcome in outcomes {
            machine.record(*outcome, now);
        }
        machine
    }

    #[test]
    fn one_failure_degrades_three_fail_and_two_successes_heal() {
        for (outcomes, state) in [
            (&[][..], Unknown),
            (&[Success], Healthy),
            (&[Failure], Degraded),
            (&[Slow], Degraded),
            (&[Success, Failure, Failure], Degraded),
            (&[Failure, Failure, Failure], Failing),
            (&[Failure, Failure, Slow, Failure], Degraded),
            (&[Failure, Failure, Failure, Success], Failing),
            (&[Failure, Failure, Failure, Success, Success], Healthy),
            (&[Failure, Failure, Failure, Slow, Slow], Degraded),
            (&[Failure, Failure, Failure, Success, Failure, Success], Failing),
            (&[Slow, Success], Degraded),
            (&[Slow, Success, Success], Healthy),
        ] {
            assert_eq!(after(outcomes).state(), state, "{outcomes:?}");
        }
    }

    #[test]
    fn the_reason_says_what_happened() {
        for (outcomes, reason) in [
            (&[][..], "no probe has ended yet"),
            (&[Success], "the last probe succeeded: it"),
            (&[Failure], "1 of 3 probes failed, last: it"),
            (&[Failure, Failure, Failure], "3 of 3 probes failed, last: it"),
            (&[Failure, Failure, Failure, Failure], "4 probes in a row failed, last: it"),
            (&[Failure, Failure, Failure, Slow], "1 of 2 probes were answered since it failed, last: it"),
            (&[Slow], "the last probe was slow: it"),
            (&[Slow, Success], "1 of 2 probes succeeded since one did not, last: it"),
        ] {
            assert_eq!(after(outcomes).reason("it"), reason, "{outcomes:?}");
        }
    }

    #[test]
    fn a_state_lasts_from_the_probe_that_brought_it() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut machine = Machine::new(3, 2, start);
        assert_eq!(machine.record(Success, at(1)), Some(Unknown));
        assert_eq!(machine.record(Success, at(2)), None);
        assert_eq!(machine.since(at(5)), Duration::from_secs(4));
        assert_eq!(machine.record(Failure, at(6)), Some(Healthy));
        assert_eq!(machine.since(at(6)), Duration::ZERO);
    }

    #[test]
    fn where_nobody_probes_nobody_knows() {
        let start = Instant::now();
        let mut machine = Machine::new(3, 2, start);
        let later = start + Duration::from_secs(1);
        machine.record(Success, start);
        assert_eq!(machine.end("it is over", later), Some(Healthy));
        assert_eq!((machine.state(), machine.since(later)), (Unknown, Duration::ZERO));
        assert_eq!(machine.reason("it"), "it is not probed any more, since it is over; the last probe: it");
        let mut machine = Machine::new(3, 2, start);
        assert_eq!(machine.end("it is over", later), None);
        assert!(machine.reason("").ends_with("the last probe: none had ended"));
    }

    /// The state by the history alone.
    fn model(history: &[ProbeOutcome], failing_after: usize, healthy_after: usize) -> HealthState {
        if history.is_empty() {
            return Unknown;
        }
        let ends = |length: usize, is: fn(&ProbeOutcome) -> bool| {
            (length..=history.len()).rev().find(|end| history[end - length..*end].iter().all(is))
        };
        let failed = ends(failing_after, |outcome| *outcome == Failure);
        if let Some(failed) = failed {
            let since = &history[failed..];
            if !since.windows(healthy_after).any(|some| !some.contains(&Failure)) {
                return Failing;
            }
        }
        match history.iter().rposition(|outcome| *outcome != Success) {
            None => Healthy,
            Some(last) if history.len() - last > healthy_after => Healthy,
            Some(_) => Degraded,
        }
    }

    proptest! {
        #[test]
        fn its_state_follows_from_its_history(
            failing_after in 1_usize..5,
            healthy_after in 1_usize..5,
            history in prop::collection::vec(prop::sample::select(ProbeOutcome::ALL), 0..60),
        ) {
            let start = Instant::now();
            let mut machine = Machine::new(failing_after as u32, healthy_after as u32, start);
            let mut changed = start;
            for (index, outcome) in history.iter().enumerate() {
                let now = start + Duration::from_secs(index as u64 + 1);
                let before = machine.state();
                let told = machine.record(*outcome, now);
                let expected = model(&history[..=index], failing_after, healthy_after);
                prop_assert_eq!(machine.state(), expected);
                prop_assert_eq!(told, (before != expected).then_some(before));
                changed = if told.is_some() { now } else { changed };
                prop_assert_eq!(machine.since(now), now - changed);
                prop_assert!(!machine.reason("it").is_empty());
            }
        }
    }
}
