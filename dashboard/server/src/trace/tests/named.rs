//! What events name, and what opened a session, stays.

use super::*;

fn upgrade(id: u128) -> SpanRecord<'static> {
    SpanRecord { kind: SpanKind::Server, is_upgrade: true, ..span(id, 1, 0, 0, 2) }
}

/// A session below the request that opened it, which ends so many milliseconds after `T0`.
fn session(id: u128, to_ms: u64) -> SpanRecord<'static> {
    SpanRecord { is_session: true, ..span(id, 2, 1, 2, to_ms) }
}

fn good(ids: std::ops::Range<u128>) -> impl Iterator<Item = SpanRecord<'static>> {
    ids.map(|id| span(id, 1, 0, 0, 5))
}

#[test]
fn what_opened_a_session_is_there_when_its_end_is_told_however_many_good_traces_came_meanwhile() {
    let mut traces = traces(|limits| limits.max_traces = 100);
    take(&mut traces, (1..=8).map(upgrade), T0);
    take(&mut traces, good(1_000..11_000), T0 + 1_000);
    assert!((1..=8).all(|id| traces.detail(id, None).is_some()), "good ones made room");
    traces.name(1, T0 + 20_000);
    // Those that nobody names have a share of their own, and go when more are opened.
    take(&mut traces, (100..900).map(upgrade), T0 + 30_000);
    take(&mut traces, good(20_000..30_000), T0 + 40_000);
    assert!(traces.detail(1, None).is_some() && traces.detail(2, None).is_none());
    assert_eq!(traces.lanes.iter().map(Spread::len).sum::<usize>(), 100);
    let opened = traces.lanes[Class::Opened as usize].len();
    assert!((10..=60).contains(&opened), "{opened}");
}

#[test]
fn a_trace_that_an_event_names_before_it_comes_is_kept_when_it_does() {
    let mut traces = traces(|limits| limits.max_traces = 100);
    traces.name(7, T0);
    assert!(traces.detail(7, None).is_none() && !traces.was_here(7));
    take(&mut traces, [span(7, 1, 0, 0, 5)], T0 + 5_000);
    take(&mut traces, good(1_000..11_000), T0 + 6_000);
    assert!(traces.detail(7, None).is_some());
    assert_eq!(traces.traces[&7].class, Class::Named);
    // Many that are named leave what failed its share.
    take(&mut traces, [failed(span(8, 1, 0, 0, 5), "timeout")], T0);
    for id in 30_000..40_000 {
        traces.name(id, T0 + 7_000);
        take(&mut traces, [span(id, 1, 0, 0, 5)], T0 + 7_000);
    }
    assert!(traces.detail(8, None).is_some() && traces.traces.len() == 100);
}

#[test]
fn of_what_failed_those_that_an_event_names_stay() {
    let mut traces = traces(|limits| limits.max_traces = 100);
    take(&mut traces, (1..=10).map(|id| failed(span(id, 1, 0, 0, 5), "timeout")), T0);
    (1..=5).for_each(|id| traces.name(id, T0));
    take(&mut traces, (1_000..3_000).map(|id| failed(span(id, 1, 0, 0, 5), "timeout")), T0 + 1_000);
    let is_here = |id: u128| traces.detail(id, None).is_some();
    assert!((1..=5).all(is_here) && (6..=10).filter(|id| is_here(*id)).count() < 5);
    let list = traces.list(&TraceFilter::default(), 1);
    assert!(list.failed_since_ms.is_some(), "of the others a sample is here");
}

#[test]
fn the_set_up_of_what_is_named_stays_and_is_let_go_with_it() {
    let mut traces = traces(|limits| limits.max_traces = 40);
    let mut request = request(1, 1, 0, 0, 9);
    request.links = vec![(99, 1)];
    take(&mut traces, setup(99, 0, 30), T0);
    take(&mut traces, [request], T0);
    traces.name(1, T0);
    traces.name(1, T0);
    take(&mut traces, (100..1_000).flat_map(|id| setup(id, 0, 30)), T0);
    assert!(traces.detail(99, None).is_some() && traces.detail(100, None).is_none());
    traces.tick(u64::MAX);
    assert!(traces.wanted.is_empty() && traces.traces.is_empty());
}

#[test]
fn a_session_is_not_slow_however_long_it_lasts_and_its_failure_keeps_what_there_is() {
    let mut traces = traces(|limits| limits.max_traces = 100);
    take(&mut traces, [upgrade(1), upgrade(2)], T0);
    take(&mut traces, [session(1, 60_000), failed(session(2, 60_000), "unresponsive")], T0 + 60_000);
    let status = |id| traces.detail(id, None).unwrap().summary.status;
    assert_eq!((status(1), status(2)), (TraceStatus::Good, TraceStatus::Failed));
    let list = traces.list(&all(), 10);
    assert!(
        list.traces.iter().all(|trace| trace.duration_s > 59.0 && trace.spans == 2),
        "its length is told"
    );
    // Where the request is gone, or was none of ours, the session is there alone.
    take(&mut traces, [session(3, 60_000)], T0 + 60_000);
    assert_eq!(traces.traces[&3].class, Class::Opened);
    let mut slow = upgrade(4);
    slow.end_ns += 900 * MS;
    take(&mut traces, [slow, session(4, 60_000)], T0 + 60_000);
    assert_eq!(ids(&traces, &TraceFilter { wanted: Wanted::Slow, ..all() }), [4], "that took long to open");
}

#[test]
fn what_is_named_is_so_after_a_restart() {
    let mut traces = traces(|_| {});
    traces.restored(T0);
    take(&mut traces, [upgrade(1), session(1, 9_000)], T0);
    traces.name(1, T0);
    let changes = traces.take_changes();
    let mut again = self::traces(|_| {});
    changes.iter().for_each(|(id, value)| again.restore(*id, value.as_ref().unwrap()));
    assert_eq!(again.traces[&1].class, Class::Named);
    assert_eq!(ids(&again, &TraceFilter { wanted: Wanted::Slow, ..all() }), [0; 0]);
}
