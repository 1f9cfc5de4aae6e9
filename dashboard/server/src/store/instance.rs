//! An instance of a service that sends: who it is, how it reports, and what it lost.

use std::collections::BTreeMap;

use super::capped::Seen;
use super::id::Id;
use super::kept::SavedInstance;
use super::minute::Minute;
use super::rhythm::Rhythm;
use super::series::Cumulative;
use super::unsaved::Unsaved;
use crate::model::{DroppedReading, Sender};
use crate::rules::{Condition, InstanceFacts, Levels, instance_findings};
use crate::words::cut_name;

/// Signals of which losses are counted: there are three.
const MAX_SIGNALS: usize = 8;
/// Longest name of a signal.
const MAX_SIGNAL_BYTES: usize = 16;

/// What was lost of one signal.
#[derive(Debug)]
struct Lost {
    series: u64,
    all: Cumulative,
    minute: Minute<u64>,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: Id,
    pub(super) service: Box<str>,
    pub(super) instance: Box<str>,
    pub(super) language: Box<str>,
    pub(super) version: Box<str>,
    pub(super) first_seen_ms: u64,
    pub(super) last_seen_ms: u64,
    pub(super) events: u64,
    pub(super) spans: u64,
    /// Of its metrics, which alone come in a rhythm.
    rhythm: Rhythm,
    reports: u64,
    pub(super) clock_offset_ms: Option<i64>,
    lost: BTreeMap<Box<str>, Lost>,
    /// How often it reported and what it had lost before a restart of the server.
    before: Option<(u64, Vec<(String, u64)>)>,
    pub(super) unsaved: Unsaved,
    pub(super) vanished: bool,
    pub(super) condition: Condition,
}

impl Instance {
    pub(super) fn new(sender: Sender<'_>, max_text: usize, now_ms: u64) -> Self {
        let text = |text| cut_name(text, max_text);
        Self {
            id: Id::instance(sender),
            service: text(sender.service),
            instance: text(sender.instance),
            language: text(sender.language),
            version: text(sender.version),
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
            events: 0,
            spans: 0,
            rhythm: Rhythm::default(),
            reports: 0,
            clock_offset_ms: None,
            lost: BTreeMap::new(),
            before: None,
            unsaved: Unsaved::default(),
            vanished: false,
            condition: Condition::new(now_ms),
        }
    }

    /// It was heard.
    pub(super) fn hear(&mut self, now_ms: u64) {
        self.last_seen_ms = now_ms;
        self.unsaved.change();
    }

    /// It reported metrics that it dated so.
    pub(super) fn report(&mut self, dated_ms: Option<u64>, now_ms: u64) {
        self.rhythm.beat(now_ms);
        self.reports += 1;
        if let Some(dated) = dated_ms {
            self.clock_offset_ms = Some(dated.cast_signed().saturating_sub(now_ms.cast_signed()));
        }
    }

    /// It told how much of a signal it lost.
    pub(super) fn lose(&mut self, dropped: &DroppedReading<'_>, at_ms: u64) {
        let signal = cut_name(dropped.signal, MAX_SIGNAL_BYTES);
        if self.lost.len() >= MAX_SIGNALS && !self.lost.contains_key(&signal) {
            return;
        }
        let reading = &dropped.reading;
        let known = self.reports > 1;
        let mut first = None;
        let lost = self.lost.entry(signal).or_insert_with(|| {
            let (all, added) = Cumulative::first(reading, known);
            first = Some(added);
            Lost { series: reading.series, all, minute: Minute::default() }
        });
        let added = match first {
            Some(added) => added,
            // The same signal of another scope is a series of its own, of which the first is enough.
            None if lost.series != reading.series => return,
            None => lost.all.advance(reading),
        };
        let part = lost.minute.at(at_ms);
        *part = part.saturating_add(added.map_or(0, |added| added.count()));
    }

    /// Looks at the time; true if something changed that is to be told.
    pub(super) fn tick(&mut self, levels: &Levels, now_ms: u64) -> bool {
        let vanished = self.rhythm.is_overdue(now_ms);
        let changed = vanished != self.vanished;
        self.vanished = vanished;
        let dropped = self.lost.iter_mut().map(|(signal, lost)| {
            let minute = lost.minute.until(now_ms).fold(0, |sum: u64, part| sum.saturating_add(*part));
            (signal.to_string(), minute)
        });
        let facts = InstanceFacts {
            vanished,
            interval_s: self.rhythm.interval_ms() as f64 / 1e3,
            dropped: dropped.collect(),
        };
        self.condition.update(&instance_findings(&facts, levels), String::new, now_ms);
        changed
    }

    /// How often it reports; `None` until that is known.
    pub(super) fn interval_ms(&self) -> Option<u64> {
        let before_ms = self.before.as_ref().map(|(interval_ms, _)| *interval_ms);
        self.rhythm.known_interval_ms().filter(|_| self.reports > 1).or(before_ms)
    }

    /// What it lost since it is known, by signal.
    pub(super) fn dropped(&self) -> Vec<(String, u64)> {
        let lost = self.lost.iter().map(|(signal, lost)| (signal.to_string(), lost.all.total()));
        let mut lost: Vec<_> = lost.filter(|(_, count)| *count > 0).collect();
        // What it tells again has all that was before.
        for (signal, count) in self.before.iter().flat_map(|(_, lost)| lost) {
            if !self.lost.contains_key(&**signal) {
                lost.push((signal.clone(), *count));
            }
        }
        lost
    }

    /// What a file keeps of it.
    pub(super) fn saved(&self) -> SavedInstance {
        SavedInstance {
            service: self.service.to_string(),
            instance: self.instance.to_string(),
            language: self.language.to_string(),
            version: self.version.to_string(),
            first_seen_ms: self.first_seen_ms,
            last_seen_ms: self.last_seen_ms,
            events: self.events,
            spans: self.spans,
            interval_ms: self.interval_ms(),
            dropped: self.dropped(),
        }
    }

    /// Takes back what a file kept.
    pub(super) fn restore(&mut self, saved: &SavedInstance) {
        self.last_seen_ms = saved.last_seen_ms;
        (self.events, self.spans) = (saved.events, saved.spans);
        if let Some(interval_ms) = saved.interval_ms {
            self.rhythm = Rhythm::restored(interval_ms, saved.last_seen_ms);
            self.before = Some((interval_ms, saved.dropped.iter().take(MAX_SIGNALS).cloned().collect()));
        }
    }
}

impl Seen for Instance {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }
}
