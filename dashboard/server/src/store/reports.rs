//! How the reports of one thing follow each other: which one is being taken, and how often they come.

use super::rhythm::Rhythm;
use crate::clock::is_put_back;

/// Readings this close belong to one report: SDKs date each instrument of a collection by itself.
pub(super) const SAME_REPORT_MS: u64 = 100;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reports {
    is_open: bool,
    newest_ms: Option<u64>,
    count: u64,
    late: bool,
    after_silence: bool,
    rhythm: Rhythm,
}

/// What a report that begins is to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun {
    /// It is the next one. Otherwise it tells more of the newest, or comes late.
    pub(super) is_next: bool,
    /// The server's clock was put back: what is noted for moments after this report is of moments that are to come.
    pub(super) is_put_back: bool,
}

impl Reports {
    /// As it was before a restart of the server: how often they came, and when the newest did.
    pub(super) fn restored(interval_ms: u64, newest_ms: Option<u64>) -> Self {
        let rhythm = Rhythm::restored(interval_ms, newest_ms.unwrap_or_default());
        Self { newest_ms, rhythm, ..Self::default() }
    }

    /// Begins a report of a moment; `None` if one has begun already, which this one belongs to.
    pub(super) fn begin(&mut self, at_ms: u64, now_ms: u64) -> Option<Begun> {
        if std::mem::replace(&mut self.is_open, true) {
            return None;
        }
        let patience_ms = self.rhythm.patience_ms();
        self.rhythm.beat(now_ms);
        let is_put_back = self.newest_ms.is_some_and(|newest_ms| is_put_back(at_ms, newest_ms));
        let newest_ms = self.newest_ms.filter(|_| !is_put_back);
        let is_after = |newest_ms: u64| at_ms > newest_ms.saturating_add(SAME_REPORT_MS);
        // The first since the server began is always one of its own, however near to what a file kept.
        let is_next = self.count == 0 || newest_ms.is_none_or(is_after);
        self.late = !is_next && newest_ms.is_some_and(|newest| at_ms.saturating_add(SAME_REPORT_MS) < newest);
        if is_next {
            self.after_silence = newest_ms.is_some_and(|newest| at_ms.saturating_sub(newest) > patience_ms);
            self.newest_ms = Some(at_ms);
            self.count += 1;
        }
        Some(Begun { is_next, is_put_back })
    }

    /// Ends the report.
    pub(super) fn end(&mut self) {
        self.is_open = false;
    }

    /// Reports since the server began, which is also the number of the newest.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The moment of the newest; 0 before the first.
    pub(super) fn newest_ms(&self) -> u64 {
        self.newest_ms.unwrap_or_default()
    }

    /// True while one older than the newest is taken: it counts, but tells nothing about now.
    pub(super) fn is_late(&self) -> bool {
        self.late
    }

    /// Nothing was reported for a while before the newest.
    pub(super) fn is_after_silence(&self) -> bool {
        self.after_silence
    }

    /// The usual distance of two of them.
    pub(super) fn interval_ms(&self) -> u64 {
        self.rhythm.interval_ms()
    }

    /// The same; `None` until two have come.
    pub(super) fn known_interval_ms(&self) -> Option<u64> {
        self.rhythm.known_interval_ms()
    }

    /// True if one should have come by now.
    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        self.rhythm.is_overdue(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_700_000_000_000;

    fn begin(reports: &mut Reports, at_ms: u64) -> Option<(bool, bool)> {
        let begun = reports.begin(at_ms, at_ms);
        begun.map(|begun| (begun.is_next, begun.is_put_back))
    }

    fn whole(reports: &mut Reports, at_ms: u64) -> (bool, bool) {
        let begun = begin(reports, at_ms).unwrap();
        reports.end();
        begun
    }

    #[test]
    fn parts_of_a_report_are_one_and_a_late_one_is_told() {
        let mut reports = Reports::default();
        assert_eq!(begin(&mut reports, T0), Some((true, false)));
        assert_eq!(begin(&mut reports, T0), None, "it has begun");
        reports.end();
        assert_eq!(whole(&mut reports, T0 + 60), (false, false));
        assert_eq!((reports.count(), reports.newest_ms(), reports.is_late()), (1, T0, false));
        assert_eq!(whole(&mut reports, T0 + 1_000), (true, false));
        assert_eq!(whole(&mut reports, T0 + 500), (false, false));
        assert_eq!((reports.count(), reports.newest_ms(), reports.is_late()), (2, T0 + 1_000, true));
        assert_eq!(whole(&mut reports, T0 + 2_000), (true, false));
        assert!(!reports.is_late());
    }

    #[test]
    fn a_silence_is_one_by_how_often_they_came() {
        let mut reports = Reports::default();
        for second in 0..5 {
            whole(&mut reports, T0 + second * 1_000);
            assert!(!reports.is_after_silence());
        }
        assert_eq!(reports.interval_ms(), 1_000);
        whole(&mut reports, T0 + 10_000);
        assert!(reports.is_after_silence());
        // More of the same report is no second one.
        whole(&mut reports, T0 + 10_050);
        assert!(reports.is_after_silence());
        whole(&mut reports, T0 + 11_000);
        assert!(!reports.is_after_silence());
    }

    #[test]
    fn a_clock_that_was_put_back_begins_anew() {
        let mut reports = Reports::default();
        whole(&mut reports, T0);
        assert_eq!(whole(&mut reports, T0 - 3_600_000), (true, true));
        assert_eq!((reports.newest_ms(), reports.is_late()), (T0 - 3_600_000, false));
        assert_eq!(whole(&mut reports, T0 - 3_599_000), (true, false));
    }

    #[test]
    fn a_restart_goes_on_with_what_was_known() {
        let mut reports = Reports::restored(2_000, Some(T0));
        assert_eq!((reports.interval_ms(), reports.count()), (2_000, 0));
        assert!(reports.is_overdue(T0 + 7_000));
        assert_eq!(whole(&mut reports, T0 + 20), (true, false), "the first of this life");
        assert!(!reports.is_after_silence());
        let mut reports = Reports::restored(2_000, Some(T0));
        whole(&mut reports, T0 + 60_000);
        assert!(reports.is_after_silence());
    }
}
