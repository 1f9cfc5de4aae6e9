//! What the reports of the last minute told, in parts: the newest report by itself, and before it sums, so that a sender
//! that reports many times a second takes no more memory than one that does not.

use std::collections::VecDeque;

use super::sample::Sample;

/// The window of the summary's percentiles.
const MINUTE_MS: u64 = 60_000;
/// The window that the rules judge: long enough for a share to mean something, short enough to see a recovery.
pub(super) const RULES_MS: u64 = 15_000;
/// Reports in the same part of this length are put together: a window is at most so much longer than it says.
const PART_MS: u64 = 2_500;
/// Parts of a minute, and the one that has begun.
const MAX_PARTS: usize = (MINUTE_MS / PART_MS) as usize + 1;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Window {
    newest: Option<Sample>,
    /// Oldest first.
    parts: VecDeque<Sample>,
}

/// Whether `at_ms` lies in the window that ends at `end_ms`.
fn within(at_ms: u64, end_ms: u64, window_ms: u64) -> bool {
    at_ms.saturating_add(window_ms) > end_ms
}

impl Window {
    /// A report begins.
    pub(super) fn begin(&mut self, at_ms: u64) {
        let Some(last) = self.newest.take() else {
            self.newest = Some(Sample { at_ms, ..Sample::default() });
            return;
        };
        let elapsed_s = at_ms.saturating_sub(last.at_ms) as f64 / 1e3;
        self.newest = Some(Sample { at_ms, elapsed_s, gauges: last.gauges, ..Sample::default() });
        match self.parts.back_mut() {
            Some(part) if part.at_ms / PART_MS == last.at_ms / PART_MS => part.add(&last),
            _ => self.parts.push_back(last),
        }
        while self.parts.len() > MAX_PARTS
            || self.parts.front().is_some_and(|first| !within(first.at_ms, at_ms, MINUTE_MS))
        {
            self.parts.pop_front();
        }
    }

    /// The newest report.
    pub(super) fn newest(&self) -> Option<&Sample> {
        self.newest.as_ref()
    }

    /// The newest report, to add to it.
    pub(super) fn newest_mut(&mut self) -> Option<&mut Sample> {
        self.newest.as_mut()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What happened in the last minute.
    pub(super) fn minute(&self) -> Sample {
        self.since(MINUTE_MS)
    }

    /// What happened in a window; at least the newest report, however far the reports are apart.
    pub(super) fn since(&self, window_ms: u64) -> Sample {
        let end_ms = self.newest.as_ref().map_or(0, |newest| newest.at_ms);
        let parts = self.parts.iter().filter(|part| within(part.at_ms, end_ms, window_ms));
        Sample::sum(parts.chain(&self.newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_700_000_000_000;

    /// Reports so far apart for five minutes, each of one request.
    fn reported(every_ms: u64) -> Window {
        let mut window = Window::default();
        for at_ms in (T0..T0 + 300_000).step_by(usize::try_from(every_ms).unwrap()) {
            window.begin(at_ms);
            window.newest_mut().unwrap().requests = 1;
        }
        window
    }

    #[test]
    fn however_often_is_reported_a_minute_has_as_many_parts() {
        for every_ms in [1, 50, 200, 1_000] {
            let window = reported(every_ms);
            assert!((MAX_PARTS - 1..=MAX_PARTS).contains(&window.parts.len()), "{}", window.parts.len());
            assert_eq!(window.newest().unwrap().requests, 1, "the newest report is by itself");
            for (sum, window_ms) in [(window.minute(), MINUTE_MS), (window.since(RULES_MS), RULES_MS)] {
                let (least, most) = (window_ms as f64 / 1e3, (window_ms + PART_MS) as f64 / 1e3);
                assert!((least - 0.001..=most).contains(&sum.elapsed_s), "{every_ms}: {}", sum.elapsed_s);
                let rate = sum.requests as f64 / sum.elapsed_s;
                assert!((rate * every_ms as f64 / 1e3 - 1.0).abs() < 1e-6, "{every_ms}: {rate}");
            }
        }
    }

    #[test]
    fn reports_that_are_far_apart_stay_by_themselves() {
        let window = reported(10_000);
        assert_eq!(
            (window.parts.len(), window.minute().requests, window.since(RULES_MS).requests),
            (5, 6, 2)
        );
        let one = reported(200_000);
        assert_eq!((one.parts.len(), one.minute().requests), (0, 1));
    }
}
