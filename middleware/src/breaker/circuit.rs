//! [`Circuit`]: one breaker, with its lock, its counters and its events.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use poolscope_semconv::value::{BreakerOutcome, BreakerReason, BreakerState};

use super::builder::Config;
use super::classify::{Answer, Verdict};
use super::error::BreakerOpen;
use super::last;
use super::permit::Permit;
use super::state::{Change, Force, Kept, Machine, Rejected, Report};
use super::store::{Saver, StoredBreaker, StoredState};
use super::window::GoodCalls;
use crate::BreakerSnapshot;
use crate::event::{BreakerTransition, Event, Events, Forced};
use crate::http_message::{Target, Written};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use crate::sync::{Mutex, MutexGuard};

/// The breaker of one destination.
#[derive(Debug)]
pub(super) struct Circuit {
    name: Arc<str>,
    /// Number of its layer.
    layer: u64,
    /// The destination as the first call wrote it, unless it has another key.
    written: Option<Written>,
    /// Another one may be made for its key.
    is_retired: AtomicBool,
    config: Arc<Config>,
    events: Arc<Events>,
    /// Generation of the machine and, in the lowest bit, whether every call passes. Written under the lock, so that a call
    /// through a closed breaker reads this and nothing else.
    gate: AtomicU64,
    good: Arc<GoodCalls>,
    /// Set by calls, cleared by the search for breakers that nobody uses.
    used: AtomicBool,
    /// Calls, but for those that are counted as good ones.
    calls: [AtomicU64; BreakerOutcome::COUNT],
    /// Told of changes, once they are to be kept.
    saver: OnceLock<Saver>,
    tracked: Mutex<Tracked>,
}

#[derive(Debug)]
struct Tracked {
    machine: Machine,
    transitions: BTreeMap<(BreakerState, BreakerState, BreakerReason), u64>,
}

/// Time by tokio's clock, which tests can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn gate_of(machine: &Machine) -> u64 {
    machine.generation() << 1 | u64::from(machine.passes_all())
}

impl Circuit {
    pub(super) fn new(
        name: Arc<str>,
        (layer, written): (u64, Option<Written>),
        config: Arc<Config>,
        events: Arc<Events>,
        force: Option<Force>,
    ) -> Self {
        let machine = Machine::new(config.rules.clone(), force);
        Self {
            layer,
            written,
            is_retired: AtomicBool::new(false),
            saver: OnceLock::new(),
            name,
            config,
            events,
            gate: AtomicU64::new(gate_of(&machine)),
            good: Arc::clone(machine.good_calls()),
            used: AtomicBool::new(true),
            calls: Default::default(),
            tracked: Mutex::new(Tracked { machine, transitions: BTreeMap::new() }),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What has to be known of it after a restart.
    pub(super) fn stored(&self) -> Option<StoredBreaker> {
        let state = match self.lock().machine.kept(now())? {
            Kept::Open { wait, overdue, reopened } => {
                StoredState::Open { until: SystemTime::now() + wait - overdue, reopened }
            }
            Kept::Forced(force) => StoredState::Forced(force),
        };
        Some(StoredBreaker { name: self.name.to_string(), state })
    }

    /// Begins where a breaker of its name was before a restart. Nobody is told of it yet: see [`Circuit::tell`].
    pub(super) fn restore(&self, state: StoredState) -> Option<Change> {
        let kept = match state {
            StoredState::Open { until, reopened } => {
                let (wait, overdue) = match until.duration_since(SystemTime::now()) {
                    Ok(wait) => (wait, Duration::ZERO),
                    Err(past) => (Duration::ZERO, past.duration()),
                };
                Kept::Open { wait, overdue, reopened }
            }
            StoredState::Forced(force) => Kept::Forced(force),
        };
        self.change(|machine| ((), machine.restore(kept, now()))).1
    }

    /// Changes are to be kept from now on.
    pub(super) fn saved_by(&self, saver: &Saver) {
        let _ = self.saver.set(saver.clone());
    }

    /// True if it is the one of a target in a layer; false if that can't be seen at a glance.
    #[inline]
    pub(super) fn is_of(&self, layer: u64, target: Target<'_>) -> bool {
        self.layer == layer
            && !self.is_retired.load(Relaxed)
            && self.written.as_ref().is_some_and(|written| written.is(target))
    }

    /// It is no longer found by its key.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Relaxed);
    }

    /// Marks the breaker as used.
    pub(super) fn touch(&self) {
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
    }

    /// Whether it was used since this was last asked.
    pub(super) fn was_used(&self) -> bool {
        self.used.swap(false, Relaxed)
    }

    /// Lets a call through where all pass.
    #[inline]
    pub(super) fn pass(self: Arc<Self>) -> Result<Permit, Arc<Self>> {
        // The word says all: no order is needed to anything else.
        let gate = self.gate.load(Relaxed);
        if gate & 1 == 1 { Ok(Permit::new(self, gate >> 1, false)) } else { Err(self) }
    }

    /// Lets a call through or not.
    pub(super) fn admit(self: Arc<Self>) -> Result<Permit, BreakerOpen> {
        self.try_admit().map_err(|(circuit, rejected)| {
            circuit.count(BreakerOutcome::Rejected);
            let Rejected { state, reason, retry_in } = rejected;
            let name = Arc::clone(&circuit.name);
            last::remember(circuit);
            BreakerOpen { name, state, reason, retry_in }
        })
    }

    /// The same without a count of those that are not let through.
    pub(super) fn try_admit(self: Arc<Self>) -> Result<Permit, (Arc<Self>, Rejected)> {
        self.pass().or_else(Self::ask)
    }

    /// Lets a call through or not where the machine has to know.
    #[cold]
    fn ask(self: Arc<Self>) -> Result<Permit, (Arc<Self>, Rejected)> {
        let now = now();
        let admitted = self.with(|machine| {
            let (admitted, change) = machine.admit(now);
            // It may have been closed since the gate was read.
            let is_trial = !machine.passes_all();
            (admitted.map(|generation| (generation, is_trial)), change)
        });
        match admitted {
            Ok((generation, is_trial)) => Ok(Permit::new(self, generation, is_trial)),
            Err(rejected) => Err((self, rejected)),
        }
    }

    /// What an answer says about the destination.
    #[inline]
    pub(super) fn verdict(&self, answer: &Answer<'_>) -> Verdict {
        self.config.classifier.verdict(answer)
    }

    /// Whether a call that has just been answered took too long.
    pub(super) fn is_slow(&self, started: Instant) -> bool {
        let slow_calls = self.config.rules.slow_calls;
        slow_calls.is_some_and(|slow| now().saturating_duration_since(started) >= slow.from)
    }

    #[inline]
    pub(super) fn judges_bodies(&self) -> bool {
        !self.config.heads_only
    }

    /// A good call that was no trial is over. If it is not counted here, [`Circuit::settle`] has to be told.
    #[inline]
    pub(super) fn take_good(&self, generation: u64) -> bool {
        self.good.take(generation, now)
    }

    /// A call that was let through is over.
    pub(super) fn settle(&self, generation: u64, is_trial: bool, report: &Report) {
        self.count(match report.verdict {
            Verdict::Success => BreakerOutcome::Success,
            Verdict::Failure => BreakerOutcome::Failure,
            Verdict::Ignored => BreakerOutcome::Ignored,
        });
        // Only a trial call has a place to give back.
        if report.verdict != Verdict::Ignored || is_trial {
            self.with(|machine| ((), machine.settle(generation, report, now)));
        }
    }

    pub(super) fn force(&self, force: Force) {
        self.with(|machine| ((), machine.force(force)));
    }

    /// Holds it for somebody outside of the application; false if the application itself holds it.
    #[cfg(feature = "control")]
    pub(super) fn hold(&self, force: Force, forced: Forced) -> bool {
        let (_, change) = self.change(|machine| ((), machine.hold(force)));
        if let Some(change) = &change {
            self.tell_of(change, Some(forced));
        }
        change.is_some()
    }

    /// Lets it go, if it is held for somebody outside.
    #[cfg(feature = "control")]
    pub(super) fn let_go(&self, forced: Option<Forced>) {
        if let (_, Some(change)) = self.change(|machine| ((), machine.let_go())) {
            self.tell_of(&change, forced);
        }
    }

    pub(super) fn reset(&self) {
        self.with(|machine| ((), machine.reset()));
    }

    pub(super) fn state(&self) -> BreakerState {
        self.lock().machine.state()
    }

    pub(super) fn is_dispensable(&self, now: Instant) -> bool {
        self.lock().machine.is_dispensable(now)
    }

    pub(super) fn snapshot(&self, now: Instant) -> BreakerSnapshot {
        let mut tracked = self.lock();
        let rules = &self.config.rules;
        let tally = tracked.machine.tally(|| now);
        let taken = tracked.machine.taken();
        let count_of = |outcome: BreakerOutcome| {
            let taken = if outcome == BreakerOutcome::Success { taken } else { 0 };
            (outcome, self.calls[outcome.index()].load(Relaxed) + taken)
        };
        let shares = tracked.machine.shares(&tally);
        BreakerSnapshot {
            name: self.name.to_string(),
            state: tracked.machine.state(),
            failure_ratio: shares.failed,
            failure_ratio_limit: Some(rules.failure_ratio),
            slow_call_ratio: shares.slow.filter(|_| rules.slow_calls.is_some()),
            slow_call_ratio_limit: rules.slow_calls.map(|slow| slow.ratio),
            connect_failure_ratio: shares.unconnected,
            connect_failure_ratio_limit: rules.connect_failure_ratio,
            window_calls: tally.calls,
            open_remaining: tracked.machine.open_remaining(now),
            calls: BreakerOutcome::ALL.iter().copied().map(count_of).collect(),
            transitions: tracked
                .transitions
                .iter()
                .map(|((from, to, reason), count)| (*from, *to, *reason, *count))
                .collect(),
        }
    }

    /// Lets something happen to the machine, and tells of a change.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Machine) -> (R, Option<Change>)) -> R {
        let (result, change) = self.change(act);
        if let Some(change) = change {
            self.tell(&change);
        }
        result
    }

    /// Lets something happen to the machine; a change is counted under the lock.
    fn change<R>(&self, act: impl FnOnce(&mut Machine) -> (R, Option<Change>)) -> (R, Option<Change>) {
        let mut tracked = self.lock();
        let (result, change) = act(&mut tracked.machine);
        if let Some(change) = &change {
            *tracked.transitions.entry((change.from, change.to, change.reason)).or_default() += 1;
        }
        let gate = gate_of(&tracked.machine);
        if gate != self.gate.load(Relaxed) {
            self.gate.store(gate, Relaxed);
        }
        (result, change)
    }

    /// Tells of a change that has happened. No lock of the breakers may be held: listeners may do what they like.
    pub(super) fn tell(&self, change: &Change) {
        self.tell_of(change, None);
    }

    fn tell_of(&self, change: &Change, forced: Option<Forced>) {
        if let Some(saver) = self.saver.get() {
            saver.wake();
        }
        self.events.emit(&Event::BreakerTransition(BreakerTransition {
            name: Arc::clone(&self.name),
            from: change.from,
            to: change.to,
            reason: change.reason,
            failure_ratio: change.shares.failed,
            slow_call_ratio: change.shares.slow.filter(|_| self.config.rules.slow_calls.is_some()),
            connect_failure_ratio: change.shares.unconnected,
            window_calls: change.window_calls,
            open_for: change.open_for,
            forced,
        }));
    }

    fn count(&self, outcome: BreakerOutcome) {
        self.calls[outcome.index()].fetch_add(1, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Tracked> {
        self.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, poolscope_loom))]
mod races;
