//! What was wrong: each warning from its begin to its end, a bounded number. A file keeps them too.

use std::collections::{HashMap, VecDeque};

use poolscope_wire::{Figure, PastWarning, Severity, Warning};

use super::id::Id;
use super::unsaved::{Kept, Unsaved, Writing};

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

/// One that is kept.
#[derive(Debug)]
struct Entry {
    /// By which a file knows it.
    number: u64,
    past: PastWarning,
    unsaved: Unsaved,
}

impl Kept for Entry {
    fn id(&self) -> Id {
        Id::from_number(self.number)
    }

    fn unsaved(&mut self) -> &mut Unsaved {
        &mut self.unsaved
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        serde_json::to_vec(&self.past).ok()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct WarningLog {
    /// By id.
    lasting: HashMap<String, Entry>,
    /// Those that ended, in the order of their ends.
    over: VecDeque<Entry>,
    /// Since when nothing is missing.
    since_ms: Option<u64>,
    dropped: u64,
    /// Number of the next one.
    next: u64,
    /// There is a file, and these are gone since it was written.
    gone: Option<Vec<u64>>,
}

impl WarningLog {
    /// Takes what is wrong now. Notes are left out.
    pub(super) fn note(&mut self, all: Vec<Warning>, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
        let mut before = std::mem::take(&mut self.lasting);
        for warning in all.into_iter().filter(|warning| warning.severity > Severity::Ok) {
            let known = before.remove(&warning.id).or_else(|| self.resume(&warning.id, now_ms));
            if let Some(mut entry) = known {
                if worsen(&mut entry.past.warning, &warning) {
                    entry.unsaved.change();
                }
                self.lasting.insert(warning.id, entry);
            } else if self.lasting.len() + before.len() >= MAX_WARNINGS {
                self.dropped += 1;
            } else {
                let from_ms = warning.since_ms.min(now_ms);
                let id = warning.id.clone();
                let past = PastWarning { warning, from_ms, to_ms: None, times: 1 };
                let mut entry = Entry { number: self.next, past, unsaved: Unsaved::default() };
                self.next += 1;
                entry.unsaved.change();
                self.lasting.insert(id, entry);
            }
        }
        for mut entry in before.into_values() {
            entry.past.to_ms = Some(now_ms);
            entry.unsaved.change();
            self.over.push_back(entry);
        }
        self.bound();
    }

    fn bound(&mut self) {
        while self.len() > MAX_WARNINGS && !self.over.is_empty() {
            self.dropped += 1;
            self.drop_oldest();
        }
    }

    /// Takes back one that ended a moment ago.
    fn resume(&mut self, id: &str, now_ms: u64) -> Option<Entry> {
        let is_fresh =
            |past: &PastWarning| past.to_ms.is_some_and(|to_ms| to_ms.saturating_add(RESUME_MS) >= now_ms);
        let fresh = self.over.iter().rev().take_while(|entry| is_fresh(&entry.past));
        let from_end =
            fresh.enumerate().find(|(_, entry)| entry.past.warning.id == id).map(|(place, _)| place)?;
        let mut entry = self.over.remove(self.over.len() - 1 - from_end)?;
        (entry.past.to_ms, entry.past.times) = (None, entry.past.times.saturating_add(1));
        entry.unsaved.change();
        Some(entry)
    }

    /// Forgets what ended before a moment.
    pub(super) fn forget(&mut self, oldest_ms: u64) {
        while self.over.front().and_then(|one| one.past.to_ms).is_some_and(|to_ms| to_ms < oldest_ms) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(entry) = self.over.pop_front() else { return };
        self.since_ms = self.since_ms.max(entry.past.to_ms);
        if let Some(gone) = &mut self.gone {
            gone.push(entry.number);
        }
    }

    /// Begins to gather for a file what changes, or ends it.
    pub(super) fn want(&mut self, is_wanted: bool) {
        self.gone = is_wanted.then(Vec::new);
    }

    /// Hands out what changed and is due, each by its number; `None` is gone.
    pub(super) fn take_unsaved(&mut self, writing: &mut Writing, mut take: impl FnMut(u64, Option<Vec<u8>>)) {
        let Some(gone) = &mut self.gone else { return };
        gone.drain(..).for_each(|number| take(number, None));
        let all = self.over.iter_mut().chain(self.lasting.values_mut());
        writing.take(all, |id, value| take(id.number(), value));
    }

    /// Takes back one that a file kept.
    pub(super) fn restore(&mut self, number: u64, past: PastWarning) {
        self.next = self.next.max(number.saturating_add(1));
        self.over.push_back(Entry { number, past, unsaved: Unsaved::default() });
    }

    /// All were taken back. Those that lasted did so until something was last heard, as far as is known; if they still do,
    /// they go on.
    pub(super) fn restored(&mut self, heard_ms: u64) {
        let mut all: Vec<Entry> = self.over.drain(..).collect();
        for entry in all.iter_mut().filter(|entry| entry.past.to_ms.is_none()) {
            entry.past.to_ms = Some(heard_ms.max(entry.past.from_ms));
            entry.unsaved.change();
        }
        all.sort_by_key(|entry| entry.past.to_ms);
        // Where there was no room for more, those are missing that ended before the first of these.
        let is_full = all.len() >= MAX_WARNINGS;
        let since_ms = |entry: &Entry| if is_full { entry.past.to_ms } else { Some(entry.past.from_ms) };
        self.since_ms = all.iter().filter_map(since_ms).min();
        self.over = all.into();
        self.bound();
    }

    /// Those that are wanted, the one that began last first.
    pub(super) fn of(&self, filter: WarningFilter<'_>) -> Vec<&PastWarning> {
        let all = self.over.iter().chain(self.lasting.values()).map(|entry| &entry.past);
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

/// Keeps what a warning was like at its worst: by its severity, then by how far its figure is past its limit. True if that
/// is now.
fn worsen(worst: &mut Warning, now: &Warning) -> bool {
    let excess = |figure: Option<Figure>| {
        figure.map_or(0.0, |figure| (figure.value - figure.limit.unwrap_or_default()).abs())
    };
    let is_further = now.severity == worst.severity && excess(now.figure) > excess(worst.figure);
    let is_worst = now.severity > worst.severity || (is_further && !now.recovering);
    if is_worst {
        worst.severity = now.severity;
        worst.figure = now.figure;
        worst.sentence.clone_from(&now.sentence);
        worst.since_ms = now.since_ms;
    }
    is_worst
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
    fn a_file_takes_all_of_them_and_gives_them_back() {
        let mut log = WarningLog::default();
        log.want(true);
        let mut file: std::collections::BTreeMap<u64, Vec<u8>> = Default::default();
        let mut save = |log: &mut WarningLog, now_ms| {
            log.take_unsaved(&mut Writing::new(now_ms), |number, value| match value {
                Some(value) => drop(file.insert(number, value)),
                None => drop(file.remove(&number)),
            });
            file.clone()
        };
        log.note(vec![warning("gone", Severity::Warn, 2.0), warning("old", Severity::Warn, 2.0)], T0);
        log.note(vec![warning("old", Severity::Warn, 2.0)], T0 + 1_000);
        assert_eq!(save(&mut log, T0 + 1_000).len(), 2);
        log.note(vec![warning("lasts", Severity::Bad, 7.0)], T0 + 20_000);
        log.note(vec![warning("lasts", Severity::Bad, 9.0)], T0 + 21_000);
        log.forget(T0 + 2_000);
        let saved = save(&mut log, T0 + 21_000);
        assert_eq!(saved.len(), 2, "one is too old");
        assert!(log.lasting.values_mut().all(|entry| entry.save().as_ref() == saved.get(&entry.number)));

        let mut again = WarningLog::default();
        for (number, json) in &saved {
            again.restore(*number, serde_json::from_slice(json).unwrap());
        }
        again.restored(T0 + 25_000);
        let told = of(&again, 0, u64::MAX);
        let told: Vec<_> =
            told.iter().map(|past| (&*past.warning.sentence, past.from_ms, past.to_ms)).collect();
        let lasted = ("9 wait", T0, Some(T0 + 25_000));
        assert_eq!(told, [lasted, ("2 wait", T0, Some(T0 + 20_000))], "at its worst");
        assert_eq!(again.since_ms(0), T0);
        // It still lasts, and is the same.
        again.note(
            vec![warning("lasts", Severity::Bad, 3.0), warning("new", Severity::Bad, 1.0)],
            T0 + 30_000,
        );
        assert_eq!((again.lasting["lasts"].number, again.lasting["lasts"].past.times), (2, 2));
        assert_eq!(again.lasting["new"].number, 3);
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
