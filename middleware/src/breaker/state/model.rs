//! The machine and its window against a plain model of the same rules: a list of results, and a state that is read aloud.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const OPEN_TIME: Duration = Duration::from_secs(5);
const WINDOW: usize = 6;
const MINIMUM: usize = 3;
const TRIALS: u32 = 2;
const IN_A_ROW: u32 = 4;
const SLOW: f64 = 0.8;
const FAILED: f64 = 0.6;

fn rules() -> Rules {
    Rules {
        failure_ratio: FAILED,
        connect_failure_ratio: None,
        slow_calls: Some(SlowCalls { from: Duration::from_secs(1), ratio: SLOW }),
        window: Span::Calls(WINDOW),
        minimum_calls: MINIMUM,
        consecutive_failures: Some(IN_A_ROW),
        open_time: OPEN_TIME,
        max_open_time: 4 * OPEN_TIME,
        jitter: 0.0,
        trial_calls: TRIALS,
    }
}

/// Something that happens to a breaker.
#[derive(Debug, Clone)]
enum Step {
    /// A call asks to be let through.
    Admit,
    /// One of those that were let through and are not over ends.
    End {
        which: usize,
        verdict: Verdict,
        is_slow: bool,
    },
    Pass(Duration),
    Force(Force),
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Success),
        4 => Just(Verdict::Failure),
        1 => Just(Verdict::Ignored),
    ];
    let end = (any::<usize>(), verdict, prop::bool::weighted(0.2))
        .prop_map(|(which, verdict, is_slow)| Step::End { which, verdict, is_slow });
    let force = prop_oneof![Just(Force::Open), Just(Force::Closed), Just(Force::MetricsOnly)];
    let step = prop_oneof![
        10 => Just(Step::Admit),
        10 => end,
        2 => (0..6_000_u64).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        1 => force.prop_map(Step::Force),
        1 => Just(Step::Reset),
    ];
    prop::collection::vec(step, 1..200)
}

/// A call that was let through, by both.
#[derive(Debug, Clone, Copy)]
struct Call {
    generation: u64,
    is_trial: bool,
    /// The change of the model that it belongs to.
    age: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Is {
    Closed,
    Open { until: Duration },
    HalfOpen { trials: u32, succeeded: u32, last: Duration },
    Forced(Force),
}

/// The rules, told once more and without any of the machine's means.
#[derive(Debug)]
struct Model {
    is: Is,
    age: u32,
    results: VecDeque<(bool, bool)>,
    failures_in_a_row: u32,
    reopened: u32,
}

impl Model {
    fn change(&mut self, is: Is) {
        self.is = is;
        self.age += 1;
        self.failures_in_a_row = 0;
    }

    fn forget(&mut self) {
        self.results.clear();
        self.failures_in_a_row = 0;
        self.reopened = 0;
    }

    fn open(&mut self, now: Duration) {
        let time = OPEN_TIME.saturating_mul(1 << self.reopened).min(4 * OPEN_TIME);
        self.change(Is::Open { until: now + time });
    }

    /// Whether it lets a call through, and whether as a trial.
    fn admit(&mut self, now: Duration) -> Option<bool> {
        match &mut self.is {
            Is::Closed | Is::Forced(Force::Closed | Force::MetricsOnly) => Some(false),
            Is::Forced(Force::Open) => None,
            Is::Open { until } if now < *until => None,
            Is::Open { .. } => {
                self.change(Is::HalfOpen { trials: 1, succeeded: 0, last: now });
                Some(true)
            }
            Is::HalfOpen { trials, last, .. } => {
                let has_place = *trials < TRIALS || now - *last >= OPEN_TIME;
                if has_place {
                    (*trials, *last) = (*trials + 1, now);
                }
                has_place.then_some(true)
            }
        }
    }

    fn end(&mut self, age: u32, verdict: Verdict, is_slow: bool, now: Duration) {
        if age != self.age {
            return;
        }
        match (&mut self.is, verdict) {
            (Is::HalfOpen { trials, .. }, Verdict::Ignored) => *trials = trials.saturating_sub(1),
            (_, Verdict::Ignored) | (Is::Open { .. } | Is::Forced(Force::Open), _) => {}
            (Is::HalfOpen { succeeded, .. }, Verdict::Success) if !is_slow => {
                *succeeded += 1;
                if *succeeded >= TRIALS {
                    self.change(Is::Closed);
                    self.forget();
                }
            }
            (Is::HalfOpen { .. }, _) => {
                self.reopened += 1;
                self.open(now);
            }
            (Is::Closed | Is::Forced(_), _) => {
                let failed = verdict == Verdict::Failure;
                self.results.push_back((failed, is_slow));
                if self.results.len() > WINDOW {
                    self.results.pop_front();
                }
                self.failures_in_a_row = if failed { self.failures_in_a_row + 1 } else { 0 };
                if self.is == Is::Closed && self.is_too_bad() {
                    self.open(now);
                }
            }
        }
    }

    fn is_too_bad(&self) -> bool {
        let reaches = |some: usize, limit: f64| {
            self.results.len() >= MINIMUM && some as f64 / self.results.len() as f64 >= limit
        };
        reaches(self.failed(), FAILED) || reaches(self.slow(), SLOW) || self.failures_in_a_row >= IN_A_ROW
    }

    fn failed(&self) -> usize {
        self.results.iter().filter(|(failed, _)| *failed).count()
    }

    fn slow(&self) -> usize {
        self.results.iter().filter(|(_, slow)| *slow).count()
    }

    fn state(&self) -> BreakerState {
        match self.is {
            Is::Closed => BreakerState::Closed,
            Is::Open { .. } => BreakerState::Open,
            Is::HalfOpen { .. } => BreakerState::HalfOpen,
            Is::Forced(Force::Open) => BreakerState::ForcedOpen,
            Is::Forced(Force::Closed) => BreakerState::ForcedClosed,
            Is::Forced(Force::MetricsOnly) => BreakerState::MetricsOnly,
        }
    }
}

/// Ends a call as the breaker does: a good one without the machine, if that can be.
fn settle(machine: &mut Machine, call: Call, report: Report, now: Instant) {
    let is_good = report.verdict == Verdict::Success && !report.is_slow && !call.is_trial;
    if is_good && machine.good_calls().take(call.generation, || now) {
        return;
    }
    machine.settle(call.generation, &report, || now);
}

proptest! {
    // What once failed becomes a test with a name.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_does_what_the_rules_say(steps in steps()) {
        let start = Instant::now();
        let mut machine = Machine::new(rules(), None);
        let mut model = Model {
            is: Is::Closed,
            age: 0,
            results: VecDeque::new(),
            failures_in_a_row: 0,
            reopened: 0,
        };
        let (mut now, mut under_way) = (Duration::ZERO, Vec::new());
        for step in steps {
            let at = start + now;
            match step {
                Step::Admit => {
                    let admitted = machine.admit(at).0;
                    let expected = model.admit(now);
                    prop_assert_eq!(admitted.is_ok(), expected.is_some());
                    if let (Ok(generation), Some(is_trial)) = (admitted, expected) {
                        under_way.push(Call { generation, is_trial, age: model.age });
                    }
                }
                Step::End { which, verdict, is_slow } => {
                    if under_way.is_empty() {
                        continue;
                    }
                    let call = under_way.swap_remove(which % under_way.len());
                    let report = Report { verdict, is_slow, is_unconnected: false, retry_after: None };
                    settle(&mut machine, call, report, at);
                    model.end(call.age, verdict, is_slow, now);
                }
                Step::Pass(time) => now += time,
                Step::Force(force) => {
                    machine.force(force);
                    if model.is != Is::Forced(force) {
                        model.change(Is::Forced(force));
                        model.forget();
                    }
                }
                Step::Reset => {
                    machine.reset();
                    model.change(Is::Closed);
                    model.forget();
                }
            }
            let tally = machine.tally(|| at);
            let kept = [tally.calls, tally.failed, tally.slow];
            let expected = [model.results.len(), model.failed(), model.slow()].map(|count| count as u64);
            prop_assert_eq!((machine.state(), kept), (model.state(), expected));
        }
    }
}
