//! What was wrong: each warning from its begin to its end, a bounded number.

use std::collections::{HashMap, VecDeque};

use poolscope_wire::{Figure, PastWarning, Severity, Warning};

/// Warnings that are kept: each takes half a kilobyte.
pub(super) const MAX_WARNINGS: usize = 2_000;
/// One that is back within this time is the same, so that what flaps pushes out nothing else.
const RESUME_MS: u64 = 60_000;

/// Which warnings are wanted; `None` wants all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WarningFilter<'a> {
    pub(crate) service: Option<&'a str>,
    pub(crate) instance: Option<&'a str>,
    /// Id of what it is about.
    pub(crate) about: Option<&'a str>,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
}

impl WarningFilter<'_> {
    fn wants(&self, past: &PastWarning) -> bool {
        let warning = &past.warning;
        past.from_ms <= self.to_ms
            && past.to_ms.is_none_or(|to_ms| to_ms >= self.from_ms)
            && self.service.is_none_or(|service| warning.service == service)
            && self.instance.is_none_or(|instance| warning.instance == instance)
            && self.about.is_none_or(|about| warning.what_id == about)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct WarningLog {
    /// By id.
    lasting: HashMap<String, PastWarning>,
    /// Those that ended, in the order of their ends.
    over: VecDeque<PastWarning>,
    /// Since when nothing is missing.
    since_ms: Option<u64>,
    dropped: u64,
}

impl WarningLog {
    /// Takes what is wrong now. Notes are left out.
    pub(super) fn note(&mut self, all: Vec<Warning>, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
        let mut before = std::mem::take(&mut self.lasting);
        for warning in all.into_iter().filter(|warning| warning.severity > Severity::Ok) {
            let known = before.remove(&warning.id).or_else(|| self.resume(&warning.id, now_ms));
            if let Some(mut past) = known {
                worsen(&mut past.warning, &warning);
                self.lasting.insert(warning.id, past);
            } else if self.lasting.len() + before.len() >= MAX_WARNINGS {
                self.dropped += 1;
            } else {
                let from_ms = warning.since_ms.min(now_ms);
                let id = warning.id.clone();
                self.lasting.insert(id, PastWarning { warning, from_ms, to_ms: None, times: 1 });
            }
        }
        for past in before.into_values() {
            self.over.push_back(PastWarning { to_ms: Some(now_ms), ..past });
        }
        while self.len() > MAX_WARNINGS {
            self.dropped += 1;
            self.drop_oldest();
        }
    }

    /// Takes back one that ended a moment ago.
    fn resume(&mut self, id: &str, now_ms: u64) -> Option<PastWarning> {
        let is_fresh =
            |past: &PastWarning| past.to_ms.is_some_and(|to_ms| to_ms.saturating_add(RESUME_MS) >= now_ms);
        let fresh = self.over.iter().rev().take_while(|past| is_fresh(past));
        let from_end = fresh.enumerate().find(|(_, past)| past.warning.id == id).map(|(place, _)| place)?;
        let past = self.over.remove(self.over.len() - 1 - from_end)?;
        Some(PastWarning { to_ms: None, times: past.times.saturating_add(1), ..past })
    }

    /// Forgets what ended before a moment.
    pub(super) fn forget(&mut self, oldest_ms: u64) {
        while self.over.front().and_then(|past| past.to_ms).is_some_and(|to_ms| to_ms < oldest_ms) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let gone = self.over.pop_front().and_then(|past| past.to_ms);
        self.since_ms = self.since_ms.max(gone);
    }

    /// Those that are wanted, the one that began last first.
    pub(super) fn of(&self, filter: WarningFilter<'_>) -> Vec<&PastWarning> {
        let all = self.over.iter().chain(self.lasting.values());
        let mut wanted: Vec<&PastWarning> = all.filter(|past| filter.wants(past)).collect();
        wanted.sort_by(|a, b| {
            (b.from_ms, b.warning.severity, &b.warning.id).cmp(&(
                a.from_ms,
                a.warning.severity,
                &a.warning.id,
            ))
        });
        wanted
    }

    /// Since when nothing is missing.
    pub(super) fn since_ms(&self, now_ms: u64) -> u64 {
        self.since_ms.unwrap_or(now_ms)
    }

    pub(super) fn len(&self) -> usize {
        self.over.len() + self.lasting.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Keeps what a warning was like at its worst: by its severity, then by how far its figure is past its limit.
fn worsen(worst: &mut Warning, now: &Warning) {
    let excess = |figure: Option<Figure>| {
        figure.map_or(0.0, |figure| (figure.value - figure.limit.unwrap_or_default()).abs())
    };
    let is_further = now.severity == worst.severity && excess(now.figure) > excess(worst.figure);
    if now.severity > worst.severity || (is_further && !now.recovering) {
        worst.severity = now.severity;
        worst.figure = now.figure;
        worst.sentence.clone_from(&now.sentence);
        worst.since_ms = now.since_ms;
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Rule, Unit};

    use super::*;

    const T0: u64 = 1_700_000_000_000;

    fn warning(id: &str, severity: Severity, value: f64) -> Warning {
        let figure = Some(Figure { value, limit: Some(1.0), unit: Unit::Count });
        let sentence = format!("{value} wait");
        Warning {
            id: id.to_owned(),
            rule: Rule::Exhausted,
            severity,
            figure,
            sentence,
            since_ms: T0,
            service: "shop".to_owned(),
            what_id: id.to_owned(),
            ..Warning::default()
        }
    }

    fn of(log: &WarningLog, from_ms: u64, to_ms: u64) -> Vec<&PastWarning> {
        log.of(WarningFilter { from_ms, to_ms, ..WarningFilter::default() })
    }

    #[test]
    fn a_warning_is_kept_from_its_begin_to_its_end_as_it_was_at_its_worst() {
        let mut log = WarningLog::default();
        log.note(vec![warning("a", Severity::Warn, 2.0)], T0);
        log.note(vec![warning("a", Severity::Warn, 9.0)], T0 + 1_000);
        log.note(vec![warning("a", Severity::Bad, 5.0), warning("note", Severity::Ok, 1.0)], T0 + 2_000);
        assert_eq!(of(&log, T0, T0).len(), 1, "it lasts; a note is none");
        log.note(vec![warning("a", Severity::Warn, 99.0)], T0 + 3_000);
        log.note(Vec::new(), T0 + 10_000);
        let past = of(&log, T0 + 9_000, T0 + 20_000)[0];
        assert_eq!((past.from_ms, past.to_ms, past.times), (T0, Some(T0 + 10_000), 1));
        assert_eq!((past.warning.severity, past.warning.sentence.as_str()), (Severity::Bad, "5 wait"));
        assert!(of(&log, T0 + 10_001, T0 + 20_000).is_empty(), "it was over");
        assert!(of(&log, T0 - 9, T0 - 1).is_empty(), "it had not begun");
        let other =
            WarningFilter { service: Some("other"), from_ms: 0, to_ms: u64::MAX, ..Default::default() };
        assert!(log.of(other).is_empty());
        let about = WarningFilter { about: Some("a"), service: None, ..other };
        assert_eq!(log.of(about).len(), 1);
    }

    #[test]
    fn what_is_back_at_once_is_the_same_and_later_another() {
        let mut log = WarningLog::default();
        let mut now_ms = T0;
        for _ in 0..3 {
            log.note(vec![warning("a", Severity::Warn, 2.0)], now_ms);
            log.note(Vec::new(), now_ms + 1_000);
            now_ms += 30_000;
        }
        let all = of(&log, 0, u64::MAX);
        assert_eq!((all.len(), all[0].times, all[0].to_ms), (1, 3, Some(T0 + 61_000)));
        log.note(vec![warning("a", Severity::Warn, 2.0)], T0 + 61_000 + RESUME_MS + 1);
        assert_eq!(of(&log, 0, u64::MAX).len(), 2);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for_and_it_says_since_when() {
        let mut log = WarningLog::default();
        for index in 0..MAX_WARNINGS as u64 + 10 {
            let id = index.to_string();
            log.note(vec![Warning { since_ms: T0 + index, ..warning(&id, Severity::Warn, 2.0) }], T0 + index);
        }
        assert_eq!((log.len(), log.dropped()), (MAX_WARNINGS, 10));
        assert_eq!(log.since_ms(0), T0 + 10, "the tenth ended as the eleventh began");
        let flood =
            (0..MAX_WARNINGS as u64 + 5).map(|index| warning(&format!("f{index}"), Severity::Warn, 2.0));
        log.note(flood.collect(), T0 + 100_000);
        assert_eq!(log.len(), MAX_WARNINGS, "also while they last");
        log.note(Vec::new(), T0 + 200_000);
        log.forget(T0 + 200_001);
        assert_eq!((log.len(), log.since_ms(0)), (0, T0 + 200_000));
    }
}
