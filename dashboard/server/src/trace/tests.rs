//! Spans in, traces out: bounds, what stays, order, links, clocks.

mod named;
mod room;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use poolscope_semconv::attr;
use poolscope_wire::{PhaseKind, SpanKind, TraceStatus};

use super::{Class, Sort, Spread, TraceFilter, Traces, Wanted, by_trace};
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
        is_session: false,
        is_upgrade: false,
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
fn a_call_that_was_turned_away_names_who_did_it() {
    use poolscope_semconv::span as named;
    use poolscope_wire::{Refusal, Refuser};

    let mut traces = traces(|_| {});
    let breaker = Id::breaker(Sender::default(), "pay https://pay:443");
    let refused = |id: u128, name: &'static str, attributes: &[(&'static str, &'static str)]| {
        let attributes = attributes.iter().map(|(key, value)| (*key, Cow::Borrowed(*value))).collect();
        let refused = SpanRecord { name, is_refusal: true, attributes, ..span(id, 2, 1, 5, 5) };
        [span(id, 1, 0, 0, 10), failed(refused, "breaker_open")]
    };
    let place = SpanPlace { pool: None, breaker: Some(breaker) };
    let of_breaker = refused(1, named::BREAKER_REJECTED, &[(attr::BREAKER_NAME, "pay https://pay:443")]);
    take_placed(&mut traces, &of_breaker, &[SpanPlace::default(), place], T0);
    let of_limit = [(attr::CLIENT_NAME, "orders"), (attr::SERVER_ADDRESS, "pay")];
    take(&mut traces, refused(2, named::LIMIT_REFUSED, &of_limit), T0);
    let of_guard = [(attr::GUARD_NAME, "files"), (attr::RESOURCE_NAME, "open_files")];
    take(&mut traces, refused(3, named::GUARD_REFUSED, &of_guard), T0);
    take(&mut traces, [request(4, 1, 0, 0, 10)], T0);
    let told = |id| traces.detail(id, None).unwrap().summary.refusal;
    let name = |text: &str| text.to_owned();
    let by_breaker = Refusal {
        name: name("pay https://pay:443"),
        breaker: Some(breaker.to_string()),
        ..Refusal::default()
    };
    assert_eq!(told(1), Some(by_breaker));
    let (by, destination) = (Refuser::Limit, name("pay"));
    assert_eq!(told(2), Some(Refusal { by, name: name("orders"), destination, ..Refusal::default() }));
    let (by, resource) = (Refuser::Guard, name("open_files"));
    assert_eq!(told(3), Some(Refusal { by, name: name("files"), resource, ..Refusal::default() }));
    assert_eq!(told(4), None);
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
