//! What the store tells of breakers: from their series, and from events that are quicker.

use super::*;

#[test]
fn a_breaker_is_known_from_its_series() {
    let mut store = store();
    let report = |n: u64, state| {
        at(T0 + n * 1_000)
            .breaker_state(state)
            .breaker(BreakerFigure::Transitions, "failure_ratio", if n > 1 { 1.0 } else { 0.0 })
            .breaker(BreakerFigure::Calls, "success", (n * 10) as f64)
            .breaker(BreakerFigure::Ratio(Judged::Failed), "", 0.52)
            .breaker(BreakerFigure::Limit(Judged::Failed), "", 0.5)
            .breaker(BreakerFigure::Limit(Judged::Slow), "", 0.3)
            .breaker(BreakerFigure::Ratio(Judged::Unconnected), "", 0.1)
            .breaker(BreakerFigure::WindowCalls, "", 200.0)
            .breaker(BreakerFigure::OpenRemaining, "", if n > 1 { 25.8 } else { 0.0 })
    };
    report(1, Word::Closed).send(&mut store);
    assert_eq!((store.breakers()[0].state, store.breakers()[0].since_ms), (BreakerState::Closed, None));
    report(2, Word::Open).send(&mut store);
    let breaker = store.breakers().remove(0);
    assert_eq!(breaker.state, BreakerState::Open);
    assert_eq!(breaker.since_ms, Some(T0 + 2_000));
    assert_eq!(breaker.next_try_ms, Some(T0 + 2_000 + 25_800));
    assert_eq!(breaker.succeeded_total, 20);
    assert_eq!(breaker.sentence, "open: 52 % of 200 calls failed (limit 50 %)");
    assert_eq!(breaker.slow_calls, Some(Share { ratio: None, limit: 0.3 }), "judged, of too few calls");
    assert_eq!(breaker.failed_connects, None, "not judged apart");
    assert_eq!((breaker.transitions.len(), &*breaker.transitions[0].reason), (1, "failure_ratio"));
}

#[test]
fn an_event_changes_the_breaker_and_the_pool_at_once() {
    let mut store = store();
    at(T0).results("200", 1).breaker_state(Word::Closed).send(&mut store);
    assert_eq!(only(&store).breaker, Some(("pay:443".into(), BreakerState::Closed)));
    store.take_events(&[transition(Word::Open, T0 + 300)], T0 + 310);
    let breaker = store.breakers().remove(0);
    assert_eq!((breaker.state, breaker.since_ms), (BreakerState::Open, Some(T0 + 300)));
    assert_eq!(breaker.next_try_ms, Some(T0 + 30_300));
    let pool = only(&store);
    assert_eq!(pool.breaker, Some(("pay:443".into(), BreakerState::Open)));
    assert_eq!(pool.health.severity, Severity::Bad);
    let events = store.events(EventFilter { breaker: Some(&breaker.id), ..EventFilter::default() }, 10);
    assert_eq!(events[0].text, "breaker pay:443 opened: 52 % of 200 calls failed; next try in 30 s");

    // A report that was made before the event and arrives after it does not turn the state back.
    at(T0 + 200).breaker_state(Word::Closed).send_at(&mut store, T0 + 400);
    assert_eq!(store.breakers()[0].state, BreakerState::Open);
}

#[test]
fn a_breaker_that_closes_shows_nothing_of_the_window_before() {
    let mut store = store();
    at(T0)
        .breaker_state(Word::Open)
        .breaker(BreakerFigure::Ratio(Judged::Slow), "", 0.9)
        .breaker(BreakerFigure::Limit(Judged::Slow), "", 0.5)
        .breaker(BreakerFigure::WindowCalls, "", 40.0)
        .send(&mut store);
    let shown = |store: &Store| {
        let breaker = store.breakers().remove(0);
        (breaker.slow_calls.unwrap().ratio, breaker.window_calls)
    };
    let bare = |to, at_ms| {
        let mut record = transition(to, at_ms);
        record
            .attributes
            .retain(|(key, _)| ![attr::BREAKER_FAILURE_RATIO, attr::BREAKER_WINDOW_CALLS].contains(key));
        record
    };
    store.take_events(&[bare(Word::HalfOpen, T0 + 100)], T0 + 100);
    assert_eq!(shown(&store), (Some(0.9), 40), "what it opened for");
    store.take_events(&[bare(Word::Closed, T0 + 200)], T0 + 200);
    assert_eq!(shown(&store), (None, 0));
}

#[test]
fn an_event_after_the_report_that_showed_its_effect_is_the_same_change() {
    let mut store = store();
    at(T0).breaker_state(Word::Closed).send(&mut store);
    at(T0 + 1_000).breaker_state(Word::Open).send(&mut store);
    assert_eq!(store.breakers()[0].transitions[0].reason, "unknown");
    let late = || transition(Word::Open, T0 + 900);
    store.take_events(&[late(), late()], T0 + 1_100);
    let breaker = store.breakers().remove(0);
    assert_eq!(breaker.transitions.len(), 1);
    assert_eq!((&*breaker.transitions[0].reason, breaker.since_ms), ("failure_ratio", Some(T0 + 900)));
}

#[test]
fn changes_that_a_report_has_seen_as_one_are_told_one_by_one() {
    let mut store = store();
    at(T0).breaker_state(Word::Open).send(&mut store);
    at(T0 + 1_000).breaker_state(Word::Closed).send(&mut store);
    let events = [
        transition_from(Word::Open, Word::HalfOpen, T0 + 800),
        transition_from(Word::HalfOpen, Word::Closed, T0 + 900),
    ];
    store.take_events(&events, T0 + 1_100);
    let breaker = store.breakers().remove(0);
    let changes: Vec<_> =
        breaker.transitions.iter().map(|change| (change.from, change.to, change.at_ms)).collect();
    use BreakerState::{Closed, HalfOpen, Open};
    assert_eq!(changes, [(Open, HalfOpen, T0 + 800), (HalfOpen, Closed, T0 + 900)]);
    assert_eq!((breaker.state, breaker.since_ms), (Closed, Some(T0 + 900)));
}

#[test]
fn transitions_are_bounded_and_a_repeated_event_counts_once() {
    let mut store = store();
    for n in 0..60 {
        let to = if n % 2 == 0 { Word::Open } else { Word::Closed };
        store.take_events(&[transition(to, T0 + n), transition(to, T0 + n)], T0 + n);
    }
    let breaker = store.breakers().remove(0);
    assert_eq!(breaker.transitions.len(), 50);
    assert_eq!(breaker.transitions.last().unwrap().at_ms, T0 + 59);
    assert!(breaker.transitions.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
}

#[test]
fn a_breaker_that_left_the_list_is_in_that_of_the_time_when_it_reported() {
    let mut store = Store::new(&Config { forget_after_s: 60, ..Config::default() });
    let report = |second: u64, state| {
        at(T0 + second * 1_000).breaker_state(state).breaker(BreakerFigure::Calls, "failure", second as f64)
    };
    (0..100).for_each(|second| report(second, Word::Closed).send(&mut store));
    store.take_events(&[transition(Word::Open, T0 + 99_500)], T0 + 99_600);
    (100..110).for_each(|second| report(second, Word::Open).send(&mut store));
    store.tick(T0 + 1_000_000);
    assert!(store.breakers().is_empty());
    let between = |from: u64, to: u64| store.breakers_between(T0 + from * 1_000, T0 + to * 1_000);
    assert_eq!((between(50, 51).len(), between(109, 900).len()), (1, 1));
    assert!(between(110, 900).is_empty(), "nothing came of it then");
    let gone = between(90, 120).remove(0);
    assert_eq!((gone.state, gone.transitions.len(), gone.failed_total), (BreakerState::Open, 1, 109));

    // Its history is there by its id, with what was counted in that time alone.
    let id = Id::parse(&gone.id).unwrap();
    let wanted = Wanted { since: Since::Moment(T0 + 90_000), to_ms: Some(T0 + 104_000), max_points: 5 };
    let detail = store.breaker_detail(id, wanted, T0 + 1_000_000).unwrap();
    let (from_ms, to_ms) = (detail.range.from_ms, detail.range.to_ms);
    assert_eq!(detail.counted.failed, 15, "of {from_ms} to {to_ms}");
    assert_eq!((detail.counted.succeeded, detail.counted.rejected), (0, 0));
    assert_eq!(detail.transitions.len(), 1);
}

#[test]
fn what_a_breaker_counted_in_a_range_is_the_same_for_any_number_of_points() {
    let mut store = store();
    (0..=400).for_each(|second| {
        let state = if second < 110 { Word::Closed } else { Word::Open };
        at(T0 + second * 1_000)
            .breaker_state(state)
            .breaker(BreakerFigure::Calls, "success", (second * 3) as f64)
            .breaker(BreakerFigure::Calls, "failure", (second * 2) as f64)
            .send(&mut store);
    });
    let id = Id::parse(&store.breakers()[0].id).unwrap();
    let of = |from_ms: u64, to_ms: u64, max_points| {
        let wanted = Wanted { since: Since::Moment(T0 + from_ms), to_ms: Some(T0 + to_ms), max_points };
        store.breaker_detail(id, wanted, T0 + 400_000).unwrap()
    };
    for shift_ms in [0, 500] {
        for (seconds, calls) in [(29, [30, 29]), (59, [60, 59])] {
            let (from_ms, to_ms) = (103_000 + shift_ms, 103_000 + seconds * 1_000 + shift_ms);
            let all = of(from_ms, to_ms, 1_000);
            let reports = calls[usize::from(shift_ms > 0)];
            assert_eq!((all.counted.succeeded, all.counted.failed), (reports * 3, reports * 2));
            assert_eq!(all.states.len(), 2);
            for max_points in [1, 2, 7, 20] {
                let thin = of(from_ms, to_ms, max_points);
                assert!(thin.points.len() <= max_points);
                assert_eq!((thin.counted, &thin.states), (all.counted, &all.states), "{max_points} points");
            }
        }
    }
}
