//! Packed numbers: small ones take one byte, and of a histogram only the buckets that counted something are written.

use std::sync::Arc;

use crate::store::buckets::Buckets;

/// Writes into a buffer. Bounds of histograms are kept beside it, since nearly all have the same.
#[derive(Debug)]
pub(in crate::store) struct Writer<'a> {
    pub(in crate::store) bytes: &'a mut Vec<u8>,
    pub(in crate::store) bounds: &'a mut Vec<Arc<[f64]>>,
    /// Different bounds that are kept. Histograms with others are folded into the first.
    pub(in crate::store) max_bounds: usize,
}

impl Writer<'_> {
    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    pub(in crate::store) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn float(&mut self, float: f32) {
        self.bytes.extend_from_slice(&float.to_le_bytes());
    }

    /// The number of its bounds, that of the buckets that follow, and each as its distance from the one before and count.
    pub(super) fn buckets(&mut self, buckets: &Buckets) {
        let (place, folded) = self.place(buckets);
        let counts = folded.as_ref().unwrap_or(buckets).counts();
        self.number(place as u64);
        self.number(counts.iter().filter(|count| **count > 0).count() as u64);
        let mut before = 0;
        for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.number((index - before) as u64);
            self.number(*count);
            before = index;
        }
    }

    fn place(&mut self, buckets: &Buckets) -> (usize, Option<Buckets>) {
        let bounds = buckets.bounds();
        let known = |one: &Arc<[f64]>| Arc::ptr_eq(one, bounds) || one == bounds;
        if let Some(place) = self.bounds.iter().position(known) {
            return (place, None);
        }
        if self.bounds.len() < self.max_bounds.max(1) {
            self.bounds.push(bounds.clone());
            return (self.bounds.len() - 1, None);
        }
        let mut folded = Buckets::zeros(self.bounds[0].clone());
        folded.add(buckets);
        (0, Some(folded))
    }
}

/// Reads what a [`Writer`] wrote; `None` wherever the bytes are something else.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Reader<'a> {
    pub(in crate::store) bytes: &'a [u8],
    pub(in crate::store) bounds: &'a [Arc<[f64]>],
}

impl<'a> Reader<'a> {
    pub(in crate::store) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(in crate::store) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(super) fn float(&mut self) -> Option<f32> {
        Some(f32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn buckets(&mut self) -> Option<Buckets> {
        let bounds = self.bounds.get(usize::try_from(self.number()?).ok()?)?;
        let mut buckets = Buckets::zeros(bounds.clone());
        let filled = self.number()?;
        let mut index = 0_usize;
        for _ in 0..filled {
            index = index.checked_add(usize::try_from(self.number()?).ok()?)?;
            // Without bounds there is one bucket for all, also where they are not believed any more.
            let count = buckets.count_mut(if bounds.is_empty() { 0 } else { index })?;
            *count = count.saturating_add(self.number()?);
        }
        Some(buckets)
    }
}
