//! How often something is reported, learned from when it was; and whether it is overdue.

/// Gaps that the usual one is learned from.
const GAPS: usize = 5;
/// Reports closer than this are parts of one.
const MIN_GAP_MS: u64 = 50;
/// Until a second report came: OpenTelemetry's usual interval.
const UNKNOWN_MS: u64 = 60_000;
/// So many reports may be missing before the picture counts as old.
const MISSED: u64 = 3;
/// However fast the reports come, a pause this short is none.
const MIN_PATIENCE_MS: u64 = 3_000;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Rhythm {
    last_ms: Option<u64>,
    gaps_ms: [u64; GAPS],
    seen: usize,
}

impl Rhythm {
    /// Something was reported.
    pub(super) fn beat(&mut self, now_ms: u64) {
        if let Some(last) = self.last_ms {
            if now_ms < last {
                // The clock was put back; nothing can be learned from that.
                self.last_ms = Some(now_ms);
                return;
            }
            let gap = now_ms - last;
            if gap < MIN_GAP_MS {
                return;
            }
            self.gaps_ms[self.seen % GAPS] = gap;
            self.seen += 1;
        }
        self.last_ms = Some(now_ms);
    }

    /// The usual distance of two reports: the median, which one long pause does not change.
    pub(super) fn interval_ms(&self) -> u64 {
        let mut gaps = self.gaps_ms;
        let gaps = &mut gaps[..self.seen.min(GAPS)];
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).copied().unwrap_or(UNKNOWN_MS)
    }

    /// A longer time without a report is a silence.
    pub(super) fn patience_ms(&self) -> u64 {
        self.interval_ms().saturating_mul(MISSED).max(MIN_PATIENCE_MS)
    }

    /// True if a report should have come by now.
    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        self.last_ms.is_some_and(|last| now_ms.saturating_sub(last) > self.patience_ms())
    }

    /// As it was before a restart.
    pub(super) fn restored(interval_ms: u64, last_ms: u64) -> Self {
        Self { last_ms: Some(last_ms), gaps_ms: [interval_ms; GAPS], seen: GAPS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_learned_and_one_pause_does_not_change_it() {
        let mut rhythm = Rhythm::default();
        rhythm.beat(0);
        assert_eq!(rhythm.interval_ms(), UNKNOWN_MS);
        for now in [1_000, 1_010, 2_000, 3_000, 63_000, 64_000] {
            rhythm.beat(now);
        }
        assert_eq!(rhythm.interval_ms(), 1_000);
    }

    #[test]
    fn three_missing_reports_are_overdue() {
        let mut rhythm = Rhythm::default();
        (0..4).for_each(|beat| rhythm.beat(beat * 2_000));
        assert!(!rhythm.is_overdue(6_000 + 6_000));
        assert!(rhythm.is_overdue(6_000 + 6_001));
    }
}
