//! [`Backoff`]: how long to wait before the next attempt.

use std::time::Duration;

/// Waits that grow by a factor up to a limit, each made shorter by a random share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) base: Duration,
    pub(crate) factor: f64,
    pub(crate) max: Duration,
    pub(crate) jitter: f64,
}

impl Backoff {
    /// Wait before an attempt, the second of a call being resend 1. `random` is from 0 to 1.
    pub(crate) fn delay(&self, resend: u32, random: f64) -> Duration {
        let exponent = i32::try_from(resend.saturating_sub(1)).unwrap_or(i32::MAX);
        // Finite, because no wait at all times infinity would be no number.
        let growth = self.factor.powi(exponent).min(f64::MAX);
        let grown = self.base.as_secs_f64() * growth;
        let wait = grown.min(self.max.as_secs_f64()) * (1.0 - self.jitter * random);
        Duration::try_from_secs_f64(wait).unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { base: Duration::from_millis(100), factor: 2.0, max: Duration::from_secs(1), jitter: 0.5 };

    #[test]
    fn waits_grow_up_to_the_limit() {
        let waits: Vec<_> = (1..=6).map(|resend| BACKOFF.delay(resend, 0.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(BACKOFF.delay(u32::MAX, 0.0), BACKOFF.max);
    }

    #[test]
    fn jitter_takes_up_to_its_share_away() {
        assert_eq!(BACKOFF.delay(2, 1.0), Duration::from_millis(100));
        assert_eq!(BACKOFF.delay(2, 0.5), Duration::from_millis(150));
    }

    #[test]
    fn no_wait_is_a_wait_too() {
        let none = Backoff { base: Duration::ZERO, ..BACKOFF };
        assert_eq!(none.delay(1, 0.3), Duration::ZERO);
        assert_eq!(none.delay(u32::MAX, 0.3), Duration::ZERO);
    }
}
