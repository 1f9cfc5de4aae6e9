//! [`Machine`]: the states of one breaker, without locks, clocks or telemetry.
//!
//! Every state has a generation number. A call is let through in one generation, and its result counts only while that
//! generation lasts: what happens to a call that was sent before a change says nothing about the time after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use poolscope_semconv::value::{BreakerReason, BreakerState};

use super::classify::Verdict;
use super::window::{GoodCalls, Marks, Span, Tally, Window};

/// A state that the user holds a breaker in, until it is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "breaker-store",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Force {
    /// Every call is rejected.
    Open,
    /// Every call passes.
    Closed,
    /// Every call passes and is judged, and the breaker never opens.
    MetricsOnly,
}

/// When a breaker changes its state.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::breaker) struct Rules {
    pub(in crate::breaker) failure_ratio: f64,
    pub(in crate::breaker) connect_failure_ratio: Option<f64>,
    pub(in crate::breaker) slow_calls: Option<SlowCalls>,
    pub(in crate::breaker) window: Span,
    pub(in crate::breaker) minimum_calls: usize,
    pub(in crate::breaker) consecutive_failures: Option<u32>,
    pub(in crate::breaker) open_time: Duration,
    pub(in crate::breaker) max_open_time: Duration,
    pub(in crate::breaker) jitter: f64,
    pub(in crate::breaker) trial_calls: u32,
}

/// Which calls are slow, and how many of them are too many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::breaker) struct SlowCalls {
    pub(in crate::breaker) from: Duration,
    pub(in crate::breaker) ratio: f64,
}

/// What is told of a call that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::breaker) struct Report {
    pub(in crate::breaker) verdict: Verdict,
    /// It took too long, whatever came of it.
    pub(in crate::breaker) is_slow: bool,
    /// It failed because nothing could be connected.
    pub(in crate::breaker) is_unconnected: bool,
    pub(in crate::breaker) retry_after: Option<Duration>,
}

impl Report {
    fn marks(&self) -> Marks {
        let failed = self.verdict == Verdict::Failure;
        Marks { failed, slow: self.is_slow, unconnected: failed && self.is_unconnected }
    }
}

/// The states of one breaker.
#[derive(Debug)]
pub(in crate::breaker) struct Machine {
    rules: Rules,
    /// Where it starts, and where a reset brings it back to: closed, or held by the user's options.
    rest: State,
    state: State,
    /// Why it was last opened or held, which is what a rejected call wants to know.
    reason: BreakerReason,
    generation: u64,
    window: Window,
    /// How often it has opened again without having been closed, for the growth of the open time.
    reopened: u32,
    /// The destination asked not to be called before.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        /// Trial calls let through and not given back.
        trials: u32,
        succeeded: u32,
        /// When the last of them was let through.
        last: Instant,
    },
    Forced(Force),
}

/// What is kept of a breaker over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::breaker) enum Kept {
    Open {
        wait: Duration,
        /// How long ago it was to let a call try, if nothing is to be waited for.
        overdue: Duration,
        reopened: u32,
    },
    Forced(Force),
}

/// A change of state that has happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::breaker) struct Change {
    pub(in crate::breaker) from: BreakerState,
    pub(in crate::breaker) to: BreakerState,
    pub(in crate::breaker) reason: BreakerReason,
    /// What a closed breaker had in its window.
    pub(in crate::breaker) shares: Shares,
    pub(in crate::breaker) window_calls: u64,
    pub(in crate::breaker) open_for: Option<Duration>,
}

/// Shares of the calls in a window; `None` below the minimum of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::breaker) struct Shares {
    pub(in crate::breaker) failed: Option<f64>,
    pub(in crate::breaker) slow: Option<f64>,
    pub(in crate::breaker) unconnected: Option<f64>,
}

/// A call is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::breaker) struct Rejected {
    pub(in crate::breaker) state: BreakerState,
    pub(in crate::breaker) reason: BreakerReason,
    pub(in crate::breaker) retry_in: Option<Duration>,
}

impl Machine {
    pub(in crate::breaker) fn new(rules: Rules, force: Option<Force>) -> Self {
        let rest = force.map_or(State::Closed, State::Forced);
        Self {
            window: Window::new(rules.window, rules.minimum_calls),
            rules,
            rest,
            state: rest,
            reason: BreakerReason::Manual,
            generation: 0,
            reopened: 0,
            not_before: None,
        }
    }

    pub(in crate::breaker) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Forced(Force::Open) => BreakerState::ForcedOpen,
            State::Forced(Force::Closed) => BreakerState::ForcedClosed,
            State::Forced(Force::MetricsOnly) => BreakerState::MetricsOnly,
        }
    }

    /// Number of the state; calls are let through under it.
    pub(in crate::breaker) fn generation(&self) -> u64 {
        self.generation
    }

    /// True if every call passes, so that nobody needs to ask [`Machine::admit`].
    pub(in crate::breaker) fn passes_all(&self) -> bool {
        matches!(self.state, State::Closed | State::Forced(Force::Closed | Force::MetricsOnly))
    }

    /// True if nothing is lost without it: in the state that it started in, or if nobody has called for so long that what it
    /// knows says nothing any more.
    pub(in crate::breaker) fn is_dispensable(&self, now: Instant) -> bool {
        self.is_at_rest() || self.overdue(now) > self.rules.max_open_time
    }

    /// True in the state that it started in.
    fn is_at_rest(&self) -> bool {
        self.state == self.rest
    }

    /// How long ago an open breaker was to let a call try, or a half-open one has done so last.
    fn overdue(&self, now: Instant) -> Duration {
        match self.state {
            State::Open { until: since } | State::HalfOpen { last: since, .. } => {
                now.saturating_duration_since(since)
            }
            State::Closed | State::Forced(_) => Duration::ZERO,
        }
    }

    /// Where good calls of a state in which every call passes are counted without the machine.
    pub(in crate::breaker) fn good_calls(&self) -> &Arc<GoodCalls> {
        self.window.good()
    }

    /// Good calls that were ever counted without the machine, up to its last look at them.
    pub(in crate::breaker) fn taken(&self) -> u64 {
        self.window.taken()
    }

    /// What is in its window.
    pub(in crate::breaker) fn tally(&mut self, now: impl FnOnce() -> Instant) -> Tally {
        self.window.tally(now)
    }

    pub(in crate::breaker) fn shares(&self, tally: &Tally) -> Shares {
        let share = |some| tally.share(some, self.rules.minimum_calls);
        Shares { failed: share(tally.failed), slow: share(tally.slow), unconnected: share(tally.unconnected) }
    }

    /// Time until an open breaker lets a call try; zero in every other state.
    pub(in crate::breaker) fn open_remaining(&self, now: Instant) -> Duration {
        match self.state {
            State::Open { until } => until.saturating_duration_since(now),
            _ => Duration::ZERO,
        }
    }

    /// Lets a call through, under the generation that holds after it, or does not.
    pub(in crate::breaker) fn admit(&mut self, now: Instant) -> (Result<u64, Rejected>, Option<Change>) {
        let mut change = None;
        match &mut self.state {
            State::Closed | State::Forced(Force::Closed | Force::MetricsOnly) => {}
            State::Forced(Force::Open) => return (Err(self.rejected(None)), None),
            State::Open { until } if now < *until => {
                let wait = *until - now;
                return (Err(self.rejected(Some(wait))), None);
            }
            State::Open { .. } => {
                let half_open = State::HalfOpen { trials: 1, succeeded: 0, last: now };
                change = Some(self.enter(half_open, BreakerReason::OpenTimeElapsed));
            }
            State::HalfOpen { trials, last, .. } => {
                // A trial call that hangs must not keep the breaker half open for ever.
                let overdue = now.saturating_duration_since(*last) >= self.rules.open_time;
                if *trials >= self.rules.trial_calls && !overdue {
                    return (Err(self.rejected(None)), None);
                }
                *trials += 1;
                *last = now;
            }
        }
        (Ok(self.generation), change)
    }

    /// An open breaker lets calls try from now on, unless the destination asked not to be called before.
    pub(in crate::breaker) fn end_open_time(&mut self, now: Instant) -> Option<Change> {
        let asked_not_to = self.not_before.is_some_and(|not_before| now < not_before);
        let ends = matches!(self.state, State::Open { until } if now < until) && !asked_not_to;
        let half_open = State::HalfOpen { trials: 0, succeeded: 0, last: now };
        ends.then(|| self.enter(half_open, BreakerReason::ProbeSucceeded))
    }

    /// A call that was let through is over. The clock is asked only where time matters.
    pub(in crate::breaker) fn settle(
        &mut self,
        generation: u64,
        report: &Report,
        now: impl Fn() -> Instant,
    ) -> Option<Change> {
        if generation != self.generation {
            return None;
        }
        match (&mut self.state, report.verdict) {
            (State::HalfOpen { trials, .. }, Verdict::Ignored) => {
                *trials = trials.saturating_sub(1);
                None
            }
            (State::HalfOpen { succeeded, .. }, Verdict::Success) if !report.is_slow => {
                *succeeded += 1;
                let enough = *succeeded >= self.rules.trial_calls;
                enough.then(|| self.begin(State::Closed, BreakerReason::TrialSucceeded))
            }
            (State::HalfOpen { .. }, Verdict::Success | Verdict::Failure) => {
                self.reopened = self.reopened.saturating_add(1);
                Some(self.open(BreakerReason::TrialFailed, report.retry_after, now()))
            }
            (State::Closed, Verdict::Success | Verdict::Failure) => self.judge(report, now),
            (State::Forced(Force::Closed | Force::MetricsOnly), Verdict::Success | Verdict::Failure) => {
                self.window.push(report.marks(), now);
                None
            }
            _ => None,
        }
    }

    /// What has to be known of it after a restart; `None` if it is as it was made.
    pub(in crate::breaker) fn kept(&self, now: Instant) -> Option<Kept> {
        match self.state {
            _ if self.is_dispensable(now) => None,
            State::Closed => None,
            State::Open { .. } | State::HalfOpen { .. } => Some(Kept::Open {
                wait: self.open_remaining(now),
                overdue: self.overdue(now),
                reopened: self.reopened,
            }),
            // Nobody is left after a restart who would let it go in time.
            State::Forced(_) if self.reason == BreakerReason::Forced => None,
            State::Forced(force) => Some(Kept::Forced(force)),
        }
    }

    /// Brings it, right after it was made, to where it was before a restart.
    pub(in crate::breaker) fn restore(&mut self, kept: Kept, now: Instant) -> Option<Change> {
        match kept {
            Kept::Forced(force) => self.force(force),
            // A layer that only measures now has no breakers that are open.
            Kept::Open { .. } if !self.is_at_rest() || self.state != State::Closed => None,
            Kept::Open { overdue, .. } if overdue > self.rules.max_open_time => None,
            Kept::Open { wait, overdue, reopened } => {
                self.reopened = reopened;
                let wait = wait.min(self.rules.max_open_time);
                // A machine that has just started may have no word for a time before that.
                let until = now.checked_sub(overdue).unwrap_or(now) + wait;
                let change = self.enter(State::Open { until }, BreakerReason::Restored);
                Some(Change { open_for: Some(wait), ..change })
            }
        }
    }

    /// Holds the breaker in a state, for the application, whoever has held it so far.
    pub(in crate::breaker) fn force(&mut self, force: Force) -> Option<Change> {
        if self.state == State::Forced(force) {
            self.reason = BreakerReason::Manual;
            return None;
        }
        Some(self.begin(State::Forced(force), BreakerReason::Manual))
    }

    /// Holds the breaker in a state, for somebody outside of the application; not if the application itself holds it.
    #[cfg(feature = "control")]
    pub(in crate::breaker) fn hold(&mut self, force: Force) -> Option<Change> {
        let is_ours = matches!(self.state, State::Forced(_)) && self.reason == BreakerReason::Manual;
        (self.is_at_rest() || !is_ours).then(|| self.begin(State::Forced(force), BreakerReason::Forced))
    }

    /// Lets the breaker go, if it is held for somebody outside.
    #[cfg(feature = "control")]
    pub(in crate::breaker) fn let_go(&mut self) -> Option<Change> {
        let is_held = matches!(self.state, State::Forced(_)) && self.reason == BreakerReason::Forced;
        is_held.then(|| self.begin(self.rest, BreakerReason::ForceEnded))
    }

    /// Brings the breaker back to where it started and forgets all results.
    pub(in crate::breaker) fn reset(&mut self) -> Option<Change> {
        if self.is_at_rest() {
            // What was sent before the reset must not count after it.
            self.generation += 1;
            self.forget();
            return None;
        }
        Some(self.begin(self.rest, BreakerReason::Manual))
    }

    fn judge(&mut self, report: &Report, now: impl Fn() -> Instant) -> Option<Change> {
        self.window.push(report.marks(), &now);
        let tally = self.window.tally(&now);
        let shares = self.shares(&tally);
        let reason = self.too_many(&shares);
        let Some(reason) = reason else {
            if let Some(wait) = report.retry_after.filter(|_| report.verdict == Verdict::Failure) {
                self.leave_alone(wait, now());
            }
            return None;
        };
        let change = self.open(reason, report.retry_after, now());
        Some(Change { shares, window_calls: tally.calls, ..change })
    }

    /// Why the breaker has to open, if it has to: the reason that says most comes first.
    fn too_many(&self, shares: &Shares) -> Option<BreakerReason> {
        let reached = |share: Option<f64>, limit| share.is_some_and(|share| share >= limit);
        let rules = &self.rules;
        if rules.connect_failure_ratio.is_some_and(|limit| reached(shares.unconnected, limit)) {
            Some(BreakerReason::ConnectFailureRatio)
        } else if reached(shares.failed, rules.failure_ratio) {
            Some(BreakerReason::FailureRatio)
        } else if rules.slow_calls.is_some_and(|slow| reached(shares.slow, slow.ratio)) {
            Some(BreakerReason::SlowCallRatio)
        } else if rules.consecutive_failures.is_some_and(|limit| self.window.failures_in_a_row() >= limit) {
            Some(BreakerReason::ConsecutiveFailures)
        } else {
            None
        }
    }

    fn open(&mut self, reason: BreakerReason, retry_after: Option<Duration>, now: Instant) -> Change {
        if let Some(wait) = retry_after {
            self.leave_alone(wait, now);
        }
        let grown = self.rules.open_time.saturating_mul(1 << self.reopened.min(16));
        let time = grown.min(self.rules.max_open_time);
        // Jitter makes it longer only: nothing may be sooner than configured.
        let time = time.mul_f64(1.0 + self.rules.jitter * fastrand::f64());
        let until = self.not_before.map_or(now + time, |not_before| not_before.max(now + time));
        Change { open_for: Some(until - now), ..self.enter(State::Open { until }, reason) }
    }

    /// Remembers how long the destination asks not to be called.
    fn leave_alone(&mut self, wait: Duration, now: Instant) {
        let until = now + wait.min(self.rules.max_open_time);
        self.not_before = Some(self.not_before.map_or(until, |known| known.max(until)));
    }

    /// Enters a state without what is known from before it.
    fn begin(&mut self, state: State, reason: BreakerReason) -> Change {
        let change = self.enter(state, reason);
        self.forget();
        change
    }

    fn forget(&mut self) {
        self.window.clear(self.generation);
        self.reopened = 0;
        self.not_before = None;
    }

    fn enter(&mut self, state: State, reason: BreakerReason) -> Change {
        let from = self.state();
        self.state = state;
        if let State::Open { .. } | State::Forced(_) = state {
            self.reason = reason;
        }
        self.generation += 1;
        self.window.turn(self.generation);
        Change { from, to: self.state(), reason, shares: Shares::default(), window_calls: 0, open_for: None }
    }

    fn rejected(&self, retry_in: Option<Duration>) -> Rejected {
        Rejected { state: self.state(), reason: self.reason, retry_in }
    }
}

#[cfg(all(test, not(poolscope_loom)))]
mod model;
#[cfg(all(test, not(poolscope_loom)))]
mod tests;
