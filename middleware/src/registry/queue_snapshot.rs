//! [`QueueSnapshot`]: one queue.

use poolscope_semconv::value::QueueDropReason;

#[cfg(feature = "serde")]
use super::serial;

/// A bounded queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QueueSnapshot {
    /// Name of the queue.
    pub name: String,
    /// Items that are in it.
    pub length: u64,
    /// Most items that it may hold.
    pub capacity: u64,
    /// Most items that were in it at a time.
    pub high_water: u64,
    /// Items that were put into it, those included that it dropped later.
    pub pushed: u64,
    /// Items that it dropped, by reason, in the order of [`QueueDropReason::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub dropped: Vec<(QueueDropReason, u64)>,
}

impl QueueSnapshot {
    /// Items that were dropped for a reason.
    #[must_use]
    pub fn dropped(&self, reason: QueueDropReason) -> u64 {
        self.dropped.iter().filter(|(of, _)| *of == reason).map(|(_, count)| count).sum()
    }
}
