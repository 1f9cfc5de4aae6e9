//! What is kept of pools and breakers, and for how long.

use super::*;

const MINUTE: u64 = 60_000;

fn between(from_ms: u64, to_ms: u64) -> Wanted {
    Wanted { since: Since::Moment(from_ms), to_ms: Some(to_ms), max_points: 10_000 }
}

fn used(store: &Store, name: &str) -> (u64, u64) {
    let limits = store.limits();
    let limit = limits.iter().find(|limit| limit.name == name).unwrap();
    (limit.used, limit.hits)
}

#[test]
fn history_is_bounded_by_reports_and_by_time() {
    let limits = Limits { max_points: 100, ..Limits::default() };
    let mut store = Store::new(&Config { limits, retention_s: 600, ..Config::default() });
    for n in 0..3_600_u64 {
        at(T0 + n * 1_000).results("200", n).send(&mut store);
    }
    assert!((100..200).contains(&used(&store, "reports of a pool kept as they came").0));
    let detail = detail_of(&store, only_id(&store)).unwrap();
    let newest_ms = T0 + 3_599_000;
    assert!((10 * MINUTE..22 * MINUTE).contains(&(newest_ms - detail.range.oldest_ms.unwrap())));
    assert_eq!((detail.range.step_ms, detail.interval_ms), (10_000, 1_000), "the older is merged");
    assert_eq!(store.pool(only_id(&store), last(2), T0).unwrap().points.len(), 3);
}

#[test]
fn a_silent_pool_leaves_the_overview_and_its_history_stays() {
    let mut store = store();
    for n in 0..10_u64 {
        at(T0 + n * 1_000).results("200", n).breaker_state(Word::Closed).send(&mut store);
    }
    let (id, breaker) = (only_id(&store), Id::parse(&store.breakers()[0].id).unwrap());
    store.full(poolscope_wire::Status::default(), false);
    let later = T0 + 3_600_000;
    store.tick(later);
    assert!(store.pools().is_empty() && store.breakers().is_empty() && store.services().is_empty());
    let update = store.update(later);
    assert_eq!((update.removed_pools.len(), update.removed_breakers.len(), update.pools.len()), (1, 1, 0));
    assert_eq!(used(&store, "silent pools with history"), (1, 0));
    let detail = store.pool(id, between(T0, later), later).unwrap();
    assert_eq!((detail.points.len(), detail.summary.stale), (1, true), "merged, as it is old");
    assert_eq!((detail.points[0].at_ms, detail.points[0].requests_per_s), (T0 + 9_000, Some(1.0)));
    assert_eq!(detail.summary.requests_total, Some(9));
    assert_eq!(store.breaker_detail(breaker, between(T0, later), later).unwrap().points.len(), 1);

    // It comes back with its past, and the time between is a gap.
    at(later + 1_000).results("200", 12).breaker_state(Word::Closed).send(&mut store);
    assert_eq!(store.update(later).pools.len(), 1);
    let detail = store.pool(id, between(T0, later + 1_000), later).unwrap();
    assert_eq!((detail.points.len(), detail.summary.stale), (2, false));
    let silence = poolscope_wire::Silence { from_ms: T0 + 9_000, to_ms: later + 1_000 };
    assert_eq!(detail.range.silences, [silence]);
    assert_eq!(used(&store, "silent pools with history"), (0, 0));

    store.tick(later + 2_000 + 24 * 3_600_000);
    assert!(store.pool(id, last(1), later).is_none(), "after the retention nothing is left");
}

#[test]
fn a_silent_pool_makes_room_before_one_that_is_shown() {
    let limits = Limits { max_pools: 2, ..Limits::default() };
    let mut store = Store::new(&Config { limits, ..Config::default() });
    let to = |host, at_ms| {
        let mut report = at(at_ms).results("200", 1);
        report.pools[0].destination = Destination::new("", "https", host, Some(443));
        report
    };
    to("old", T0).send(&mut store);
    to("one", T0 + 3_600_000).send(&mut store);
    store.tick(T0 + 3_600_000);
    to("two", T0 + 3_601_000).send(&mut store);
    assert_eq!(store.pools().len(), 2);
    assert_eq!((used(&store, "pools").1, used(&store, "silent pools with history")), (0, (0, 1)));
}

#[test]
fn a_clock_that_is_put_back_stops_nothing() {
    let mut store = store();
    for n in 0..100_u64 {
        at(T0 + n * 1_000).results("200", n).breaker_state(Word::Closed).send(&mut store);
    }
    // By an hour: what follows is now, and not the past of what was.
    let back = T0 - 3_600_000;
    for n in 0..5_u64 {
        at(back + n * 1_000).results("200", 100 + n * 10).breaker_state(Word::Open).send(&mut store);
        store.tick(back + n * 1_000);
    }
    let pool = only(&store);
    assert_eq!((pool.now.at_ms, pool.now.requests_per_s, pool.stale), (back + 4_000, Some(10.0), false));
    let now = back + 4_000;
    let detail = store.pool(only_id(&store), between(0, now), now).unwrap();
    assert_eq!(detail.points.iter().map(|point| point.at_ms).max(), Some(now));
    assert_eq!(store.breakers()[0].state, BreakerState::Open);
}

/// A report of a registry of sessions and a timeout, by a sender of deltas.
fn send_protected(store: &mut Store, at_ms: u64, value: f64) {
    let ns = 1_000_000;
    let reading = |series, value, delta| Reading {
        series,
        start_ns: (at_ms - 1_000) * ns,
        time_ns: at_ms * ns,
        value: Value::Number { value, delta },
    };
    let session = |figure, reading| SessionReading { name: "ws", figure, label: "", reading };
    let timeout = |figure, label: &'static str, reading| ProtectionReading {
        name: "t",
        guard: "",
        figure,
        label: label.into(),
        reading,
    };
    let report = Report {
        sender: sender(),
        sessions: vec![
            session(SessionFigure::Active, reading(1, value, false)),
            session(SessionFigure::Started, reading(2, 1.0, true)),
        ],
        protection: vec![
            timeout(ProtectionFigure::TimeoutLimit, "", reading(3, value, false)),
            timeout(ProtectionFigure::TimeoutCalls, "fired", reading(4, 1.0, true)),
        ],
        ..Report::default()
    };
    store.take_metrics(&[report], at_ms);
}

#[test]
fn a_clock_that_is_put_back_leaves_sessions_and_protection_their_figures() {
    let mut store = store();
    (0..10).for_each(|n| send_protected(&mut store, T0 + n * 1_000, 3.0));
    let back = T0 - 3_600_000;
    for n in 0..120 {
        send_protected(&mut store, back + n * 1_000, 50.0);
        store.tick(back + n * 1_000);
    }
    let session = store.sessions().remove(0);
    assert_eq!((session.now.at_ms, session.now.active, session.stale), (back + 119_000, 50, false));
    assert_eq!(session.started.total, 130);
    assert!((55..=60).contains(&session.started.minute), "{:?}", session.started);
    let poolscope_wire::ProtectionFigures::Timeout(timeout) = store.protection().remove(0).figures else {
        panic!("no timeout");
    };
    assert_eq!((timeout.limits[0].limit_s, timeout.fired.total), (50.0, 130));
    assert!((55..=60).contains(&timeout.fired.minute), "{:?}", timeout.fired);
}

#[test]
fn sessions_and_protection_that_left_are_in_the_lists_of_the_time_when_they_reported() {
    let mut store = Store::new(&Config { forget_after_s: 60, ..Config::default() });
    (0..100).for_each(|n| send_protected(&mut store, T0 + n * 1_000, 3.0));
    store.tick(T0 + 1_000_000);
    assert!(store.sessions().is_empty() && store.protection().is_empty());
    let mut between = |from: u64, to: u64| {
        let (from_ms, to_ms) = (T0 + from * 1_000, T0 + to * 1_000);
        (store.sessions_between(from_ms, to_ms).len(), store.protection_between(from_ms, to_ms).len())
    };
    assert_eq!([between(50, 51), between(99, 900), between(100, 900)], [(1, 1), (1, 1), (0, 0)]);
}

#[test]
fn a_late_report_counts_and_tells_nothing_new() {
    let mut store = store();
    for n in [0, 1_000, 3_000, 2_000, 4_000_u64] {
        at(T0 + n).results("200", n / 100).send(&mut store);
    }
    let detail = detail_of(&store, only_id(&store)).unwrap();
    let moments: Vec<u64> = detail.points.iter().map(|point| point.at_ms - T0).collect();
    assert_eq!(moments, [0, 1_000, 3_000, 4_000]);
    let counted: f32 =
        detail.points[1..].iter().zip([1.0, 2.0, 1.0]).map(|(p, s)| p.requests_per_s.unwrap() * s).sum();
    assert_eq!(counted, 40.0);
}

#[test]
fn a_breaker_tells_its_states_and_its_shares_over_time() {
    let mut store = store();
    let report = |n: u64, state, calls: f64| {
        at(T0 + n * 1_000).breaker_state(state).breaker(BreakerFigure::Calls, "failure", calls).breaker(
            BreakerFigure::Ratio(Judged::Failed),
            "",
            n as f64 / 10.0,
        )
    };
    (0..6).for_each(|n| report(n, Word::Closed, n as f64 * 4.0).send(&mut store));
    store.take_events(&[transition(Word::Open, T0 + 5_500)], T0 + 5_600);
    (6..9).for_each(|n| report(n, Word::Open, 20.0).send(&mut store));
    let id = Id::parse(&store.breakers()[0].id).unwrap();
    let now = T0 + 8_000;
    let detail = store.breaker_detail(id, between(T0, now), now).unwrap();
    let states: Vec<_> =
        detail.states.iter().map(|span| (span.state, span.from_ms - T0, span.to_ms - T0)).collect();
    assert_eq!(states, [(BreakerState::Closed, 0, 5_500), (BreakerState::Open, 5_500, 8_000)]);
    assert_eq!((detail.transitions.len(), detail.points.len()), (1, 9));
    assert_eq!((detail.points[5].failure_ratio, detail.points[5].failed_per_s), (Some(0.5), 4.0));
    let thin = Wanted { max_points: 2, ..between(T0, now) };
    let thin = store.breaker_detail(id, thin, now).unwrap();
    assert_eq!(
        thin.points.last().map(|point| point.failure_ratio),
        Some(Some(0.8)),
        "the greatest of its time"
    );
    assert!(thin.points.len() <= 2);
}

#[test]
fn the_memory_of_all_histories_is_bounded() {
    let mut store = store();
    store.max_history_bytes = 100_000;
    for n in 0..1_500_u64 {
        for host in ["a", "b", "c", "d"] {
            let mut report = at(T0 + n * 1_000).results("200", n).waits([n, n / 2, n / 3, 0, 0]);
            for reading in &mut report.pools {
                reading.destination = Destination::new("", "https", host, Some(443));
            }
            report.send(&mut store);
        }
        if n % 10 == 0 {
            store.tick(T0 + n * 1_000);
        }
    }
    store.tick(T0 + 1_500_000);
    let (bytes, dropped) = used(&store, "bytes of history");
    assert!(bytes <= 100_000 && bytes > 60_000, "{bytes}");
    assert!(dropped > 500, "{dropped}");
    let range =
        store.pool(Id::parse(&store.pools()[0].id).unwrap(), between(0, T0 + 1_500_000), T0).unwrap().range;
    assert!(range.oldest_ms.unwrap() <= T0 + 900_000, "what is left still reaches back");
}

#[test]
fn a_histogram_that_is_not_believed_any_more_costs_a_file_nothing_else() {
    let mut before = store();
    before.save_changes();
    for n in 0..10 {
        let bounds = if n == 3 { (1..=10_001).map(f64::from).collect() } else { BOUNDS.to_vec() };
        let counts = Cow::Owned(vec![1; bounds.len() + 1]);
        let waits = Value::Histogram { bounds: Cow::Owned(bounds), counts, delta: true };
        at(T0 + n * 1_000).push(PoolFigure::Wait, "", waits).send(&mut before);
    }
    before.settle();
    let id = only_id(&before);
    let changes = before.take_changes(T0 + 10_000);
    let mut after = store();
    for (kind, id, json) in &changes.things {
        after.restore_thing(*kind, *id, json.as_ref().unwrap());
    }
    for (tier, pieces) in changes.steps.iter().enumerate() {
        pieces.iter().for_each(|piece| after.restore_steps(tier, piece));
    }
    after.restored(T0 + 10_000);
    let points = after.pool(id, between(T0, T0 + 10_000), T0 + 10_000).unwrap().points;
    let told: Vec<_> = points.iter().map(|point| point.wait_p50_s.is_some()).collect();
    assert_eq!(told, (0..10).map(|n| n != 3).collect::<Vec<_>>());
}
