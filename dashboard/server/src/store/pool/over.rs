//! What series of a pool had counted that were silent for so long that they made room for others.

use super::super::sample::add;
use super::{Series, State};

/// Stands for the labels of all further ones, where there are too many.
const OTHERS: &str = "others";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Over(Vec<Series>);

impl Over {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Series> {
        self.0.iter()
    }

    /// Keeps what a series had counted, by its label for so many labels.
    pub(super) fn keep(&mut self, series: Series, max_labels: usize) {
        let total = series.total();
        let find = |label: &str| {
            self.0.iter().position(|known| {
                (known.figure, known.marked, known.phase) == (series.figure, series.marked, series.phase)
                    && *known.label == *label
            })
        };
        let is_full = self.0.len() >= max_labels;
        match find(&series.label).or_else(|| find(OTHERS).filter(|_| is_full)) {
            Some(at) => {
                if let State::Over(sum) = &mut self.0[at].state {
                    add(sum, total);
                }
            }
            None => {
                let label = if is_full { OTHERS.into() } else { series.label };
                self.0.push(Series { label, state: State::Over(total), ..series });
            }
        }
    }
}
