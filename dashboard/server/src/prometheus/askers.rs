//! Browsers that wait for an answer of Prometheus: a bounded number, of which no one address has all.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::conn::subscriber_of;

/// Those that wait at once. A question takes a second or less where all is well, and two are asked at once.
const MAX: usize = 16;
/// And of one address: a page asks for two things, and for what was an hour ago.
const MAX_OF_ONE: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Askers(Mutex<Vec<IpAddr>>);

impl Askers {
    fn lock(&self) -> MutexGuard<'_, Vec<IpAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among those who wait, given back when it is dropped; `None` if there is none. This machine may have all.
    pub(super) fn enter(&self, from: IpAddr) -> Option<Asker<'_>> {
        let own = from.to_canonical();
        let (from, most) = if own.is_loopback() { (own, MAX) } else { (subscriber_of(from), MAX_OF_ONE) };
        let mut all = self.lock();
        let of_one = all.iter().filter(|one| **one == from).count();
        if all.len() >= MAX || of_one >= most {
            return None;
        }
        all.push(from);
        Some(Asker { askers: self, from })
    }
}

/// One that waits.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    askers: &'a Askers,
    from: IpAddr,
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        let mut all = self.askers.lock();
        if let Some(at) = all.iter().position(|one| *one == self.from) {
            all.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_places_to_others_and_all_together_are_bounded() {
        let askers = Askers::default();
        let at = |last: u8| IpAddr::from([10, 0, 0, last]);
        let greedy: Vec<_> = (0..MAX_OF_ONE).map(|_| askers.enter(at(1)).unwrap()).collect();
        assert!(askers.enter(at(1)).is_none());
        let others: Vec<_> = (2..5).flat_map(|last| (0..4).map(move |_| last)).collect();
        let others: Vec<_> = others.into_iter().map(|last| askers.enter(at(last)).unwrap()).collect();
        assert!(askers.enter(at(9)).is_none() && askers.enter([127, 0, 0, 1].into()).is_none());
        drop(greedy);
        assert!(askers.enter(at(9)).is_some());
        drop(others);
        let own: Vec<_> = (0..MAX).map(|_| askers.enter([127, 0, 0, 1].into()).unwrap()).collect();
        assert_eq!(own.len(), MAX);
    }
}
