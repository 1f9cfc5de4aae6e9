use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> Rules {
    Rules {
        failure_ratio: 0.5,
        connect_failure_ratio: None,
        slow_calls: None,
        window: Span::Calls(10),
        minimum_calls: 4,
        consecutive_failures: None,
        open_time: 5 * SECOND,
        max_open_time: 30 * SECOND,
        jitter: 0.0,
        trial_calls: 2,
    }
}

fn report(verdict: Verdict) -> Report {
    Report { verdict, is_slow: false, is_unconnected: false, retry_after: None }
}

/// A machine with a clock that tests move.
struct Bench {
    machine: Machine,
    now: Instant,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        Self { machine: Machine::new(rules, None), now: Instant::now() }
    }

    fn admit(&mut self) -> Result<u64, Rejected> {
        self.machine.admit(self.now).0
    }

    fn settle(&mut self, generation: u64, verdict: Verdict) -> Option<Change> {
        self.settle_with(generation, report(verdict))
    }

    fn settle_with(&mut self, generation: u64, report: Report) -> Option<Change> {
        self.machine.settle(generation, &report, || self.now)
    }

    fn call(&mut self, verdict: Verdict) -> Option<Change> {
        self.call_with(report(verdict))
    }

    fn call_with(&mut self, report: Report) -> Option<Change> {
        let generation = self.admit().expect("let through");
        self.settle_with(generation, report)
    }

    fn window_calls(&mut self) -> u64 {
        self.machine.tally(|| self.now).calls
    }

    fn failure_ratio(&mut self) -> Option<f64> {
        let tally = self.machine.tally(|| self.now);
        self.machine.shares(&tally).failed
    }

    /// Fails until it opens; tells how many failures that took.
    fn open(&mut self) -> u32 {
        (1..=1_000).find(|_| self.call(Verdict::Failure).is_some()).expect("opened")
    }

    fn half_open(rules: Rules) -> Self {
        let mut bench = Self::new(rules);
        bench.open();
        bench.now += 5 * SECOND;
        bench
    }

    fn remaining(&self) -> Duration {
        self.machine.open_remaining(self.now)
    }
}

#[test]
fn it_opens_at_the_share_of_the_last_calls_whatever_came_before() {
    let mut bench = Bench::new(rules());
    for _ in 0..1_000 {
        bench.call(Verdict::Success);
    }
    assert_eq!(bench.open(), 5);
    assert_eq!(bench.failure_ratio(), Some(0.5));
}

#[test]
fn below_the_minimum_of_calls_it_stays_closed() {
    let mut bench = Bench::new(rules());
    for _ in 0..3 {
        assert_eq!(bench.call(Verdict::Failure), None);
    }
    // The call that reaches the minimum decides, also if it succeeds.
    let change = bench.call(Verdict::Success).expect("opened");
    assert_eq!(
        change,
        Change {
            from: BreakerState::Closed,
            to: BreakerState::Open,
            reason: BreakerReason::FailureRatio,
            shares: Shares { failed: Some(0.75), slow: Some(0.0), unconnected: Some(0.0) },
            window_calls: 4,
            open_for: Some(5 * SECOND),
        }
    );
}

#[test]
fn failures_in_a_row_open_it_before_the_share_is_reached() {
    let mut bench = Bench::new(Rules { consecutive_failures: Some(3), ..rules() });
    for _ in 0..10 {
        bench.call(Verdict::Success);
    }
    bench.call(Verdict::Failure);
    bench.call(Verdict::Success);
    assert_eq!(bench.call(Verdict::Failure), None);
    assert_eq!(bench.call(Verdict::Failure), None);
    assert_eq!(
        bench.call(Verdict::Failure).map(|change| change.reason),
        Some(BreakerReason::ConsecutiveFailures)
    );
}

#[test]
fn calls_that_say_nothing_do_not_count() {
    let mut bench = Bench::new(rules());
    for _ in 0..100 {
        assert_eq!(bench.call(Verdict::Ignored), None);
    }
    assert_eq!(bench.window_calls(), 0);
}

#[test]
fn an_open_breaker_rejects_until_its_time_is_over() {
    let mut bench = Bench::new(rules());
    bench.open();
    bench.now += 4 * SECOND;
    let rejected =
        Rejected { state: BreakerState::Open, reason: BreakerReason::FailureRatio, retry_in: Some(SECOND) };
    assert_eq!(bench.admit(), Err(rejected));
    bench.now += SECOND;
    assert_eq!((bench.machine.state(), bench.remaining()), (BreakerState::Open, Duration::ZERO));
    let (admitted, change) = bench.machine.admit(bench.now);
    assert!(admitted.is_ok());
    let change = change.expect("half open");
    assert_eq!((change.to, change.reason), (BreakerState::HalfOpen, BreakerReason::OpenTimeElapsed));
}

#[test]
fn a_half_open_breaker_lets_only_the_trial_calls_through_and_closes_when_all_succeed() {
    let mut bench = Bench::half_open(rules());
    let trials = [bench.admit().unwrap(), bench.admit().unwrap()];
    assert_eq!(
        bench.admit(),
        Err(Rejected { state: BreakerState::HalfOpen, reason: BreakerReason::FailureRatio, retry_in: None })
    );
    assert_eq!(bench.settle(trials[0], Verdict::Success), None);
    assert!(bench.admit().is_err(), "a trial that has succeeded does not give its place to another");
    let change = bench.settle(trials[1], Verdict::Success).expect("closed");
    assert_eq!((change.to, change.reason), (BreakerState::Closed, BreakerReason::TrialSucceeded));
    assert_eq!((bench.window_calls(), bench.machine.passes_all()), (0, true));
}

#[test]
fn a_trial_that_fails_opens_it_again_for_longer_up_to_the_limit() {
    let mut bench = Bench::half_open(rules());
    for expected in [10, 20, 30, 30] {
        let change = bench.call(Verdict::Failure).expect("opened");
        assert_eq!((change.to, change.reason), (BreakerState::Open, BreakerReason::TrialFailed));
        assert_eq!(change.open_for, Some(expected * SECOND));
        bench.now += expected * SECOND;
    }
    bench.call(Verdict::Success);
    bench.call(Verdict::Success);
    bench.open();
    assert_eq!(bench.remaining(), 5 * SECOND, "a breaker that was closed starts anew");
}

#[test]
fn a_trial_that_is_dropped_gives_its_place_back() {
    let mut bench = Bench::half_open(rules());
    let trials = [bench.admit().unwrap(), bench.admit().unwrap()];
    assert!(bench.admit().is_err());
    for trial in trials {
        bench.settle(trial, Verdict::Ignored);
    }
    assert!(bench.admit().is_ok() && bench.admit().is_ok());
}

#[test]
fn trials_that_hang_do_not_keep_it_half_open_for_ever() {
    let mut bench = Bench::half_open(rules());
    let _hanging = [bench.admit().unwrap(), bench.admit().unwrap()];
    bench.now += 5 * SECOND;
    let next = bench.admit().expect("let through although two hang");
    assert!(bench.admit().is_err(), "one for each open time");
    bench.settle(next, Verdict::Success);
    bench.now += 5 * SECOND;
    assert_eq!(bench.call(Verdict::Success).map(|change| change.to), Some(BreakerState::Closed));
}

#[test]
fn a_result_from_before_a_change_never_counts() {
    let mut bench = Bench::new(rules());
    let early = [bench.admit().unwrap(), bench.admit().unwrap(), bench.admit().unwrap()];
    bench.open();
    bench.now += 5 * SECOND;
    let trial = bench.admit().unwrap();
    for stale in early {
        assert_eq!(bench.settle(stale, Verdict::Success), None);
    }
    assert_eq!(bench.machine.state(), BreakerState::HalfOpen);
    assert_eq!(bench.settle(trial, Verdict::Failure).map(|change| change.to), Some(BreakerState::Open));
    assert_eq!(bench.settle(trial, Verdict::Success), None);
    assert_eq!(bench.machine.state(), BreakerState::Open);
}

#[test]
fn retry_after_makes_the_open_time_longer_up_to_the_limit() {
    for (asked, expected) in [(1, 5), (12, 12), (3_600, 30)] {
        let mut bench = Bench::new(Rules { consecutive_failures: Some(1), ..rules() });
        let generation = bench.admit().unwrap();
        bench.settle_with(
            generation,
            Report { retry_after: Some(asked * SECOND), ..report(Verdict::Failure) },
        );
        assert_eq!(bench.remaining(), expected * SECOND, "asked for {asked} s");
    }
}

#[test]
fn retry_after_of_an_earlier_failure_holds_too() {
    let mut bench = Bench::new(rules());
    let generation = bench.admit().unwrap();
    bench.settle_with(generation, Report { retry_after: Some(20 * SECOND), ..report(Verdict::Failure) });
    bench.now += SECOND;
    bench.open();
    assert_eq!(bench.remaining(), 19 * SECOND);
}

#[test]
fn jitter_makes_it_longer_and_never_shorter() {
    for _ in 0..100 {
        let mut bench = Bench::new(Rules { jitter: 0.5, ..rules() });
        bench.open();
        let remaining = bench.remaining();
        assert!((5 * SECOND..=SECOND * 15 / 2).contains(&remaining), "{remaining:?}");
    }
}

#[test]
fn what_nobody_calls_for_long_is_dispensable_and_not_kept() {
    let mut bench = Bench::new(rules());
    assert!(bench.machine.is_dispensable(bench.now), "closed");
    bench.open();
    bench.now += 35 * SECOND;
    assert!(!bench.machine.is_dispensable(bench.now));
    let kept = Kept::Open { wait: Duration::ZERO, overdue: 30 * SECOND, reopened: 0 };
    assert_eq!(bench.machine.kept(bench.now), Some(kept), "not as if it were open until now");
    bench.now += SECOND;
    assert!(bench.machine.is_dispensable(bench.now));
    assert_eq!(bench.machine.kept(bench.now), None);

    let _hanging = bench.admit().unwrap();
    assert!(!bench.machine.is_dispensable(bench.now), "somebody calls");
    assert!(bench.machine.is_dispensable(bench.now + 31 * SECOND), "nobody calls any more");

    bench.machine.force(Force::Open);
    bench.now += 1_000_000 * SECOND;
    assert!(!bench.machine.is_dispensable(bench.now), "held by hand");
    assert_eq!(bench.machine.kept(bench.now), Some(Kept::Forced(Force::Open)));
}

#[test]
fn what_was_kept_too_long_ago_is_not_restored() {
    for (overdue, is_restored) in [(29, true), (31, false)] {
        let mut bench = Bench::new(rules());
        let kept = Kept::Open { wait: Duration::ZERO, overdue: overdue * SECOND, reopened: 1 };
        assert_eq!(bench.machine.restore(kept, bench.now).is_some(), is_restored);
    }
}

#[test]
fn a_forced_state_holds_until_the_reset() {
    let mut bench = Bench::new(rules());
    assert_eq!(bench.machine.force(Force::Open).map(|change| change.reason), Some(BreakerReason::Manual));
    assert_eq!(bench.machine.force(Force::Open), None);
    bench.now += 1_000 * SECOND;
    assert_eq!(
        bench.admit(),
        Err(Rejected { state: BreakerState::ForcedOpen, reason: BreakerReason::Manual, retry_in: None })
    );

    for force in [Force::Closed, Force::MetricsOnly] {
        bench.machine.force(force);
        for _ in 0..100 {
            assert_eq!(bench.call(Verdict::Failure), None);
        }
        assert_eq!(bench.failure_ratio(), Some(1.0), "it is judged all the same");
    }
    assert_eq!(bench.machine.reset().map(|change| change.to), Some(BreakerState::Closed));
    assert_eq!(bench.window_calls(), 0);
}

#[test]
fn a_reset_brings_a_breaker_that_only_measures_back_to_measuring() {
    let mut machine = Machine::new(rules(), Some(Force::MetricsOnly));
    machine.force(Force::Open);
    machine.reset();
    assert_eq!(machine.state(), BreakerState::MetricsOnly);
}

#[test]
fn what_was_sent_before_a_reset_does_not_count_after_it() {
    let mut bench = Bench::new(rules());
    let early = bench.admit().unwrap();
    assert_eq!(bench.machine.reset(), None);
    bench.settle(early, Verdict::Failure);
    assert_eq!(bench.window_calls(), 0);
}

#[test]
fn slow_calls_open_it_although_they_succeed() {
    let slow_calls = Some(SlowCalls { from: SECOND, ratio: 0.5 });
    let mut bench = Bench::new(Rules { slow_calls, ..rules() });
    let slow = Report { is_slow: true, ..report(Verdict::Success) };
    bench.call(Verdict::Success);
    bench.call(Verdict::Success);
    assert_eq!(bench.call_with(slow), None);
    let change = bench.call_with(slow).expect("opened");
    assert_eq!((change.reason, change.shares.slow), (BreakerReason::SlowCallRatio, Some(0.5)));
    bench.now += 5 * SECOND;
    let change = bench.call_with(slow).expect("a slow trial shows that nothing is better");
    assert_eq!((change.to, change.reason), (BreakerState::Open, BreakerReason::TrialFailed));
}

#[test]
fn failed_connects_open_it_sooner_where_they_are_judged_apart() {
    let mut bench = Bench::new(Rules { connect_failure_ratio: Some(0.25), ..rules() });
    let unconnected = Report { is_unconnected: true, ..report(Verdict::Failure) };
    for _ in 0..3 {
        assert_eq!(bench.call(Verdict::Success), None);
    }
    let change = bench.call_with(unconnected).expect("opened");
    assert_eq!((change.reason, change.shares.unconnected), (BreakerReason::ConnectFailureRatio, Some(0.25)));
}

#[test]
fn a_window_of_time_forgets_what_is_too_old() {
    let mut bench = Bench::new(Rules { window: Span::Time(10 * SECOND), ..rules() });
    for _ in 0..3 {
        assert_eq!(bench.call(Verdict::Failure), None);
    }
    bench.now += 11 * SECOND;
    for _ in 0..3 {
        assert_eq!(bench.call(Verdict::Failure), None, "the first three are too old");
    }
    assert_eq!(bench.call(Verdict::Success).map(|change| change.reason), Some(BreakerReason::FailureRatio));
}

#[test]
fn a_probe_that_succeeds_ends_the_open_time_and_no_other_state() {
    let mut bench = Bench::new(rules());
    assert_eq!(bench.machine.end_open_time(bench.now), None, "closed");
    bench.open();
    let before = bench.machine.generation();
    let change = bench.machine.end_open_time(bench.now).unwrap();
    assert_eq!((change.from, change.to), (BreakerState::Open, BreakerState::HalfOpen));
    assert_eq!(change.reason, BreakerReason::ProbeSucceeded);
    assert!(bench.machine.generation() > before);
    assert_eq!(bench.machine.end_open_time(bench.now), None, "half open");
    // All trial calls are there to be made.
    let (one, two) = (bench.admit().unwrap(), bench.admit().unwrap());
    assert!(bench.admit().is_err());
    assert_eq!(bench.settle(one, Verdict::Success), None);
    assert_eq!(bench.settle(two, Verdict::Success).map(|change| change.to), Some(BreakerState::Closed));
    bench.machine.force(Force::Open);
    assert_eq!(bench.machine.end_open_time(bench.now), None, "held open");
}

#[test]
fn a_probe_does_not_end_the_open_time_before_the_destination_wants_to_be_called() {
    let mut bench = Bench::new(rules());
    let failed = Report { retry_after: Some(20 * SECOND), ..report(Verdict::Failure) };
    while bench.call_with(failed).is_none() {}
    assert_eq!(bench.machine.end_open_time(bench.now + 19 * SECOND), None);
    assert!(bench.machine.state() == BreakerState::Open);
}

#[cfg(feature = "control")]
#[test]
fn what_is_held_from_outside_is_neither_kept_nor_stronger_than_the_application() {
    let mut bench = Bench::new(rules());
    let held = bench.machine.hold(Force::Open).map(|change| change.reason);
    assert_eq!((held, bench.machine.kept(bench.now)), (Some(BreakerReason::Forced), None));
    assert_eq!(
        bench.admit(),
        Err(Rejected { state: BreakerState::ForcedOpen, reason: BreakerReason::Forced, retry_in: None })
    );
    assert_eq!(bench.machine.let_go().map(|change| change.to), Some(BreakerState::Closed));
    assert_eq!(bench.machine.let_go(), None);
    // The application takes over what is held already.
    bench.machine.hold(Force::Open);
    bench.machine.force(Force::Open);
    assert_eq!((bench.machine.hold(Force::Closed), bench.machine.let_go()), (None, None));
    assert_eq!(bench.machine.kept(bench.now), Some(Kept::Forced(Force::Open)));
    // A layer that only measures can be held, and measures again afterwards.
    let mut machine = Machine::new(rules(), Some(Force::MetricsOnly));
    assert!(machine.hold(Force::Open).is_some());
    assert_eq!(machine.let_go().map(|change| change.to), Some(BreakerState::MetricsOnly));
    assert!(machine.hold(Force::Closed).is_some());
}
