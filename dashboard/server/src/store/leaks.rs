//! The leaks of a pool: metrics tell how many there are, events at once who holds what and since when.

use poolscope_semconv::attr;

use crate::model::EventRecord;
use crate::rules::LongestLeak;
use crate::words::cut_name;

/// Leaks of a pool that are known one by one; the oldest make room.
const MAX_KNOWN: usize = 64;

/// A leak that an event told of.
#[derive(Debug, PartialEq)]
struct Leak {
    /// When it was told.
    at_ms: u64,
    since_ms: u64,
    connection: Box<str>,
    trace_id: Box<[u8]>,
    origin: Box<str>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Leaks {
    known: Vec<Leak>,
    /// What the newest report counts, and when it was made.
    counted: Option<f64>,
    report_ms: u64,
    /// Those of the newest report that have come back since.
    returned: u64,
}

impl Leaks {
    /// An event told of a leak.
    pub(super) fn suspected(&mut self, record: &EventRecord<'_>, at_ms: u64, max_text: usize) {
        let text = |key| cut_name(record.get(key).unwrap_or_default(), max_text);
        let leak = Leak {
            at_ms,
            since_ms: since(record, at_ms),
            connection: text(attr::CONNECTION_ID),
            trace_id: record.trace_id.into(),
            origin: text(attr::LEAK_ORIGIN),
        };
        // A sender that had no answer says it again.
        if self.known.contains(&leak) {
            return;
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.remove(0);
        }
        self.known.push(leak);
    }

    /// An event told that a leak came back.
    pub(super) fn returned(&mut self, record: &EventRecord<'_>, at_ms: u64) {
        let since_ms = since(record, at_ms);
        // An HTTP/2 connection can have several, which differ by their trace or by their beginning.
        let connection = record.get(attr::CONNECTION_ID).unwrap_or_default();
        let same = |leak: &Leak| *leak.connection == *connection && *leak.trace_id == *record.trace_id;
        let candidates = self.known.iter().enumerate().filter(|(_, leak)| same(leak));
        let Some((index, _)) = candidates.min_by_key(|(_, leak)| leak.since_ms.abs_diff(since_ms)) else {
            return;
        };
        let leak = self.known.remove(index);
        self.returned += u64::from(leak.at_ms <= self.report_ms);
    }

    /// A report has come that counts so many. What it no longer counts has come back, and its event was lost.
    pub(super) fn report(&mut self, counted: Option<f64>, report_ms: u64) {
        if (counted, report_ms) == (self.counted, self.report_ms) {
            return;
        }
        (self.counted, self.report_ms, self.returned) = (counted, report_ms, 0);
        let Some(counted) = counted else { return };
        let told_before = self.known.iter().filter(|leak| leak.at_ms <= report_ms).count();
        let mut lost = told_before.saturating_sub(counted as usize);
        self.known.retain(|leak| {
            let is_lost = lost > 0 && leak.at_ms <= report_ms;
            lost -= usize::from(is_lost);
            !is_lost
        });
    }

    /// How many there are now: those that the newest report counts, moved on by the events since. `None` if nobody tells.
    pub(super) fn active(&self) -> Option<u32> {
        let newer = self.known.iter().filter(|leak| leak.at_ms > self.report_ms).count() as u64;
        match self.counted {
            Some(counted) => {
                let now = (counted as u64).saturating_add(newer).saturating_sub(self.returned);
                Some(u32::try_from(now).unwrap_or(u32::MAX))
            }
            None => (!self.known.is_empty()).then_some(self.known.len() as u32),
        }
    }

    /// The one that has been held for longest, of those that are known one by one.
    pub(super) fn longest(&self, now_ms: u64) -> Option<LongestLeak<'_>> {
        let leak = self.known.iter().min_by_key(|leak| leak.since_ms)?;
        Some(LongestLeak {
            held_s: now_ms.saturating_sub(leak.since_ms) as f64 / 1e3,
            origin: Some(&*leak.origin).filter(|origin| !origin.is_empty()),
        })
    }
}

/// Since when the response of an event has been held.
fn since(record: &EventRecord<'_>, at_ms: u64) -> u64 {
    let held_s = record.number(attr::LEAK_HELD).unwrap_or_default().max(0.0);
    at_ms.saturating_sub((held_s * 1e3) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn record<'a>(connection: &'a str, held: &'a str, origin: &'a str) -> EventRecord<'a> {
        let attributes =
            [(attr::CONNECTION_ID, connection), (attr::LEAK_HELD, held), (attr::LEAK_ORIGIN, origin)];
        EventRecord {
            sender: crate::model::Sender::default(),
            name: poolscope_semconv::event::LEAK_SUSPECTED,
            time_ns: 0,
            severity: 0,
            body: None,
            attributes: attributes.map(|(key, value)| (key, Cow::Borrowed(value))).into(),
            rows: Vec::new(),
            dropped_attributes: 0,
            trace_id: &[],
        }
    }

    #[test]
    fn events_move_the_count_of_the_newest_report_on() {
        let mut leaks = Leaks::default();
        assert_eq!(leaks.active(), None, "nobody tells");
        leaks.report(Some(0.0), 10_000);
        leaks.suspected(&record("7", "2", "a.rs:1"), 10_500, 100);
        leaks.suspected(&record("7", "2", "a.rs:1"), 10_500, 100);
        assert_eq!(leaks.active(), Some(1), "an event that is sent twice counts once");
        leaks.report(Some(1.0), 11_000);
        assert_eq!(leaks.active(), Some(1), "the report counts it now");
        leaks.returned(&record("7", "2.9", "a.rs:1"), 11_400);
        assert_eq!(leaks.active(), Some(0));
        leaks.report(Some(0.0), 12_000);
        assert_eq!(leaks.active(), Some(0));
        // Told and taken back between two reports.
        leaks.suspected(&record("8", "2", ""), 12_100, 100);
        leaks.returned(&record("8", "2.2", ""), 12_300);
        assert_eq!(leaks.active(), Some(0));
    }

    #[test]
    fn the_longest_is_told_with_who_took_it() {
        let mut leaks = Leaks::default();
        leaks.suspected(&record("7", "2", "a.rs:1"), 10_000, 100);
        leaks.suspected(&record("7", "5", "b.rs:2"), 10_100, 100);
        let longest = leaks.longest(15_100).unwrap();
        assert_eq!((longest.held_s, longest.origin), (10.0, Some("b.rs:2")));
        // Two of one connection: the one that began at that time comes back.
        leaks.returned(&record("7", "10.1", "b.rs:2"), 15_200);
        assert_eq!(leaks.longest(15_200).unwrap().origin, Some("a.rs:1"));
    }

    #[test]
    fn a_lost_event_and_a_flood_leave_nothing_behind() {
        let mut leaks = Leaks::default();
        for at_ms in 0..1_000 {
            leaks.suspected(&record("7", "2", ""), at_ms, 100);
        }
        assert_eq!(leaks.known.len(), MAX_KNOWN);
        leaks.report(Some(1.0), 2_000);
        assert_eq!(leaks.known.len(), 1);
        leaks.report(Some(0.0), 3_000);
        assert_eq!(leaks.longest(3_000), None);
        leaks.returned(&record("7", "2", ""), 3_100);
        assert_eq!(leaks.active(), Some(0), "nothing is taken back twice");
    }
}
