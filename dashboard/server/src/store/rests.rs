//! What is remembered of series that made room: how far each had counted, so that one that comes back is not counted twice.

use std::collections::VecDeque;

use super::series::Counted;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rests {
    /// The series, the place of the sum that holds what it had counted, and how far it had come; oldest first.
    all: VecDeque<(u64, usize, Counted)>,
    has_forgotten: bool,
}

impl Rests {
    /// Remembers a series; of more than so many the oldest is forgotten.
    pub(super) fn keep(&mut self, series: u64, place: usize, counted: Counted, max: usize) {
        self.all.push_back((series, place, counted));
        while self.all.len() > max {
            self.all.pop_front();
            self.has_forgotten = true;
        }
    }

    /// A series is back: where its sum is, and how far it had come.
    pub(super) fn take(&mut self, series: u64) -> Option<(usize, Counted)> {
        let at = self.all.iter().position(|(known, ..)| *known == series)?;
        self.all.remove(at).map(|(_, place, counted)| (place, counted))
    }

    /// True while a series that is not remembered is one that never made room.
    pub(super) fn knows_all(&self) -> bool {
        !self.has_forgotten
    }
}
