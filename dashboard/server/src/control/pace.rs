//! How many orders are taken in a time: enough for all instances of a service at once, and not for a script that runs wild.

use std::time::Duration;

use tokio::time::Instant;

/// Orders at once.
pub(super) const BURST: u32 = 60;
/// One more after so long.
const EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all that were taken are forgotten.
    forgotten: Option<Instant>,
}

impl Pace {
    /// Counts an order; `Err` is how long to wait until the next.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let forgotten = self.forgotten.map_or(now, |forgotten| forgotten.max(now)) + EVERY;
        match (forgotten - now).checked_sub(EVERY * BURST) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.forgotten = Some(forgotten);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_come_at_once_and_more_with_time() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        (0..BURST).for_each(|_| pace.take(now).unwrap());
        assert_eq!(pace.take(now), Err(EVERY));
        assert_eq!(pace.take(now + EVERY / 2), Err(EVERY / 2));
        pace.take(now + EVERY).unwrap();
        assert!(pace.take(now + EVERY).is_err());
        pace.take(now + EVERY * 1_000).unwrap();
    }
}
