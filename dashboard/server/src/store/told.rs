//! What a sender tells of a pool. What it does not tell is not known, which is not 0.

use crate::model::PoolFigure;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// It is one of ours, which tells everything, some of it only once it has happened.
    pub(super) ours: bool,
    /// How requests end.
    pub(super) results: bool,
    /// How long connections are used.
    pub(super) uses: bool,
    /// How long it takes to open one.
    pub(super) creates: bool,
    /// That connections were closed.
    pub(super) lives: bool,
    /// Waits for a connection, of any kind.
    pub(super) waits: bool,
    /// Waits that were given up.
    pub(super) timeouts: bool,
}

impl Told {
    /// Notes that a figure was told.
    pub(super) fn learn(&mut self, figure: PoolFigure) {
        match figure {
            PoolFigure::Opened | PoolFigure::Acquires => self.ours = true,
            PoolFigure::Duration => self.results = true,
            PoolFigure::Use => self.uses = true,
            PoolFigure::Create => self.creates = true,
            PoolFigure::Lifetime | PoolFigure::Closed => self.lives = true,
            PoolFigure::Wait | PoolFigure::Queue => self.waits = true,
            PoolFigure::Timeouts => self.timeouts = true,
            _ => {}
        }
    }
}
