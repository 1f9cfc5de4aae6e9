//! The detail of a group: what its instances count, together, over time.

use super::*;
use crate::store::PoolId;

fn of(instance: &'static str) -> Sender<'static> {
    Sender { service: "shop", instance, ..Sender::default() }
}

#[test]
fn the_events_of_a_group_are_those_of_its_pools() {
    let mut store = store();
    for (n, instance) in (0..).zip(["a", "b"]) {
        report(instance, 1, 1, &mut store);
        let leak = |address: &'static str| {
            let attributes =
                [(attr::SERVER_ADDRESS, address), (attr::SERVER_PORT, "443"), (attr::URL_SCHEME, "https")];
            EventRecord {
                name: event::LEAK_SUSPECTED,
                sender: of(instance),
                attributes: attributes.map(|(key, value)| (key, Cow::Borrowed(value))).into(),
                ..transition(Word::Open, T0 + n)
            }
        };
        store.take_events(&[leak("pay"), leak("search")], T0 + n);
    }
    let group = PoolId::parse(&store.groups()[0].merged.id).unwrap();
    let members: Vec<String> = store.members(group).into_iter().map(|(id, _)| id).collect();
    assert_eq!(members.len(), 2);
    let filter = EventFilter { pools: Some(&members), ..EventFilter::default() };
    let told =
        |limit| store.events(filter, limit).into_iter().map(|event| event.instance).collect::<Vec<_>>();
    assert_eq!((told(10), told(1)), (vec!["b".to_owned(), "a".to_owned()], vec!["b".to_owned()]));
    assert_eq!(store.event_counts(filter), [2, 4]);
}

/// What an instance counted until a second.
fn report(instance: &'static str, second: u64, each: u64, store: &mut Store) {
    let at_ms = T0 + second * 1_000;
    let count = each * second;
    let maker = at(at_ms)
        .number(PoolFigure::Open, "active", each as f64)
        .number(PoolFigure::Opened, "", count as f64)
        .number(PoolFigure::Closed, "max_age", count as f64)
        .number(PoolFigure::Acquires, "reused", 3.0 * count as f64)
        .number(PoolFigure::Acquires, "new", count as f64)
        .spread(PoolFigure::Wait, [0, 9 * count, 0, count, 0])
        .results("200", count);
    let report = Report { sender: of(instance), pools: maker.pools, ..Report::default() };
    store.take_metrics(&[report], at_ms);
}

fn group(store: &Store, from: u64, to: u64, max_points: usize) -> PoolDetail {
    let id = PoolId::Group(Id::pool(
        Sender { service: "shop", ..Sender::default() },
        Destination::new("", "https", "pay", Some(443)),
    ));
    let [since, to_ms] = [from, to].map(|second| T0 + second * 1_000);
    let wanted = Wanted { since: Since::Moment(since), to_ms: Some(to_ms), max_points };
    store.pool_or_group(id, wanted, to_ms).unwrap()
}

#[test]
fn the_detail_of_a_group_is_the_sum_of_its_instances() {
    let mut store = store();
    for second in 0..=60 {
        report("a", second, 1, &mut store);
        report("b", second, 2, &mut store);
    }
    let detail = group(&store, 0, 61, 1_000);
    assert_eq!(detail.summary.id, store.groups()[0].merged.id);
    assert_eq!(PoolId::parse(&detail.summary.id).map(|id| matches!(id, PoolId::Group(_))), Some(true));
    assert_eq!(detail.members.len(), 2);
    let counts = |counts: &[poolscope_wire::CountByReason]| {
        counts.iter().map(|one| (one.reason.clone(), one.count)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&detail.closes), [("max_age".to_owned(), 180)]);
    assert_eq!(counts(&detail.acquires), [("reused".to_owned(), 540), ("new".to_owned(), 180)]);
    assert_eq!(counts(&detail.results), [("200".to_owned(), 180)]);
    assert_eq!(detail.summary.closed_total, Some(180), "one truth");
    // The newest point goes on where the history ends, so it has what a point of that has.
    let now = &detail.summary.now;
    assert_eq!((now.reuse, now.active), (Some(0.75), Some(3)));
    assert!(now.wait_p99_s.is_some_and(|p99| (1.0..=5.0).contains(&p99)), "{now:?}");
    let points = &detail.points[2..detail.points.len() - 1];
    assert!(points.len() > 50, "{}", points.len());
    for point in points {
        assert_eq!((point.active, point.requests_per_s), (Some(3), Some(3.0)), "{point:?}");
        assert_eq!(point.reuse, Some(0.75));
        // One of ten waited for longer than a second, of both.
        assert!(point.wait_p50_s.is_some_and(|p50| p50 < 0.1), "{point:?}");
        assert!(point.wait_p99_s.is_some_and(|p99| (1.0..=5.0).contains(&p99)), "{point:?}");
    }
    assert!(detail.range.silences.is_empty(), "{:?}", detail.range);
}

#[test]
fn a_group_has_gaps_where_nobody_tells_and_keeps_what_was_of_those_that_went() {
    let mut store = store();
    for second in 0..=30 {
        report("a", second, 1, &mut store);
        report("b", second, 2, &mut store);
    }
    // One goes on alone, then nobody tells, then it is back.
    (31..=60).chain(120..=150).for_each(|second| report("a", second, 1, &mut store));
    let detail = group(&store, 0, 151, 1_000);
    let at = |second: u64| {
        let point = detail.points.iter().find(|point| point.at_ms == T0 + (second + 1) * 1_000);
        point.map(|point| point.active.unwrap())
    };
    assert_eq!((at(20), at(50), at(90), at(140)), (Some(3), Some(1), None, Some(1)));
    let [silence] = detail.range.silences.as_slice() else { panic!("{:?}", detail.range) };
    assert!(silence.from_ms >= T0 + 61_000 && silence.to_ms <= T0 + 120_000, "{silence:?}");
    assert!(silence.to_ms - silence.from_ms > 50_000, "{silence:?}");
    assert_eq!(group(&store, 500, 501, 10).points, [], "of a time of which nothing is known");
}

#[test]
fn many_points_of_a_group_are_thinned_to_those_that_are_wanted() {
    let mut store = store();
    for second in 0..=600 {
        report("a", second, 1, &mut store);
        report("b", second, 2, &mut store);
    }
    let detail = group(&store, 0, 600, 100);
    assert!((50..=101).contains(&detail.points.len()), "{}", detail.points.len());
    assert_eq!(detail.range.step_ms, 10_000);
    let middle = &detail.points[30];
    assert_eq!((middle.active, middle.requests_per_s), (Some(3), Some(3.0)));
    assert_eq!(middle.at_ms % 10_000, 0, "slots lie on the clock");
}

#[test]
fn unequal_buckets_have_no_percentiles_and_a_group_of_nobody_is_not_there() {
    let mut store = store();
    for second in 0..=5_u64 {
        report("a", second, 1, &mut store);
        let value = Value::Histogram {
            bounds: (&[0.5, 2.0]).into(),
            counts: vec![second, 0, 0].into(),
            delta: false,
        };
        let maker =
            at(T0 + second * 1_000).number(PoolFigure::Opened, "", 1.0).push(PoolFigure::Wait, "", value);
        let report = Report { sender: of("b"), pools: maker.pools, ..Report::default() };
        store.take_metrics(&[report], T0 + second * 1_000);
    }
    let detail = group(&store, 0, 6, 100);
    assert!(detail.unequal_buckets);
    assert!(detail.points.iter().all(|point| point.wait_p99_s.is_none() || point.at_ms == T0 + 1_000));
    let nobody = PoolId::parse("g-0000000000000001").unwrap();
    let wanted = Wanted { since: Since::usual(), to_ms: None, max_points: 10 };
    assert!(store.pool_or_group(nobody, wanted, T0).is_none());
}
