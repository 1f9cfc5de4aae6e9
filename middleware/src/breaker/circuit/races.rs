//! A breaker under threads, in every order that they can take: run by loom, see [`crate::sync`].

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use loom::thread;

use super::*;
use crate::breaker::window::Span;
use crate::sync::number_thread;

const HOUR: Duration = Duration::from_secs(3_600);

/// A breaker that judges from two calls on and opens for an hour.
fn circuit(change: impl FnOnce(&mut Config)) -> Arc<Circuit> {
    let mut config = Config::default();
    config.rules.window = Span::Calls(3);
    config.rules.minimum_calls = 2;
    config.rules.open_time = HOUR;
    config.rules.max_open_time = HOUR;
    config.rules.jitter = 0.0;
    change(&mut config);
    Arc::new(Circuit::new("pay".into(), (0, None), Arc::new(config), Arc::default(), None))
}

/// Ends a call by an answer, with nothing to come after it.
fn answer(mut permit: Permit, status: StatusCode) {
    permit.answered(&Answer::Response { status, headers: &HeaderMap::new() }, None);
}

fn call(circuit: &Arc<Circuit>, status: StatusCode) {
    answer(Arc::clone(circuit).admit().expect("let through"), status);
}

const GOOD: StatusCode = StatusCode::OK;
const BAD: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// A thread with a number.
fn spawn(number: usize, act: impl FnOnce() + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        number_thread(number);
        act();
    })
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Runs a test in every order, for threads that count good calls in the same lane and in different ones.
fn explore(test: impl Fn([usize; 2]) + Send + Sync + 'static) {
    let test = Arc::new(test);
    for numbers in [[0, 0], [0, 1]] {
        let test = Arc::clone(&test);
        model(move || test(numbers));
    }
}

/// Threads may be interrupted three times where they need not wait; what goes wrong does so with fewer.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

fn counted(circuit: &Circuit) -> [u64; 2] {
    let calls = circuit.snapshot(now()).calls;
    let of = |wanted| calls.iter().find(|(outcome, _)| *outcome == wanted).expect("each is told").1;
    [of(BreakerOutcome::Success), of(BreakerOutcome::Failure)]
}

#[test]
fn every_call_is_counted_once_and_the_window_holds_the_last() {
    explore(|[one, other]| {
        let circuit = circuit(|config| config.rules.failure_ratio = 1.0);
        call(&circuit, GOOD);
        let (a, b) = (Arc::clone(&circuit), Arc::clone(&circuit));
        let threads = [
            spawn(one, move || {
                call(&a, GOOD);
                call(&a, BAD);
            }),
            spawn(other, move || call(&b, GOOD)),
        ];
        // Whoever looks meanwhile takes in what is there, and nothing of it twice.
        let [success, failure] = counted(&circuit);
        assert!((1..=3).contains(&success) && failure <= 1);
        join(threads);
        assert_eq!(counted(&circuit), [3, 1]);
        let snapshot = circuit.snapshot(now());
        assert_eq!((snapshot.window_calls, snapshot.failure_ratio), (3, Some(1.0 / 3.0)));
    });
}

#[test]
fn a_good_call_that_comes_late_does_not_count_in_a_later_generation() {
    explore(|[one, other]| {
        let circuit = circuit(|_| {});
        let early = Arc::clone(&circuit).admit().expect("let through");
        let (a, b) = (Arc::clone(&circuit), Arc::clone(&circuit));
        let threads = [
            spawn(one, move || answer(early, GOOD)),
            spawn(other, move || {
                a.reset();
                call(&a, GOOD);
            }),
        ];
        // Let through before the reset or after it; only then it counts.
        let permit = b.admit().expect("let through");
        let is_late = permit.generation() == 0;
        answer(permit, GOOD);
        join(threads);
        assert_eq!(counted(&circuit), [3, 0], "each is told as what it was");
        let expected = if is_late { 1 } else { 2 };
        assert_eq!(circuit.snapshot(now()).window_calls, expected);
    });
}

#[test]
fn the_call_that_reaches_the_minimum_is_judged_whichever_it_is() {
    explore(|[one, other]| {
        let circuit = circuit(|_| {});
        let [bad, good] = [(), ()].map(|()| Arc::clone(&circuit).admit().expect("let through"));
        let threads = [spawn(one, move || answer(bad, BAD)), spawn(other, move || answer(good, GOOD))];
        join(threads);
        assert_eq!(circuit.state(), BreakerState::Open);
        assert!(Arc::clone(&circuit).admit().is_err());
    });
}

#[test]
fn a_good_call_ends_a_row_of_failures_whenever_it_comes() {
    explore(|[one, other]| {
        let circuit = circuit(|config| {
            config.rules.window = Span::Calls(100);
            config.rules.failure_ratio = 1.0;
            config.rules.consecutive_failures = Some(3);
        });
        call(&circuit, GOOD);
        call(&circuit, BAD);
        let (a, b) = (Arc::clone(&circuit), Arc::clone(&circuit));
        let threads = [spawn(one, move || call(&a, GOOD)), spawn(other, move || call(&b, BAD))];
        join(threads);
        call(&circuit, BAD);
        assert_eq!(
            circuit.state(),
            BreakerState::Closed,
            "there were never three without a good one between"
        );
    });
}

#[test]
fn no_more_trial_calls_than_allowed_are_under_way_and_each_gives_its_place_back() {
    model(|| {
        let circuit = circuit(|config| config.rules.trial_calls = 1);
        circuit.restore(StoredState::Open { until: SystemTime::now(), reopened: 0 });
        let under_way = Arc::new(AtomicUsize::new(0));
        let attempt = |circuit: &Arc<Circuit>, under_way: &AtomicUsize| {
            if let Ok(permit) = Arc::clone(circuit).admit() {
                assert_eq!(under_way.fetch_add(1, SeqCst), 0, "two trial calls at a time");
                thread::yield_now();
                under_way.fetch_sub(1, SeqCst);
                drop(permit);
            }
        };
        let threads = [0, 1].map(|number| {
            let (circuit, under_way) = (Arc::clone(&circuit), Arc::clone(&under_way));
            spawn(number, move || attempt(&circuit, &under_way))
        });
        attempt(&circuit, &under_way);
        join(threads);
        assert_eq!(circuit.state(), BreakerState::HalfOpen);
        call(&circuit, GOOD);
        assert_eq!(circuit.state(), BreakerState::Closed);
    });
}

#[test]
fn trial_calls_that_end_together_close_it_once_and_it_counts_from_there_on() {
    explore(|[one, other]| {
        let circuit = circuit(|config| config.rules.trial_calls = 2);
        circuit.restore(StoredState::Open { until: SystemTime::now(), reopened: 0 });
        let threads = [one, other].map(|number| {
            let circuit = Arc::clone(&circuit);
            let permit = Arc::clone(&circuit).admit().expect("a trial call");
            spawn(number, move || answer(permit, GOOD))
        });
        assert!(Arc::clone(&circuit).admit().map_or(true, |permit| !permit.is_trial()), "a third trial call");
        // Whoever looks meanwhile changes nothing.
        circuit.snapshot(now());
        join(threads);
        let snapshot = circuit.snapshot(now());
        assert_eq!((snapshot.state, snapshot.window_calls), (BreakerState::Closed, 0));
        let closed = snapshot.transitions.iter().filter(|row| row.1 == BreakerState::Closed);
        assert_eq!(closed.map(|row| row.3).sum::<u64>(), 1);
        call(&circuit, GOOD);
        assert_eq!(circuit.snapshot(now()).window_calls, 1);
    });
}

#[test]
fn once_it_has_been_forced_open_nobody_is_let_through() {
    explore(|[one, other]| {
        let circuit = circuit(|_| {});
        let (a, b) = (Arc::clone(&circuit), Arc::clone(&circuit));
        let threads = [
            spawn(one, move || {
                a.force(Force::Open);
                assert!(Arc::clone(&a).admit().is_err());
            }),
            spawn(other, move || {
                if let Ok(permit) = b.admit() {
                    answer(permit, BAD);
                }
            }),
        ];
        join(threads);
        assert!(Arc::clone(&circuit).admit().is_err());
        circuit.reset();
        assert_eq!(circuit.snapshot(now()).window_calls, 0);
        call(&circuit, GOOD);
        assert_eq!(circuit.snapshot(now()).window_calls, 1);
    });
}

#[test]
fn what_calls_read_is_what_the_machine_says_whoever_moved_it_last() {
    explore(|[one, other]| {
        let circuit = circuit(|_| {});
        let (a, b) = (Arc::clone(&circuit), Arc::clone(&circuit));
        join([spawn(one, move || a.force(Force::Open)), spawn(other, move || b.reset())]);
        assert_eq!(circuit.gate.load(Relaxed), gate_of(&circuit.lock().machine));
    });
}
