//! What of a request finds no room, told to its sender: which bound it is, and how to raise it.

use crate::config::Limits;
use crate::model::Rejected;

/// A bound of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Pools,
    Breakers,
    Protection,
    Sessions,
    /// Of one pool, breaker or whatever else has series.
    Series,
}

impl Bound {
    fn sentence(self, limits: &Limits) -> String {
        let (what, max, flag) = match self {
            Self::Pools => ("another pool", limits.max_pools, "--max-pools"),
            Self::Breakers => ("another breaker", limits.max_breakers, "--max-breakers"),
            Self::Protection => ("other protection", limits.max_protection, "--max-protection"),
            Self::Sessions => ("other sessions", limits.max_protection, "--max-protection"),
            Self::Series => ("another series of what has so many", limits.max_series, "--max-series"),
        };
        format!("the dashboard has no room for {what}: its bound is {max}, which {flag} raises")
    }
}

/// Counts what found no room of a request.
#[derive(Debug)]
pub(super) struct NoRoom {
    limits: Limits,
    pub(super) rejected: Rejected,
}

impl NoRoom {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, rejected: Rejected::default() }
    }

    /// One point more.
    pub(super) fn add(&mut self, bound: Bound) {
        self.rejected.add(1, || bound.sentence(&self.limits));
    }
}
