//! Many instances: warnings, merged pools, sessions, and who vanished.

use poolscope_wire::{FigureHistory, Rule, Subject, Update};

use super::*;
use crate::store::WarningFilter;

fn of(instance: &'static str) -> Sender<'static> {
    Sender { service: "shop", instance, ..Sender::default() }
}

impl Maker {
    fn send_of(self, instance: &'static str, store: &mut Store) {
        let report =
            Report { sender: of(instance), pools: self.pools, breakers: self.breakers, ..Report::default() };
        store.take_metrics(&[report], self.at_ms);
    }
}

/// Requests wait in two reports one after the other, which makes a pool ill.
fn waiting(instance: &'static str, at_ms: u64, store: &mut Store) {
    for at_ms in [at_ms, at_ms + 1_000] {
        at(at_ms)
            .number(PoolFigure::Opened, "", 1.0)
            .number(PoolFigure::Open, "active", 3.0)
            .number(PoolFigure::Pending, "", 5.0)
            .waits([0, 0, 0, 10, 0])
            .send_of(instance, store);
    }
}

fn fine(instance: &'static str, at_ms: u64, store: &mut Store) {
    for at_ms in [at_ms, at_ms + 1_000] {
        at(at_ms)
            .number(PoolFigure::Opened, "", 1.0)
            .number(PoolFigure::Open, "active", 4.0)
            .send_of(instance, store);
    }
}

fn configured(rule: &str) -> Store {
    Store::new(&Config { rule: vec![rule.parse().unwrap()], ..Config::default() })
}

#[test]
fn a_warning_names_rule_figure_sentence_and_where_to_look() {
    let mut store = store();
    waiting("one", T0, &mut store);
    let warnings = store.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    let one = &warnings[0];
    let pool = only(&store);
    assert_eq!(
        (one.rule, one.what, one.what_id.as_str()),
        (Rule::Exhausted, Subject::Pool, pool.id.as_str())
    );
    assert_eq!((one.name.as_str(), one.service.as_str(), one.instance.as_str()), ("pay", "shop", "one"));
    assert_eq!(one.figure.map(|figure| (figure.value, figure.limit)), Some((5.0, Some(1.0))));
    assert_eq!((one.since_ms, one.link.as_str()), (T0 + 1_000, &*format!("/pools/{}", pool.id)));
    assert_eq!(one.sentence, pool.health.sentence, "there is one truth");
    assert_eq!(one.severity, pool.health.severity);
}

#[test]
fn a_warning_says_where_to_if_its_name_does_not() {
    let named = |store: &mut Store, client: &'static str, port: u16, pending: f64| {
        for at_ms in [T0, T0 + 1_000] {
            let mut maker = at(at_ms);
            maker.destination = Destination::new(client, "https", "pay", Some(port));
            maker
                .number(PoolFigure::Opened, "", 1.0)
                .number(PoolFigure::Open, "active", 3.0)
                .number(PoolFigure::Pending, "", pending)
                .waits([0, 0, 0, 10, 0])
                .send_of("one", store);
        }
    };
    let names = |store: &Store| -> Vec<String> { store.warnings().into_iter().map(|one| one.name).collect() };
    let mut store = store();
    named(&mut store, "orders", 443, 5.0);
    named(&mut store, "", 443, 5.0);
    assert_eq!(names(&store), ["orders", "pay"]);
    // The same destination on another instance is the same to look for; another destination is not.
    waiting("two", T0, &mut store);
    assert_eq!(names(&store), ["orders", "pay", "pay"]);
    named(&mut store, "orders", 8443, 0.0);
    named(&mut store, "", 80, 0.0);
    let whole = ["https://pay:443", "https://pay:443", "orders \u{b7} https://pay:443"];
    assert_eq!(names(&store).into_iter().filter(|name| name.ends_with(":443")).collect::<Vec<_>>(), whole);
}

#[test]
fn limits_that_are_set_hold() {
    let mut store = configured("exhausted=6");
    waiting("one", T0, &mut store);
    assert_eq!(store.warnings(), []);
    assert_eq!(only(&store).health.severity, Severity::Ok);
    let rules = store.rules();
    let set: Vec<_> = rules.iter().filter(|rule| rule.is_set).map(|rule| rule.rule).collect();
    assert_eq!(set, [Rule::Exhausted]);
}

#[test]
fn an_open_breaker_is_told_once_and_its_pool_is_ill_by_it() {
    let mut store = store();
    at(T0).number(PoolFigure::Opened, "", 1.0).breaker_state(Word::Open).send(&mut store);
    let rules: Vec<_> = store.warnings().iter().map(|one| (one.rule, one.what)).collect();
    assert_eq!(rules, [(Rule::BreakerOpen, Subject::Breaker)]);
    assert_eq!(only(&store).health.severity, Severity::Bad);
}

#[test]
fn a_breaker_that_opens_again_and_again_flaps() {
    let mut store = store();
    for n in 0..3_u64 {
        let at_ms = T0 + n * 20_000;
        store.take_events(&[transition(Word::Open, at_ms)], at_ms);
        store.take_events(&[transition_from(Word::Open, Word::Closed, at_ms + 9_000)], at_ms + 9_000);
    }
    let found = store.warnings();
    let flaps = found.iter().find(|one| one.rule == Rule::BreakerFlapping).unwrap();
    assert_eq!(flaps.sentence, "opened 3 times in the last 10 min");
}

#[test]
fn only_changes_of_warnings_are_told() {
    let mut store = store();
    waiting("one", T0, &mut store);
    let told = |update: Update| (update.warnings.len(), update.removed_warnings.len());
    assert_eq!(told(store.update(T0 + 1_000)), (1, 0));
    assert_eq!(told(store.update(T0 + 1_100)), (0, 0));
    for n in 2..15_u64 {
        let at_ms = T0 + n * 1_000;
        at(at_ms).number(PoolFigure::Opened, "", 1.0).number(PoolFigure::Pending, "", 0.0).send(&mut store);
        store.tick(at_ms);
    }
    assert_eq!(told(store.update(T0 + 15_000)), (0, 1));
}

#[test]
fn instances_merge_and_what_vanished_is_not_counted() {
    let mut store = store();
    for instance in ["a", "b"] {
        fine(instance, T0, &mut store);
    }
    waiting("c", T0, &mut store);
    let groups = store.groups();
    assert_eq!(groups.len(), 1);
    let group = &groups[0];
    assert_eq!((group.members.len(), group.current, group.bad, group.warn), (3, 3, 0, 1));
    assert_eq!((group.merged.now.active, group.merged.now.pending), (Some(11), Some(5)));
    let sentence = &group.merged.health.sentence;
    assert!(sentence.starts_with("1 of 3 instances is worth a look: 5 requests wait"), "{sentence}");

    // One goes on, the others are silent for longer than they ever were.
    for n in 2..30_u64 {
        at(T0 + n * 1_000).number(PoolFigure::Open, "active", 4.0).send_of("a", &mut store);
        store.tick(T0 + n * 1_000);
    }
    let group = &store.groups()[0];
    assert_eq!((group.members.len(), group.current, group.warn), (3, 1, 0));
    assert_eq!((group.merged.now.active, group.merged.health.severity), (Some(4), Severity::Ok));
    let gone: Vec<_> = store.warnings().into_iter().map(|one| (one.rule, one.instance)).collect();
    let vanished = |instance: &str| (Rule::InstanceVanished, instance.to_owned());
    assert_eq!(gone, [vanished("b"), vanished("c")], "nothing else is said of who is silent");
    let services = store.services();
    let told: Vec<_> = services[0].instances.iter().map(|one| (one.id.as_str(), one.vanished)).collect();
    assert_eq!(told, [("a", false), ("b", true), ("c", true)]);

    // Then nobody reports any more, which is not fine.
    store.tick(T0 + 120_000);
    let group = &store.groups()[0];
    assert_eq!((group.current, group.merged.stale, group.merged.last_seen_ms), (0, true, T0 + 29_000));
    let health = &group.merged.health;
    let sentence = "all 3 instances are silent; last heard: 1 of 3 instances is worth a look: ";
    assert!(health.sentence.starts_with(sentence), "{health:?}");
    assert_eq!(health.since_ms, T0 + 29_000);
}

#[test]
fn a_group_has_the_times_of_all_and_the_states_of_their_breakers() {
    let mut store = store();
    let mut one = |instance: &'static str, state: Word, counts: [u64; 5], bounds: &'static [f64]| {
        for n in 0..2_u64 {
            let spread = |figure, maker: Maker| {
                let counts = counts.map(|count| count * n).to_vec();
                maker.push(
                    figure,
                    "",
                    Value::Histogram { bounds: bounds.into(), counts: counts.into(), delta: false },
                )
            };
            let maker = at(T0 + n * 1_000).number(PoolFigure::Opened, "", 1.0).breaker_state(state);
            let maker = spread(PoolFigure::Use, spread(PoolFigure::Duration, maker));
            maker.send_of(instance, &mut store);
        }
        store.groups()
    };
    one("a", Word::Closed, [90, 0, 0, 0, 0], BOUNDS);
    one("b", Word::Open, [0, 0, 0, 10, 0], BOUNDS);
    let groups = one("c", Word::Closed, [0; 5], &[9.0, 10.0, 11.0, 12.0]);
    let [group] = groups.as_slice() else { panic!("one group") };
    let now = &group.merged.now;
    assert!(now.use_p50_s.is_some_and(|p50| p50 < 0.001), "{now:?}");
    assert!(
        now.duration_p99_s.is_some_and(|p99| (1.0..5.0).contains(&p99)),
        "not that of one of them: {now:?}"
    );
    assert!(!group.unequal_buckets, "who counted nothing has no say");
    assert_eq!(group.breakers, [(BreakerState::Open, 1), (BreakerState::Closed, 2)]);
    assert_eq!(group.merged.breaker, Some(("pay:443".to_owned(), BreakerState::Open)));
    // Buckets of other bounds: nothing is told of all together.
    let group = &one("d", Word::Closed, [1, 0, 0, 0, 0], &[0.5, 2.0, 3.0, 4.0])[0];
    assert!(group.unequal_buckets);
    assert_eq!((group.merged.now.use_p50_s, group.merged.now.duration_p99_s), (None, None));
}

#[test]
fn groups_are_told_when_they_change_and_when_they_are_none_any_more() {
    let mut store = store();
    fine("a", T0, &mut store);
    assert_eq!(store.update(T0 + 1_000).groups, []);
    fine("b", T0, &mut store);
    let update = store.update(T0 + 2_000);
    assert_eq!(update.groups.len(), 1);
    assert_eq!(store.update(T0 + 3_000).groups, []);
    fine("a", T0 + 4_000, &mut store);
    assert_eq!(store.update(T0 + 5_000).groups.len(), 1);
    // The other is forgotten.
    fine("a", T0 + 1_000_000, &mut store);
    store.tick(T0 + 1_000_000);
    assert_eq!(store.update(T0 + 1_001_000).removed_groups, [update.groups[0].merged.id.clone()]);
}

fn sessions(
    instance: &'static str,
    at_ms: u64,
    figures: &[(SessionFigure, &'static str, f64)],
) -> Report<'static> {
    let reading = |(figure, label, value): &(SessionFigure, &'static str, f64)| {
        let series = *figure as u64 * 100 + label.len() as u64;
        let value = Value::Number { value: *value, delta: false };
        let reading =
            Reading { series, start_ns: (T0 - 3_600_000) * 1_000_000, time_ns: at_ms * 1_000_000, value };
        SessionReading { name: "chat", figure: *figure, label, reading }
    };
    Report { sender: of(instance), sessions: figures.iter().map(reading).collect(), ..Report::default() }
}

#[test]
fn sessions_are_counted_by_how_they_end_and_those_that_hang_are_told() {
    use SessionFigure as F;
    let mut store = store();
    let report = |n: f64, overdue| {
        let at_ms = T0 + n as u64 * 1_000;
        let figures = [
            (F::Active, "", 3.0),
            (F::Limit, "", 10.0),
            (F::Started, "", 100.0 + 2.0 * n),
            (F::Ended, "completed", 90.0 + 9.0 * n),
            (F::Ended, "idle_timeout", 7.0 + n),
            (F::Overdue, "", overdue),
            (F::OldestAge, "", 74.0),
        ];
        (sessions("one", at_ms, &figures), at_ms)
    };
    for (n, overdue) in [(0.0, 0.0), (1.0, 0.0), (2.0, 1.0)] {
        let (report, at_ms) = report(n, overdue);
        store.take_metrics(&[report], at_ms);
    }
    let all = store.sessions();
    let one = &all[0];
    assert_eq!((one.now.active, one.now.overdue, one.limit, one.oldest_age_s), (3, 1, Some(10), Some(74.0)));
    assert_eq!((one.now.started_per_s, one.now.ended_per_s), (2.0, 10.0));
    assert_eq!((one.started.minute, one.started.total), (4, 104));
    let ends: Vec<_> = one.ends.iter().map(|(reason, n)| (reason.as_str(), n.minute, n.total)).collect();
    assert_eq!(ends, [("idle_timeout", 2, 9), ("completed", 18, 108)], "how they should end goes last");
    let warnings = store.warnings();
    assert_eq!((warnings[0].rule, warnings[0].what), (Rule::SessionOverdue, Subject::Session));
    assert_eq!(one.health.sentence, "1 session was told to end and is still there after the time for it");
    assert_eq!(store.services()[0].instances[0].sessions, 1);
    let ends =
        [(F::Active, "", 3.0), (F::Ended, "error", 82.0), (F::Refused, "", 1.0), (F::Pings, "missed", 4.0)];
    store.take_metrics(&[sessions("one", T0 + 3_000, &ends)], T0 + 3_000);
    let mut found: Vec<_> = store.warnings().into_iter().map(|one| (one.rule, one.recovering)).collect();
    found.sort_unstable_by_key(|(rule, _)| *rule);
    let expected =
        [(Rule::SessionsRefused, false), (Rule::SessionsFail, false), (Rule::SessionOverdue, true)];
    assert_eq!(found, expected);
    let update = store.update(T0 + 3_000);
    assert_eq!((update.sessions.len(), store.update(T0 + 3_001).sessions.len()), (1, 0));
}

#[test]
fn sessions_have_a_past_alone_and_together_that_outlives_them() {
    use SessionFigure as F;
    let mut store = store();
    let report = |instance, n: u64, active| {
        let figures = [
            (F::Active, "", active),
            (F::Limit, "", 10.0),
            (F::Started, "", 2.0 * n as f64),
            (F::Ended, "idle_timeout", n as f64),
        ];
        sessions(instance, T0 + n * 1_000, &figures)
    };
    for n in 0..60 {
        store.take_metrics(&[report("one", n, 3.0), report("two", n, 4.0)], T0 + n * 1_000);
    }
    let id = Id::parse(&store.sessions()[0].id).unwrap();
    let now_ms = T0 + 59_000;
    let wanted = |to_ms| Wanted { since: Since::Moment(T0), to_ms: Some(to_ms), max_points: 1_000 };
    let value = |history: &FigureHistory, name: &str, place: usize| {
        let column = history.names.iter().position(|one| one == name).unwrap();
        history.points[place].values[column]
    };
    let one = store.session_figures(id, false, wanted(now_ms), now_ms).unwrap().answer();
    assert_eq!((one.points.len(), one.instances, one.interval_ms), (60, 1, 1_000));
    let last = [
        "active",
        "overdue",
        "limit",
        "started_per_s",
        "idle_timeout_per_s",
        "completed_per_s",
        "life_p50_s",
    ]
    .map(|name| value(&one, name, 59));
    assert_eq!(last, [Some(3.0), None, Some(10.0), Some(2.0), Some(1.0), Some(0.0), None]);
    let both = store.session_figures(id, true, wanted(now_ms), now_ms).unwrap().answer();
    assert_eq!((value(&both, "active", 30), value(&both, "started_per_s", 30)), (Some(7.0), Some(4.0)));
    assert_eq!((both.instances, value(&both, "limit", 30)), (2, Some(20.0)));

    // Silent for long they leave the page; what they did is still known, until the retention is over.
    store.full(poolscope_wire::Status::default(), false);
    let later = T0 + 3_600_000;
    store.tick(later);
    assert!(
        store.sessions().is_empty()
            && store.full(poolscope_wire::Status::default(), false).sessions.is_empty()
    );
    assert_eq!(store.update(later).removed_sessions.len(), 2);
    let both = store.session_figures(id, true, wanted(later), later).unwrap().answer();
    assert_eq!(both.instances, 2);
    assert!(both.points.iter().any(|point| point.values[0] == Some(7.0)));
    store.take_metrics(&[report("one", 3_700, 5.0)], T0 + 3_700_000);
    assert_eq!((store.sessions().len(), store.update(later).sessions.len()), (1, 1), "it is back");
    store.tick(later + 25 * 3_600_000);
    assert!(store.session_figures(id, true, wanted(later), later).is_none());
}

#[test]
fn services_are_told_on_one_beat_however_many_instances_report() {
    const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let mut store = store();
    let mut told = 0;
    for n in 0..60_u64 {
        let at_ms = T0 + n * 500;
        for name in NAMES {
            let report = Report { sender: of(name), ..Report::default() };
            store.take_metrics(&[report], at_ms);
        }
        store.tick(at_ms);
        let services = store.update(at_ms).services;
        told += usize::from(services.is_some());
        let last_seen_ms = services.map(|services| services[0].instances[9].last_seen_ms);
        assert!(last_seen_ms.is_none_or(|last_seen_ms| last_seen_ms == at_ms));
    }
    assert!((6..=7).contains(&told), "{told} times in 30 s");
    let later = T0 + 60_000;
    store.tick(later);
    store.update(later);
    store.tick(later + 10_000);
    assert!(store.update(later + 10_000).services.is_none(), "nobody was heard since");
}

#[test]
fn what_was_wrong_is_known_when_it_is_over() {
    let mut store = store();
    for (n, overdue) in [(0, 0.0), (1, 3.0), (2, 1.0), (3, 0.0)] {
        let (at_ms, figures) = (T0 + n * 1_000, [(SessionFigure::Overdue, "", overdue)]);
        store.take_metrics(&[sessions("one", at_ms, &figures)], at_ms);
        store.tick(at_ms);
    }
    // A severity falls only after a time of calm.
    let end_ms = T0 + 30_000;
    store.take_metrics(&[sessions("one", end_ms, &[(SessionFigure::Overdue, "", 0.0)])], end_ms);
    store.tick(end_ms);
    let of = |from_ms, to_ms| {
        let filter = WarningFilter { from_ms, to_ms, ..WarningFilter::default() };
        store.warning_log(filter, 10, end_ms)
    };
    let log = of(T0, end_ms);
    assert_eq!((log.warnings.len(), log.more, log.since_ms), (1, 0, T0));
    let past = &log.warnings[0];
    assert_eq!(
        (past.warning.rule, past.from_ms, past.to_ms),
        (Rule::SessionOverdue, T0 + 1_000, Some(end_ms))
    );
    assert!(past.warning.sentence.starts_with("3 sessions"), "{}", past.warning.sentence);
    assert!(of(T0, T0 + 500).warnings.is_empty() && of(end_ms + 1, end_ms + 2).warnings.is_empty());
}

#[test]
fn what_a_sender_lost_is_told_for_a_minute_and_counted_for_ever() {
    let mut store = store();
    let report = |lost: f64, at_ms: u64| {
        let value = Value::Number { value: lost, delta: false };
        let reading =
            Reading { series: 1, start_ns: (T0 - 3_600_000) * 1_000_000, time_ns: at_ms * 1_000_000, value };
        let dropped = vec![DroppedReading { signal: "spans", reading }];
        (Report { sender: of("one"), dropped, ..Report::default() }, at_ms)
    };
    for (lost, at_ms) in [(5.0, T0), (12.0, T0 + 1_000)] {
        let (report, at_ms) = report(lost, at_ms);
        store.take_metrics(&[report], at_ms);
    }
    store.tick(T0 + 1_500);
    let warnings = store.warnings();
    assert_eq!(warnings[0].sentence, "7 spans were lost in the last minute before they came here");
    assert_eq!(store.services()[0].instances[0].dropped, [("spans".to_owned(), 12)]);
    for n in 2..90_u64 {
        let (report, at_ms) = report(12.0, T0 + n * 1_000);
        store.take_metrics(&[report], at_ms);
        store.tick(at_ms);
    }
    assert_eq!(store.warnings(), []);
}

#[test]
fn buckets_that_are_too_wide_are_a_lack_that_is_told() {
    let mut store = store();
    let wide = |count: u64, at_ms| {
        let value = Value::Histogram {
            bounds: (&[5.0, 10.0]).into(),
            counts: vec![count, 0, 0].into(),
            delta: false,
        };
        at(at_ms).push(PoolFigure::Duration, "200", value)
    };
    wide(1, T0).send(&mut store);
    wide(9, T0 + 1_000).send(&mut store);
    assert!(only(&store).lacks.contains(&poolscope_wire::Lack::FineBuckets));
    let mut fine = super::store();
    at(T0).results("200", 1).send(&mut fine);
    at(T0 + 1_000).results("200", 9).send(&mut fine);
    assert!(!only(&fine).lacks.contains(&poolscope_wire::Lack::FineBuckets));
}

#[test]
fn groups_are_told_also_after_the_clock_was_put_back() {
    let mut store = store();
    let back = T0 - 3_600_000;
    for at_ms in [T0, back] {
        fine("one", at_ms, &mut store);
        fine("two", at_ms, &mut store);
        assert_eq!(store.update(at_ms + 2_000).groups.len(), 1, "{at_ms}");
    }
}

#[test]
fn an_instance_that_was_forgotten_is_in_the_list_of_the_time_when_it_reported() {
    let mut store = Store::new(&Config { forget_after_s: 60, ..Config::default() });
    let event = |instance, at_ms| EventRecord {
        sender: of(instance),
        name: "note",
        attributes: Vec::new(),
        ..transition(Word::Open, at_ms)
    };
    at(T0).breaker_state(Word::Open).send_of("gone", &mut store);
    (0..20).for_each(|n| fine("gone", T0 + n * 2_000, &mut store));
    (0..20).for_each(|n| fine("here", T0 + 500_000 + n * 2_000, &mut store));
    store.take_events(&[event("quiet", T0 + 500_000)], T0 + 500_000);
    store.take_events(&[event("quiet", T0 + 540_000)], T0 + 540_000);
    store.tick(T0 + 540_000);
    let ids = |services: Vec<poolscope_wire::Service>| -> Vec<String> {
        assert!(services.len() <= 1 && services.iter().all(|service| service.name == "shop"));
        services.into_iter().flat_map(|service| service.instances).map(|one| one.id).collect()
    };
    assert_eq!(ids(store.services()), ["here", "quiet"]);
    let between = |from_s: u64, to_s: u64| store.services_between(T0 + from_s * 1_000, T0 + to_s * 1_000);
    assert_eq!(ids(between(0, 600)), ["gone", "here", "quiet"]);
    assert_eq!(ids(between(0, 60)), ["gone"]);
    assert!(between(60, 400).is_empty(), "nothing came then");
    assert_eq!(ids(between(510, 520)), ["here", "quiet"]);

    let gone = between(10, 20).remove(0).instances.remove(0);
    assert_eq!((gone.pools, gone.breakers, gone.vanished), (1, 0, true), "its breaker reported once");
    assert_eq!((gone.first_seen_ms, gone.last_seen_ms), (T0, T0 + 39_000));
    assert_eq!(between(0, 600)[0].instances[0].breakers, 1);
    let here = between(510, 520).remove(0).instances.remove(0);
    assert_eq!(Some(here), store.services().remove(0).instances.into_iter().next());
}
