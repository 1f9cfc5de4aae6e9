//! How often an address may try tokens that are wrong.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::conn::subscriber_of;
use crate::pace::Pace;

/// Wrong tries that an address has.
const PACE: Pace = Pace::new(10, Duration::from_secs(6));
/// Addresses that are remembered; beyond, the one that has waited for longest is forgotten.
const MAX: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// For each address the moment at which its tries are all forgotten.
    spent: Mutex<HashMap<IpAddr, Instant>>,
    wrong: AtomicU64,
    turned_away: AtomicU64,
}

impl Tries {
    /// True if this address may try; else how long it has to wait.
    pub(crate) fn check(&self, from: IpAddr) -> Result<(), Duration> {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let may = PACE.check(spent.get(&subscriber_of(from)).copied(), Instant::now());
        self.turned_away.fetch_add(u64::from(may.is_err()), Relaxed);
        may
    }

    /// A try was wrong.
    pub(crate) fn failed(&self, from: IpAddr) {
        self.wrong.fetch_add(1, Relaxed);
        let now = Instant::now();
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.retain(|_, forgotten| *forgotten > now);
        if spent.len() >= MAX
            && let Some(first) = spent.iter().min_by_key(|(_, forgotten)| **forgotten).map(|(from, _)| *from)
        {
            spent.remove(&first);
        }
        let from = subscriber_of(from);
        let forgotten = PACE.spend(spent.get(&from).copied(), now);
        spent.insert(from, forgotten);
    }

    /// Tries that were wrong, and those that were not even looked at.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.wrong.load(Relaxed), self.turned_away.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_has_some_tries_and_gets_more_with_time() {
        let tries = Tries::default();
        let [mine, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        const EVERY: Duration = Duration::from_secs(6);
        for _ in 0..10 {
            tries.check(mine).unwrap();
            tries.failed(mine);
        }
        assert_eq!(tries.check(mine).unwrap_err(), EVERY);
        assert!(tries.check(other).is_ok());
        tokio::time::advance(EVERY).await;
        tries.check(mine).unwrap();
        tries.failed(mine);
        assert!(tries.check(mine).is_err());
        assert_eq!(tries.counts(), (11, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_take_bounded_memory() {
        let tries = Tries::default();
        (0..5_000_u32).for_each(|n| tries.failed(IpAddr::from(n.to_be_bytes())));
        assert_eq!(tries.spent.lock().unwrap().len(), MAX);
    }
}
