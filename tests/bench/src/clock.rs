//! Processor time.

use std::time::Duration;

/// User and system time of all threads of this process so far; `None` where the system does not tell it.
#[cfg(unix)]
pub(crate) fn process_time() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok().map(Duration::from)
}

/// User and system time of all threads of this process so far; `None` where the system does not tell it.
#[cfg(not(unix))]
pub(crate) fn process_time() -> Option<Duration> {
    None
}
