//! Spans in, traces out: bounds, what stays, order, links, clocks.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use poolscope_wire::{PhaseKind, SpanKind, TraceStatus};

use super::{Sort, TraceFilter, Traces, Wanted, by_trace};
use crate::config::{Config, Limits};
use crate::model::{CallRecord, Destination, Sender, SpanRecord};
use crate::store::{Id, SpanPlace};

const T0: u64 = 1_700_000_000_000;
const MS: u64 = 1_000_000;

fn traces(change: impl FnOnce(&mut Limits)) -> Traces {
    let mut config = Config::default();
    change(&mut config.limits);
    Traces::new(&config)
}

/// A span that begins and ends so many milliseconds after `T0`.
fn span(trace_id: u128, span_id: u64, parent: u64, from_ms: u64, to_ms: u64) -> SpanRecord<'static> {
    SpanRecord {
        sender: Sender { service: "shop", instance: "one", ..Sender::default() },
        trace_id,
        span_id,
        parent,
        kind: SpanKind::Internal,
        name: "work",
        start_ns: (T0 + from_ms) * MS,
        end_ns: (T0 + to_ms) * MS,
        failed: false,
        error: None,
        error_text: "",
        part: None,
        is_setup: false,
        is_refusal: false,
        call: None,
        destination: None,
        breaker: None,
        peer: None,
        attributes: Vec::new(),
        notes: Vec::new(),
        links: Vec::new(),
        dropped: 0,
    }
}

fn request(trace_id: u128, span_id: u64, parent: u64, from_ms: u64, to_ms: u64) -> SpanRecord<'static> {
    SpanRecord {
        kind: SpanKind::Client,
        name: "GET",
        call: Some(CallRecord {
            method: "GET",
            url: Cow::Borrowed("https://pay.example/a"),
            status_code: Some(200),
            resends: 0,
            connection: Some(812),
            acquire: Some("new"),
            wait_s: None,
            limit_s: None,
            headers_s: None,
            idle_s: None,
            stale: false,
        }),
        ..span(trace_id, span_id, parent, from_ms, to_ms)
    }
}

fn failed(span: SpanRecord<'static>, error: &'static str) -> SpanRecord<'static> {
    SpanRecord { failed: true, error: Some(Cow::Borrowed(error)), ..span }
}

/// The set-up of a connection, with a look-up of 10 ms and a connect for the rest.
fn setup(trace_id: u128, from_ms: u64, to_ms: u64) -> [SpanRecord<'static>; 3] {
    let part = |id, kind, from, to| SpanRecord { part: Some(kind), ..span(trace_id, id, 1, from, to) };
    [
        SpanRecord { is_setup: true, name: "HTTP connection_setup", ..span(trace_id, 1, 0, from_ms, to_ms) },
        part(2, PhaseKind::Dns, from_ms, from_ms + 10),
        part(3, PhaseKind::Tcp, from_ms + 10, to_ms),
    ]
}

fn take(traces: &mut Traces, spans: impl IntoIterator<Item = SpanRecord<'static>>, now_ms: u64) {
    let spans: Vec<_> = spans.into_iter().collect();
    let places = vec![SpanPlace::default(); spans.len()];
    take_placed(traces, &spans, &places, now_ms);
}

fn take_placed(traces: &mut Traces, spans: &[SpanRecord<'static>], places: &[SpanPlace], now_ms: u64) {
    for (id, spans) in by_trace(spans, places) {
        traces.take(id, &spans, now_ms);
    }
}

fn ids(traces: &Traces, filter: &TraceFilter<'_>) -> Vec<u128> {
    let list = traces.list(filter, 1_000);
    list.traces.iter().map(|trace| u128::from_str_radix(&trace.trace_id, 16).unwrap()).collect()
}

fn all() -> TraceFilter<'static> {
    TraceFilter { wanted: Wanted::All, ..TraceFilter::default() }
}

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
    traces.lanes[0]
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
fn spans_join_their_trace_in_any_order_and_one_that_is_sent_twice_counts_once() {
    let mut traces = traces(|_| {});
    take(&mut traces, [request(5, 3, 2, 20, 90)], T0);
    let detail = traces.detail(5, None).unwrap();
    assert!(detail.root_missing && detail.spans[0].parent_missing && detail.summary.incomplete);
    take(&mut traces, [span(5, 2, 1, 10, 95), request(5, 4, 2, 12, 18)], T0 + 9_000);
    take(&mut traces, [span(5, 1, 0, 0, 600), request(5, 3, 2, 20, 90)], T0 + 20_000);
    let detail = traces.detail(5, None).unwrap();
    let order: Vec<_> = detail.spans.iter().map(|span| (&span.span_id[15..], span.depth)).collect();
    assert_eq!(order, [("1", 0), ("2", 1), ("4", 2), ("3", 2)]);
    assert!(!detail.root_missing && !detail.summary.incomplete);
    assert_eq!((detail.summary.status, detail.extent_s), (TraceStatus::Slow, 0.6));
    assert_eq!(detail.spans[3].start_s, 0.02);
}

#[test]
fn spans_that_are_above_each_other_or_above_themselves_are_shown_once() {
    let mut traces = traces(|_| {});
    take(
        &mut traces,
        [span(1, 1, 2, 0, 9), span(1, 2, 3, 1, 9), span(1, 3, 1, 2, 9), span(1, 4, 4, 3, 9)],
        T0,
    );
    let detail = traces.detail(1, None).unwrap();
    let mut seen: Vec<_> = detail.spans.iter().map(|span| span.span_id.clone()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((seen.len(), detail.spans.len()), (4, 4));
    // A chain is as deep as it is long.
    take(&mut traces, (1..=200).map(|id| span(2, id, id - 1, 0, 9)), T0);
    assert_eq!(traces.detail(2, None).unwrap().spans.last().unwrap().depth, 199);
}

fn parts(detail: &poolscope_wire::TraceDetail, place: usize) -> Vec<(PhaseKind, u64, u64)> {
    let ms = |seconds: f64| (seconds * 1e3).round() as u64;
    detail.spans[place].phases.iter().map(|p| (p.kind, ms(p.start_s), ms(p.duration_s))).collect()
}

#[test]
fn a_request_shows_the_set_up_that_it_waited_for_and_links_to_one_that_it_did_not() {
    use PhaseKind::{Body, Dns, Exchange, Headers, Limit, Tcp, Wait};
    let mut traces = traces(|_| {});
    let mut first = request(10, 1, 0, 100, 400);
    first.links = vec![(99, 1)];
    let call = first.call.as_mut().unwrap();
    (call.wait_s, call.headers_s, call.limit_s) = (Some(0.060), Some(0.200), Some(0.050));
    let mut later = request(11, 1, 0, 5_000, 5_050);
    later.links = vec![(99, 1)];
    let call = later.call.as_mut().unwrap();
    (call.acquire, call.wait_s, call.idle_s) = (Some("reused"), Some(0.0), Some(2.0));
    take(&mut traces, [first, later], T0);
    let before = traces.detail(10, None).unwrap();
    assert_eq!(parts(&before, 0)[1], (Wait, 50, 60), "the set-up has not come");
    take(&mut traces, setup(99, 110, 155), T0);

    let detail = traces.detail(10, None).unwrap();
    let expected = [
        (Limit, 0, 50),
        (Wait, 50, 10),
        (Dns, 60, 10),
        (Tcp, 70, 35),
        (Wait, 105, 5),
        (Headers, 110, 140),
        (Body, 250, 200 - 100),
    ];
    assert_eq!(parts(&detail, 0), expected);
    assert!(detail.spans[0].call.as_ref().unwrap().set_up.as_ref().unwrap().waited_for);
    let detail = traces.detail(11, None).unwrap();
    assert_eq!(parts(&detail, 0), [(Exchange, 0, 50)], "nothing tells when the head came");
    let set_up = detail.spans[0].call.as_ref().unwrap().set_up.clone().unwrap();
    assert!(!set_up.waited_for);
    assert!((set_up.opened_before_s - 4.845).abs() < 1e-9, "{set_up:?}");
    assert!(detail.spans[0].links[0].set_up);

    // The set-up is a trace of its own, which no list has, and tells whom it served.
    let setup = traces.detail(99, None).unwrap();
    assert!(setup.is_set_up);
    assert_eq!(parts(&setup, 0), [(Dns, 0, 10), (Tcp, 10, 35)]);
    assert_eq!(setup.served.len(), 2);
    assert_eq!(ids(&traces, &all()), [11, 10]);
}

#[test]
fn a_request_that_got_no_connection_waited_until_it_gave_up() {
    let mut traces = traces(|_| {});
    let mut gone = failed(request(1, 1, 0, 0, 1_000), "timeout");
    let call = gone.call.as_mut().unwrap();
    (call.connection, call.status_code, call.acquire) = (None, None, None);
    let wait = SpanRecord { part: Some(PhaseKind::Wait), ..failed(span(1, 2, 1, 0, 1_000), "timeout") };
    take(&mut traces, [wait, gone], T0);
    let detail = traces.detail(1, None).unwrap();
    assert_eq!(parts(&detail, 0), [(PhaseKind::Wait, 0, 1_000)]);
    assert_eq!(detail.summary.error.as_deref(), Some("timeout"));
}

#[test]
fn a_failed_connect_that_a_request_links_to_is_drawn_in_it() {
    let mut traces = traces(|_| {});
    let mut gone = failed(request(1, 1, 0, 100, 200), "connect");
    gone.links = vec![(99, 1)];
    let call = gone.call.as_mut().unwrap();
    (call.connection, call.status_code, call.acquire, call.wait_s) = (None, None, None, None);
    take(&mut traces, [gone], T0);
    take(&mut traces, setup(99, 110, 155), T0);
    let detail = traces.detail(1, None).unwrap();
    use PhaseKind::{Dns, Exchange, Tcp, Wait};
    assert_eq!(parts(&detail, 0), [(Wait, 0, 10), (Dns, 10, 10), (Tcp, 20, 35), (Exchange, 55, 45)]);
}

#[test]
fn the_parts_of_another_language_are_found_by_its_spans() {
    use PhaseKind::{Body, Dns, Headers, Tls, Wait};
    let mut traces = traces(|_| {});
    let part = |id, kind, from, to| SpanRecord { part: Some(kind), ..span(1, id, 1, from, to) };
    let spans = [part(2, Wait, 0, 40), part(3, Dns, 5, 15), part(4, Tls, 20, 40), part(5, Body, 70, 99)];
    take(&mut traces, spans, T0);
    take(&mut traces, [request(1, 1, 0, 0, 100)], T0);
    let detail = traces.detail(1, None).unwrap();
    let expected =
        [(Wait, 0, 5), (Dns, 5, 10), (Wait, 15, 5), (Tls, 20, 20), (Headers, 40, 30), (Body, 70, 30)];
    assert_eq!(parts(&detail, 0), expected);
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
fn a_filter_asks_for_pool_breaker_connection_service_text_length_and_time() {
    let mut traces = traces(|_| {});
    let sender = Sender { service: "shop", instance: "one", ..Sender::default() };
    let pool = |host| Id::pool(sender, Destination::new("", "https", host, None));
    let (pay, search, breaker) = (pool("pay"), pool("search"), Id::breaker(sender, "pay"));
    let rejected = SpanRecord { is_refusal: true, ..failed(span(3, 1, 0, 2_000, 2_001), "breaker_open") };
    let other = SpanRecord {
        sender: Sender { service: "report", ..sender },
        name: "Nightly",
        ..request(2, 1, 0, 1_000, 1_800)
    };
    let spans = [request(1, 1, 0, 0, 50), other, rejected];
    let place = |pool, breaker| SpanPlace { pool, breaker };
    let places = [place(Some(pay), None), place(Some(search), None), place(None, Some(breaker))];
    take_placed(&mut traces, &spans, &places, T0);
    let check = |what: &str, filter: TraceFilter<'_>, expected: &[u128]| {
        assert_eq!(ids(&traces, &filter), expected, "{what}");
    };
    check("all, newest first", all(), &[3, 2, 1]);
    check("notable", TraceFilter::default(), &[2]);
    check("rejected", TraceFilter { wanted: Wanted::Rejected, ..all() }, &[3]);
    check(
        "what a breaker did",
        TraceFilter { breaker: Some((breaker, vec![])), ..TraceFilter::default() },
        &[3],
    );
    check("slowest", TraceFilter { sort: Sort::Slowest, ..all() }, &[2, 1, 3]);
    check("pool", TraceFilter { pool: Some(pay), ..all() }, &[1]);
    check("breaker", TraceFilter { breaker: Some((breaker, vec![pay])), ..all() }, &[3, 1]);
    check("connection", TraceFilter { connection: Some(812), pool: Some(search), ..all() }, &[2]);
    check("no such connection", TraceFilter { connection: Some(1), ..all() }, &[]);
    check("service", TraceFilter { service: Some("report"), ..all() }, &[2]);
    check("text", TraceFilter { text: "nightly", ..all() }, &[2]);
    check("address", TraceFilter { text: "PAY.example", ..all() }, &[2, 1]);
    check("error", TraceFilter { text: "breaker_open", ..all() }, &[3]);
    check("length", TraceFilter { min_ms: 51, ..all() }, &[2]);
    check("time", TraceFilter { from_ms: T0 + 1_500, to_ms: Some(T0 + 1_900), ..all() }, &[2]);
    let list = traces.list(&all(), 1);
    assert_eq!((list.traces.len(), list.matching, list.kept, list.slow_s), (1, 3, 3, 0.5));
}

#[test]
fn a_service_whose_clock_is_off_is_put_into_its_caller_and_told() {
    let mut traces = traces(|_| {});
    let theirs = |mut span: SpanRecord<'static>| {
        span.sender = Sender { service: "pay", instance: "two", ..Sender::default() };
        // An hour behind.
        (span.start_ns, span.end_ns) = (span.start_ns - 3_600_000 * MS, span.end_ns - 3_600_000 * MS);
        span
    };
    let answer = SpanRecord { kind: SpanKind::Server, ..span(1, 2, 1, 40, 80) };
    take(&mut traces, [request(1, 1, 0, 0, 100), theirs(answer), theirs(span(1, 3, 2, 50, 60))], T0);
    let detail = traces.detail(1, None).unwrap();
    assert_eq!(detail.clocks.len(), 1);
    assert_eq!((&*detail.clocks[0].service, detail.clocks[0].shift_s), ("pay", 3_599.99));
    let begins: Vec<_> = detail.spans.iter().map(|span| (span.start_s * 1e3).round()).collect();
    assert_eq!(begins, [0.0, 30.0, 40.0], "40 ms in the middle of 100");
    assert_eq!(detail.extent_s, 0.1);
    assert!((detail.summary.duration_s - 0.1).abs() < 1e-9, "the hour is not its length");

    // A span that comes after its caller is late, and no clock is off.
    let late = SpanRecord { kind: SpanKind::Consumer, ..span(2, 2, 1, 500, 600) };
    let sent = SpanRecord { kind: SpanKind::Producer, ..span(2, 1, 0, 0, 10) };
    take(&mut traces, [SpanRecord { sender: Sender { service: "mail", ..late.sender }, ..late }, sent], T0);
    assert!(traces.detail(2, None).unwrap().clocks.is_empty());
}

#[test]
fn a_trace_from_the_future_or_the_past_is_listed_at_its_arrival() {
    let mut traces = Traces::new(&Config { retention_s: 900, ..Config::default() });
    take(&mut traces, [span(1, 1, 0, 3_600_000, 3_600_700)], T0);
    take(&mut traces, [span(2, 1, 0, 0, 700)], T0 + 3_600_000);
    take(&mut traces, [span(3, 1, 0, 0, 700)], T0 + 30_000);
    let off = |id| traces.detail(id, None).unwrap();
    assert_eq!((off(1).summary.at_ms, off(1).clock_off_s), (T0 - 700, Some(3_600.0)));
    assert_eq!((off(2).summary.at_ms, off(2).clock_off_s), (T0 + 3_600_000 - 700, Some(-3_600.0)));
    assert_eq!((off(3).summary.at_ms, off(3).clock_off_s), (T0, None), "a late delivery is no wrong clock");
}

#[test]
fn attempts_without_a_count_are_counted_below_their_call() {
    let mut traces = traces(|_| {});
    let first = failed(request(1, 2, 1, 0, 10), "503");
    take(&mut traces, [first, request(1, 3, 1, 20, 30), span(1, 1, 0, 0, 40)], T0);
    let detail = traces.detail(1, None).unwrap();
    let attempt = |place: usize| detail.spans[place].call.as_ref().unwrap().attempt;
    assert_eq!((attempt(1), attempt(2)), (1, 2));
    let summary = &detail.summary;
    assert_eq!((summary.requests, summary.resends, summary.error.as_deref()), (2, 1, Some("503")));
    assert!(summary.recovered);
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

/// How long a trace of 200 spans with so many links each takes for spans that come one by one.
fn one_by_one(links: u64) -> Duration {
    let mut traces = traces(|_| {});
    let linked = |id| SpanRecord {
        links: (0..links).map(|link| (u128::from(id * 100 + link), 7)).collect(),
        ..failed(span(9, id, 1, 0, 5), "timeout")
    };
    take(&mut traces, (1..=200).map(linked), T0);
    let begun = Instant::now();
    for id in 1_000..2_000 {
        take(&mut traces, [span(9, id, 1, 0, 5)], T0);
    }
    begun.elapsed()
}

#[test]
fn what_a_trace_links_to_already_costs_its_next_span_nothing() {
    let quickest = |links| (0..3).map(|_| one_by_one(links)).min().unwrap();
    let (without, with) = (quickest(0), quickest(8));
    assert!(with < without * 5, "{with:?} with links, {without:?} without");
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

#[test]
fn a_file_gets_what_changed_and_gives_it_back_with_its_class() {
    let mut traces = traces(|limits| limits.max_traces = 3);
    take(&mut traces, [span(1, 1, 0, 0, 5)], T0);
    assert!(traces.take_changes().is_empty(), "there is no file");
    traces.restored(T0);
    let linked = SpanRecord { links: vec![(7, 1)], ..failed(request(2, 1, 0, 10, 20), "timeout") };
    take(&mut traces, setup(7, 0, 20), T0);
    take(&mut traces, [linked, request(2, 2, 1, 12, 18)], T0);
    take(&mut traces, [span(3, 1, 0, 30, 35)], T0);
    let changes = traces.take_changes();
    let ids: Vec<_> = changes.iter().map(|(id, value)| (*id, value.is_some())).collect();
    // The quick one that made room was never written.
    assert_eq!(ids, [(2, true), (7, true), (3, true)], "who failed comes first");
    assert!(traces.take_changes().is_empty());

    let mut again = self::traces(|limits| limits.max_traces = 3);
    for (id, value) in &changes {
        again.restore(*id, value.as_ref().unwrap());
    }
    again.restore(9, b"{}");
    again.restore(9, changes[0].1.as_ref().unwrap());
    again.restored(T0);
    assert!(again.take_changes().is_empty(), "the file has it");
    let all = |traces: &Traces| {
        let mut all: Vec<_> =
            traces.traces.values().map(|one| (one.id, one.class as usize, one.bytes)).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(all(&again), all(&traces));
    // What makes room leaves the file as well.
    take(&mut again, [failed(request(4, 1, 0, 10, 20), "reset")], T0);
    let ids: Vec<_> = again.take_changes().iter().map(|(id, value)| (*id, value.is_some())).collect();
    assert_eq!(ids, [(3, false), (4, true)]);
}
