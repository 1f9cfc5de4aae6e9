//! Pools as other languages tell them: from their OTLP to the browser's types.

#![expect(clippy::needless_pass_by_value, reason = "JSON literals read best as arguments")]

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use poolscope_wire::{Lack, PoolKind, ProtectionFigures, Status};
use prost::Message as _;
use serde_json::{Value as Json, json};

use super::*;
use crate::otlp::decode;

/// A number, a text: the attributes of a point.
fn attributes(of: &[(&str, &str)]) -> Json {
    let one = |(key, text): &(&str, &str)| {
        let value = match text.parse::<u16>() {
            Ok(number) => json!({ "intValue": number }),
            Err(_) => json!({ "stringValue": text }),
        };
        json!({ "key": key, "value": value })
    };
    of.iter().map(one).collect()
}

pub(super) fn ns(second: u64) -> String {
    ((T0 + second * 1_000) * 1_000_000).to_string()
}

/// A sum with one point.
pub(super) fn sum(name: &str, second: u64, of: &[(&str, &str)], value: Json) -> Json {
    let mut point =
        json!({ "attributes": attributes(of), "startTimeUnixNano": ns(0), "timeUnixNano": ns(second) });
    point.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    json!({ "name": name, "sum": { "aggregationTemporality": 2, "dataPoints": [point] } })
}

/// A histogram with one point of explicit buckets.
pub(super) fn histogram(
    name: &str,
    unit: &str,
    second: u64,
    of: &[(&str, &str)],
    bounds: &[f64],
    counts: &[u64],
) -> Json {
    let counts: Vec<_> = counts.iter().map(u64::to_string).collect();
    let count: u64 = counts.iter().map(|count| count.parse::<u64>().unwrap()).sum();
    json!({ "name": name, "unit": unit, "histogram": { "aggregationTemporality": 2, "dataPoints": [{
        "attributes": attributes(of), "startTimeUnixNano": ns(0), "timeUnixNano": ns(second),
        "count": count.to_string(), "bucketCounts": counts, "explicitBounds": bounds,
    }] } })
}

/// Sends metrics of a resource; nothing of them may be rejected.
pub(super) fn send(store: &mut Store, second: u64, resource: &[(&str, &str)], metrics: &[Json]) {
    let request: ExportMetricsServiceRequest = serde_json::from_value(json!({ "resourceMetrics": [{
        "resource": { "attributes": attributes(resource) }, "scopeMetrics": [{ "metrics": metrics }],
    }] }))
    .unwrap();
    let request = request.encode_to_vec();
    let decoded = decode::metrics(&request).unwrap();
    assert_eq!(decoded.rejected.reason, None);
    store.take_metrics(&decoded.reports, T0 + second * 1_000);
}

const DOT_NET: [(&str, &str); 2] = [("service.name", "shop"), ("telemetry.sdk.language", "dotnet")];

#[test]
fn a_dot_net_pool_is_one_whatever_its_metrics_leave_out() {
    let mut store = store();
    let host = ("server.address", "pay.example");
    for second in 1..=2 {
        let metrics = [
            // Without the scheme, which is optional, and two addresses of one destination.
            sum(
                "http.client.open_connections",
                second,
                &[
                    host,
                    ("server.port", "443"),
                    ("http.connection.state", "active"),
                    ("network.peer.address", "10.0.0.1"),
                ],
                json!({ "asInt": "2" }),
            ),
            sum(
                "http.client.open_connections",
                second,
                &[
                    host,
                    ("server.port", "443"),
                    ("http.connection.state", "active"),
                    ("network.peer.address", "10.0.0.2"),
                ],
                json!({ "asInt": "1" }),
            ),
            sum(
                "http.client.open_connections",
                second,
                &[
                    host,
                    ("server.port", "443"),
                    ("http.connection.state", "idle"),
                    ("network.peer.address", "10.0.0.1"),
                ],
                json!({ "asDouble": 4.0 }),
            ),
            sum(
                "http.client.active_requests",
                second,
                &[host, ("server.port", "443"), ("http.request.method", "GET")],
                json!({ "asInt": "3" }),
            ),
            // Without the port, which is the usual one of the scheme.
            histogram(
                "http.client.request.duration",
                "s",
                second,
                &[
                    host,
                    ("url.scheme", "https"),
                    ("http.request.method", "GET"),
                    ("http.response.status_code", "200"),
                ],
                &[0.1, 1.0],
                &[10 * second, 0, 0],
            ),
            histogram(
                "http.client.request.time_in_queue",
                "s",
                second,
                &[host, ("url.scheme", "https")],
                &[0.1, 1.0],
                &[second, 0, 0],
            ),
        ];
        send(&mut store, second, &DOT_NET, &metrics);
    }
    let pool = only(&store);
    assert_eq!(
        (&*pool.scheme, &*pool.address, pool.port, pool.kind),
        ("https", "pay.example", 443, PoolKind::Http)
    );
    assert_eq!((pool.now.active, pool.now.idle, pool.now.in_flight), (Some(3), Some(4), Some(3)));
    assert_eq!((pool.now.requests_per_s, pool.now.errors_per_s), (Some(10.0), Some(0.0)));
    assert!(pool.now.wait_p50_s.is_some());
    // What it does not tell is not known, which is not 0.
    assert_eq!(
        (pool.now.pending, pool.now.opened_per_s, pool.opened_total, pool.failed_total),
        (None, None, None, None)
    );
    let lacks = [
        Lack::Waiting,
        Lack::UseTimes,
        Lack::Opened,
        Lack::Closed,
        Lack::CloseReasons,
        Lack::FailedConnects,
        Lack::Reuse,
    ];
    assert_eq!(pool.lacks, lacks);
    assert_eq!(pool.health.sentence, "fine: 3 active");
}

#[test]
fn the_scheme_may_come_first_or_last() {
    let duration = |second| {
        histogram(
            "http.client.request.duration",
            "s",
            second,
            &[("server.address", "pay"), ("server.port", "443"), ("url.scheme", "https")],
            &[1.0],
            &[5, 0],
        )
    };
    let open = |second| {
        sum(
            "http.client.open_connections",
            second,
            &[("server.address", "pay"), ("server.port", "443"), ("http.connection.state", "idle")],
            json!({ "asInt": "1" }),
        )
    };
    for order in [[open(1), duration(2)], [duration(1), open(2)]] {
        let mut store = store();
        for (second, metric) in (1..).zip(order) {
            send(&mut store, second, &[], &[metric]);
        }
        let pool = only(&store);
        assert_eq!((&*pool.scheme, pool.now.idle, pool.requests_total), ("https", Some(1), Some(5)));
        assert_eq!(pool.service, "unknown_service");
    }
    // Another scheme at the same port is another pool, and so is another port.
    let mut store = store();
    send(&mut store, 1, &[], &[duration(1)]);
    send(
        &mut store,
        2,
        &[],
        &[histogram(
            "http.client.request.duration",
            "s",
            2,
            &[("server.address", "pay"), ("server.port", "443"), ("url.scheme", "http")],
            &[1.0],
            &[5, 0],
        )],
    );
    assert_eq!(store.pools().len(), 2);
}

/// A database pool by today's names, and by those of before.
fn database(second: u64, old: bool) -> Vec<Json> {
    let name = if old { "pool.name" } else { "db.client.connection.pool.name" };
    let state = if old { "state" } else { "db.client.connection.state" };
    let metric = |rest: &str| match (old, rest) {
        (true, "count") => "db.client.connections.usage".to_owned(),
        (true, rest) => format!("db.client.connections.{rest}"),
        (false, rest) => format!("db.client.connection.{rest}"),
    };
    let pool = (name, "HikariPool-1");
    let (unit, scale) = if old { ("ms", 1_000.0) } else { ("s", 1.0) };
    let time = |rest: &str, counts: &[u64]| {
        histogram(&metric(rest), unit, second, &[pool], &[0.001 * scale, 0.1 * scale, scale], counts)
    };
    let gauge =
        |rest: &str, value: u64| sum(&metric(rest), second, &[pool], json!({ "asInt": value.to_string() }));
    vec![
        sum(&metric("count"), second, &[pool, (state, "used")], json!({ "asInt": "20" })),
        sum(&metric("count"), second, &[pool, (state, "idle")], json!({ "asInt": "0" })),
        gauge("max", 20),
        gauge("idle.max", 20),
        gauge("idle.min", 5),
        gauge("pending_requests", 7),
        gauge("timeouts", second * 3),
        time("create_time", &[0, 20, 0, 0]),
        time("wait_time", &[0, 0, 50 * second, 0]),
        time("use_time", &[0, 100 * second, 0, 0]),
    ]
}

#[test]
fn one_report_of_requests_that_wait_long_is_told() {
    let mut store = store();
    let used = [("db.client.connection.pool.name", "HikariPool-1"), ("db.client.connection.state", "used")];
    let mut report = database(1, false);
    // One of its connections is in nobody's hands: the figures alone do not prove that it is full.
    report[0] = sum("db.client.connection.count", 1, &used, json!({ "asInt": "19" }));
    report.retain(|metric| metric["name"] != "db.client.connection.timeouts");
    send(&mut store, 1, &[("service.name", "orders")], &report);
    let health = only(&store).health;
    assert_eq!(health.severity, Severity::Warn, "{health:?}");
    assert!(health.sentence.starts_with("7 requests wait for a connection, p99 wait 9"), "{health:?}");
}

#[test]
fn a_database_pool_is_a_pool_by_todays_names_and_by_those_of_before() {
    for old in [false, true] {
        let mut store = store();
        for second in 1..=2 {
            send(&mut store, second, &[("service.name", "orders")], &database(second, old));
        }
        let pool = only(&store);
        assert_eq!((pool.kind, &*pool.client, &*pool.address), (PoolKind::Database, "HikariPool-1", ""));
        let now = pool.now;
        assert_eq!((now.active, now.idle, now.max_open), (Some(20), Some(0), Some(20)));
        assert_eq!((now.idle_min, now.idle_max, now.pending), (Some(5), Some(20), Some(7)));
        assert_eq!(
            (now.requests_per_s, now.timeouts_per_s, now.errors_per_s),
            (Some(100.0), Some(3.0), None)
        );
        let p50 = now.wait_p50_s.unwrap();
        assert!((0.1..1.0).contains(&p50), "old {old}: {p50} s");
        assert!(now.use_p99_s.unwrap() < 0.11);
        assert_eq!((pool.requests_total, pool.opened_total, pool.closed_total), (Some(200), Some(20), None));
        assert_eq!(pool.health.severity, Severity::Bad);
        let sentence = "6 requests got no connection in time in the last 2 s; all 20 connections in use";
        assert_eq!(pool.health.sentence, sentence);
        let detail = detail_of(&store, Id::parse(&pool.id).unwrap()).unwrap();
        assert_eq!(detail.connections.timeouts, Some(6));
        assert_eq!(detail.connections.create_s.unwrap().count, 20);
    }
}

#[test]
fn pools_of_one_name_are_apart_by_their_instance_or_by_what_it_runs_in() {
    let mut store = store();
    for resource in [
        [("service.name", "orders"), ("service.instance.id", "one")],
        [("service.name", "orders"), ("service.instance.id", "two")],
        [("service.name", "orders"), ("host.name", "three")],
        [("service.name", "stock"), ("service.instance.id", "one")],
    ] {
        send(&mut store, 1, &resource, &database(1, false));
    }
    assert_eq!(store.pools().len(), 4);
    let instances: Vec<_> = store.pools().into_iter().map(|pool| pool.instance).collect();
    assert_eq!(instances, ["one", "three", "two", "one"]);
}

#[test]
fn a_database_pool_without_a_name_is_told_by_where_it_leads() {
    let mut store = store();
    let of = [
        ("server.address", "db"),
        ("server.port", "5432"),
        ("db.namespace", "orders"),
        ("db.client.connection.state", "used"),
    ];
    send(&mut store, 1, &[], &[sum("db.client.connection.count", 1, &of, json!({ "asInt": "1" }))]);
    let pool = only(&store);
    assert_eq!((&*pool.client, &*pool.address, pool.port), ("orders", "db", 5432));
    // Nor does an HTTP pool of the same place become one with it.
    let http = [("server.address", "db"), ("server.port", "5432")];
    send(&mut store, 1, &[], &[sum("http.client.active_requests", 1, &http, json!({ "asInt": "1" }))]);
    assert_eq!(store.pools().len(), 2);
}

#[test]
fn a_state_that_was_never_told_is_not_known_and_one_that_was_is_gone() {
    let mut store = store();
    let open = |second, state| {
        let of = [("server.address", "pay"), ("server.port", "80"), ("http.connection.state", state)];
        sum("http.client.open_connections", second, &of, json!({ "asInt": "4" }))
    };
    send(&mut store, 1, &[], &[open(1, "active")]);
    let pool = only(&store);
    assert_eq!((pool.now.active, pool.now.idle, pool.now.upgraded), (Some(4), None, None));
    assert!(!pool.lacks.contains(&Lack::Connections));
    send(&mut store, 2, &[], &[open(2, "idle")]);
    let now = only(&store).now;
    assert_eq!((now.active, now.idle, now.upgraded), (Some(0), Some(4), None));
}

#[test]
fn connections_of_no_known_state_are_not_known() {
    let mut store = store();
    let host = [("server.address", "pay"), ("server.port", "80")];
    send(&mut store, 1, &[], &[sum("http.client.open_connections", 1, &host, json!({ "asInt": "4" }))]);
    let pool = only(&store);
    assert_eq!((pool.now.idle, pool.now.active), (None, None));
    assert!(pool.lacks.contains(&Lack::Connections));
}

#[test]
fn an_exponential_histogram_of_milliseconds_is_in_seconds() {
    let mut store = store();
    // Scale 0: buckets are powers of two, and the one at 7 is (128, 256] ms.
    let exponential = |name: &str| {
        json!({ "name": name, "unit": "ms", "exponentialHistogram": {
        "aggregationTemporality": 1, "dataPoints": [{
            "attributes": attributes(&[("pool.name", "orders"), ("net.peer.name", "pay"), ("http.status_code", "503")]),
            "startTimeUnixNano": ns(0), "timeUnixNano": ns(1), "count": "8", "scale": 0, "zeroCount": "0",
            "positive": { "offset": 7, "bucketCounts": ["8"] },
        }] } })
    };
    let metrics = [exponential("db.client.connections.wait_time"), exponential("http.client.duration")];
    send(&mut store, 1, &[], &metrics);
    let pools = store.pools();
    let [http, database] = &pools[..] else { panic!("{pools:#?}") };
    let in_bucket = |seconds: Option<f32>| (0.25..0.5).contains(&seconds.unwrap());
    assert!(in_bucket(database.now.wait_p50_s), "{:?}", database.now);
    assert!(in_bucket(http.now.duration_p50_s), "{:?}", http.now);
    assert_eq!((http.requests_total, http.now.errors_per_s), (Some(8), Some(8.0)));
}

#[test]
fn what_servers_tell_of_themselves_is_taken_and_is_no_pool() {
    let mut store = store();
    let of = [("server.address", "localhost"), ("server.port", "8080"), ("url.scheme", "http")];
    let metrics = [
        sum("http.server.active_requests", 1, &of, json!({ "asInt": "3" })),
        histogram("http.server.request.duration", "s", 1, &of, &[1.0], &[3, 0]),
        sum("kestrel.active_connections", 1, &of, json!({ "asInt": "3" })),
    ];
    send(&mut store, 1, &DOT_NET, &metrics);
    assert!(store.pools().is_empty());
    assert_eq!(store.services()[0].name, "shop");
    // Its requests are those of a server, of whose connections nothing is known.
    let protection = store.full(Status::default(), false).protection;
    let [server] = &protection[..] else { panic!("{protection:#?}") };
    let ProtectionFigures::Server(figures) = &server.figures else { panic!("{server:#?}") };
    assert_eq!((server.name.as_str(), figures.has_connections), ("http", false));
    assert_eq!((figures.in_flight, figures.requests.total, figures.failed.total), (3, 3, 0));
}
