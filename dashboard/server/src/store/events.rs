//! The newest events, a bounded number.
//!
//! Routine, such as connections that close after use, can come a thousand times for each change of a breaker. It has a
//! ring of its own, so that it never pushes out what somebody needs to see. That is spread over breakers and pools, so
//! that one that changes all the time pushes out neither what happened to others nor its own past.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use poolscope_semconv::PREFIX;
use poolscope_semconv::event::LEAK_RETURNED;
use poolscope_wire::{Event, Severity};

use super::Store;
use super::event_text::describe;
use super::id::Id;
use crate::model::{EventRecord, Sender};
use crate::spread::{Entry, Order, Owner, Scarce, Spread};
use crate::words::{contains, cut_name, cut_text};

/// Which events are wanted; `None` wants all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EventFilter<'a> {
    pub(crate) kind: Option<&'a str>,
    pub(crate) service: Option<&'a str>,
    /// Ids of pools, in order.
    pub(crate) pools: Option<&'a [String]>,
    pub(crate) breaker: Option<&'a str>,
    pub(crate) from_ms: Option<u64>,
    pub(crate) to_ms: Option<u64>,
    /// At least so bad.
    pub(crate) severity: Severity,
    /// No routine.
    pub(crate) notable: bool,
    /// In any of its words, and those of its kind; an empty one is in all.
    pub(crate) text: &'a str,
}

/// True for what pools do all day, such as closing connections after use. The end of a leak belongs to its beginning.
pub(crate) fn is_routine(event: &Event) -> bool {
    event.severity == Severity::Ok && event.breaker.is_none() && event.kind != LEAK_RETURNED
}

/// Whose room an event takes: that of its breaker or pool, else of its instance.
fn kept_for(event: &Event) -> Owner {
    let place = event.breaker.as_deref().or(event.pool.as_deref()).and_then(Id::parse);
    let sender = Sender { service: &event.service, instance: &event.instance, ..Sender::default() };
    Some(place.unwrap_or_else(|| Id::instance(sender)))
}

impl EventFilter<'_> {
    fn wants(&self, event: &Event) -> bool {
        event.severity >= self.severity
            && self.kind.is_none_or(|kind| event.kind == kind)
            && self.service.is_none_or(|service| event.service == service)
            && self
                .pools
                .is_none_or(|pools| event.pool.as_ref().is_some_and(|pool| pools.binary_search(pool).is_ok()))
            && self.breaker.is_none_or(|breaker| event.breaker.as_deref() == Some(breaker))
            && self.from_ms.is_none_or(|from_ms| event.at_ms >= from_ms)
            && self.to_ms.is_none_or(|to_ms| event.at_ms <= to_ms)
            && !(self.notable && is_routine(event))
            && (self.text.is_empty() || self.has_text(event))
    }

    fn has_text(&self, event: &Event) -> bool {
        let texts = [&event.text, &event.service, &event.instance].into_iter();
        texts
            .chain(&event.breaker)
            .chain(&event.trace_id)
            .chain(event.attributes.iter().map(|(_, value)| value))
            .any(|text| contains(text, self.text))
            || is_of_kind(&event.kind, self.text)
    }
}

/// A kind is found as it is written and as the page shows it: in words, and without the prefix of ours. Like every text
/// that is searched, it is not copied for that.
fn is_of_kind(kind: &str, wanted: &str) -> bool {
    let bare = |text| str::strip_prefix(text, PREFIX).unwrap_or(text).as_bytes();
    let in_words = |byte: &u8| if matches!(byte, b'.' | b'_') { b' ' } else { byte.to_ascii_lowercase() };
    let (kind, wanted) = (bare(kind), bare(wanted));
    kind.windows(wanted.len().max(1)).any(|part| part.iter().map(in_words).eq(wanted.iter().map(in_words)))
}

/// See the module.
#[derive(Debug)]
pub(super) struct Events {
    routine: VecDeque<Event>,
    /// By id.
    notable: BTreeMap<u64, Event>,
    /// The ids of the notable ones.
    spread: Spread<u64>,
    /// Most events of routine, and most that are notable.
    max: usize,
    next_id: u64,
    dropped: u64,
    /// Texts that were cut.
    pub(super) cuts: u64,
    pub(super) dropped_attributes: u64,
    /// First event that the live stream has not told.
    unpublished: u64,
    /// First event that the file does not have; `None` while there is no file.
    unsaved: Option<u64>,
    /// Events that the file has and that are gone.
    gone: Vec<u64>,
}

impl Events {
    pub(super) fn new(max: usize) -> Self {
        Self {
            routine: VecDeque::new(),
            notable: BTreeMap::new(),
            spread: Spread::new(Order::Thinned),
            max: max.div_ceil(2),
            next_id: 1,
            dropped: 0,
            cuts: 0,
            dropped_attributes: 0,
            unpublished: 1,
            unsaved: None,
            gone: Vec::new(),
        }
    }

    /// Keeps an event of a time, belonging to a pool and a breaker, and tells how bad it is.
    pub(super) fn push(
        &mut self,
        record: &EventRecord<'_>,
        at_ms: u64,
        pool: Option<Id>,
        breaker: Option<Id>,
        max_text: usize,
    ) -> Severity {
        self.dropped_attributes += record.dropped_attributes as u64;
        let cuts = &mut self.cuts;
        let mut text = |text: &str| {
            *cuts += u64::from(text.len() > max_text);
            cut_text(text, max_text).into_string()
        };
        // As its pools have it.
        let sender = |text: &str| cut_name(text, max_text).into();
        let (severity, sentence) = describe(record);
        let event = Event {
            id: self.next_id,
            at_ms,
            kind: text(record.name),
            severity,
            service: sender(record.sender.service),
            instance: sender(record.sender.instance),
            pool: pool.map(|id| id.to_string()),
            breaker: breaker.map(|id| id.to_string()),
            text: text(&sentence),
            attributes: record.attributes.iter().map(|(key, value)| (text(key), text(value))).collect(),
            trace_id: hex(record.trace_id),
        };
        self.next_id += 1;
        self.keep(event);
        severity
    }

    fn keep(&mut self, event: Event) {
        if is_routine(&event) {
            self.routine.push_back(event);
        } else {
            let entry = Entry { at_ms: event.at_ms, bytes: 0, value: event.id };
            self.spread.push(kept_for(&event), event.id, entry);
            self.notable.insert(event.id, event);
        }
        let mut gone = None;
        if self.routine.len() > self.max {
            gone = self.routine.pop_front().map(|event| event.id);
        } else if self.notable.len() > self.max {
            gone = self.spread.next_to_go(Scarce::Places);
            gone.into_iter().for_each(|id| self.forget_notable(id));
        }
        if let Some(gone) = gone {
            self.dropped += 1;
            self.gone.extend(self.unsaved.is_some().then_some(gone));
        }
    }

    fn forget_notable(&mut self, id: u64) {
        if let Some(event) = self.notable.remove(&id) {
            self.spread.remove(kept_for(&event), id);
        }
    }

    /// Takes back an event that a file kept; they come in the order of their ids.
    pub(super) fn restore(&mut self, event: Event) {
        self.next_id = self.next_id.max(event.id.saturating_add(1));
        self.unpublished = self.next_id;
        self.keep(event);
    }

    /// Begins to note what changes for a file, or ends it.
    pub(super) fn want(&mut self, is_wanted: bool) {
        self.unsaved = is_wanted.then_some(self.next_id);
        self.gone.clear();
    }

    /// What has changed for the file: events that are new, and those that are gone.
    pub(super) fn take_unsaved(&mut self) -> Vec<(u64, Option<Vec<u8>>)> {
        let Some(first) = self.unsaved.replace(self.next_id) else { return Vec::new() };
        let gone = std::mem::take(&mut self.gone).into_iter().map(|id| (id, None));
        let new = self.newest(EventFilter::default()).take_while(|event| event.id >= first);
        gone.chain(new.map(|event| (event.id, serde_json::to_vec(event).ok()))).collect()
    }

    /// Newest first.
    pub(super) fn newest<'a>(&'a self, filter: EventFilter<'a>) -> impl Iterator<Item = &'a Event> {
        let (mut routine, mut notable) =
            (self.routine.iter().rev().peekable(), self.notable.values().rev().peekable());
        let merged = std::iter::from_fn(move || match (routine.peek(), notable.peek()) {
            (Some(one), Some(other)) if one.id < other.id => notable.next(),
            (Some(_), _) => routine.next(),
            (None, _) => notable.next(),
        });
        merged.filter(move |event| filter.wants(event))
    }

    /// The newest for who has none yet, newest first: half of them are notable, if there are as many, however much routine
    /// came since.
    pub(super) fn picture(&self, max: usize) -> Vec<Event> {
        let notable = self.notable.len().min(max / 2).max(max.saturating_sub(self.routine.len()));
        let routine = max.saturating_sub(notable.min(self.notable.len()));
        let notable = self.notable.values().rev().take(notable);
        let mut all: Vec<Event> = notable.chain(self.routine.iter().rev().take(routine)).cloned().collect();
        all.sort_by_key(|event| std::cmp::Reverse(event.id));
        all
    }

    /// Events that the live stream has not told, oldest first; they count as told from now.
    pub(super) fn take_unpublished(&mut self) -> Vec<Event> {
        let first = std::mem::replace(&mut self.unpublished, self.next_id);
        let mut new: Vec<_> =
            self.newest(EventFilter::default()).take_while(|event| event.id >= first).cloned().collect();
        new.reverse();
        new
    }

    /// Whether there are events that the live stream has not told.
    pub(super) fn has_unpublished(&self) -> bool {
        self.unpublished < self.next_id
    }

    /// Counts all events as told.
    pub(super) fn forget_unpublished(&mut self) {
        self.unpublished = self.next_id;
    }

    /// Forgets what happened before a moment.
    pub(super) fn forget(&mut self, oldest_ms: u64) {
        let mut gone = self.spread.older_than(oldest_ms);
        gone.iter().for_each(|id| self.forget_notable(*id));
        while self.routine.front().is_some_and(|event| event.at_ms < oldest_ms) {
            gone.extend(self.routine.pop_front().map(|event| event.id));
        }
        if self.unsaved.is_some() {
            self.gone.append(&mut gone);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.routine.len() + self.notable.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Store {
    /// True if an event of a kind is here.
    pub(crate) fn has_event_of(&self, kind: &str) -> bool {
        self.events.newest(EventFilter { kind: Some(kind), ..EventFilter::default() }).next().is_some()
    }
}

/// A trace id in hexadecimal; `None` if there is none.
pub(super) fn hex(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|byte| *byte != 0).then(|| {
        bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(all: &[(&str, Severity)]) -> Events {
        let mut events = Events::new(1_000);
        for (id, (kind, severity)) in (1..).zip(all) {
            let (kind, severity) = ((*kind).to_owned(), *severity);
            events.restore(Event { id, kind, severity, text: format!("Number {id}"), ..Event::default() });
        }
        events
    }

    fn ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<u64> {
        events.into_iter().map(|event| event.id).collect()
    }

    #[test]
    fn a_new_picture_has_what_matters_however_much_routine_came_since() {
        let all = [[("open", Severity::Bad); 3].as_slice(), &[("close", Severity::Ok); 20]].concat();
        assert_eq!(ids(&events(&all).picture(10)), [23, 22, 21, 20, 19, 18, 17, 3, 2, 1]);
        assert_eq!(ids(&events(&all[..5]).picture(10)), [5, 4, 3, 2, 1]);
        assert_eq!(ids(&events(&[("open", Severity::Bad); 20]).picture(4)), [20, 19, 18, 17], "no routine");
        let all = [[("open", Severity::Bad); 20].as_slice(), &[("close", Severity::Ok); 20]].concat();
        assert_eq!(ids(&events(&all).picture(4)), [40, 39, 20, 19]);
    }

    #[test]
    fn a_breaker_that_flips_all_the_time_pushes_out_neither_others_events_nor_its_own_past() {
        const MINUTE: u64 = 60_000;
        let mut events = Events::new(400);
        events.want(true);
        let mut id = 0;
        let mut keep = |events: &mut Events, breaker: &str, at_ms: u64| {
            id += 1;
            let breaker = Some(Id::breaker(Sender::default(), breaker).to_string());
            events.restore(Event { id, at_ms, breaker, severity: Severity::Bad, ..Event::default() });
        };
        keep(&mut events, "quiet", 0);
        (0..30 * MINUTE).step_by(500).for_each(|at_ms| keep(&mut events, "noisy", at_ms));
        let noisy = Id::breaker(Sender::default(), "noisy").to_string();
        let found = |filter: EventFilter<'_>| ids(events.newest(filter));
        assert!(found(EventFilter::default()).contains(&1), "what happened to the other breaker is here");
        for minutes in [0, 5, 10, 20] {
            let (from_ms, to_ms) = (Some(minutes * MINUTE), Some((minutes + 5) * MINUTE));
            let filter = EventFilter { breaker: Some(&noisy), from_ms, to_ms, ..EventFilter::default() };
            assert!(found(filter).len() > 3, "from minute {minutes} on");
        }
        let newest: Vec<u64> = (3_502..=3_601).rev().collect();
        assert_eq!(found(EventFilter::default())[..100], newest, "the newest are all here");
        assert_eq!((events.len(), events.dropped()), (200, 3_401));
        assert_eq!(events.gone.len(), 3_401, "and the others leave the file");
        events.forget(u64::MAX);
        assert_eq!((events.len(), events.spread.len(), events.gone.len()), (0, 0, 3_601));
    }

    #[test]
    fn events_are_found_by_severity_routine_and_words() {
        let events = events(&[("a", Severity::Bad), ("b", Severity::Ok), ("c", Severity::Warn)]);
        let found = |filter: EventFilter<'_>| ids(events.newest(filter));
        assert_eq!(found(EventFilter { severity: Severity::Warn, ..EventFilter::default() }), [3, 1]);
        assert_eq!(found(EventFilter { notable: true, ..EventFilter::default() }), [3, 1]);
        assert_eq!(found(EventFilter { text: "NUMBER 2", ..EventFilter::default() }), [2]);
        assert_eq!(found(EventFilter { service: Some("other"), ..EventFilter::default() }), [0; 0]);
    }
}
