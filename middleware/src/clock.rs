//! [`Instant`]: a moment in one word.
//!
//! A request reads the clock four times and takes a handful of differences. The standard library's instant is a pair of
//! seconds and nanoseconds that is checked and carried at each of them; a count of nanoseconds is one subtraction.

use std::ops::Add;
use std::time::Duration;

/// A moment, in nanoseconds since some moment before the process began. Fits for five hundred years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(u64);

impl Instant {
    /// Now, by the monotonic clock.
    #[cfg(unix)]
    #[inline]
    pub(crate) fn now() -> Self {
        use nix::time::{ClockId, clock_gettime};
        // POSIX has the monotonic clock; a system that refuses to read it has one that stands still.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
        Self(now.map_or(0, |now| now.tv_sec() as u64 * NANOS + now.tv_nsec() as u64))
    }

    /// Now, by the monotonic clock.
    #[cfg(not(unix))]
    pub(crate) fn now() -> Self {
        static EPOCH: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        let nanos = EPOCH.elapsed().as_nanos();
        Self(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Nanoseconds since an earlier moment; 0 if that one is later.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time since an earlier moment; zero if that one is later.
    pub(crate) fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// Time since this moment.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().saturating_duration_since(self)
    }

    /// The moment so many nanoseconds later.
    pub(crate) fn plus_nanos(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// The count itself, for a place that keeps moments in atomics.
    pub(crate) fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment of a count that was kept.
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

/// Nanoseconds of a second.
#[cfg(unix)]
const NANOS: u64 = 1_000_000_000;

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.plus_nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_the_clock_of_the_standard_library() {
        let (ours, theirs) = (Instant::now(), std::time::Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let (ours, theirs) = (ours.elapsed(), theirs.elapsed());
        assert!(ours.abs_diff(theirs) < Duration::from_millis(10), "{ours:?} {theirs:?}");
        assert!(ours >= Duration::from_millis(20));
    }

    #[test]
    fn differences_never_wrap() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        assert_eq!(later.saturating_duration_since(now), Duration::from_secs(1));
        assert_eq!(now.saturating_duration_since(later), Duration::ZERO);
        assert_eq!(now + Duration::MAX, Instant::from_nanos(u64::MAX));
    }
}
