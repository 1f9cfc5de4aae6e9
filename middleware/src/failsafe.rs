//! Shows the breakers of the crate failsafe beside ours: in snapshots, telemetry and events.
//!
//! failsafe tells an instrument of each change of state and of each call that it rejects. [`Observed`] is one; with
//! [`Observed::policy`] around the failure policy, calls and the time that the breaker stays open are seen as well.
//!
//! ```
//! use std::time::Duration;
//!
//! use failsafe::{Config, backoff, failure_policy};
//! use poolscope::{BreakerState, Scope, failsafe::Observed};
//!
//! let scope = Scope::new();
//! let seen = Observed::new(&scope, "payments");
//! let policy = failure_policy::consecutive_failures(3, backoff::constant(Duration::from_secs(5)));
//! let breaker = Config::new().failure_policy(seen.policy(policy)).instrument(seen).build();
//!
//! (0..3).for_each(|_| breaker.on_error());
//! assert!(!breaker.is_call_permitted());
//! assert_eq!(scope.snapshot().breakers[0].state, BreakerState::Open);
//! ```
//!
//! What failsafe does not tell:
//!
//! - Why it opens: the reason is [`BreakerReason::External`]. Of a half-open breaker it is known, since one failed call
//!   opens it again.
//! - A `reset` by the user. That of an open breaker is recognised ([`BreakerReason::Manual`]); that of a half-open one looks
//!   as if a trial call had succeeded.
//! - The end of the open time. It becomes half-open with the next call, and is shown as open until then.
//! - The order of two changes that two threads make at nearly the same moment, since it tells of them outside of its lock.
//!   The state that is shown can be the earlier of the two, up to the next change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ::failsafe::{FailurePolicy, Instrument};
use poolscope_semconv::value::{BreakerOutcome, BreakerReason, BreakerState};

use crate::clock::Instant;
use crate::event::{BreakerTransition, Event, Events};
use crate::{BreakerSnapshot, BreakerSource, Scope};

/// Instrument of one failsafe breaker, which is shown in the snapshots of a scope for as long as it lives. See the
/// [module](self) for an example.
///
/// A listener of the scope must not call the breaker: failsafe's `reset` tells of the change while it holds its lock.
#[derive(Debug, Clone)]
pub struct Observed {
    circuit: Arc<Circuit>,
}

impl Observed {
    /// The instrument of a breaker that is new, so closed. A second one of the same name in one scope gets a number, so
    /// that no two breakers are shown as one.
    #[must_use]
    pub fn new(scope: &Scope, name: &str) -> Self {
        let name = scope.distinct_breaker_prefix(Some(name.into())).unwrap_or_default();
        let circuit = Arc::new(Circuit::new(name, Arc::clone(scope.events())));
        scope.show_breakers(Shown(Arc::downgrade(&circuit)));
        Self { circuit }
    }

    /// The failure policy of the same breaker, to see calls that succeed or fail, and for how long it opens. Calls that
    /// fail while it is open are not counted, since failsafe asks no policy about them.
    #[must_use]
    pub fn policy<P: FailurePolicy>(&self, policy: P) -> ObservedPolicy<P> {
        self.circuit.sees_calls.store(true, Relaxed);
        ObservedPolicy { policy, circuit: Arc::clone(&self.circuit) }
    }
}

impl Instrument for Observed {
    fn on_call_rejected(&self) {
        self.circuit.count(BreakerOutcome::Rejected);
    }

    fn on_open(&self) {
        self.circuit.change(BreakerState::Open);
    }

    fn on_half_open(&self) {
        self.circuit.change(BreakerState::HalfOpen);
    }

    fn on_closed(&self) {
        self.circuit.change(BreakerState::Closed);
    }
}

/// A failure policy that is looked at. Made by [`Observed::policy`].
#[derive(Debug)]
pub struct ObservedPolicy<P> {
    policy: P,
    circuit: Arc<Circuit>,
}

impl<P: FailurePolicy> FailurePolicy for ObservedPolicy<P> {
    fn record_success(&mut self) {
        self.circuit.count(BreakerOutcome::Success);
        self.policy.record_success();
    }

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        self.circuit.count(BreakerOutcome::Failure);
        let open_for = self.policy.mark_dead_on_failure();
        if open_for.is_some() {
            self.circuit.lock().open_for = open_for;
        }
        open_for
    }

    fn revived(&mut self) {
        self.policy.revived();
    }
}

/// What is known of a breaker.
#[derive(Debug)]
struct Circuit {
    name: Arc<str>,
    events: Arc<Events>,
    tracked: Mutex<Tracked>,
    calls: [AtomicU64; BreakerOutcome::COUNT],
    sees_calls: AtomicBool,
}

#[derive(Debug)]
struct Tracked {
    state: BreakerState,
    /// The time that the policy has last named. A half-open breaker whose policy names none opens for this time again.
    open_for: Option<Duration>,
    opened_at: Instant,
    transitions: BTreeMap<(BreakerState, BreakerState, BreakerReason), u64>,
}

impl Circuit {
    fn new(name: Arc<str>, events: Arc<Events>) -> Self {
        let tracked = Tracked {
            state: BreakerState::Closed,
            open_for: None,
            opened_at: Instant::now(),
            transitions: BTreeMap::new(),
        };
        Self {
            name,
            events,
            tracked: Mutex::new(tracked),
            calls: Default::default(),
            sees_calls: AtomicBool::new(false),
        }
    }

    fn count(&self, outcome: BreakerOutcome) {
        self.calls[outcome.index()].fetch_add(1, Relaxed);
    }

    /// The breaker is in a state: a change is counted under the lock and told outside of it.
    fn change(&self, to: BreakerState) {
        let mut tracked = self.lock();
        let from = tracked.state;
        let Some(reason) = reason(from, to) else { return };
        tracked.state = to;
        *tracked.transitions.entry((from, to, reason)).or_default() += 1;
        let open_for = tracked.open_for.filter(|_| to == BreakerState::Open);
        if to == BreakerState::Open {
            tracked.opened_at = Instant::now();
        }
        drop(tracked);
        self.events.emit(&Event::BreakerTransition(BreakerTransition {
            name: Arc::clone(&self.name),
            from,
            to,
            reason,
            failure_ratio: None,
            slow_call_ratio: None,
            connect_failure_ratio: None,
            window_calls: 0,
            open_for,
            forced: None,
        }));
    }

    fn snapshot(&self) -> BreakerSnapshot {
        let tracked = self.lock();
        let mut snapshot = BreakerSnapshot::new(&*self.name, tracked.state);
        if let Some(open_for) = tracked.open_for.filter(|_| tracked.state == BreakerState::Open) {
            snapshot.open_remaining = open_for.saturating_sub(tracked.opened_at.elapsed());
        }
        let transitions = tracked.transitions.iter();
        snapshot.transitions =
            transitions.map(|((from, to, reason), count)| (*from, *to, *reason, *count)).collect();
        drop(tracked);
        let known: &[_] = if self.sees_calls.load(Relaxed) {
            &[BreakerOutcome::Success, BreakerOutcome::Failure, BreakerOutcome::Rejected]
        } else {
            &[BreakerOutcome::Rejected]
        };
        snapshot.calls =
            known.iter().map(|outcome| (*outcome, self.calls[outcome.index()].load(Relaxed))).collect();
        snapshot
    }

    fn lock(&self) -> MutexGuard<'_, Tracked> {
        self.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a breaker of failsafe changes its state; `None` for what is no change.
fn reason(from: BreakerState, to: BreakerState) -> Option<BreakerReason> {
    match (from, to) {
        (BreakerState::Closed, BreakerState::Open) => Some(BreakerReason::External),
        (BreakerState::Open, BreakerState::HalfOpen) => Some(BreakerReason::OpenTimeElapsed),
        (BreakerState::HalfOpen, BreakerState::Open) => Some(BreakerReason::TrialFailed),
        (BreakerState::HalfOpen, BreakerState::Closed) => Some(BreakerReason::TrialSucceeded),
        (BreakerState::Open, BreakerState::Closed) => Some(BreakerReason::Manual),
        // It is told of its first state, closed. And one that has closed becomes half-open in no way: another thread has
        // told of that too late.
        _ => None,
    }
}

/// What a scope keeps of a breaker, so that it is gone when the breaker is.
#[derive(Debug)]
struct Shown(Weak<Circuit>);

impl BreakerSource for Shown {
    fn breakers(&self) -> Vec<BreakerSnapshot> {
        self.0.upgrade().map(|circuit| circuit.snapshot()).into_iter().collect()
    }
}
