//! How often something may happen: so many times at once, and once more after each time that passes.

use std::time::Duration;

use tokio::time::Instant;

/// See the module. What was spent is a moment: the one at which all of it counts no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    burst: u32,
    every: Duration,
}

impl Pace {
    pub(crate) const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every }
    }

    /// Whether it may happen now; `Err` is how long to wait.
    pub(crate) fn check(self, spent: Option<Instant>, now: Instant) -> Result<(), Duration> {
        let left = spent.map_or(Duration::ZERO, |spent| spent.saturating_duration_since(now));
        match left.checked_sub(self.every * (self.burst - 1)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// It happens.
    pub(crate) fn spend(self, spent: Option<Instant>, now: Instant) -> Instant {
        spent.map_or(now, |spent| spent.max(now)) + self.every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_come_at_once_and_more_with_time() {
        const EVERY: Duration = Duration::from_secs(1);
        let (pace, now) = (Pace::new(60, EVERY), Instant::now());
        let spent = (0..60).fold(None, |spent, _| {
            pace.check(spent, now).unwrap();
            Some(pace.spend(spent, now))
        });
        assert_eq!(pace.check(spent, now), Err(EVERY));
        assert_eq!(pace.check(spent, now + EVERY / 2), Err(EVERY / 2));
        pace.check(spent, now + EVERY).unwrap();
        let spent = Some(pace.spend(spent, now + EVERY));
        assert!(pace.check(spent, now + EVERY).is_err());
        pace.check(spent, now + EVERY * 1_000).unwrap();
    }
}
