//! What the store tells of connections: how they are made, wasted and leaked.

use poolscope_wire::{self as wire, Connections, PoolDetail};

use super::*;

fn detail(store: &Store) -> PoolDetail {
    detail_of(store, only_id(store)).unwrap()
}

#[test]
fn what_a_sender_does_not_tell_is_not_known() {
    let mut store = store();
    at(T0).number(PoolFigure::Opened, "", 3.0).send(&mut store);
    let now = only(&store).now;
    assert_eq!((now.connecting, now.leaked, now.wasted_per_s), (None, None, None));
    let detail = detail(&store);
    assert_eq!(detail.connections, Connections::default());
    assert!(detail.failures.is_empty());
}

#[test]
fn what_connections_have_been_like_counts_from_before_the_first_look() {
    let mut store = store();
    for n in 1..=2 {
        at(T0 + n * 1_000)
            .number(PoolFigure::Connecting, "", 2.0)
            .number(PoolFigure::Wasted, "", (n * 10) as f64)
            .number(PoolFigure::Abandoned, "", 3.0)
            .number(PoolFigure::StaleReuse, "", 4.0)
            .number(PoolFigure::Retransmits, "", 5.0)
            .number(PoolFigure::Leaks, "", 6.0)
            .spread(PoolFigure::Create, [0, n * 10, 0, 0, 0])
            .spread(PoolFigure::Phase, [n * 10, 0, 0, 0, 0])
            .of_phase(ConnectPhase::Dns)
            .spread(PoolFigure::Phase, [0, n * 10, 0, 0, 0])
            .of_phase(ConnectPhase::Tls)
            .spread(PoolFigure::Idle, [0, 0, 0, 0, 0])
            .spread(PoolFigure::Requests, [0, 0, n * 10, 0, 0])
            .send(&mut store);
    }
    let pool = only(&store);
    assert_eq!((pool.now.connecting, pool.now.wasted_per_s), (Some(2), Some(10.0)));
    let connections = detail(&store).connections;
    let create = connections.create_s.unwrap();
    assert_eq!(create.count, 20, "those of the first report of an old sender included");
    assert!(create.p50 > 0.001 && create.p50 < create.p95 && create.p95 < 0.1, "{create:?}");
    let phases: Vec<_> =
        connections.phases_s.iter().map(|(phase, spread)| (&**phase, spread.count)).collect();
    assert_eq!(phases, [("dns", 20), ("tls", 20)]);
    assert!(connections.phases_s[0].1.p95 < connections.phases_s[1].1.p50);
    assert_eq!(
        (connections.idle_s, connections.rtt_s),
        (None, None),
        "nothing was counted, and nothing told"
    );
    assert_eq!(connections.requests.unwrap().p50, 1.0, "requests are whole");
    let Connections { wasted, abandoned, stale_reuse, retransmits, leaks, .. } = connections;
    assert_eq!(
        [wasted, abandoned, stale_reuse, retransmits, leaks],
        [Some(20), Some(3), Some(4), Some(5), Some(6)]
    );
}

#[test]
fn the_way_of_observation_is_told() {
    let mut store = store();
    for (n, observation, told) in [
        (0, Observation::Exact, wire::Observation::Exact),
        (1, Observation::Kernel, wire::Observation::Kernel),
        (2, Observation::Estimated, wire::Observation::Estimated),
    ] {
        let mut report = at(T0 + n * 1_000).number(PoolFigure::Opened, "", 1.0);
        report.pools[0].observation = observation;
        report.send(&mut store);
        assert_eq!(only(&store).observation, told);
    }
}

#[test]
fn connects_that_fail_are_told_by_error_and_part() {
    let mut store = store();
    for n in 0..2 {
        at(T0 + n * 1_000)
            .number(PoolFigure::Failed, "connect", (n * 2) as f64)
            .of_phase(ConnectPhase::Tcp)
            .number(PoolFigure::Failed, "dns", (n * 5) as f64)
            .of_phase(ConnectPhase::Dns)
            .number(PoolFigure::Failed, "timeout", 0.0)
            .send(&mut store);
    }
    let rows: Vec<_> = detail(&store)
        .failures
        .into_iter()
        .map(|row| (row.error, row.phase.unwrap_or_default(), row.count))
        .collect();
    assert_eq!(rows, [("dns".into(), "dns".into(), 5), ("connect".into(), "tcp".to_owned(), 2)]);
    assert_eq!(only(&store).failed_total, Some(7));
    let health = only(&store).health;
    assert_eq!(health.severity, Severity::Bad);
    assert!(health.sentence.ends_with(": mostly, the name can't be resolved"), "{}", health.sentence);
}

#[test]
fn a_leak_is_told_at_once_and_taken_back_at_once() {
    let mut store = store();
    let leak = |name, held: &'static str, at_ms: u64| {
        let attributes = [
            (attr::URL_SCHEME, "https"),
            (attr::SERVER_ADDRESS, "pay"),
            (attr::SERVER_PORT, "443"),
            (attr::CLIENT_NAME, ""),
            (attr::CONNECTION_ID, "7"),
            (attr::LEAK_HELD, held),
            (attr::LEAK_ORIGIN, "src/orders.rs:88"),
        ];
        let attributes = attributes.map(|(key, value)| (key, Cow::Borrowed(value))).into();
        EventRecord { name, attributes, ..transition(Word::Open, at_ms) }
    };
    let report = |n: u64, leaked| at(T0 + n * 1_000).number(PoolFigure::Leaked, "", leaked);
    report(0, 0.0).send(&mut store);
    assert_eq!((only(&store).now.leaked, only(&store).health.severity), (Some(0), Severity::Ok));
    store.take_events(&[leak(event::LEAK_SUSPECTED, "10", T0 + 300)], T0 + 310);
    let pool = only(&store);
    assert_eq!(pool.now.leaked, Some(1));
    assert_eq!(pool.health.sentence, "1 response is held and not read for 10 s; taken by src/orders.rs:88");
    assert_eq!(
        store
            .events(EventFilter { pools: Some(std::slice::from_ref(&pool.id)), ..EventFilter::default() }, 9)
            .len(),
        1
    );

    report(1, 1.0).send(&mut store);
    assert_eq!(only(&store).now.leaked, Some(1));
    report(2, 1.0).send(&mut store);
    store.tick(T0 + 4_300);
    assert!(only(&store).health.sentence.contains("for 14 s"), "{}", only(&store).health.sentence);
    store.tick(T0 + 50_300);
    assert!(only(&store).health.sentence.contains("for 12 s"), "a silent sender tells nothing more");
    report(60, 1.0).send(&mut store);
    assert!(only(&store).health.sentence.contains("for 1 min 10 s"), "{}", only(&store).health.sentence);
    store.take_events(&[leak(event::LEAK_RETURNED, "70.1", T0 + 60_400)], T0 + 60_410);
    assert_eq!(only(&store).now.leaked, Some(0));
    assert!(only(&store).health.sentence.starts_with("recovering"), "{}", only(&store).health.sentence);
}

fn close(id: &'static str, at_ms: u64) -> EventRecord<'static> {
    let attributes = [
        (attr::SERVER_ADDRESS, "pay"),
        (attr::URL_SCHEME, "https"),
        (attr::CONNECTION_ID, id),
        (attr::CONNECTION_LIFETIME, "0.4"),
        (attr::CLOSE_REASON, "reset"),
    ];
    EventRecord {
        name: event::CONNECTION_CLOSED,
        time_ns: at_ms * 1_000_000,
        attributes: attributes.map(|(key, value)| (key, Cow::Borrowed(value))).into(),
        ..transition(Word::Open, at_ms)
    }
}

#[test]
fn a_close_that_is_told_before_its_pool_gets_its_lane_when_the_pool_comes() {
    let mut store = store();
    let waiting = |store: &Store| {
        let limits = store.limits();
        let limit = limits.iter().find(|limit| limit.name == "closes that wait for their pool").unwrap();
        (limit.used, limit.max, limit.hits)
    };
    store.take_events(&[close("7", T0), close("8", T0 + 100)], T0 + 100);
    assert_eq!((waiting(&store), store.pools().len()), ((2, 1_000, 0), 0));
    at(T0 + 1_000).number(PoolFigure::Opened, "", 1.0).send(&mut store);
    assert_eq!(waiting(&store), (0, 1_000, 0));
    let lanes = |store: &Store| {
        let query = crate::store::LaneQuery {
            from_ms: T0 - 10_000,
            to_ms: T0 + 10_000,
            after_ms: None,
            max_rows: 100,
            max_points: 100,
            sort: crate::store::LaneSort::Id,
            only: |_| true,
        };
        store.lanes(only_id(store), &query).unwrap().rows
    };
    let rows = lanes(&store);
    let told: Vec<_> = rows.iter().map(|row| (row.id, row.closed.as_ref().map(|one| one.at_ms))).collect();
    assert_eq!(told, [(7, Some(T0)), (8, Some(T0 + 100))]);
    assert_eq!(rows[0].closed.as_ref().map(|one| one.reason.as_str()), Some("reset"));
    // A pool that is known needs no waiting.
    store.take_events(&[close("9", T0 + 2_000)], T0 + 2_000);
    assert_eq!((waiting(&store).0, lanes(&store).len()), (0, 3));

    // What nobody comes for goes, and so does what is too much.
    let mut store = self::store();
    store.take_events(&[close("7", T0)], T0);
    store.tick(T0 + 121_000);
    assert_eq!(waiting(&store), (0, 1_000, 1));
    let many: Vec<_> = (0..1_500).map(|_| close("7", T0 + 122_000)).collect();
    store.take_events(&many, T0 + 122_000);
    assert_eq!(waiting(&store), (1_000, 1_000, 501));
}
