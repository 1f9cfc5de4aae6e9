//! Processor time.

use std::time::Duration;

/// User and system time of all threads of this process so far; `None` where the system does not tell it.
#[cfg(unix)]
pub(crate) fn process_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// User and system time of all threads of this process so far; `None` where the system does not tell it.
#[cfg(not(unix))]
pub(crate) fn process_time() -> Option<Duration> {
    None
}
