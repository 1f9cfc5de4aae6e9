//! [`Window`]: the results of the last calls, by number or by time.
//!
//! A good call costs no lock: it is one exchange of a word, as long as nothing that is kept depends on it. Everything else,
//! such as a failure, and a good call that takes the place of one, is taken in by whoever holds the lock of the machine.

mod count;
mod time;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use self::count::CountWindow;
use self::time::TimeWindow;
use super::circuit::now;

/// How far a breaker looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// So many calls.
    Calls(usize),
    /// So long.
    Time(Duration),
}

/// What was bad about a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) failed: bool,
    pub(super) slow: bool,
    pub(super) unconnected: bool,
}

/// Results that are kept, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    pub(super) unconnected: u64,
}

impl Tally {
    /// Share of some of the calls; `None` below a minimum of calls.
    pub(super) fn share(&self, some: u64, minimum: usize) -> Option<f64> {
        (self.calls >= (minimum as u64).max(1)).then(|| some as f64 / self.calls as f64)
    }
}

/// The results of the last calls. What a generation has let through counts in that generation only.
#[derive(Debug)]
pub(super) struct Window {
    kept: Kept,
    /// Calls that have failed since the last one that did not.
    failures_in_a_row: AtomicU32,
}

#[derive(Debug)]
enum Kept {
    Calls(CountWindow),
    Time(Box<TimeWindow>),
}

/// What becomes of a good call without a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Counted,
    /// It says nothing about the time after the change.
    Stale,
    /// What is judged may change by it.
    Not,
}

impl Window {
    /// `minimum` is the number of calls from which on shares are judged.
    pub(super) fn new(span: Span, minimum: usize) -> Self {
        let kept = match span {
            Span::Calls(calls) => Kept::Calls(CountWindow::new(calls, minimum)),
            Span::Time(time) => Kept::Time(Box::new(TimeWindow::new(time, now()))),
        };
        Self { kept, failures_in_a_row: AtomicU32::new(0) }
    }

    /// Takes a good call of a generation in, without a lock; the clock is asked only where the window is one of time. If it
    /// does not, that has to be done by [`Window::push`].
    #[inline]
    pub(super) fn take_good(&self, generation: u64, now: impl FnOnce() -> Instant) -> Taken {
        let taken = match &self.kept {
            Kept::Calls(window) => window.take_good(generation),
            Kept::Time(window) => window.take_good(generation, now()),
        };
        if taken == Taken::Counted && self.failures_in_a_row.load(Relaxed) != 0 {
            self.failures_in_a_row.store(0, Relaxed);
        }
        taken
    }

    /// Good calls that were taken in without a lock, ever.
    pub(super) fn taken(&self) -> u64 {
        match &self.kept {
            Kept::Calls(window) => window.taken(),
            Kept::Time(window) => window.taken(),
        }
    }

    /// Takes a call of the current generation in. No two of this, [`Window::turn`] and [`Window::clear`] may run at a time.
    pub(super) fn push(&self, marks: Marks, now: impl FnOnce() -> Instant) {
        match &self.kept {
            Kept::Calls(window) => window.push(marks),
            Kept::Time(window) => window.push(marks, now()),
        }
        let run = if marks.failed { self.failures_in_a_row.load(Relaxed).saturating_add(1) } else { 0 };
        self.failures_in_a_row.store(run, Relaxed);
    }

    /// What is kept.
    pub(super) fn tally(&self, now: impl FnOnce() -> Instant) -> Tally {
        match &self.kept {
            Kept::Calls(window) => window.tally(),
            Kept::Time(window) => window.tally(now()),
        }
    }

    pub(super) fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row.load(Relaxed)
    }

    /// A generation begins. What is kept stays, but for the failures in a row.
    pub(super) fn turn(&self, generation: u64) {
        match &self.kept {
            Kept::Calls(window) => window.turn(generation),
            Kept::Time(window) => window.turn(generation),
        }
        self.failures_in_a_row.store(0, Relaxed);
    }

    /// A generation begins with nothing.
    pub(super) fn clear(&self, generation: u64) {
        match &self.kept {
            Kept::Calls(window) => window.clear(generation),
            Kept::Time(window) => window.clear(generation),
        }
        self.failures_in_a_row.store(0, Relaxed);
    }
}
