//! Which events and breakers are shown, and the counts of the headline. Pure.

use std::cmp::Reverse;

use poolscope_wire::{Breaker, BreakerState, Event, NO_ID, Protection, Severity, Subject, Warning};

use super::store::{Store, is_routine};
use crate::{
    compact::{lower_case, sort_by},
    time::range::Span,
    words,
};

/// Which events are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Events of this service; empty for all.
    pub service: String,
    /// Events of this pool, or of the pools of this group, by id; empty for all.
    pub pool: String,
    /// Of a group, ids of its pools, in order.
    pub members: Vec<String>,
    /// Events of this time; `None` for all.
    pub within: Option<Span>,
    /// Events of this kind; empty for all.
    pub kind: String,
    /// Events that are at least this bad.
    pub severity: Severity,
    /// Routine as well; without it, routine is shown only where its kind is asked for.
    pub routine: bool,
    /// Events that have this text in any of their words.
    pub text: String,
}

impl EventFilter {
    /// True if an event is shown.
    #[must_use]
    pub fn passes(&self, event: &Event) -> bool {
        (self.service.is_empty() || event.service == self.service)
            && (self.pool.is_empty() || event.pool.as_ref().is_some_and(|pool| self.is_of(pool)))
            && self.within.is_none_or(|span| span.contains(event.at_ms))
            && (self.kind.is_empty() || event.kind == self.kind)
            && event.severity >= self.severity
            && (self.routine || !self.kind.is_empty() || !is_routine(event))
            && (self.text.is_empty() || self.has_text(event))
    }

    fn is_of(&self, pool: &String) -> bool {
        *pool == self.pool || self.members.binary_search(pool).is_ok()
    }

    fn has_text(&self, event: &Event) -> bool {
        let wanted = lower_case(&self.text);
        // A kind is found as the server finds it: as it is shown, and as it is written, with or without the prefix of ours.
        let [kind, of_kind] = [&event.kind, &self.text].map(|text| lower_case(&words::event_kind(text)));
        [
            Some(&event.text),
            Some(&event.service),
            Some(&event.instance),
            event.breaker.as_ref(),
            event.trace_id.as_ref(),
        ]
        .into_iter()
        .flatten()
        .chain(event.attributes.iter().map(|(_, value)| value))
        .any(|text| lower_case(text).contains(&wanted))
            || (!of_kind.is_empty() && kind.contains(&of_kind))
    }
}

/// Which breakers are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BreakerFilter {
    /// Breakers that have every word of this text somewhere.
    pub text: String,
    /// Breakers that are so: `open`, `half_open`, `passing` or `silent`; empty for all.
    pub state: String,
}

impl BreakerFilter {
    /// True if a breaker is shown.
    #[must_use]
    pub fn passes(&self, breaker: &Breaker) -> bool {
        (self.state.is_empty() || self.state == condition_of(breaker)) && self.has_words(breaker)
    }

    /// The same of one that is gone, which was in these states in the time that is looked at.
    #[must_use]
    pub fn passed(&self, breaker: &Breaker, states: impl IntoIterator<Item = BreakerState>) -> bool {
        let was_so = match &*self.state {
            "" | SILENT => true,
            asked => states.into_iter().any(|state| condition(state) == asked),
        };
        was_so && self.has_words(breaker)
    }

    fn has_words(&self, breaker: &Breaker) -> bool {
        has_words(&self.text, &[&breaker.name, &breaker.service, &breaker.instance, &breaker.sentence])
    }
}

/// How a breaker is of which nothing comes any more.
const SILENT: &str = "silent";

/// How a breaker is, as a filter calls it.
#[must_use]
pub fn condition_of(breaker: &Breaker) -> &'static str {
    if breaker.stale { SILENT } else { condition(breaker.state) }
}

/// How a breaker is in a state.
fn condition(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Open | BreakerState::ForcedOpen => "open",
        BreakerState::HalfOpen => "half_open",
        BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => "passing",
    }
}

/// True if an instance is the one that is chosen; an empty choice is all of them.
#[must_use]
pub fn is_of_instance(chosen: &str, instance: &str) -> bool {
    chosen.is_empty() || chosen == instance_choice(instance)
}

/// By which word an instance is chosen.
#[must_use]
pub fn instance_choice(instance: &str) -> &str {
    if instance.is_empty() { NO_ID } else { instance }
}

/// True if every word of a text is somewhere in others.
#[must_use]
pub fn has_words(text: &str, texts: &[&str]) -> bool {
    text.split_whitespace()
        .map(lower_case)
        .all(|word| texts.iter().any(|one| lower_case(one).contains(&word)))
}

/// Breakers of a service (empty for all), worst first, then by name.
#[must_use]
pub fn breakers_of<'a>(store: &'a Store, service: &str) -> Vec<&'a Breaker> {
    worst_first(
        store.breakers.values().filter(|breaker| service.is_empty() || breaker.service == service).collect(),
    )
}

/// Breakers, worst first, then by name; those that are silent last.
#[must_use]
pub fn worst_first(mut breakers: Vec<&Breaker>) -> Vec<&Breaker> {
    fn key(one: &Breaker) -> (bool, Reverse<Severity>, &str, &str, &str) {
        let severity = Reverse(words::breaker_severity(one.state));
        (one.stale, severity, &one.name, &one.instance, &one.id)
    }
    sort_by(&mut breakers, |a, b| key(a).cmp(&key(b)));
    breakers
}

/// What else protects the calls of a service (empty for all), or what serves, worst first, then by name.
#[must_use]
pub fn protection_of<'a>(store: &'a Store, service: &str, serves: bool) -> Vec<&'a Protection> {
    let is_of = |one: &&Protection| service.is_empty() || one.service == service;
    let all = store.protection.values().filter(|one| one.figures.serves() == serves);
    let mut all: Vec<&Protection> = all.filter(is_of).collect();
    fn key(one: &Protection) -> (Reverse<Severity>, &str, &str) {
        (Reverse(one.health.severity), &one.name, &one.id)
    }
    sort_by(&mut all, |a, b| key(a).cmp(&key(b)));
    all
}

/// What the headline counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Headline {
    /// Pools that are bad.
    pub bad: u64,
    /// Pools that are worth a look.
    pub warn: u64,
    /// Pools that are fine.
    pub fine: u64,
    /// Pools that are not reported any more: how they are is not known, and nothing of them is counted elsewhere.
    pub vanished: u64,
    /// Breakers that reject calls.
    pub open_breakers: u64,
    /// Breakers that try.
    pub half_open_breakers: u64,
    /// Bad warnings of which nothing above tells: of protection, sessions, a service, its telemetry.
    pub bad_others: u64,
    /// The same of those that are worth a look.
    pub warn_others: u64,
    /// Open connections.
    pub connections: u64,
    /// Waiting requests; `None` if nobody tells.
    pub waiting: Option<u64>,
    /// Requests that ended, per second.
    pub requests_per_s: f64,
    /// Requests that failed, per second.
    pub errors_per_s: f64,
    /// Share of acquires served by an open connection, each pool weighing as many requests as it has.
    pub reuse: Option<f64>,
}

impl Headline {
    /// Counts the pools and breakers of a service; empty for all.
    #[must_use]
    pub fn of(store: &Store, service: &str) -> Self {
        let mut headline = Self::default();
        let (mut reused, mut weight) = (0.0, 0.0);
        let pools = store.pools.values().map(|entry| &entry.summary);
        for pool in pools.filter(|pool| service.is_empty() || pool.service == service) {
            if pool.stale {
                headline.vanished += 1;
                continue;
            }
            match pool.health.severity {
                Severity::Bad => headline.bad += 1,
                Severity::Warn => headline.warn += 1,
                Severity::Ok => headline.fine += 1,
            }
            // What is not told can't be in a sum.
            let open = [pool.now.idle, pool.now.active, pool.now.upgraded];
            headline.connections += open.into_iter().flatten().map(u64::from).sum::<u64>();
            if let Some(pending) = pool.now.pending {
                *headline.waiting.get_or_insert(0) += u64::from(pending);
            }
            let requests_per_s = f64::from(pool.now.requests_per_s.unwrap_or_default());
            headline.requests_per_s += requests_per_s;
            headline.errors_per_s += f64::from(pool.now.errors_per_s.unwrap_or_default());
            if let Some(reuse) = pool.reuse {
                reused += f64::from(reuse) * requests_per_s;
                weight += requests_per_s;
            }
        }
        let breakers = store.breakers.values().filter(|one| service.is_empty() || one.service == service);
        for breaker in breakers.filter(|breaker| !breaker.stale) {
            match breaker.state {
                BreakerState::Open | BreakerState::ForcedOpen => headline.open_breakers += 1,
                BreakerState::HalfOpen => headline.half_open_breakers += 1,
                BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => {}
            }
        }
        headline.reuse = (weight > 0.0).then(|| reused / weight);
        let warnings = store.warnings.values().filter(|one| service.is_empty() || one.service == service);
        for warning in warnings {
            match warning.severity {
                severity if severity <= counted(store, warning) => {}
                Severity::Bad => headline.bad_others += 1,
                Severity::Warn => headline.warn_others += 1,
                Severity::Ok => {}
            }
        }
        headline
    }

    /// How much is bad.
    #[must_use]
    pub fn all_bad(&self) -> u64 {
        self.bad + self.open_breakers + self.bad_others
    }

    fn all_warn(&self) -> u64 {
        self.warn + self.half_open_breakers + self.warn_others
    }

    /// The worst severity, which the title and the icon show.
    #[must_use]
    pub fn worst(&self) -> Severity {
        match (self.all_bad(), self.all_warn()) {
            (0, 0) => Severity::Ok,
            (0, _) => Severity::Warn,
            _ => Severity::Bad,
        }
    }

    /// The title of the page: what is bad goes first, where a narrow tab still shows it.
    #[must_use]
    pub fn title(&self, page: &str) -> String {
        let suffix = if page.is_empty() { "Poolscope".to_owned() } else { format!("{page} - Poolscope") };
        match (self.all_bad(), self.all_warn()) {
            (0, 0) => suffix,
            (0, warn) => format!("({warn}) {suffix}"),
            (bad, _) => format!("({bad}!) {suffix}"),
        }
    }
}

/// As how bad the headline counts already what a warning is about.
fn counted(store: &Store, warning: &Warning) -> Severity {
    let counted = match warning.what {
        Subject::Pool => {
            let entry = store.pools.get(&warning.what_id).filter(|entry| !entry.summary.stale);
            entry.map(|entry| entry.summary.health.severity)
        }
        Subject::Breaker => {
            let breaker = store.breakers.get(&warning.what_id).filter(|breaker| !breaker.stale);
            breaker.map(|breaker| words::breaker_severity(breaker.state))
        }
        Subject::Protection | Subject::Session | Subject::Instance => None,
    };
    counted.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use poolscope_semconv::event::LEAK_SUSPECTED;
    use poolscope_wire::{Full, Health, PoolPoint, PoolSummary};

    use super::*;
    use crate::state::table::Table;

    #[test]
    fn breakers_are_found_by_words_and_by_how_they_are() {
        let breaker = |state, stale| Breaker {
            name: "pay:443".to_owned(),
            service: "Shop".to_owned(),
            state,
            stale,
            ..Breaker::default()
        };
        let passes = |text: &str, state: &str, breaker: &Breaker| {
            BreakerFilter { text: text.to_owned(), state: state.to_owned() }.passes(breaker)
        };
        let open = breaker(BreakerState::ForcedOpen, false);
        assert!(passes("", "", &open) && passes("shop PAY", "open", &open));
        assert!(!passes("shop mail", "", &open) && !passes("", "passing", &open));
        assert!(passes("", "silent", &breaker(BreakerState::Open, true)), "nobody knows how it is");
        assert!(passes("", "passing", &breaker(BreakerState::MetricsOnly, false)));
        let passed = |text: &str, state: &str, states: &[BreakerState]| {
            let filter = BreakerFilter { text: text.to_owned(), state: state.to_owned() };
            filter.passed(&breaker(BreakerState::Closed, true), states.iter().copied())
        };
        let was = [BreakerState::Closed, BreakerState::Open];
        assert!(passed("pay", "open", &was) && passed("", "passing", &was), "it was both");
        assert!(!passed("", "half_open", &was) && !passed("mail", "open", &was));
        assert!(passed("", "silent", &[]) && passed("", "", &[]), "it is silent now");
    }

    #[test]
    fn an_instance_without_an_id_is_chosen_by_a_word() {
        assert!(is_of_instance("", "") && is_of_instance("", "a") && is_of_instance("a", "a"));
        assert!(is_of_instance(NO_ID, "") && !is_of_instance(NO_ID, "a") && !is_of_instance("a", ""));
        assert_eq!([instance_choice(""), instance_choice("a")], [NO_ID, "a"]);
    }

    #[test]
    fn the_title_shows_the_worst_first() {
        assert_eq!(Headline::default().title(""), "Poolscope");
        assert_eq!(Headline { warn: 3, ..Headline::default() }.title("Events"), "(3) Events - Poolscope");
        assert_eq!(
            Headline { bad: 1, open_breakers: 1, warn: 3, ..Headline::default() }.title(""),
            "(2!) Poolscope"
        );
    }

    #[test]
    fn the_headline_weighs_reuse_by_requests_and_knows_no_reuse_without_them() {
        let pool = |id: &str, severity, requests_per_s, reuse| PoolSummary {
            id: id.to_owned(),
            health: Health { severity, ..Health::default() },
            now: PoolPoint {
                requests_per_s: Some(requests_per_s),
                active: Some(2),
                idle: Some(1),
                pending: Some(4),
                ..PoolPoint::default()
            },
            reuse,
            ..PoolSummary::default()
        };
        let mut store = Store::default();
        assert_eq!(Headline::of(&store, "").reuse, None);
        store.apply_full(Full {
            pools: vec![pool("a", Severity::Bad, 30.0, Some(1.0)), pool("b", Severity::Ok, 10.0, Some(0.0))],
            ..Full::default()
        });
        let headline = Headline::of(&store, "");
        assert_eq!((headline.bad, headline.fine, headline.connections, headline.waiting), (1, 1, 6, Some(8)));
        assert_eq!(headline.reuse, Some(0.75));
        assert_eq!(headline.worst(), Severity::Bad);
        assert_eq!(Headline::of(&store, "no such service"), Headline::default());
    }

    #[test]
    fn the_headline_is_as_bad_as_every_warning_and_counts_each_thing_once() {
        let warning = |id: &str, what, what_id: &str, severity| Warning {
            id: id.to_owned(),
            what,
            what_id: what_id.to_owned(),
            name: what_id.to_owned(),
            severity,
            ..Warning::default()
        };
        let health = Health { severity: Severity::Warn, ..Health::default() };
        let mut store = Store::default();
        store.apply_full(Full {
            pools: vec![PoolSummary { id: "p".to_owned(), health, ..PoolSummary::default() }],
            breakers: vec![Breaker { id: "b".to_owned(), state: BreakerState::Open, ..Breaker::default() }],
            warnings: vec![
                warning("1", Subject::Pool, "p", Severity::Warn),
                warning("2", Subject::Breaker, "b", Severity::Bad),
                warning("3", Subject::Instance, "i", Severity::Warn),
                warning("4", Subject::Instance, "i", Severity::Ok),
            ],
            ..Full::default()
        });
        let headline = Headline::of(&store, "");
        assert_eq!((headline.bad_others, headline.warn_others), (0, 1));
        assert_eq!((headline.worst(), headline.all_bad()), (Severity::Bad, 1));
        store.breakers = Table::default();
        assert_eq!(Headline::of(&store, "").title(""), "(1!) Poolscope", "its warning alone tells of it");
        store.warnings = Table::default();
        assert_eq!(Headline::of(&store, "").worst(), Severity::Warn);
    }

    #[test]
    fn who_vanished_is_told_and_not_counted() {
        let pool = |id: &str, stale| PoolSummary {
            id: id.to_owned(),
            health: Health { severity: Severity::Bad, ..Health::default() },
            now: PoolPoint { requests_per_s: Some(9.0), active: Some(2), ..PoolPoint::default() },
            stale,
            ..PoolSummary::default()
        };
        let breaker = Breaker { state: BreakerState::Open, stale: true, ..Breaker::default() };
        let mut store = Store::default();
        store.apply_full(Full {
            pools: vec![pool("a", false), pool("b", true)],
            breakers: vec![breaker],
            ..Full::default()
        });
        let headline = Headline::of(&store, "");
        assert_eq!((headline.bad, headline.vanished, headline.open_breakers), (1, 1, 0));
        assert_eq!((headline.connections, headline.requests_per_s), (2, 9.0));
    }

    #[test]
    fn events_pass_by_every_part_of_the_filter() {
        let event = Event {
            kind: "a".to_owned(),
            severity: Severity::Warn,
            text: "Breaker pay OPENED".to_owned(),
            ..Event::default()
        };
        let filter =
            EventFilter { text: "opened".to_owned(), severity: Severity::Warn, ..EventFilter::default() };
        assert!(filter.passes(&event));
        assert!(!EventFilter { severity: Severity::Bad, ..filter.clone() }.passes(&event));
        assert!(!EventFilter { kind: "b".to_owned(), ..filter.clone() }.passes(&event));
        assert!(!EventFilter { pool: "other".to_owned(), ..filter.clone() }.passes(&event));
        let group = EventFilter { pool: "g-1".to_owned(), ..filter.clone() };
        let event_of = |pool: &str| Event { pool: Some(pool.to_owned()), ..event.clone() };
        assert!(!group.passes(&event_of("b")));
        let group = EventFilter { members: vec!["a".to_owned(), "b".to_owned()], ..group };
        assert!(group.passes(&event_of("b")) && !group.passes(&event_of("c")) && !group.passes(&event));
        let within = |from_ms, to_ms| EventFilter { within: Some(Span { from_ms, to_ms }), ..filter.clone() };
        assert!(within(0, 5).passes(&event) && !within(1, 5).passes(&event), "it happened at 0");
        let searched = |text: &str| EventFilter { text: text.to_owned(), ..EventFilter::default() };
        let leak = Event { kind: LEAK_SUSPECTED.to_owned(), ..event.clone() };
        assert!(searched("Leak suspected").passes(&leak) && searched(LEAK_SUSPECTED).passes(&leak));
        assert!(!searched("Leak suspected").passes(&event) && !searched("poolscope").passes(&leak));
    }

    #[test]
    fn routine_is_shown_where_it_is_asked_for() {
        let routine = Event { kind: "a".to_owned(), ..Event::default() };
        let passes = |filter: EventFilter| filter.passes(&routine);
        assert!(!passes(EventFilter::default()));
        assert!(passes(EventFilter { routine: true, ..EventFilter::default() }));
        assert!(passes(EventFilter { kind: "a".to_owned(), ..EventFilter::default() }));
        let closed = Event { breaker: Some("pay".to_owned()), ..routine.clone() };
        assert!(EventFilter::default().passes(&closed), "a breaker that closes again is no routine");
    }

    #[test]
    fn open_breakers_come_first() {
        let breaker =
            |id: &str, state| Breaker { id: id.to_owned(), name: id.to_owned(), state, ..Breaker::default() };
        let mut store = Store::default();
        store.apply_full(Full {
            breakers: vec![
                breaker("a", BreakerState::Closed),
                breaker("b", BreakerState::HalfOpen),
                breaker("c", BreakerState::Open),
            ],
            ..Full::default()
        });
        let names: Vec<&str> = breakers_of(&store, "").iter().map(|b| b.name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a"]);
    }
}
