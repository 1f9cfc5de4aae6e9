//! What series of a pool had counted that were silent for so long that they made room for others.

use super::super::rests::Rests;
use super::super::sample::add;
use super::super::series::Counted;
use super::{Series, State};

/// Stands for the labels of all further ones, where there are too many.
const OTHERS: &str = "others";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Over {
    sums: Vec<Series>,
    rests: Rests,
}

impl Over {
    /// True while a series that is new here never was here before.
    pub(super) fn knows_all(&self) -> bool {
        self.rests.knows_all()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Series> {
        self.sums.iter()
    }

    /// Keeps what a series had counted, by its label for so many labels, and how far it had come, of as many series.
    pub(super) fn keep(&mut self, id: u64, series: Series, max: usize) {
        let State::Cumulative(state) = &series.state else { return };
        let counted = state.counted();
        let find = |label: &str| {
            self.sums.iter().position(|known| {
                (known.figure, known.marked, known.phase) == (series.figure, series.marked, series.phase)
                    && *known.label == *label
            })
        };
        let is_full = self.sums.len() >= max;
        let place = match find(&series.label).or_else(|| find(OTHERS).filter(|_| is_full)) {
            Some(place) => {
                if let State::Over(sum) = &mut self.sums[place].state {
                    add(sum, counted.total);
                }
                place
            }
            None => {
                let label = if is_full { OTHERS.into() } else { series.label };
                self.sums.push(Series { label, state: State::Over(counted.total), ..series });
                self.sums.len() - 1
            }
        };
        self.rests.keep(id, place, counted, max);
    }

    /// A series is back, and counts for itself again from where it was.
    pub(super) fn take_back(&mut self, id: u64) -> Option<Counted> {
        let (place, counted) = self.rests.take(id)?;
        if let State::Over(sum) = &mut self.sums[place].state {
            *sum = sum.saturating_sub(counted.total);
        }
        Some(counted)
    }
}
