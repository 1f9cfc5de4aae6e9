//! Who has to go where there is no room.

use super::*;

#[test]
fn a_flood_of_quick_good_traces_pushes_out_only_its_like() {
    let mut traces = traces(|limits| limits.max_traces = 100);
    take(&mut traces, (1..=20).map(|id| failed(span(id, 1, 0, 0, 5), "timeout")), T0);
    take(&mut traces, (21..=40).map(|id| span(id, 1, 0, 0, 900)), T0);
    take(&mut traces, (41..=45).flat_map(|id| setup(id, 0, 30)), T0);
    take(&mut traces, (1_000..21_000).map(|id| span(id, 1, 0, 0, 5)), T0 + 1_000);
    let kept = ids(&traces, &all());
    let notable = ids(&traces, &TraceFilter::default());
    assert_eq!(notable.len(), 40, "all that failed or was slow is here");
    assert_eq!(kept.len(), 95, "what others do not need, the good ones have");
    assert!((41..=45).all(|id| traces.detail(id, None).is_some()), "and no set-up went");
    assert!(kept.contains(&20_999) && !kept.contains(&1_000), "the oldest went first");
    assert!(traces.was_here(1_000) && !traces.was_here(20_999));
    let limit = traces.limits().remove(0);
    assert_eq!((limit.used, limit.max, limit.hits), (100, 100, 20_000 + 45 - 100));

    // An open breaker turns thousands away, which pushes out no failure.
    let rejected = |id| SpanRecord { is_refusal: true, ..failed(span(id, 1, 0, 0, 0), "breaker_open") };
    take(&mut traces, (50_000..60_000).map(rejected), T0 + 1_500);
    let count = |wanted| ids(&traces, &TraceFilter { wanted, ..TraceFilter::default() }).len();
    assert_eq!((count(Wanted::Slow), count(Wanted::Failed)), (20, 20));
    // The good ones have as large a share.
    assert!((27..=28).contains(&count(Wanted::Rejected)), "{}", count(Wanted::Rejected));

    // A flood of failures leaves a share of everything else.
    take(&mut traces, (30_000..40_000).map(|id| failed(span(id, 1, 0, 0, 5), "503")), T0 + 2_000);
    let count = |wanted| ids(&traces, &TraceFilter { wanted, ..TraceFilter::default() }).len();
    assert_eq!((count(Wanted::Slow), count(Wanted::All)), (20, 95));
    assert!(count(Wanted::Failed) >= 40 && count(Wanted::Rejected) >= 10, "{}", count(Wanted::Failed));
}

/// Takes a trace of a pool that began so many milliseconds after `T0`.
fn take_of(
    traces: &mut Traces,
    pool: &str,
    at_ms: u64,
    change: fn(SpanRecord<'static>) -> SpanRecord<'static>,
) {
    let id = traces.next_order.into();
    let sender = Sender { service: "shop", instance: "one", ..Sender::default() };
    let pool = Some(Id::pool(sender, Destination::new("", "https", pool, None)));
    let spans = [change(request(id, 1, 0, at_ms, at_ms + 1))];
    take_placed(traces, &spans, &[SpanPlace { pool, breaker: None }], T0 + at_ms);
}

#[test]
fn a_pool_that_fails_all_the_time_pushes_out_neither_others_failures_nor_its_own_past() {
    const MINUTE: u64 = 60_000;
    let mut traces = traces(|limits| limits.max_traces = 400);
    take_of(&mut traces, "quiet", 0, |span| failed(span, "reset"));
    assert_eq!(traces.list(&all(), 1).failed_since_ms, None, "all are here");
    for at_ms in (100..=30 * MINUTE).step_by(100) {
        take_of(&mut traces, "noisy", at_ms, |span| failed(span, "503"));
        take_of(&mut traces, "good", at_ms, |span| span);
    }
    let failed = TraceFilter { wanted: Wanted::Failed, ..TraceFilter::default() };
    let sender = Sender { service: "shop", instance: "one", ..Sender::default() };
    let quiet = Id::pool(sender, Destination::new("", "https", "quiet", None));
    assert_eq!(ids(&traces, &TraceFilter { pool: Some(quiet), ..failed.clone() }).len(), 1);
    for minutes in [1, 3, 10, 20] {
        let (from_ms, to_ms) = (T0 + (30 - minutes - 1) * MINUTE, Some(T0 + (30 - minutes + 1) * MINUTE));
        let found = ids(&traces, &TraceFilter { from_ms, to_ms, ..failed.clone() });
        assert!(!found.is_empty(), "about {minutes} minutes ago");
    }
    let list = traces.list(&failed, 500);
    let since_ms = list.failed_since_ms.unwrap();
    let newest = list.traces.iter().filter(|trace| trace.at_ms >= since_ms).count() as u64;
    let came = (T0 + 30 * MINUTE - since_ms) / 100 + 1;
    assert!(newest == came && newest > 50, "{newest} of {came} since it is whole");
    assert_eq!((list.slow_since_ms, list.rejected_since_ms), (None, None));

    // What a file keeps says as well since when it is whole.
    traces.restored(0);
    traces.lanes[Class::Failed as usize]
        .older_than(u64::MAX)
        .into_iter()
        .for_each(|id| traces.unsaved.as_mut().unwrap().change(id));
    let changes = traces.take_changes();
    let mut again = self::traces(|limits| limits.max_traces = 400);
    changes.iter().for_each(|(id, value)| again.restore(*id, value.as_ref().unwrap()));
    assert_eq!(again.list(&all(), 1).failed_since_ms, Some(since_ms));
}

#[test]
fn a_trace_takes_the_room_of_what_made_it_what_it_is() {
    let sender = Sender { service: "shop", instance: "one", ..Sender::default() };
    let [pay, search, breaker] = ["pay", "search", "guard"].map(|name| Id::breaker(sender, name));
    let place = |pool, breaker| SpanPlace { pool, breaker };
    let owner = |spans: &[SpanRecord<'static>], places: &[SpanPlace]| {
        let mut traces = traces(|_| {});
        take_placed(&mut traces, spans, places, T0);
        traces.traces[&1].owner
    };
    let both = [place(Some(pay), None), place(Some(search), None)];
    let spans = [request(1, 1, 0, 0, 90), failed(request(1, 2, 0, 90, 95), "503")];
    assert_eq!(owner(&spans, &both), Some(search), "that failed, though the other took longer");
    let spans = [request(1, 1, 0, 0, 900), request(1, 2, 0, 900, 950)];
    assert_eq!(owner(&spans, &both), Some(pay), "that took longest");
    let spans = [request(1, 1, 0, 0, 90), request(1, 2, 0, 90, 95)];
    assert_eq!(owner(&spans, &both), None, "quick and good");
    let refused = SpanRecord { is_refusal: true, ..failed(span(1, 2, 0, 0, 1), "breaker_open") };
    let spans = [request(1, 1, 0, 0, 90), refused];
    assert_eq!(owner(&spans, &[both[0], place(None, Some(breaker))]), Some(breaker));
    let service = Id::instance(Sender { service: "shop", ..Sender::default() });
    assert_eq!(owner(&[failed(span(1, 1, 0, 0, 5), "oops")], &[place(None, None)]), Some(service));
}

/// How long so many failed traces take, of so many pools.
fn time_of_failures(count: u64, pools: u64) -> Duration {
    let mut traces = traces(|limits| limits.max_traces = 2_000);
    let names: Vec<String> = (0..pools).map(|pool| pool.to_string()).collect();
    let begun = Instant::now();
    for at in 0..count {
        take_of(&mut traces, &names[(at % pools) as usize], at, |span| failed(span, "503"));
    }
    begun.elapsed()
}

#[test]
fn a_failed_trace_costs_as_much_however_many_pools_fail() {
    let quickest = |pools| (0..3).map(|_| time_of_failures(20_000, pools)).min().unwrap();
    let (one, many) = (quickest(1), quickest(1_500));
    assert!(many < one * 5, "{one:?} of one pool, {many:?} of 1,500");
}

#[test]
fn bytes_and_spans_are_bounded_and_the_first_span_finds_its_place_at_the_end() {
    let text: &'static str = "x".repeat(500).leak();
    let mut traces = traces(|limits| {
        limits.max_trace_bytes = 100_000;
        limits.max_trace_spans = 10;
    });
    let large =
        |id, span_id| SpanRecord { attributes: vec![("key", text.into()); 4], ..span(id, span_id, 1, 0, 5) };
    take(&mut traces, (1..2_000).flat_map(|id| [large(id, 2), large(id, 3)]), T0);
    assert!(traces.bytes() <= 100_000, "{}", traces.bytes());
    assert!(traces.traces.len() > 10);

    take(&mut traces, (2..500).map(|id| large(7_777, id)), T0);
    assert!(
        traces.detail(7_777, None).unwrap().spans.len() < 10,
        "an eighth of the bytes is the most of one trace"
    );
    take(&mut traces, (2..50).map(|id| span(9_999, id, 1, 0, 5)), T0);
    take(&mut traces, [span(9_999, 1, 0, 0, 700)], T0);
    let detail = traces.detail(9_999, None).unwrap();
    assert_eq!((detail.spans.len(), detail.dropped_spans, detail.root_missing), (10, 39, false));
    assert_eq!(detail.summary.status, TraceStatus::Slow);
    assert!(detail.summary.incomplete);
    let hits = |name: &str| traces.limits().into_iter().find(|limit| limit.name == name).unwrap().hits;
    assert!(hits("bytes of traces") > 1_900 && hits("spans of a trace") > 400 && hits("traces") == 0);
}

#[test]
fn a_set_up_stays_while_requests_link_to_it() {
    let mut traces = traces(|limits| limits.max_traces = 20);
    take(&mut traces, setup(1, 0, 30), T0);
    for id in 100..400 {
        take(&mut traces, setup(id, 0, 30), T0);
        let mut request = request(1_000 + id, 1, 0, 50, 60);
        request.links = vec![(1, 1)];
        take(&mut traces, [request], T0);
    }
    assert!(traces.detail(1, None).is_some() && traces.detail(100, None).is_none());
    let retention_ms = u64::try_from(Config::default().retention().as_millis()).unwrap();
    traces.tick(T0 + retention_ms);
    assert!(traces.detail(1, None).is_some());
    traces.tick(T0 + retention_ms + 1);
    assert_eq!((traces.traces.len(), traces.bytes()), (0, 0));
    assert!(traces.was_here(1));
}

#[test]
fn the_set_up_of_what_was_slow_stays_when_others_go() {
    for setup_first in [true, false] {
        let mut traces = traces(|limits| limits.max_traces = 40);
        let mut slow = request(1, 1, 0, 0, 900);
        slow.links = vec![(99, 1)];
        if setup_first {
            take(&mut traces, setup(99, 0, 30), T0);
            take(&mut traces, [slow], T0);
        } else {
            take(&mut traces, [slow], T0);
            take(&mut traces, setup(99, 0, 30), T0);
        }
        take(&mut traces, (100..1_000).flat_map(|id| setup(id, 0, 30)), T0);
        assert!(traces.detail(99, None).is_some() && traces.detail(100, None).is_none());
        // Nothing is wanted any more when what wanted it is gone.
        traces.tick(u64::MAX);
        assert!(traces.wanted.is_empty() && traces.traces.is_empty());
    }
}

#[test]
fn a_trace_that_comes_back_says_that_a_part_of_it_is_gone() {
    let mut traces = traces(|limits| limits.max_traces = 1);
    for one in [span(1, 2, 1, 0, 5), span(2, 1, 0, 0, 5), span(1, 1, 0, 0, 5)] {
        take(&mut traces, [one], T0);
    }
    assert!(traces.detail(1, None).unwrap().evicted_before);
    // No room at all is no reason to fail.
    let mut none = self::traces(|limits| (limits.max_traces, limits.max_trace_bytes) = (0, 0));
    take(&mut none, [span(1, 1, 0, 0, 5)], T0);
    assert_eq!((none.traces.len(), none.bytes()), (0, 0));
}

#[test]
fn what_is_linked_to_is_counted_whatever_becomes_of_the_spans_that_link() {
    let mut traces = traces(|limits| limits.max_trace_spans = 3);
    let linked = |id, to: u128| SpanRecord { links: vec![(to, 1)], ..span(1, id, 1, 0, 5) };
    let wanted = |traces: &Traces| {
        let mut wanted: Vec<_> = traces.wanted.iter().map(|(id, times)| (*id, *times)).collect();
        wanted.sort_unstable();
        wanted
    };
    take(&mut traces, [linked(2, 70), linked(3, 71)], T0);
    assert_eq!(wanted(&traces), [], "it is neither slow nor failed");
    take(&mut traces, [failed(linked(4, 70), "timeout")], T0);
    assert_eq!(wanted(&traces), [(70, 2), (71, 1)]);
    take(&mut traces, [linked(3, 72)], T0);
    assert_eq!(wanted(&traces), [(70, 2), (72, 1)], "sent again with another link");
    take(&mut traces, [SpanRecord { links: vec![(73, 1)], ..request(1, 1, 0, 0, 9) }], T0);
    assert_eq!(wanted(&traces), [(70, 1), (72, 1), (73, 1)], "the first one found no room without another's");
    take(&mut traces, [linked(4, 70)], T0);
    assert_eq!(wanted(&traces), [], "sent again as one that did not fail");
    traces.tick(u64::MAX);
    assert!(traces.traces.is_empty() && traces.wanted.is_empty());
}

#[test]
fn a_span_that_is_sent_again_larger_takes_no_more_than_the_share_of_its_trace() {
    let text: &'static str = "x".repeat(500).leak();
    let mut traces = traces(|limits| limits.max_trace_bytes = 800_000);
    take(&mut traces, (1..=100).map(|id| failed(span(id, 1, 0, 0, 5), "timeout")), T0);
    take(&mut traces, (1..=100).map(|id| failed(span(9_000, id, 1, 0, 5), "timeout")), T0 + 1);
    for id in 1..=100 {
        let large = SpanRecord { attributes: vec![(text, text.into()); 32], ..span(9_000, id, 1, 0, 5) };
        take(&mut traces, [failed(large, "timeout")], T0 + 2);
    }
    assert!(traces.bytes() < 250_000, "{}", traces.bytes());
    assert!((1..=100).all(|id| traces.detail(id, None).is_some()), "nobody else had to go");
    let detail = traces.detail(9_000, None).unwrap();
    assert_eq!(detail.spans.len(), 100, "those stay as they were");
    assert!(detail.dropped_spans > 90, "{}", detail.dropped_spans);
}
