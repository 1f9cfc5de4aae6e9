//! Room that is spread over those it is kept for: the one that has most gives up first, and what is old is thinned before
//! it is cut off. So one that is noisy never pushes out what others told, and of its own past a sample stays.
//!
//! An entry costs `O(log n)`, whatever the number of those that it is spread over.

mod aged;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use foldhash::HashMap;

use self::aged::Aged;
pub(crate) use self::aged::Entry;
use crate::store::Id;

/// Whom something is kept for, such as a pool; `None` for what belongs to nobody.
pub(crate) type Owner = Option<Id>;

/// What there is not enough of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scarce {
    Places,
    Bytes,
}

/// What is made room by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The oldest goes.
    Oldest,
    /// The newest stay, and of what is older those go that are nearest to others.
    Thinned,
}

/// How much an owner has, and when it last got something: among equals that one gives up first that was silent for longest.
type Rank = (usize, Reverse<u64>, Owner);

/// See the module. Entries are told apart by a number that rises.
#[derive(Debug)]
pub(crate) struct Spread<T> {
    order: Order,
    owners: HashMap<Owner, Aged<T>>,
    /// Owners by their entries and by their bytes.
    fullest: [BTreeSet<Rank>; 2],
    len: usize,
    bytes: usize,
    newest_ms: u64,
}

impl<T: Copy> Spread<T> {
    pub(crate) fn new(order: Order) -> Self {
        let fullest = Default::default();
        Self { order, owners: HashMap::default(), fullest, len: 0, bytes: 0, newest_ms: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts in what is newer than all that is here.
    pub(crate) fn push(&mut self, owner: Owner, number: u64, entry: Entry<T>) {
        (self.len, self.bytes, self.newest_ms) = (self.len + 1, self.bytes + entry.bytes, entry.at_ms);
        self.change(owner, |aged| aged.push(number, entry));
    }

    pub(crate) fn remove(&mut self, owner: Owner, number: u64) {
        if let Some(entry) = self.change(owner, |aged| aged.remove(number)) {
            (self.len, self.bytes) = (self.len - 1, self.bytes - entry.bytes);
        }
    }

    /// What is to make room; it stays until it is removed.
    pub(crate) fn next_to_go(&mut self, scarce: Scarce) -> Option<T> {
        let (_, _, owner) = *self.fullest[scarce as usize].last()?;
        let aged = self.owners.get_mut(&owner)?;
        match self.order {
            Order::Oldest => aged.oldest(),
            Order::Thinned => aged.nearest(self.newest_ms),
        }
        .map(|entry| entry.value)
    }

    /// What is older than a moment; it stays until it is removed.
    pub(crate) fn older_than(&self, at_ms: u64) -> Vec<T> {
        let old = |aged: &Aged<T>| -> Vec<T> {
            aged.oldest_first().take_while(|entry| entry.at_ms < at_ms).map(|entry| entry.value).collect()
        };
        self.owners.values().flat_map(old).collect()
    }

    /// Changes what an owner has, and its place among the others.
    fn change<R>(&mut self, owner: Owner, change: impl FnOnce(&mut Aged<T>) -> R) -> R {
        let aged = self.owners.entry(owner).or_default();
        let ranks = |aged: &Aged<T>| {
            aged.newest_number()
                .map(|newest| [aged.len(), aged.bytes()].map(|size| (size, Reverse(newest), owner)))
        };
        for (fullest, rank) in self.fullest.iter_mut().zip(ranks(aged).iter().flatten()) {
            fullest.remove(rank);
        }
        let result = change(aged);
        for (fullest, rank) in self.fullest.iter_mut().zip(ranks(aged).into_iter().flatten()) {
            fullest.insert(rank);
        }
        if aged.len() == 0 {
            self.owners.remove(&owner);
        }
        result
    }
}
