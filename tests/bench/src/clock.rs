//! Time and processor time.

use std::time::{Duration, Instant};

/// When something began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    at: Instant,
    cpu: Option<Duration>,
}

impl Started {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), cpu: process_time() }
    }

    /// Time since then.
    pub(crate) fn wall(self) -> Duration {
        self.at.elapsed()
    }

    /// Processor time of all threads since then; `None` where the system does not tell it.
    pub(crate) fn cpu(self) -> Option<Duration> {
        process_time().zip(self.cpu).map(|(after, before)| after.saturating_sub(before))
    }
}

/// User and system time of all threads of this process so far; `None` where the system does not tell it.
#[cfg(unix)]
fn process_time() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok().map(Duration::from)
}

/// User and system time of all threads of this process so far; `None` where the system does not tell it.
#[cfg(not(unix))]
fn process_time() -> Option<Duration> {
    None
}
