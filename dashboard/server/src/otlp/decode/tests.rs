//! What is taken, what is rejected and why; and that nothing that comes in makes it panic.

#![expect(clippy::needless_pass_by_value, reason = "JSON literals read best as arguments")]

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use poolscope_semconv::value::{ConnectPhase, Observation};
use poolscope_semconv::{attr, metric};
use poolscope_wire::PhaseKind;
use prost::Message as _;
use serde_json::{Value as Json, json};

use super::metrics::Metrics;
use super::{logs, spans};
use crate::model::{MAX_BUCKETS, PoolFigure, ProtectionFigure, Value};

fn kv(key: &str, value: Json) -> Json {
    json!({ "key": key, "value": value })
}

fn destination() -> Vec<Json> {
    vec![
        kv(attr::SERVER_ADDRESS, json!({ "stringValue": "pay" })),
        kv(attr::URL_SCHEME, json!({ "stringValue": "https" })),
    ]
}

fn metrics(request: &[u8]) -> Metrics<'_> {
    super::metrics(request).unwrap()
}

/// A request as it travels.
fn request(name: &str, data: Json) -> Vec<u8> {
    message(name, data).encode_to_vec()
}

fn message(name: &str, data: Json) -> ExportMetricsServiceRequest {
    let mut metric = json!({ "name": name });
    metric.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    serde_json::from_value(json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [metric] }] }] }))
        .unwrap()
}

fn point(extra: Json) -> Json {
    let mut point = json!({ "attributes": destination(), "timeUnixNano": "5" });
    point.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    point
}

fn sum(extra: Json) -> Json {
    json!({ "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [point(extra)] } })
}

fn histogram(extra: Json) -> Json {
    json!({ "histogram": { "aggregationTemporality": 1, "dataPoints": [point(extra)] } })
}

/// Asserts that one point is rejected for this reason.
fn rejected(name: &str, data: Json, why: &str) {
    let request = request(name, data);
    let decoded = metrics(&request);
    assert_eq!((decoded.taken, decoded.rejected.count), (0, 1), "{why}");
    let sentence = decoded.rejected.sentence();
    assert!(sentence.contains(why) && sentence.contains(name), "{sentence}");
    assert!(decoded.reports.iter().all(|report| report.pools.is_empty()));
}

#[test]
fn a_point_finds_its_pool_and_figure() {
    let request = request(metric::CONNECTION_OPENED.name, sum(json!({ "asInt": "7" })));
    let decoded = metrics(&request);
    assert_eq!((decoded.taken, decoded.rejected.count), (1, 0));
    let reading = &decoded.reports[0].pools[0];
    assert_eq!(reading.figure, PoolFigure::Opened);
    assert_eq!((reading.destination.address, reading.destination.port), ("pay", 443));
    assert_eq!(reading.reading.value, Value::Number { value: 7.0, delta: false });
    assert_eq!(decoded.reports[0].sender.service, "unknown_service");
}

#[test]
fn a_part_of_a_connect_is_known_by_its_name() {
    let of = |metric: &str, phase: &str, data: fn(Json) -> Json| {
        let mut attributes = destination();
        attributes.push(kv(attr::CONNECT_PHASE, json!({ "stringValue": phase })));
        attributes.push(kv(attr::ERROR_TYPE, json!({ "stringValue": "connect" })));
        attributes.push(kv(attr::OBSERVATION, json!({ "stringValue": "kernel" })));
        request(metric, data(json!({ "count": "0", "asInt": "1", "attributes": attributes })))
    };
    let failed = of(metric::CONNECTION_FAILED.name, "tcp", sum);
    let decoded = metrics(&failed);
    let reading = &decoded.reports[0].pools[0];
    assert_eq!((reading.figure, &*reading.label), (PoolFigure::Failed, "connect"));
    assert_eq!((reading.phase, reading.observation), (Some(ConnectPhase::Tcp), Observation::Kernel));
    // What has no part has no place among the parts; what failed did so all the same.
    let times = of(metric::CONNECTION_PHASE_TIME.name, "of_tomorrow", histogram);
    assert!(metrics(&times).reports[0].pools.is_empty());
    let failed = of(metric::CONNECTION_FAILED.name, "of_tomorrow", sum);
    assert_eq!(metrics(&failed).reports[0].pools[0].phase, None);
}

#[test]
fn json_values_that_decode_to_nothing_are_rejected_and_told() {
    let name = metric::CONNECTION_OPENED.name;
    rejected(name, sum(json!({ "asDouble": "NaN" })), "without a readable value");
    rejected(name, sum(json!({})), "without a readable value");
    let by_name = json!({ "sum": { "aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "dataPoints": [] } });
    rejected(name, by_name, "no data that can be read");
    rejected("of.somebody.else", json!({}), "no data that can be read");
}

#[test]
fn numbers_that_can_not_be_are_rejected() {
    let name = metric::CONNECTION_OPENED.name;
    rejected(name, sum(json!({ "asInt": "-1" })), "negative");
    for name in ["http.client.open_connections", "db.client.connection.max"] {
        rejected(name, sum(json!({ "asInt": "-3" })), "negative");
    }
    let open = "http.client.open_connections";
    for absurd in [json!({ "asInt": i64::MAX.to_string() }), json!({ "asDouble": 1e300 })] {
        rejected(open, sum(absurd), "above 10 million");
    }
    let waits = metric::LIMIT_OLDEST_WAIT.name;
    rejected(waits, sum(json!({ "asDouble": 1e39 })), "more than 30 years");
    // The largest number as a limit is none.
    for (name, value, kept) in [(open, "10000000", 1), ("db.client.connection.max", "2147483647", 0)] {
        let request = request(name, sum(json!({ "asInt": value })));
        let decoded = metrics(&request);
        assert_eq!((decoded.taken, decoded.reports[0].pools.len()), (1, kept), "{name}");
    }
    // What is added to a count may be negative.
    let closed =
        json!({ "sum": { "aggregationTemporality": 1, "dataPoints": [point(json!({ "asInt": "-3" }))] } });
    assert_eq!(metrics(&request(open, closed)).taken, 1);
    rejected(name, json!({ "sum": { "dataPoints": [point(json!({ "asInt": "1" }))] } }), "temporality");
    rejected(name, json!({ "gauge": { "dataPoints": [point(json!({ "asInt": "1" }))] } }), "is a gauge");
    let gauge = metric::BREAKER_FAILURE_RATIO.name;
    let mut infinite =
        message(gauge, json!({ "gauge": { "dataPoints": [point(json!({ "asDouble": 1.0 }))] } }));
    use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value::AsDouble};
    if let Some(Data::Gauge(data)) = &mut infinite.resource_metrics[0].scope_metrics[0].metrics[0].data {
        data.data_points[0].value = Some(AsDouble(f64::NAN));
    }
    assert_eq!(metrics(&infinite.encode_to_vec()).rejected.count, 1);
}

#[test]
fn histograms_whose_parts_disagree_are_rejected() {
    let name = metric::CONNECTION_WAIT_TIME.name;
    let of = |count: &str, counts: Json, bounds: Json| {
        histogram(json!({ "count": count, "bucketCounts": counts, "explicitBounds": bounds }))
    };
    rejected(name, of("3", json!(["1", "2"]), json!([0.1, 0.2])), "do not match");
    rejected(name, of("4", json!(["1", "2"]), json!([0.1])), "add up");
    rejected(name, of("3", json!(["1", "1", "1"]), json!([0.2, 0.1])), "do not rise");
    rejected(name, of("2", json!(["1", "1"]), json!([1e39])), "beyond a billion");
    rejected(name, of("2", json!(["1", "1"]), json!([-1e39])), "beyond a billion");
    let wide = |buckets: usize| {
        let bounds: Vec<_> = (1..buckets).collect();
        of(&buckets.to_string(), json!(vec!["1"; buckets]), json!(bounds))
    };
    rejected(name, wide(MAX_BUCKETS + 1), &format!("more than {MAX_BUCKETS} buckets"));
    assert_eq!(metrics(&request(name, wide(MAX_BUCKETS + 1))).wide_histograms, 1);
    assert_eq!(metrics(&request(name, wide(MAX_BUCKETS))).taken, 1);
    let huge = u64::MAX.to_string();
    rejected(name, of("1", json!([huge, "2"]), json!([0.1])), "add up");
    rejected(name, sum(json!({ "asInt": "1" })), "is a sum");

    let good = request(name, of("3", json!(["1", "2"]), json!([0.1])));
    assert_eq!(metrics(&good).taken, 1);
    let without_buckets = request(name, histogram(json!({ "count": "9" })));
    let value = &metrics(&without_buckets).reports[0].pools[0].reading.value;
    assert_eq!(*value, Value::Histogram { bounds: (&[]).into(), counts: vec![9].into(), delta: true });
}

#[test]
fn exponential_histograms_are_put_into_the_bounds_of_the_contract() {
    let data = json!({ "exponentialHistogram": { "aggregationTemporality": 2, "dataPoints": [point(json!({
        "count": "6", "zeroCount": "1", "scale": 0,
        // Up to 0.25, 0.5 and 1 second.
        "positive": { "offset": -3, "bucketCounts": ["2", "3", "0"] },
    }))] } });
    let request = request(metric::CONNECTION_USE_TIME.name, data);
    let decoded = metrics(&request);
    let Value::Histogram { bounds, counts, .. } = &decoded.reports[0].pools[0].reading.value else {
        panic!()
    };
    assert_eq!(*bounds, metric::REQUEST_BOUNDS);
    let index = |bound: f64| bounds.iter().position(|one| *one == bound).unwrap();
    assert_eq!((counts[0], counts[index(0.25)], counts[index(0.5)]), (1, 2, 3));
    assert_eq!(counts.len(), bounds.len() + 1, "however many they are told in");
}

#[test]
fn points_of_others_are_taken_and_not_kept() {
    let other = request("jvm.memory.used", sum(json!({ "asInt": "1" })));
    let decoded = metrics(&other);
    assert_eq!((decoded.taken, decoded.rejected.count), (1, 0));
    assert!(decoded.reports[0].pools.is_empty());
    // No destination, no pool; and a series that has ended has no value.
    let data = json!({ "sum": { "aggregationTemporality": 2, "dataPoints": [
        { "asInt": "1", "timeUnixNano": "5" },
        { "flags": 1, "timeUnixNano": "5", "attributes": destination() },
    ] } });
    let homeless = request(metric::CONNECTION_OPENED.name, data);
    assert_eq!((metrics(&homeless).taken, metrics(&homeless).rejected.count), (1, 1));
    assert!(metrics(&homeless).reports[0].pools.is_empty());
}

#[test]
fn a_point_has_so_many_attributes_and_no_more() {
    let name = metric::CONNECTION_OPENED.name;
    let of = |more: usize| {
        let mut attributes = destination();
        attributes.extend((0..more).map(|n| kv(&n.to_string(), json!({ "boolValue": true }))));
        sum(json!({ "asInt": "1", "attributes": attributes }))
    };
    assert_eq!(metrics(&request(name, of(1_022))).taken, 1);
    rejected(name, of(1_023), "more than 1,024 attributes");
}

#[test]
fn points_without_what_tells_their_pool_are_rejected() {
    let bare = json!({ "count": "1", "bucketCounts": ["1"], "asInt": "1", "attributes": [] });
    rejected(metric::HTTP_CLIENT_REQUEST_DURATION.name, histogram(bare.clone()), "without server.address");
    rejected("http.client.duration", histogram(bare.clone()), "without server.address");
    rejected("db.client.connection.count", sum(bare.clone()), "neither of idle nor of used");
    // The limit of a client has no destination.
    for name in [metric::LIMIT_CALLS.name, metric::LIMIT_OLDEST_WAIT.name, metric::LIMIT_IN_USE.name] {
        assert_eq!(metrics(&request(name, sum(bare.clone()))).rejected.count, 0, "{name}");
    }
}

#[test]
fn an_answer_of_4xx_is_no_failure_and_of_5xx_is() {
    for (status, error, label, is_failure) in [
        (Some(200), None, "200", false),
        (Some(404), Some("404"), "404", false),
        (Some(503), Some("503"), "503", true),
        (Some(200), Some("body"), "body", true),
        (None, Some("connect"), "connect", true),
        (None, Some("canceled"), "canceled", false),
        (None, None, "no status", false),
    ] {
        let mut attributes = destination();
        attributes.extend(status.map(|n| kv(attr::HTTP_RESPONSE_STATUS_CODE, json!({ "intValue": n }))));
        attributes.extend(error.map(|text| kv(attr::ERROR_TYPE, json!({ "stringValue": text }))));
        let data = histogram(json!({ "count": "1", "attributes": attributes }));
        let request = request(metric::HTTP_CLIENT_REQUEST_DURATION.name, data);
        let decoded = metrics(&request);
        let reading = &decoded.reports[0].pools[0];
        assert_eq!((&*reading.label, reading.marked), (label, is_failure));
    }
}

#[test]
fn only_records_with_an_event_name_are_events() {
    let request: ExportLogsServiceRequest =
        serde_json::from_value(json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [
        { "body": { "stringValue": "an ordinary line" } },
        { "eventName": "x.y", "traceId": "0af7651916cd43dd8448eb211c80319c", "attributes": [
            kv("list", json!({ "arrayValue": { "values": [{ "intValue": 1 }, { "stringValue": "b" }] } })),
            kv("second", json!({ "boolValue": true })),
        ] },
    ] }] }] }))
        .unwrap();
    let decoded = logs(&request, 1);
    assert_eq!((decoded.taken, decoded.events.len()), (2, 1));
    assert_eq!(decoded.events[0].attributes.len(), 1);
    assert_eq!(decoded.events[0].get("list"), Some("[1, b]"));
    assert_eq!(decoded.events[0].trace_id.len(), 16);
}

fn a_span(extra: Json) -> ExportTraceServiceRequest {
    let mut span = json!({
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET", "kind": 3,
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000100000000",
    });
    span.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] })).unwrap()
}

#[test]
fn what_leaves_http_is_told_and_what_is_a_session() {
    let of = |attributes: Json| {
        let request = a_span(json!({ "kind": 2, "attributes": attributes }));
        let span = &spans(&request, 0).spans[0];
        (span.is_upgrade, span.is_session)
    };
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let status = |code: &str| json!({ "key": "http.response.status_code", "value": { "intValue": code } });
    let method = |method: &str| text("http.request.method", method);
    assert_eq!(of(json!([method("GET"), status("101")])), (true, false));
    assert_eq!(of(json!([method("CONNECT"), status("200")])), (true, false), "over HTTP/2");
    assert_eq!(of(json!([method("CONNECT"), status("503")])), (false, false));
    assert_eq!(of(json!([method("GET"), status("200")])), (false, false));
    assert_eq!(of(json!([text("poolscope.session.name", "chat")])), (false, true));
}

#[test]
fn a_span_that_can_not_be_true_is_rejected_by_itself() {
    for (extra, why) in [
        (json!({ "traceId": "00000000000000000000000000000000" }), "no valid trace id"),
        (json!({ "traceId": "ab", "spanId": "" }), "no valid trace id"),
        (json!({ "spanId": "0000000000000000" }), "no valid trace id"),
        (json!({ "parentSpanId": "ab" }), "no span id"),
        (json!({ "startTimeUnixNano": "0" }), "no time between"),
        (json!({ "endTimeUnixNano": "18446744073709551615" }), "no time between"),
        (json!({ "endTimeUnixNano": "1699999999999999999" }), "ends before"),
        (json!({ "endTimeUnixNano": "1800000000000000000" }), "longer than 7 days"),
    ] {
        let mut request = a_span(extra);
        let good = a_span(json!({ "parentSpanId": "0000000000000000" }));
        request.resource_spans.extend(good.resource_spans);
        let decoded = spans(&request, 8);
        assert_eq!((decoded.spans.len(), decoded.rejected.count), (1, 1), "{why}");
        assert_eq!(decoded.spans[0].parent, 0);
        let sentence = decoded.rejected.sentence();
        assert!(sentence.contains(why), "{sentence}");
    }
}

#[test]
fn a_request_is_read_by_the_conventions_of_now_and_of_before() {
    let text = |key, value: &str| kv(key, json!({ "stringValue": value }));
    let ours = [
        text(attr::HTTP_REQUEST_METHOD, "GET"),
        text(attr::URL_FULL, "https://pay.example/a"),
        text(attr::SERVER_ADDRESS, "pay.example"),
        kv(attr::HTTP_RESPONSE_STATUS_CODE, json!({ "intValue": "503" })),
        kv(attr::RESPONSE_HEADERS_TIME, json!({ "doubleValue": 0.25 })),
        text(attr::ACQUIRE_WAIT, "NaN"),
        kv(attr::LIMIT_WAIT, json!({ "doubleValue": -1.0 })),
        kv(attr::CONNECTION_ID, json!({ "intValue": "-5" })),
    ];
    let request = a_span(json!({ "attributes": ours, "status": { "code": 2 } }));
    let decoded = spans(&request, 2);
    let span = &decoded.spans[0];
    let call = span.call.as_ref().unwrap();
    assert_eq!(
        (call.status_code, call.headers_s),
        (Some(503), Some(0.25)),
        "read although only two are kept"
    );
    assert_eq!((call.wait_s, call.limit_s, call.connection), (None, None, None), "no times, and no number");
    assert_eq!((span.attributes.len(), span.dropped), (2, 6));
    assert_eq!(span.error.as_deref(), Some("503"));
    let destination = span.destination.unwrap();
    assert_eq!((destination.scheme, destination.port), ("https", 443), "the scheme is that of the URL");

    let old = [
        text("http.method", "POST"),
        text("http.scheme", "http"),
        text("http.target", "/a?b"),
        text("net.peer.name", "pay"),
        kv("net.peer.port", json!({ "intValue": "8080" })),
        kv("http.status_code", json!({ "intValue": "200" })),
    ];
    let exception = [text("exception.type", "java.net.SocketException"), text("exception.message", "gone")];
    let request = a_span(json!({
        "attributes": old, "status": { "code": 2 }, "events": [{ "name": "exception", "attributes": exception }],
        "links": [{ "traceId": "ab", "spanId": "" }, { "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203332" }],
    }));
    let decoded = spans(&request, 32);
    let span = &decoded.spans[0];
    let call = span.call.as_ref().unwrap();
    assert_eq!((call.method, &*call.url, call.status_code), ("POST", "http://pay/a?b", Some(200)));
    assert_eq!((span.destination.unwrap().port, span.links.len()), (8080, 1));
    assert_eq!((span.error.as_deref(), span.error_text), (Some("java.net.SocketException"), "gone"));
    // What answers is no request of a client, whatever it says.
    let server = a_span(json!({ "kind": 2, "attributes": ours }));
    assert!(spans(&server, 32).spans[0].call.is_none());
}

#[test]
fn a_part_is_known_by_how_its_name_begins() {
    for (name, part) in [
        ("HTTP wait_for_connection pay:443", Some(PhaseKind::Wait)),
        ("DNS lookup pay", Some(PhaseKind::Dns)),
        ("http.tls", Some(PhaseKind::Tls)),
        ("HTTP connection_setup pay:443", None),
        ("GET", None),
    ] {
        let request = a_span(json!({ "name": name, "kind": 1 }));
        let decoded = spans(&request, 8);
        assert_eq!(decoded.spans[0].part, part, "{name}");
        assert_eq!(decoded.spans[0].is_setup, name.contains("setup"));
    }
}

/// A generator whose numbers are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

#[test]
fn noise_and_broken_messages_never_panic() {
    let good = request(
        metric::CONNECTION_WAIT_TIME.name,
        histogram(json!({ "count": "3", "bucketCounts": ["1", "2"], "explicitBounds": [0.1] })),
    );
    let mut noise = Noise(7);
    let mut store = crate::store::Store::new(&crate::Config::default());
    for round in 0..20_000 {
        let mut bytes = good.clone();
        match round % 3 {
            0 => bytes.truncate(noise.next() as usize % good.len()),
            1 => {
                for _ in 0..=noise.next() % 4 {
                    let place = noise.next() as usize % bytes.len();
                    bytes[place] = noise.next() as u8;
                }
            }
            _ => bytes = (0..noise.next() % 200).map(|_| noise.next() as u8).collect(),
        }
        if let Ok(decoded) = super::metrics(&bytes) {
            store.take_metrics(&decoded.reports, noise.next());
        }
        if let Ok(request) = ExportLogsServiceRequest::decode(&bytes[..]) {
            store.take_events(&logs(&request, 8).events, noise.next());
        }
        if let Ok(request) = ExportTraceServiceRequest::decode(&bytes[..]) {
            spans(&request, 8);
        }
    }
    store.tick(u64::MAX);
    store.full(poolscope_wire::Status::default(), false);
}

#[test]
fn deep_json_is_no_overflow() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"unknown":{deep}}}]}}]}}]}}"#);
    // What is not known is skipped, however deep it is.
    assert!(serde_json::from_str::<ExportLogsServiceRequest>(&text).is_ok());
    let nested =
        format!("{}{{\"intValue\":1}}{}", r#"{"arrayValue":{"values":["#.repeat(5_000), "]}}".repeat(5_000));
    let text = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{nested}}}]}}]}}]}}"#);
    assert!(serde_json::from_str::<ExportLogsServiceRequest>(&text).is_err());
}

#[test]
fn a_limit_is_of_a_client_where_it_names_no_destination() {
    let of = |metric: &str, mut attributes: Vec<Json>| {
        attributes.push(kv(attr::CLIENT_NAME, json!({ "stringValue": "shop" })));
        request(metric, sum(json!({ "asInt": "4", "attributes": attributes })))
    };
    for (metric, figure) in [
        (&metric::LIMIT_MAX, ProtectionFigure::LimitMax),
        (&metric::LIMIT_IN_USE, ProtectionFigure::LimitInUse),
        (&metric::LIMIT_QUEUED, ProtectionFigure::LimitQueued),
        (&metric::LIMIT_QUEUE_MAX, ProtectionFigure::LimitQueueMax),
    ] {
        let of_client = of(metric.name, Vec::new());
        let report = &metrics(&of_client).reports[0];
        assert_eq!((report.pools.len(), report.protection.len()), (0, 1));
        assert_eq!((report.protection[0].name, report.protection[0].figure), ("shop", figure));
        let of_pool = of(metric.name, destination());
        assert!(metrics(&of_pool).reports[0].protection.is_empty(), "{}", metric.name);
    }
}

#[test]
fn what_protects_is_known_by_its_name_and_its_label() {
    let of = |metric: &str, attributes: &[(&str, &str)], extra: Vec<Json>| {
        let attributes = attributes.iter().map(|(key, value)| kv(key, json!({ "stringValue": value })));
        let attributes: Vec<_> = attributes.chain(extra).collect();
        request(metric, sum(json!({ "asInt": "1", "attributes": attributes })))
    };
    let limit = of(metric::TIMEOUT_LIMIT.name, &[(attr::TIMEOUT_NAME, "headers")], destination());
    let decoded = metrics(&limit);
    let reading = &decoded.reports[0].protection[0];
    assert_eq!((reading.name, &*reading.label), ("headers", "https://pay:443"));
    let resource =
        [(attr::GUARD_NAME, "process"), (attr::RESOURCE_NAME, "memory"), (attr::RESOURCE_LIMIT_KIND, "hard")];
    let resource = of(metric::RESOURCE_LIMIT.name, &resource, Vec::new());
    let decoded = metrics(&resource);
    let reading = &decoded.reports[0].protection[0];
    assert_eq!((reading.guard, reading.name, &*reading.label), ("process", "memory", "hard"));
    let nameless = of(metric::RETRY_CALLS.name, &[(attr::RETRY_OUTCOME, "first_try")], Vec::new());
    let decoded = metrics(&nameless);
    assert_eq!((decoded.taken, decoded.reports[0].protection.len()), (1, 0));
}
