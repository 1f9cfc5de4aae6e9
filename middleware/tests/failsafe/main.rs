//! Breakers of the crate failsafe are shown as they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use failsafe::backoff::Constant;
use failsafe::failure_policy::ConsecutiveFailures;
use failsafe::{CircuitBreaker, Config, FailurePolicy, Instrument, StateMachine, backoff, failure_policy};
use poolscope::event::BreakerTransition;
use poolscope::failsafe::Observed;
use poolscope::{BreakerOutcome, BreakerReason, BreakerSnapshot, BreakerState, Event, Scope};

const OPEN_TIME: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(600);

fn policy(open_time: Duration) -> ConsecutiveFailures<Constant> {
    failure_policy::consecutive_failures(3, backoff::constant(open_time))
}

fn the_breaker(scope: &Scope) -> BreakerSnapshot {
    let mut breakers = scope.snapshot().breakers;
    assert_eq!(breakers.len(), 1);
    breakers.remove(0)
}

/// Changes that a listener was told.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<BreakerTransition>>>);

impl Heard {
    fn of(scope: &Scope) -> Self {
        let heard = Self::default();
        let listener = heard.clone();
        scope.listen(move |event: &Event| {
            if let Event::BreakerTransition(change) = event {
                listener.changes().push(change.clone());
            }
        });
        heard
    }

    fn changes(&self) -> MutexGuard<'_, Vec<BreakerTransition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> Vec<(BreakerState, BreakerState, BreakerReason)> {
        self.changes().iter().map(|change| (change.from, change.to, change.reason)).collect()
    }
}

fn fail(breaker: &impl CircuitBreaker) {
    assert!(matches!(breaker.call(|| Err::<(), _>(())), Err(failsafe::Error::Inner(()))));
}

fn succeed(breaker: &impl CircuitBreaker) {
    assert!(breaker.call(|| Ok::<_, ()>(())).is_ok());
}

/// Asks until a call is let through; tells how many were rejected before.
fn wait_until_permitted<P: FailurePolicy, I: Instrument>(breaker: &StateMachine<P, I>) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut rejected = 0;
    while !breaker.is_call_permitted() {
        rejected += 1;
        assert!(Instant::now() < deadline, "the breaker stays open");
        std::thread::sleep(Duration::from_millis(1));
    }
    rejected
}

#[test]
fn every_change_is_shown_and_told_with_what_is_known_of_its_reason() {
    use BreakerReason::{External, OpenTimeElapsed, TrialFailed, TrialSucceeded};
    use BreakerState::{Closed, HalfOpen, Open};
    let scope = Scope::new();
    let heard = Heard::of(&scope);
    let seen = Observed::new(&scope, "payments");
    let breaker =
        Config::new().failure_policy(seen.policy(policy(OPEN_TIME))).instrument(seen.clone()).build();
    let fresh = the_breaker(&scope);
    assert_eq!((fresh.name.as_str(), fresh.state, fresh.transitions), ("payments", Closed, vec![]));

    succeed(&breaker);
    fail(&breaker);
    fail(&breaker);
    assert_eq!(the_breaker(&scope).state, Closed);
    fail(&breaker);
    let open = the_breaker(&scope);
    assert_eq!(open.state, Open);
    assert!(open.open_remaining <= OPEN_TIME);
    let mut rejected = wait_until_permitted(&breaker);
    assert_eq!(the_breaker(&scope).state, HalfOpen);
    fail(&breaker);
    assert_eq!(the_breaker(&scope).state, Open);
    rejected += wait_until_permitted(&breaker);
    assert_eq!((the_breaker(&scope).state, the_breaker(&scope).open_remaining), (HalfOpen, Duration::ZERO));
    succeed(&breaker);
    assert!(breaker.is_call_permitted());

    let closed = the_breaker(&scope);
    assert_eq!(closed.state, Closed);
    let all = [
        (Closed, Open, External),
        (Open, HalfOpen, OpenTimeElapsed),
        (HalfOpen, Open, TrialFailed),
        (Open, HalfOpen, OpenTimeElapsed),
        (HalfOpen, Closed, TrialSucceeded),
    ];
    assert_eq!(heard.told(), all);
    for change in heard.changes().iter() {
        assert_eq!(&*change.name, "payments");
        assert_eq!(change.open_for, (change.to == Open).then_some(OPEN_TIME));
    }
    let count = |wanted| all.iter().filter(|change| **change == wanted).count() as u64;
    assert_eq!(closed.transitions.len(), 4);
    for (from, to, reason, times) in closed.transitions {
        assert_eq!(times, count((from, to, reason)), "{from} {to} {reason}");
    }
    let calls =
        [(BreakerOutcome::Success, 2), (BreakerOutcome::Failure, 4), (BreakerOutcome::Rejected, rejected)];
    assert_eq!(closed.calls, calls);
}

#[test]
fn an_open_breaker_that_is_reset_was_closed_by_hand() {
    let scope = Scope::new();
    let heard = Heard::of(&scope);
    let seen = Observed::new(&scope, "payments");
    let breaker = Config::new().failure_policy(seen.policy(policy(LONG))).instrument(seen).build();
    (0..3).for_each(|_| fail(&breaker));
    assert!(!breaker.is_call_permitted());
    let open = the_breaker(&scope);
    assert!(open.open_remaining > LONG / 2 && open.open_remaining <= LONG, "{:?}", open.open_remaining);

    breaker.reset();
    assert!(breaker.is_call_permitted());
    assert_eq!(the_breaker(&scope).state, BreakerState::Closed);
    assert_eq!(heard.told().last(), Some(&(BreakerState::Open, BreakerState::Closed, BreakerReason::Manual)));
}

#[test]
fn what_is_not_told_is_not_claimed() {
    let scope = Scope::new();
    let heard = Heard::of(&scope);
    let seen = Observed::new(&scope, "payments");
    let breaker = Config::new().failure_policy(policy(LONG)).instrument(seen).build();
    (0..3).for_each(|_| fail(&breaker));
    (0..5).for_each(|_| assert!(!breaker.is_call_permitted()));
    let open = the_breaker(&scope);
    assert_eq!((open.state, open.calls), (BreakerState::Open, vec![(BreakerOutcome::Rejected, 5)]));
    assert_eq!((open.failure_ratio, open.window_calls), (None, 0));
    assert_eq!((open.open_remaining, heard.changes()[0].open_for), (Duration::ZERO, None));
    assert!(open.failure_ratio_limit.is_none());
}

#[test]
fn a_breaker_is_shown_for_as_long_as_it_lives_and_under_a_name_of_its_own() {
    let scope = Scope::new();
    let breakers: Vec<_> = (0..2)
        .map(|_| {
            Config::new().failure_policy(policy(LONG)).instrument(Observed::new(&scope, "payments")).build()
        })
        .collect();
    fail(&breakers[1]);
    let names: Vec<_> = scope.snapshot().breakers.into_iter().map(|breaker| breaker.name).collect();
    assert_eq!(names, ["payments", "payments #2"]);
    drop(breakers);
    assert_eq!(scope.snapshot().breakers, []);
}
