//! Registries of the same name on several instances, as one. Pure.

use std::collections::BTreeMap;

use poolscope_semconv::value::SessionEnd;
use poolscope_wire::{Count, SessionPoint, Sessions, Severity};

use crate::{
    format,
    state::store::{SessionEntry, Store},
};

/// Points of instances are put together by so much time.
const STEP_MS: u64 = 2_000;
/// An instance that reports more rarely than this has no point for the time between.
const MAX_STEPS: u64 = 10;

/// How it is while it is silent.
pub const NOT_KNOWN: &str = "not known since its last report";

/// A kind of sessions of a service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kind {
    /// Service that has them.
    pub service: String,
    /// Name of the registries.
    pub name: String,
    /// The worst of those that report.
    pub severity: Severity,
    /// Its condition, in words.
    pub sentence: String,
    /// Sessions that are there.
    pub active: u32,
    /// Sessions that should not be there any more.
    pub overdue: u32,
    /// Most that may be; `None` if one has no limit.
    pub limit: Option<u64>,
    /// How long the oldest has been there.
    pub oldest_age_s: Option<f32>,
    /// Sessions that began.
    pub started: Count,
    /// Sessions that could not begin.
    pub refused: Count,
    /// The median life of the instance whose sessions live longest.
    pub life_p50_s: Option<f32>,
    /// Handlers that were cut, since they did not end with their session.
    pub handlers_cut: u64,
    /// Sweeps that came too late.
    pub late_sweeps: u64,
    /// Messages that came.
    pub received: Count,
    /// Messages that were sent.
    pub sent: Count,
    /// Errors of the transport.
    pub errors: Count,
    /// Pings that were not answered in time.
    pub missed_pings: Count,
    /// How they ended, those that were not completed first.
    pub ends: Vec<(String, Count)>,
    /// The last two minutes.
    pub points: Vec<SessionPoint>,
    /// One for each instance.
    pub instances: Vec<Sessions>,
}

impl Kind {
    /// What it is known by.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}\u{1f}{}", self.service, self.name)
    }

    /// True if none of them reports any more.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.instances.iter().all(|one| one.stale)
    }

    /// When the last of them reported, if none does any more.
    #[must_use]
    pub fn silent_since(&self) -> Option<u64> {
        self.instances.iter().map(|one| one.last_seen_ms).max().filter(|_| self.is_silent())
    }

    /// A count of now; while nobody reports it is not known.
    #[must_use]
    pub fn count(&self, count: u64) -> String {
        if self.is_silent() { format::UNKNOWN.to_owned() } else { format::count(count) }
    }

    /// True if its messages are counted.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        self.received.total > 0 || self.sent.total > 0
    }

    /// How many are there, of how many that may be.
    #[must_use]
    pub fn there(&self) -> String {
        if self.is_silent() {
            return self.count(0);
        }
        let active = format::count(u64::from(self.active));
        self.limit.map_or_else(|| active.clone(), |limit| format!("{active} of {}", format::count(limit)))
    }

    /// Sessions of the last minute in which nothing happened for too long.
    #[must_use]
    pub fn silent(&self) -> u64 {
        let silent = self.ends.iter().filter(|(reason, _)| reason == SessionEnd::IdleTimeout.as_str());
        silent.map(|(_, count)| count.minute).sum()
    }
}

/// The kinds of a service (empty for all), worst first, then by name.
#[must_use]
pub fn kinds(store: &Store, service: &str) -> Vec<Kind> {
    let mut registries: BTreeMap<(&str, &str), Vec<&SessionEntry>> = BTreeMap::new();
    for entry in store.sessions.values() {
        let one = &entry.summary;
        if service.is_empty() || one.service == service {
            registries.entry((&one.service, &one.name)).or_default().push(entry);
        }
    }
    let mut kinds: Vec<Kind> = registries
        .into_iter()
        .map(|((service, name), entries)| {
            let (service, name) = (service.to_owned(), name.to_owned());
            // Limits add up from none at all; one that has none makes it none again.
            let mut kind = Kind { service, name, limit: Some(0), ..Kind::default() };
            entries.iter().for_each(|entry| add(&mut kind, &entry.summary));
            kind.points = merge(entries.iter().map(|entry| entry.points.iter()));
            kind.ends.sort_by_key(|(reason, count)| {
                (reason == SessionEnd::Completed.as_str(), std::cmp::Reverse((count.minute, count.total)))
            });
            kind.instances.sort_by(|a, b| {
                let key = |one: &Sessions| (one.stale, std::cmp::Reverse(one.health.severity));
                key(a).cmp(&key(b)).then_with(|| a.instance.cmp(&b.instance))
            });
            kind.sentence = sentence(&kind);
            if kind.is_silent() {
                kind.limit = None;
            }
            kind
        })
        .collect();
    kinds.sort_by(|a, b| {
        (std::cmp::Reverse(a.severity), &a.service, &a.name).cmp(&(
            std::cmp::Reverse(b.severity),
            &b.service,
            &b.name,
        ))
    });
    kinds
}

/// How many sessions are there and overdue, and of how many kinds that is not known.
#[must_use]
pub fn summary(kinds: &[Kind]) -> String {
    let silent = kinds.iter().filter(|kind| kind.is_silent()).count();
    let sum = |read: fn(&Kind) -> u32| kinds.iter().map(|kind| u64::from(read(kind))).sum::<u64>();
    let there = (silent < kinds.len())
        .then(|| format::counted(sum(|kind| kind.active), "session is there", "sessions are there"));
    let overdue = Some(sum(|kind| kind.overdue)).filter(|overdue| *overdue > 0);
    let overdue = overdue.map(|overdue| format!("{} overdue", format::count(overdue)));
    let not_known = (silent > 0).then(|| {
        let of = format::counted(silent as u64, "kind", "kinds");
        format!("of {of} it is {NOT_KNOWN}")
    });
    [there, overdue, not_known].into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
}

/// Adds an instance. What has vanished is not there, though what it counted was counted.
fn add(kind: &mut Kind, one: &Sessions) {
    let both = |a: Count, b: Count| Count { minute: a.minute + b.minute, total: a.total + b.total };
    let counted = |count: Count| Count { minute: if one.stale { 0 } else { count.minute }, ..count };
    kind.started = both(kind.started, counted(one.started));
    kind.refused = both(kind.refused, counted(one.refused));
    kind.handlers_cut += one.handlers_cut.total;
    kind.late_sweeps += one.late_sweeps.total;
    kind.received = both(kind.received, counted(one.received));
    kind.sent = both(kind.sent, counted(one.sent));
    kind.errors = both(kind.errors, counted(one.errors));
    kind.missed_pings = both(kind.missed_pings, counted(one.missed_pings));
    for (reason, count) in &one.ends {
        match kind.ends.iter_mut().find(|(known, _)| known == reason) {
            Some((_, sum)) => *sum = both(*sum, counted(*count)),
            None => kind.ends.push((reason.clone(), counted(*count))),
        }
    }
    if !one.stale {
        kind.severity = kind.severity.max(one.health.severity);
        kind.active += one.now.active;
        kind.overdue += one.now.overdue;
        kind.limit = kind.limit.zip(one.limit).map(|(a, b)| a + b);
        kind.oldest_age_s = max(kind.oldest_age_s, one.oldest_age_s);
        kind.life_p50_s = max(kind.life_p50_s, one.life_s.map(|life| life.p50));
    }
    kind.instances.push(one.clone());
}

fn max(a: Option<f32>, b: Option<f32>) -> Option<f32> {
    a.into_iter().chain(b).reduce(f32::max)
}

/// The sentence of the worst of those that report.
fn sentence(kind: &Kind) -> String {
    let current: Vec<_> = kind.instances.iter().filter(|one| !one.stale).collect();
    let having = current.iter().filter(|one| one.health.severity == kind.severity);
    match (current.len(), having.count()) {
        (0, _) => NOT_KNOWN.to_owned(),
        (1, _) => current[0].health.sentence.clone(),
        (all, _) if kind.severity == Severity::Ok => format!("fine on all {all} instances"),
        (all, having) => {
            let worst = current.iter().find(|one| one.health.severity == kind.severity);
            let told = worst.map_or("", |one| &one.health.sentence);
            format!("{having} of {all} instances: {told}")
        }
    }
}

/// In each step of time the sum of the newest that each had told by then.
fn merge<'a>(all: impl Iterator<Item = impl Iterator<Item = &'a SessionPoint>>) -> Vec<SessionPoint> {
    let mut steps: BTreeMap<u64, SessionPoint> = BTreeMap::new();
    for points in all {
        let points: Vec<_> = points.collect();
        for (index, point) in points.iter().enumerate() {
            let step = point.at_ms / STEP_MS;
            let next = points.get(index + 1).map_or(step + 1, |next| next.at_ms / STEP_MS);
            for held in step..next.min(step + MAX_STEPS) {
                let sum = steps.entry(held).or_default();
                sum.at_ms = (held + 1) * STEP_MS;
                sum.active = sum.active.saturating_add(point.active);
                sum.overdue = sum.overdue.saturating_add(point.overdue);
                sum.started_per_s += point.started_per_s;
                sum.ended_per_s += point.ended_per_s;
            }
        }
    }
    steps.into_values().collect()
}

/// True for ends that somebody should look at when there are many.
#[must_use]
pub fn is_trouble(reason: &str) -> bool {
    matches!(
        SessionEnd::parse(reason),
        Some(
            SessionEnd::Error
                | SessionEnd::IdleTimeout
                | SessionEnd::Unresponsive
                | SessionEnd::Evicted
                | SessionEnd::Panicked
        )
    )
}

/// Why sessions ended, in words.
#[must_use]
pub fn end_reason(reason: &str) -> String {
    let words = match SessionEnd::parse(reason) {
        Some(SessionEnd::Completed) => "completed",
        Some(SessionEnd::Error) => "by an error",
        Some(SessionEnd::IdleTimeout) => "silent for too long",
        Some(SessionEnd::MaxDuration) => "as old as it may get",
        Some(SessionEnd::Unresponsive) => "other end does not answer",
        Some(SessionEnd::Evicted) => "room was needed",
        Some(SessionEnd::Shutdown) => "by shutdown",
        Some(SessionEnd::Dropped) => "dropped before it was done",
        Some(SessionEnd::Panicked) => "its task panicked",
        None => return reason.replace('_', " "),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Full, Health};

    use super::*;

    fn sessions(id: &str, name: &str, active: u32, stale: bool) -> Sessions {
        let count = |minute| Count { minute, total: 10 };
        Sessions {
            id: id.to_owned(),
            service: "shop".to_owned(),
            instance: id.to_owned(),
            name: name.to_owned(),
            now: SessionPoint { at_ms: 4_000, active, ..SessionPoint::default() },
            limit: Some(100),
            started: count(4),
            ends: vec![("completed".to_owned(), count(3)), ("idle_timeout".to_owned(), count(1))],
            oldest_age_s: Some(active as f32),
            stale,
            ..Sessions::default()
        }
    }

    fn of(sessions: Vec<Sessions>) -> Vec<Kind> {
        let mut store = Store::default();
        store.apply_full(Full { sessions, ..Full::default() });
        kinds(&store, "")
    }

    #[test]
    fn instances_add_up_and_what_vanished_is_not_there() {
        let all = of(vec![
            sessions("a", "chat", 3, false),
            sessions("b", "chat", 4, false),
            sessions("c", "chat", 9, true),
        ]);
        assert_eq!(all.len(), 1);
        let kind = &all[0];
        assert_eq!((kind.active, kind.limit, kind.oldest_age_s), (7, Some(200), Some(4.0)));
        assert_eq!(kind.started, Count { minute: 8, total: 30 });
        assert_eq!((kind.silent(), kind.ends[0].0.as_str()), (2, "idle_timeout"), "completed goes last");
        assert_eq!((kind.there().as_str(), kind.sentence.as_str()), ("7 of 200", "fine on all 2 instances"));
        assert_eq!(kind.instances.last().map(|one| one.id.as_str()), Some("c"));
    }

    #[test]
    fn what_is_silent_is_not_known_and_not_none() {
        let all = of(vec![sessions("a", "chat", 3, true), sessions("b", "visit", 4, false)]);
        let [silent, visit] = &all[..] else { panic!("{all:?}") };
        assert_eq!(
            (silent.there(), silent.count(0)),
            (format::UNKNOWN.to_owned(), format::UNKNOWN.to_owned())
        );
        assert_eq!(silent.sentence, "not known since its last report");
        assert_eq!((visit.there().as_str(), visit.count(0).as_str()), ("4 of 100", "0"));
        let of_one = "of 1 kind it is not known since its last report";
        assert_eq!(summary(&all), format!("4 sessions are there \u{b7} {of_one}"));
        assert_eq!(summary(&all[..1]), of_one);
        assert_eq!(summary(&all[1..]), "4 sessions are there");
    }

    #[test]
    fn a_limit_is_known_only_if_all_have_one() {
        let unlimited = Sessions { limit: None, ..sessions("b", "chat", 1, false) };
        assert_eq!(of(vec![sessions("a", "chat", 1, false), unlimited])[0].limit, None);
    }

    #[test]
    fn the_worst_kind_comes_first_with_its_sentence() {
        let health = Health { severity: Severity::Warn, sentence: "1 session hangs".to_owned(), since_ms: 1 };
        let ill = Sessions { health, ..sessions("b", "visit", 1, false) };
        let all = of(vec![sessions("a", "chat", 1, false), ill, sessions("c", "visit", 1, false)]);
        assert_eq!(all.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(), ["visit", "chat"]);
        assert_eq!(all[0].sentence, "1 of 2 instances: 1 session hangs");
    }

    #[test]
    fn ends_have_words() {
        assert_eq!(end_reason("idle_timeout"), "silent for too long");
        assert_eq!(end_reason("of_somebody_else"), "of somebody else");
        assert!(is_trouble("error") && !is_trouble("completed"));
    }
}
