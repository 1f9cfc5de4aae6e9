//! What a step holds of what is neither a pool nor a breaker: some gauges, some counts, and one histogram. What each of
//! them is, who keeps them knows.

use super::codec::{Reader, Writer};
use super::step::{Figures, Step};
use crate::store::buckets::Buckets;
use crate::store::sample::add;

/// Gauges of which the greatest is kept, and those of which the last is.
pub(in crate::store) const GAUGES: usize = 4;
const GREATEST: usize = 2;
/// Counts.
pub(in crate::store) const COUNTS: usize = 12;
/// Which of the flags tells of the histogram. Files are read that were written when there were fewer counts: those that came
/// later have their flags behind it.
const SPREAD: usize = GAUGES + 10;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::store) struct PlainFigures {
    /// Of a step of several reports, the first two are the greatest, and the others the last that was told.
    pub(in crate::store) gauges: [Option<u64>; GAUGES],
    pub(in crate::store) counts: [u64; COUNTS],
    pub(in crate::store) spread: Buckets,
}

impl Figures for PlainFigures {
    fn merge(&mut self, later: &Self) {
        for (place, (gauge, later)) in self.gauges.iter_mut().zip(later.gauges).enumerate() {
            *gauge = if place < GREATEST { (*gauge).max(later) } else { later.or(*gauge) };
        }
        self.counts.iter_mut().zip(later.counts).for_each(|(count, later)| add(count, later));
        self.spread.add(&later.spread);
    }

    fn write(&self, out: &mut Writer<'_>) {
        let counts = self.counts.map(|count| (count > 0).then_some(count));
        let numbers = self.gauges.iter().chain(&counts);
        let has_spread = self.spread.count() > 0;
        let is_told = numbers.clone().enumerate().map(|(place, number)| (flag(place), number.is_some()));
        let is_told = is_told.chain([(SPREAD, has_spread)]);
        let flags = is_told.fold(0_u64, |flags, (bit, told)| flags | u64::from(told) << bit);
        out.number(flags);
        numbers.flatten().for_each(|number| out.number(*number));
        if has_spread {
            out.buckets(&self.spread);
        }
    }

    fn read(input: &mut Reader<'_>) -> Option<Self> {
        let mut figures = Self::default();
        let flags = input.number()?;
        let is_told = |place: usize| flags >> place & 1 == 1;
        let gauges = figures.gauges.iter_mut().enumerate();
        for (_, gauge) in gauges.filter(|(place, _)| is_told(*place)) {
            *gauge = Some(input.number()?);
        }
        let counts = figures.counts.iter_mut().enumerate();
        for (_, count) in counts.filter(|(place, _)| is_told(flag(GAUGES + place))) {
            *count = input.number()?;
        }
        if is_told(SPREAD) {
            figures.spread = input.buckets()?;
        }
        Some(figures)
    }
}

/// Which of the flags tells of a number.
const fn flag(place: usize) -> usize {
    if place < SPREAD { place } else { place + 1 }
}

impl Step<PlainFigures> {
    /// How often each was counted in a second.
    pub(in crate::store) fn rates(&self) -> [f32; COUNTS] {
        self.figures.counts.map(|count| self.rate(count))
    }
}
