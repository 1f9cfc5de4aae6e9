//! [`Window`]: the results of the last calls, by number or by time.

mod count;
mod good;
mod time;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::count::CountWindow;
pub(super) use self::good::GoodCalls;
use self::good::{Parts, Tag};
use self::time::{PARTS, TimeWindow};
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

    fn has_marks(&self) -> bool {
        self.failed + self.slow + self.unconnected > 0
    }

    /// Adds what was bad about a call that is counted.
    fn mark(&mut self, marks: Marks) {
        self.failed += u64::from(marks.failed);
        self.slow += u64::from(marks.slow);
        self.unconnected += u64::from(marks.unconnected);
    }

    fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
        self.unconnected -= other.unconnected;
    }
}

/// The results of the last calls. What a generation has let through counts in that generation only.
///
/// It belongs to the machine and its lock, but for the good calls that were counted since the lock was held last.
#[derive(Debug)]
pub(super) struct Window {
    kept: Kept,
    good: Arc<GoodCalls>,
    /// Good calls are counted without the lock.
    is_open: bool,
    /// Number of calls from which on shares are judged.
    minimum: u64,
    generation: u64,
    /// Good calls that were ever counted without the lock.
    taken: u64,
    /// Calls that have failed since the last one that did not.
    failures_in_a_row: u32,
}

#[derive(Debug)]
enum Kept {
    Calls(CountWindow),
    Time(Box<TimeWindow>, Parts),
}

impl Window {
    pub(super) fn new(span: Span, minimum: usize) -> Self {
        let (kept, parts) = match span {
            Span::Calls(calls) => (Kept::Calls(CountWindow::new(calls)), None),
            Span::Time(time) => {
                let parts = Parts { start: now(), each: time / PARTS as u32 };
                (Kept::Time(Box::default(), parts.clone()), Some(parts))
            }
        };
        Self {
            kept,
            good: Arc::new(GoodCalls::new(parts, Tag::new(0, 0))),
            is_open: true,
            minimum: minimum as u64,
            generation: 0,
            taken: 0,
            failures_in_a_row: 0,
        }
    }

    /// Where good calls are counted without the lock.
    pub(super) fn good(&self) -> &Arc<GoodCalls> {
        &self.good
    }

    /// Takes a call of the current generation in.
    pub(super) fn push(&mut self, marks: Marks, now: impl FnOnce() -> Instant) {
        self.catch_up(now);
        match &mut self.kept {
            Kept::Calls(window) => window.push(marks),
            Kept::Time(window, _) => window.push(marks),
        }
        self.failures_in_a_row = if marks.failed { self.failures_in_a_row.saturating_add(1) } else { 0 };
        self.open_or_close();
    }

    /// What is kept.
    pub(super) fn tally(&mut self, now: impl FnOnce() -> Instant) -> Tally {
        self.catch_up(now);
        self.open_or_close();
        self.kept()
    }

    /// Good calls that were counted without the lock, up to the last look at the window.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Calls that have failed since the last one that did not, up to the last look at the window.
    pub(super) fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row
    }

    /// A generation begins. What is kept stays, but for the failures in a row.
    pub(super) fn turn(&mut self, generation: u64) {
        self.close();
        self.generation = generation;
        self.failures_in_a_row = 0;
    }

    /// A generation begins with nothing.
    pub(super) fn clear(&mut self, generation: u64) {
        self.turn(generation);
        match &mut self.kept {
            Kept::Calls(window) => window.clear(),
            Kept::Time(window, _) => window.clear(),
        }
        self.open();
    }

    /// Takes in what was counted without the lock, and forgets what is too old.
    fn catch_up(&mut self, now: impl FnOnce() -> Instant) {
        let part = match &self.kept {
            Kept::Calls(_) => 0,
            Kept::Time(window, parts) => parts.at(now()).max(window.part()),
        };
        if self.is_open {
            let calls = self.good.count_as(Tag::new(self.generation, part));
            self.push_good(calls);
        }
        if let Kept::Time(window, _) = &mut self.kept {
            window.move_to(part);
        }
    }

    /// A share that is not judged yet may wait for one good call more. That one has to be seen.
    fn open_or_close(&mut self) {
        let waits = |window: &Self| {
            let tally = window.kept();
            tally.has_marks() && tally.calls < window.minimum
        };
        if self.is_open && waits(self) {
            self.close();
        }
        if !self.is_open && !waits(self) {
            self.open();
        }
    }

    fn open(&mut self) {
        let part = if let Kept::Time(window, _) = &self.kept { window.part() } else { 0 };
        self.good.count_as(Tag::new(self.generation, part));
        self.is_open = true;
    }

    fn close(&mut self) {
        let calls = self.good.close();
        self.push_good(calls);
        self.is_open = false;
    }

    fn push_good(&mut self, calls: u64) {
        if calls == 0 {
            return;
        }
        self.taken += calls;
        self.failures_in_a_row = 0;
        match &mut self.kept {
            Kept::Calls(window) => window.push_good(calls),
            Kept::Time(window, _) => window.push_good(calls),
        }
    }

    fn kept(&self) -> Tally {
        match &self.kept {
            Kept::Calls(window) => window.tally(),
            Kept::Time(window, _) => window.tally(),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, poolscope_loom))]
mod races;
