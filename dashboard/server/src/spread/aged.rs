//! What one owner has, by age: the newer half as it came, and of the older half the less the older it is.
//!
//! The older half lies in bands, each twice as old as the one before. The band that has most gives up first, and of it the
//! entry that came soonest after another: so something stays of every age, and all of it of what happened seldom.

use std::collections::{BTreeMap, BTreeSet};

/// How old the youngest band gets.
const FIRST_BAND_MS: u64 = 60_000;
/// Enough for 30 days, the longest retention; what is older stays in the last.
const MAX_BANDS: usize = 17;

/// Something that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<T> {
    pub(crate) at_ms: u64,
    pub(crate) bytes: usize,
    pub(crate) value: T,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Aged<T> {
    newest: BTreeMap<u64, Entry<T>>,
    /// The youngest first.
    bands: Vec<Band<T>>,
    len: usize,
    bytes: usize,
}

impl<T> Default for Aged<T> {
    fn default() -> Self {
        Self { newest: BTreeMap::new(), bands: Vec::new(), len: 0, bytes: 0 }
    }
}

impl<T: Copy> Aged<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, number: u64, entry: Entry<T>) {
        (self.len, self.bytes) = (self.len + 1, self.bytes + entry.bytes);
        self.newest.insert(number, entry);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Entry<T>> {
        let in_bands = || self.bands.iter_mut().find_map(|band| band.remove(number));
        let entry = self.newest.remove(&number).or_else(in_bands)?;
        (self.len, self.bytes) = (self.len - 1, self.bytes - entry.bytes);
        Some(entry)
    }

    pub(super) fn newest_number(&self) -> Option<u64> {
        let newest = self.newest.last_key_value().map(|(number, _)| *number);
        newest.or_else(|| self.bands.iter().find_map(|band| Some(*band.entries.last_key_value()?.0)))
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = &Entry<T>> {
        let old = self.bands.iter().rev().flat_map(|band| band.entries.values().map(|(_, entry)| entry));
        old.chain(self.newest.values())
    }

    pub(super) fn oldest(&self) -> Option<Entry<T>> {
        self.oldest_first().next().copied()
    }

    /// The entry that is missed least.
    pub(super) fn nearest(&mut self, now_ms: u64) -> Option<Entry<T>> {
        self.grow_old(now_ms);
        self.bands.iter().max_by_key(|band| band.entries.len())?.nearest()
    }

    /// Moves what is not of the newer half any more into the bands, and what is too old for its band into the next.
    fn grow_old(&mut self, now_ms: u64) {
        if self.bands.is_empty() {
            self.bands.push(Band::default());
        }
        while self.newest.len() > self.len / 2
            && let Some((number, entry)) = self.newest.pop_first()
        {
            self.bands[0].push(number, entry);
        }
        let mut at = 0;
        while at < self.bands.len().min(MAX_BANDS - 1) {
            let oldest_ms = now_ms.saturating_sub(FIRST_BAND_MS << at);
            while let Some((number, entry)) = self.bands[at].take_before(oldest_ms) {
                if self.bands.len() == at + 1 {
                    self.bands.push(Band::default());
                }
                self.bands[at + 1].push(number, entry);
            }
            at += 1;
        }
    }
}

/// Entries of one range of ages, each with how long after the one before it came.
#[derive(Debug)]
struct Band<T> {
    entries: BTreeMap<u64, (u64, Entry<T>)>,
    gaps: BTreeSet<(u64, u64)>,
}

impl<T> Default for Band<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), gaps: BTreeSet::new() }
    }
}

/// Of what has nothing before it.
const NO_GAP: u64 = u64::MAX;

impl<T: Copy> Band<T> {
    /// Puts in what is newer than all that is here.
    fn push(&mut self, number: u64, entry: Entry<T>) {
        let before = self.entries.last_key_value().map(|(_, (_, before))| before.at_ms);
        // A clock may have been put back.
        let gap_ms = before.map_or(NO_GAP, |before_ms| entry.at_ms.abs_diff(before_ms));
        self.gaps.insert((gap_ms, number));
        self.entries.insert(number, (gap_ms, entry));
    }

    fn remove(&mut self, number: u64) -> Option<Entry<T>> {
        let (gap_ms, entry) = self.entries.remove(&number)?;
        self.gaps.remove(&(gap_ms, number));
        let before = self.entries.range(..number).next_back().map(|(_, (_, before))| before.at_ms);
        if let Some((next, (gap_ms, after))) = self.entries.range_mut(number..).next() {
            self.gaps.remove(&(*gap_ms, *next));
            *gap_ms = before.map_or(NO_GAP, |before_ms| after.at_ms.abs_diff(before_ms));
            self.gaps.insert((*gap_ms, *next));
        }
        Some(entry)
    }

    /// Takes out the oldest if it is from before a moment.
    fn take_before(&mut self, at_ms: u64) -> Option<(u64, Entry<T>)> {
        let (number, (_, entry)) = self.entries.first_key_value()?;
        let number = (entry.at_ms < at_ms).then_some(*number)?;
        Some((number, self.remove(number)?))
    }

    fn nearest(&self) -> Option<Entry<T>> {
        let (_, number) = self.gaps.first()?;
        self.entries.get(number).map(|(_, entry)| *entry)
    }
}
