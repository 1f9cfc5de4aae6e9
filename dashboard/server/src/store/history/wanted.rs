//! Which part of a history is asked for.

/// What an answer holds that asks for no range: what the page of a pool shows at first.
const USUAL_MS: u64 = 15 * 60_000;

/// Where a part of a history begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// At a moment, in Unix milliseconds.
    Moment(u64),
    /// So many milliseconds before the newest report.
    Last(u64),
}

impl Since {
    pub(crate) fn usual() -> Self {
        Self::Last(USUAL_MS)
    }

    pub(crate) fn seconds(seconds: u64) -> Self {
        Self::Last(seconds.saturating_mul(1_000))
    }
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) since: Since,
    /// Its end; `None` is now.
    pub(crate) to_ms: Option<u64>,
    /// Most points, not counting one more for each silence.
    pub(crate) max_points: usize,
}

impl Wanted {
    /// Begin and end. What a sender with a fast clock reported lies in the future and belongs to now.
    pub(crate) fn range(self, newest_ms: Option<u64>, now_ms: u64) -> (u64, u64) {
        let to_ms = self.to_ms.unwrap_or_else(|| newest_ms.unwrap_or(0).max(now_ms));
        match self.since {
            Since::Moment(from_ms) => (from_ms, to_ms),
            Since::Last(ms) => (newest_ms.unwrap_or(now_ms).saturating_sub(ms), to_ms),
        }
    }
}
