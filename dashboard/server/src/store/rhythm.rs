//! How often something is reported, learned from when it was; and whether it is overdue.

/// Gaps that the usual one is learned from.
const GAPS: usize = 5;
/// Reports closer than this count as one: a sender that is told to send at once does so between two of its usual ones.
const MIN_GAP_MS: u64 = 500;
/// However fast the reports come, nothing is learned from less.
const MIN_INTERVAL_MS: u64 = 1_000;
/// Until a second report came: OpenTelemetry's usual interval.
const UNKNOWN_MS: u64 = 60_000;
/// So many reports may be missing before the picture counts as old.
const MISSED: u64 = 3;
/// However fast the reports come, a pause this short is none.
const MIN_PATIENCE_MS: u64 = 3_000;
/// One gap alone may be an accident, such as a report that was sent at once: what is usual is told by more of them.
const FIRST_PATIENCE_MS: u64 = 20_000;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Rhythm {
    /// The newest that counts as one of its own.
    last_ms: Option<u64>,
    /// The newest of all.
    heard_ms: u64,
    gaps_ms: [u64; GAPS],
    seen: usize,
}

impl Rhythm {
    /// Something was reported.
    pub(super) fn beat(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
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
        self.known_interval_ms().unwrap_or(UNKNOWN_MS)
    }

    /// The same; `None` until there is something to learn it from.
    pub(super) fn known_interval_ms(&self) -> Option<u64> {
        let mut gaps = self.gaps_ms;
        let gaps = &mut gaps[..self.seen.min(GAPS)];
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).map(|usual| MIN_INTERVAL_MS.max(*usual))
    }

    /// A longer time without a report is a silence.
    pub(super) fn patience_ms(&self) -> u64 {
        let least_ms = if self.seen > 1 { MIN_PATIENCE_MS } else { FIRST_PATIENCE_MS };
        self.interval_ms().saturating_mul(MISSED).max(least_ms)
    }

    /// True if a report should have come by now.
    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        self.last_ms.is_some() && now_ms.saturating_sub(self.heard_ms) > self.patience_ms()
    }

    /// As it was before a restart.
    pub(super) fn restored(interval_ms: u64, last_ms: u64) -> Self {
        Self { last_ms: Some(last_ms), heard_ms: last_ms, gaps_ms: [interval_ms; GAPS], seen: GAPS }
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
    fn a_report_that_is_sent_at_once_is_no_rhythm() {
        for soon in [100, 900, 1_500] {
            let mut rhythm = Rhythm::default();
            [0, soon].into_iter().for_each(|now| rhythm.beat(now));
            assert!(!rhythm.is_overdue(soon + 15_000), "the usual one is still to come, after {soon} ms");
            assert!(rhythm.is_overdue(soon + 3 * UNKNOWN_MS + 1), "but not for ever");
            (1..6).for_each(|beat| rhythm.beat(beat * 15_000));
            assert_eq!(rhythm.interval_ms(), 15_000);
        }
        let mut rhythm = Rhythm::default();
        (0..50).for_each(|beat| rhythm.beat(beat * 100));
        assert_eq!(rhythm.interval_ms(), 1_000, "those come fast");
        assert!(!rhythm.is_overdue(4_900 + 3_000) && rhythm.is_overdue(4_900 + 3_001));
    }

    #[test]
    fn three_missing_reports_are_overdue() {
        let mut rhythm = Rhythm::default();
        (0..4).for_each(|beat| rhythm.beat(beat * 2_000));
        assert!(!rhythm.is_overdue(6_000 + 6_000));
        assert!(rhythm.is_overdue(6_000 + 6_001));
    }
}
