//! The store as a whole: reports in, the browser's types out.

mod breakers;
mod connections;
mod events;
mod fleet;
mod foreign;
mod groups;
mod history;
mod numbers;
mod protection;
mod serving;

use std::borrow::Cow;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use poolscope_semconv::value::{BreakerState as Word, ConnectPhase, Observation};
use poolscope_semconv::{attr, event};
use poolscope_wire::{BreakerState, PoolDetail, PoolSummary, Severity, Share};

use super::{EventFilter, Id, Since, Store, Wanted};
use crate::config::{Config, Limits};
use crate::model::*;

const T0: u64 = 1_700_000_000_000;
const BOUNDS: &[f64] = &[0.001, 0.1, 1.0, 5.0];

/// Makes the readings of one report.
struct Maker {
    start_ms: u64,
    at_ms: u64,
    delta: bool,
    destination: Destination<'static>,
    pools: Vec<PoolReading<'static>>,
    breakers: Vec<BreakerReading<'static>>,
}

fn at(at_ms: u64) -> Maker {
    Maker {
        start_ms: T0 - 3_600_000,
        at_ms,
        delta: false,
        destination: Destination::new("", "https", "pay", Some(443)),
        pools: Vec::new(),
        breakers: Vec::new(),
    }
}

impl Maker {
    fn reading(&self, series: u64, value: Value<'static>) -> Reading<'static> {
        let ns = 1_000_000;
        Reading { series, start_ns: self.start_ms * ns, time_ns: self.at_ms * ns, value }
    }

    fn push(mut self, figure: PoolFigure, label: &'static str, value: Value<'static>) -> Self {
        let series = figure as u64 * 1_000 + label.bytes().map(u64::from).sum::<u64>();
        self.pools.push(PoolReading {
            destination: self.destination,
            figure,
            label: Cow::Borrowed(label),
            marked: figure == PoolFigure::Duration && label.starts_with('5'),
            phase: None,
            observation: Observation::Exact,
            protocol: None,
            reading: self.reading(series, value),
        });
        self
    }

    fn number(self, figure: PoolFigure, label: &'static str, value: f64) -> Self {
        let delta = self.delta;
        self.push(figure, label, Value::Number { value, delta })
    }

    fn waits(self, counts: [u64; 5]) -> Self {
        let delta = self.delta;
        self.push(
            PoolFigure::Wait,
            "",
            Value::Histogram { bounds: BOUNDS.into(), counts: counts.to_vec().into(), delta },
        )
    }

    /// The reading before is one of a part of a connect.
    fn of_phase(mut self, phase: ConnectPhase) -> Self {
        if let Some(last) = self.pools.last_mut() {
            last.phase = Some(phase);
            last.reading.series += phase as u64 + 1;
        }
        self
    }

    fn spread(self, figure: PoolFigure, counts: [u64; 5]) -> Self {
        let delta = self.delta;
        let value = Value::Histogram { bounds: BOUNDS.into(), counts: counts.to_vec().into(), delta };
        self.push(figure, "", value)
    }

    fn results(self, status: &'static str, count: u64) -> Self {
        let delta = self.delta;
        self.push(
            PoolFigure::Duration,
            status,
            Value::Histogram { bounds: (&[1.0]).into(), counts: vec![count, 0].into(), delta },
        )
    }

    fn breaker(mut self, figure: BreakerFigure, label: &'static str, value: f64) -> Self {
        let series = BuildHasherDefault::<DefaultHasher>::default().hash_one((figure, label));
        let reading = self.reading(series, Value::Number { value, delta: false });
        self.breakers.push(BreakerReading { name: "pay:443", figure, label, reading });
        self
    }

    fn breaker_state(self, state: Word) -> Self {
        [Word::Closed, Word::Open, Word::HalfOpen].into_iter().fold(self, |maker, one| {
            maker.breaker(BreakerFigure::State, one.as_str(), f64::from(u8::from(one == state)))
        })
    }

    fn send(self, store: &mut Store) {
        let at_ms = self.at_ms;
        self.send_at(store, at_ms);
    }

    fn send_at(self, store: &mut Store, now_ms: u64) {
        let report =
            Report { sender: sender(), pools: self.pools, breakers: self.breakers, ..Report::default() };
        store.take_metrics(&[report], now_ms);
    }
}

fn sender() -> Sender<'static> {
    Sender { service: "shop", instance: "one", ..Sender::default() }
}

fn store() -> Store {
    Store::new(&Config::default())
}

/// The last seconds, in as many points as are kept.
fn last(seconds: u64) -> Wanted {
    Wanted { since: Since::seconds(seconds), to_ms: None, max_points: 10_000 }
}

fn detail_of(store: &Store, id: Id) -> Option<PoolDetail> {
    store.pool(id, last(u64::MAX), T0)
}

fn only_id(store: &Store) -> Id {
    Id::parse(&only(store).id).unwrap()
}

fn only(store: &Store) -> PoolSummary {
    let pools = store.pools();
    assert_eq!(pools.len(), 1);
    pools.into_iter().next().unwrap()
}

fn transition(to: Word, at_ms: u64) -> EventRecord<'static> {
    transition_from(if to == Word::Open { Word::Closed } else { Word::Open }, to, at_ms)
}

fn transition_from(from: Word, to: Word, at_ms: u64) -> EventRecord<'static> {
    let attributes = [
        (attr::BREAKER_NAME, "pay:443"),
        (attr::BREAKER_FROM, from.as_str()),
        (attr::BREAKER_TO, to.as_str()),
        (attr::BREAKER_REASON, "failure_ratio"),
        (attr::BREAKER_FAILURE_RATIO, "0.52"),
        (attr::BREAKER_WINDOW_CALLS, "200"),
        (attr::BREAKER_OPEN_FOR, "30"),
    ];
    EventRecord {
        sender: sender(),
        name: event::BREAKER_TRANSITION,
        time_ns: at_ms * 1_000_000,
        severity: 0,
        body: None,
        attributes: attributes.map(|(key, value)| (key, Cow::Borrowed(value))).into(),
        rows: Vec::new(),
        dropped_attributes: 0,
        trace_id: &[],
    }
}

#[test]
fn cumulative_and_delta_senders_give_the_same_picture() {
    let mut cumulative = store();
    let mut delta = store();
    for n in 1..=3_u64 {
        at(T0 + n * 2_000)
            .number(PoolFigure::Opened, "", (n * 10) as f64)
            .number(PoolFigure::Acquires, "reused", (n * 90) as f64)
            .number(PoolFigure::Acquires, "new", (n * 10) as f64)
            .results("200", n * 100)
            .send(&mut cumulative);
        Maker { delta: true, ..at(T0 + n * 2_000) }
            .number(PoolFigure::Opened, "", 10.0)
            .number(PoolFigure::Acquires, "reused", 90.0)
            .number(PoolFigure::Acquires, "new", 10.0)
            .results("200", 100)
            .send(&mut delta);
    }
    for store in [cumulative, delta] {
        let pool = only(&store);
        assert_eq!((pool.now.opened_per_s, pool.now.requests_per_s), (Some(5.0), Some(50.0)));
        assert_eq!(pool.now.reuse, Some(0.9));
        assert_eq!((pool.opened_total, pool.requests_total), (Some(30), Some(300)));
    }
}

#[test]
fn nothing_is_known_about_rates_at_the_first_report_of_an_old_sender() {
    let mut store = store();
    at(T0).number(PoolFigure::Opened, "", 500.0).waits([100, 0, 0, 0, 0]).send(&mut store);
    let pool = only(&store);
    assert_eq!(pool.now.opened_per_s, Some(0.0));
    assert_eq!(pool.now.wait_p50_s, None);
    assert_eq!(pool.opened_total, Some(500));
}

#[test]
fn the_first_report_of_a_pool_that_has_just_begun_tells_its_rates() {
    let mut store = store();
    Maker { start_ms: T0 - 2_000, ..at(T0) }.number(PoolFigure::Opened, "", 10.0).send(&mut store);
    assert_eq!(only(&store).now.opened_per_s, Some(5.0));
}

#[test]
fn a_series_that_begins_later_counts_from_its_beginning() {
    let mut store = store();
    at(T0).results("200", 100).send(&mut store);
    at(T0 + 1_000).results("200", 110).results("503", 10).send(&mut store);
    let pool = only(&store);
    assert_eq!((pool.now.requests_per_s, pool.now.errors_per_s), (Some(20.0), Some(10.0)));
}

#[test]
fn a_restart_of_the_sender_is_no_negative_rate() {
    let mut store = store();
    at(T0).results("200", 1_000).send(&mut store);
    at(T0 + 1_000).results("200", 1_010).send(&mut store);
    Maker { start_ms: T0 + 1_500, ..at(T0 + 2_000) }.results("200", 7).send(&mut store);
    let pool = only(&store);
    assert_eq!(pool.now.requests_per_s, Some(7.0));
    assert_eq!(pool.requests_total, Some(1_017));
}

#[test]
fn repeated_and_late_reports_change_nothing() {
    let mut store = store();
    let report = |n: u64| at(T0 + n * 1_000).results("200", n * 10).number(PoolFigure::Pending, "", n as f64);
    report(1).send(&mut store);
    report(2).send(&mut store);
    report(3).send(&mut store);
    let before = only(&store).now;
    report(3).send_at(&mut store, T0 + 3_050);
    report(2).send_at(&mut store, T0 + 3_060);
    assert_eq!(only(&store).now, before);
    assert_eq!(detail_of(&store, only_id(&store)).unwrap().points.len(), 3);
}

#[test]
fn a_clock_that_is_off_does_not_move_points_beside_the_axis() {
    let mut store = store();
    for n in 1..=3_u64 {
        at(T0 - 3_000_000 + n * 1_000).results("200", n * 10).send_at(&mut store, T0 + n * 1_000);
    }
    let pool = only(&store);
    assert_eq!(pool.now.at_ms, T0 + 3_000);
    assert_eq!(pool.now.requests_per_s, Some(10.0));
}

#[test]
fn reports_that_were_held_up_become_points_of_their_own() {
    let mut store = store();
    at(T0).results("200", 10).send(&mut store);
    let mut both = at(T0 + 2_000).results("200", 30);
    both.pools.extend(at(T0 + 1_000).results("200", 20).pools);
    both.send_at(&mut store, T0 + 2_500);
    let detail = detail_of(&store, only_id(&store)).unwrap();
    let rates: Vec<_> = detail.points.iter().map(|point| (point.at_ms, point.requests_per_s)).collect();
    assert_eq!(rates, [(T0, Some(0.0)), (T0 + 1_000, Some(10.0)), (T0 + 2_000, Some(10.0))]);
}

#[test]
fn states_sum_over_protocols_and_what_is_not_mentioned_is_gone() {
    let mut store = store();
    let mut report = at(T0).number(PoolFigure::Open, "idle", 2.0).number(PoolFigure::Open, "active", 3.0);
    let mut http2 = at(T0).number(PoolFigure::Open, "active", 1.0).pools.remove(0);
    http2.protocol = Some("2");
    http2.reading.series += 1;
    report.pools.push(http2);
    report.send(&mut store);
    let pool = only(&store);
    assert_eq!((pool.now.idle, pool.now.active, pool.now.upgraded), (Some(2), Some(4), None));
    assert_eq!(pool.protocols, ["2"]);

    at(T0 + 1_000).number(PoolFigure::Open, "active", 3.0).send(&mut store);
    assert_eq!((only(&store).now.idle, only(&store).now.active), (Some(0), Some(3)));
    // A report that says nothing about connections leaves them as they were.
    at(T0 + 2_000).number(PoolFigure::Pending, "", 1.0).send(&mut store);
    assert_eq!((only(&store).now.active, only(&store).now.pending), (Some(3), Some(1)));
}

#[test]
fn deltas_of_gauges_add_up() {
    let mut store = store();
    Maker { delta: true, ..at(T0) }.number(PoolFigure::Open, "active", 3.0).send(&mut store);
    Maker { delta: true, ..at(T0 + 1_000) }.number(PoolFigure::Open, "idle", 1.0).send(&mut store);
    Maker { delta: true, ..at(T0 + 2_000) }.number(PoolFigure::Open, "active", -2.0).send(&mut store);
    assert_eq!((only(&store).now.idle, only(&store).now.active), (Some(1), Some(1)));
}

#[test]
fn the_summary_is_over_a_minute_and_the_point_over_one_report() {
    let mut store = store();
    let mut waits = [0; 5];
    for n in 0..=90_u64 {
        // A hundred quick waits a second; at second 85 as many slow ones.
        waits[if n == 85 { 3 } else { 0 }] += 100;
        at(T0 + n * 1_000).waits(waits).send(&mut store);
    }
    let pool = only(&store);
    assert!(pool.now.wait_p99_s.unwrap() < 0.001);
    assert!(pool.wait_p99_s.unwrap() > 1.0);
    assert!(pool.wait_p50_s.unwrap() < 0.001);
}

#[test]
fn waiting_requests_are_the_condition_of_the_pool() {
    let mut store = store();
    for n in 0..2_u64 {
        at(T0 + n * 1_000)
            .number(PoolFigure::Pending, "", 12.0)
            .waits([0, 0, 0, n * 100, 0])
            .send(&mut store);
    }
    let health = only(&store).health;
    assert_eq!(health.severity, Severity::Bad);
    assert!(
        health.sentence.starts_with("12 requests wait for a connection, p99 wait 4."),
        "{}",
        health.sentence
    );
}

#[test]
fn a_pool_of_another_sender_needs_no_names_of_ours() {
    let mut store = store();
    for n in 1..=2_u64 {
        let queue =
            Value::Histogram { bounds: BOUNDS.into(), counts: vec![0, n, 0, 0, 0].into(), delta: false };
        let lives = Value::Histogram { bounds: (&[1.0]).into(), counts: vec![n * 2, 0].into(), delta: false };
        at(T0 + n * 1_000)
            .number(PoolFigure::Open, "active", 2.0)
            .results("200", n * 10)
            .push(PoolFigure::Queue, "", queue)
            .push(PoolFigure::Lifetime, "", lives)
            .send(&mut store);
    }
    let pool = only(&store);
    assert_eq!(pool.client, "");
    assert_eq!((pool.now.active, pool.now.requests_per_s, pool.now.reuse), (Some(2), Some(10.0), None));
    assert!(pool.now.wait_p50_s.is_some());
    assert_eq!((pool.now.closed_per_s, pool.closed_total), (Some(2.0), Some(4)));
}

#[test]
fn a_silent_pool_gets_old_and_is_forgotten_after_the_retention() {
    let mut store = Store::new(&Config { retention_s: 60, forget_after_s: 60, ..Config::default() });
    for n in 0..4_u64 {
        at(T0 + n * 2_000).results("200", n).breaker_state(Word::Closed).send(&mut store);
    }
    let last = T0 + 6_000;
    store.tick(last + 6_000);
    assert!(!only(&store).stale && !store.breakers()[0].stale);
    store.tick(last + 6_001);
    assert!(only(&store).stale && store.breakers()[0].stale);
    at(last + 7_000).results("200", 9).send(&mut store);
    assert!(!only(&store).stale);

    let id = only(&store).id;
    store.full(poolscope_wire::Status::default(), false);
    store.tick(last + 7_000 + 60_001);
    assert!(store.pools().is_empty() && store.breakers().is_empty() && store.services().is_empty());
    assert_eq!(store.update(0).removed_pools, [id]);
}

#[test]
fn a_pool_that_left_the_list_is_in_that_of_the_time_when_it_reported() {
    let mut store = Store::new(&Config { forget_after_s: 60, ..Config::default() });
    let report = |client: &'static str, second: u64| {
        let destination = Destination::new(client, "https", "pay", None);
        Maker { destination, ..at(T0 + second * 1_000) }.results("200", second)
    };
    // Each as long as several packed pieces of history, and one with a silence inside.
    for second in (0..200).chain(400..500) {
        report("old", second).send(&mut store);
    }
    for second in 450..3_000 {
        report("new", second).send(&mut store);
    }
    store.tick(T0 + 3_000_000);
    let of = |pools: Vec<PoolSummary>| -> Vec<String> { pools.into_iter().map(|pool| pool.client).collect() };
    assert_eq!(of(store.pools()), ["new"]);
    let between = |from: u64, to: u64| of(store.pools_between(T0 + from * 1_000, T0 + to * 1_000));
    assert_eq!(between(0, 3_000), ["new", "old"]);
    assert_eq!(between(100, 101), ["old"]);
    assert_eq!(between(499, 1_000), ["new", "old"]);
    assert_eq!(between(1_000, 1_001), ["new"]);
    assert_eq!(between(220, 380), [""; 0], "silent in it, and not before and after");
    assert_eq!(between(3_001, 4_000), [""; 0]);
}

#[test]
fn the_stalest_pool_makes_room_and_that_is_counted() {
    let limits = Limits { max_pools: 2, max_series: 1, ..Limits::default() };
    let mut store = Store::new(&Config { limits, ..Config::default() });
    for (n, client) in ["a", "b", "c"].into_iter().enumerate() {
        let destination = Destination::new(client, "https", "pay", None);
        let report = Maker { destination, ..at(T0 + n as u64 * 1_000) };
        let report = report.results("200", 1).results("503", 1);
        let report = report.breaker(BreakerFigure::Calls, "success", 1.0);
        report.breaker(BreakerFigure::Calls, "failure", 1.0).send(&mut store);
    }
    let clients: Vec<_> = store.pools().into_iter().map(|pool| pool.client).collect();
    assert_eq!(clients, ["b", "c"]);
    let limits = store.limits();
    let hits = |name: &str| limits.iter().find(|limit| limit.name == name).unwrap().hits;
    assert_eq!((hits("pools"), hits("series of a pool"), hits("series of a breaker")), (1, 3, 3));
}

#[test]
fn a_flood_of_pools_in_one_request_is_refused_and_stays_quick() {
    let limits = Limits { max_pools: 10, ..Limits::default() };
    let mut store = Store::new(&Config { limits, ..Config::default() });
    let names: Vec<String> = (0..50_000).map(|n| format!("host-{n}")).collect();
    let proto = at(T0).results("200", 1);
    let pools = names.iter().map(|name| PoolReading {
        destination: Destination::new("", "http", name, None),
        figure: PoolFigure::Opened,
        label: Cow::Borrowed(""),
        marked: false,
        phase: None,
        observation: Observation::Exact,
        protocol: None,
        reading: proto.reading(1, Value::Number { value: 1.0, delta: false }),
    });
    let report = Report { sender: sender(), pools: pools.collect(), ..Report::default() };
    let no_room = store.take_metrics(&[report], T0);
    let sentence = "the dashboard has no room for another pool: its bound is 10, which --max-pools raises (the first of \
         49990 that were rejected)";
    assert_eq!((no_room.count, &*no_room.sentence()), (49_990, sentence), "the sender is told");
    assert_eq!(store.pools().len(), 10);
    assert_eq!(store.limits()[0].hits, 49_990);
}

#[test]
fn absurd_numbers_end_nothing() {
    for delta in [false, true] {
        for value in [1e30, f64::MAX, -1e30, u64::MAX as f64, i64::MIN as f64] {
            let mut store = store();
            for n in 0..3 {
                let mut report = at(T0 + n * 1_000);
                report.delta = delta;
                for state in ["idle", "active", "upgraded"] {
                    report = report.number(PoolFigure::Open, state, value);
                }
                if n == 0 {
                    // With nothing else told, nothing is wrong, and the sum of the states is looked at.
                    report.send(&mut store);
                    continue;
                }
                report = report.number(PoolFigure::Pending, "", value).number(PoolFigure::Opened, "", value);
                report = report.number(PoolFigure::Acquires, "reused", value).waits([u64::MAX; 5]);
                report = report.number(PoolFigure::Acquires, "new", value).results("200", u64::MAX);
                report.results("503", u64::MAX).breaker_state(Word::Open).send(&mut store);
                store.tick(T0 + n * 1_000 + 500);
                store.update(T0 + n * 1_000 + 500);
            }
            assert!(!only(&store).health.sentence.is_empty());
        }
    }
}

#[test]
fn routine_pushes_out_no_event_that_matters() {
    let limits = Limits { max_events: 4, ..Limits::default() };
    let mut store = Store::new(&Config { limits, ..Config::default() });
    store.take_events(&[transition(Word::Open, T0)], T0);
    for n in 1..10 {
        let attributes = vec![(attr::CLOSE_REASON, "idle_timeout".into())];
        let closed =
            EventRecord { name: event::CONNECTION_CLOSED, attributes, ..transition(Word::Open, T0 + n) };
        store.take_events(&[closed], T0 + n);
    }
    let ids = |events: Vec<poolscope_wire::Event>| events.iter().map(|event| event.id).collect::<Vec<_>>();
    assert_eq!(ids(store.events(EventFilter::default(), 10)), [10, 9, 1]);
    assert_eq!(ids(store.update(T0).events), [1, 9, 10], "the stream tells them oldest first");
}

#[test]
fn an_update_tells_only_what_changed() {
    let mut store = store();
    at(T0).results("200", 1).breaker_state(Word::Closed).send(&mut store);
    assert!(store.has_news());
    let first = store.update(T0);
    assert_eq!(
        (first.pools.len(), first.breakers.len(), first.services.map(|all| all.len())),
        (1, 1, Some(1))
    );
    assert!(!store.has_news());
    assert_eq!(store.update(T0), poolscope_wire::Update { now_ms: T0, ..Default::default() });
    at(T0 + 1_000).results("200", 2).send(&mut store);
    store.take_events(&[transition(Word::Open, T0 + 1_000)], T0 + 1_000);
    let second = store.update(T0);
    assert_eq!((second.pools.len(), second.breakers.len(), second.events.len()), (1, 1, 1));
    assert_eq!(second.services, None);
}

#[test]
fn numbers_beyond_reason_overflow_nothing() {
    let mut store = store();
    for n in 0..3_u64 {
        let report = [PoolFigure::Opened, PoolFigure::Failed, PoolFigure::Closed, PoolFigure::Io]
            .into_iter()
            .fold(Maker { delta: true, ..at(T0 + n * 1_000) }, |maker, figure| {
                maker.number(figure, "x", 1e300)
            })
            .number(PoolFigure::Acquires, "reused", 1e300)
            .number(PoolFigure::Acquires, "new", 1e300)
            .number(PoolFigure::Pending, "", 1e300)
            .waits([u64::MAX / 2; 5])
            .results("500", u64::MAX)
            .results("501", u64::MAX);
        report.send(&mut store);
    }
    let id = Id::pool(sender(), Destination::new("", "https", "pay", Some(443)));
    assert_eq!(detail_of(&store, id).unwrap().summary.opened_total, Some(u64::MAX));
    store.tick(u64::MAX);
    assert!(detail_of(&store, id).is_none());
}

#[test]
fn a_series_that_is_silent_makes_room_for_a_new_one_and_its_count_stays() {
    let limits = Limits { max_series: 3, ..Limits::default() };
    let mut store = Store::new(&Config { limits, forget_after_s: 600, ..Config::default() });
    at(T0).results("200", 5).results("404", 2).results("500", 3).send(&mut store);
    for n in 1..=700 {
        at(T0 + n * 1_000).results("200", 5 + n).send(&mut store);
    }
    let before: Vec<_> = detail_of(&store, only_id(&store)).unwrap().results;
    store.tick(T0 + 700_000);
    assert_eq!(detail_of(&store, only_id(&store)).unwrap().results, before);
    for n in 701..=702 {
        at(T0 + n * 1_000).results("200", 5 + n).results("429", n - 697).send(&mut store);
    }
    let detail = detail_of(&store, only_id(&store)).unwrap();
    let results: Vec<_> = detail.results.iter().map(|one| (one.reason.as_str(), one.count)).collect();
    assert_eq!(results, [("200", 707), ("429", 5), ("500", 3), ("404", 2)]);
    assert_eq!(detail.summary.requests_total, Some(717));
    assert_eq!(detail.summary.now.requests_per_s, Some(2.0), "one of each");
    // One that made room and is back counts on where it was.
    at(T0 + 703_000).results("200", 708).results("429", 6).results("500", 4).send(&mut store);
    let detail = detail_of(&store, only_id(&store)).unwrap();
    let results: Vec<_> = detail.results.iter().map(|one| (one.reason.as_str(), one.count)).collect();
    assert_eq!(results, [("200", 708), ("429", 6), ("500", 4), ("404", 2)]);
    assert_eq!(detail.summary.requests_total, Some(720));
}
