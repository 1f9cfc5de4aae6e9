//! Distributions of a pool over all the time that it is known, of what happens too rarely for a window of seconds.

use poolscope_semconv::value::ConnectPhase;

use super::buckets::Buckets;
use crate::model::PoolFigure;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tallies(Vec<(PoolFigure, Option<ConnectPhase>, Buckets)>);

impl Tallies {
    /// Adds what was counted, if it is a figure whose distribution is kept.
    pub(super) fn add(&mut self, figure: PoolFigure, phase: Option<ConnectPhase>, counted: &Buckets) {
        let is_kept = matches!(
            figure,
            PoolFigure::Create
                | PoolFigure::Phase
                | PoolFigure::Idle
                | PoolFigure::Requests
                | PoolFigure::Rtt
        );
        if !is_kept {
            return;
        }
        match self.0.iter_mut().find(|(of, part, _)| (*of, *part) == (figure, phase)) {
            Some((_, _, tally)) => tally.add(counted),
            None => self.0.push((figure, phase, counted.clone())),
        }
    }

    /// The distribution of a figure; `None` until something was counted.
    pub(super) fn get(&self, figure: PoolFigure, phase: Option<ConnectPhase>) -> Option<&Buckets> {
        let found = self.0.iter().find(|(of, part, _)| (*of, *part) == (figure, phase));
        found.map(|(_, _, tally)| tally).filter(|tally| tally.count() > 0)
    }
}
