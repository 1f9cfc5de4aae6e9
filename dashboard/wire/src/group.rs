//! The same pool on several instances of a service, seen as one.

use serde::{Deserialize, Serialize};

use crate::{BreakerState, PoolSummary};

/// The pools of several instances of one service that lead to the same destination.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PoolGroup {
    /// All of them together, under the id of the group and without an instance. Counts and rates are sums, percentiles are
    /// those of all that was counted (by its newest point, of the newest reports; else of the last minute), the condition is
    /// the worst, and so is the breaker; those that vanished are left out.
    pub merged: PoolSummary,
    /// Ids of the pools, those that vanished included.
    pub members: Vec<String>,
    /// How many of them report.
    pub current: u32,
    /// Of those, how many are bad.
    pub bad: u32,
    /// Of those, how many are worth a look.
    pub warn: u32,
    /// States of the breakers that guard them, worst first, each with how many are in it.
    pub breakers: Vec<(BreakerState, u32)>,
    /// True if some count times in buckets with unequal bounds: then there is no percentile of all.
    pub unequal_buckets: bool,
}
