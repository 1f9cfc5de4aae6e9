//! Telemetry whose parts are well made and mean nothing: wrong kinds, types, times, ids and orders.

use poolscope_semconv::accepted;
use poolscope_semconv::metric::MetricKind;

use super::samples::now_ns;
use super::*;

fn metrics(all: &[Json]) -> Json {
    json!({ "resourceMetrics": [{ "resource": resource(), "scopeMetrics": [{ "metrics": all }] }] })
}

fn pool() -> Vec<Json> {
    [
        (attr::SERVER_ADDRESS, "pay"),
        (attr::URL_SCHEME, "https"),
        (attr::BREAKER_NAME, "pay"),
        (accepted::attr::DB_STATE, "idle"),
        (accepted::attr::DB_STATE_OLD, "idle"),
        (accepted::attr::STATE, "idle"),
    ]
    .map(|(key, value)| text(key, value))
    .into()
}

/// One point as each kind of metric.
fn as_each_kind() -> Vec<(&'static str, Json)> {
    let mut number = json!({ "attributes": pool(), "timeUnixNano": now_ns(), "asInt": "1" });
    let numbers = json!({ "dataPoints": [number] });
    number["asInt"] = Json::Null;
    number["asDouble"] = json!(1.5);
    let doubles = json!({ "dataPoints": [number], "aggregationTemporality": 2, "isMonotonic": true });
    let sum = json!({ "dataPoints": numbers["dataPoints"], "aggregationTemporality": 2 });
    let point = |more: Json| {
        let mut point = json!({ "attributes": pool(), "timeUnixNano": now_ns(), "count": "1" });
        point.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "aggregationTemporality": 2, "dataPoints": [point] })
    };
    vec![
        ("gauge", json!({ "gauge": numbers })),
        ("sum", json!({ "sum": sum })),
        ("sum", json!({ "sum": doubles })),
        (
            "histogram",
            json!({ "histogram": point(json!({ "explicitBounds": [1.0], "bucketCounts": ["1", "0"] })) }),
        ),
        (
            "exponential histogram",
            json!({ "exponentialHistogram": point(json!({
            "scale": 2, "positive": { "offset": 1, "bucketCounts": ["1"] },
        })) }),
        ),
        (
            "summary",
            json!({ "summary": { "dataPoints": [{ "attributes": pool(), "count": "1", "sum": 2.0 }] } }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_contract_as_every_other_kind() {
    let program = Program::start(&[]);
    let ours = metric::ALL.iter().map(|def| (def.name, def.kind));
    let theirs = accepted::ALL.iter().map(|def| (def.name, def.kind));
    let (mut fits, mut misfits) = (0, 0);
    for (name, kind) in ours.chain(theirs) {
        for (sent, mut one) in as_each_kind() {
            one["name"] = json!(name);
            let is_right = match kind {
                MetricKind::Counter => sent == "sum",
                MetricKind::UpDownCounter | MetricKind::Gauge => matches!(sent, "sum" | "gauge"),
                MetricKind::Histogram => sent.ends_with("histogram"),
            };
            let rejected = program.take("/v1/metrics", &metrics(&[one])).await;
            // What has no place here, as what is of Go's own runtime, is taken whatever it is.
            if is_right {
                assert_eq!(rejected, 0, "{name} as {sent}");
                fits += 1;
            } else if rejected > 0 {
                misfits += 1;
            }
        }
    }
    println!("{fits} right, {misfits} rejected");
    assert!(misfits > fits, "{fits} {misfits}");
    assert_eq!(program.status().await.received.rejected_items, misfits);
    program.is_well(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_of_a_wrong_type_are_no_pools_and_no_panic() {
    let program = Program::start(&[]);
    let values = [
        json!({ "boolValue": true }),
        json!({ "intValue": "-9223372036854775808" }),
        json!({ "doubleValue": 1e308 }),
        json!({ "bytesValue": "AAECAw==" }),
        json!({ "arrayValue": { "values": [{ "stringValue": "a" }, { "intValue": "1" }] } }),
        json!({ "arrayValue": {} }),
        json!({ "kvlistValue": { "values": [{ "key": "a", "value": { "stringValue": "b" } }] } }),
        json!({ "stringValue": "" }),
        json!({ "stringValue": "\u{0}\u{202e}<b>" }),
        json!({}),
    ];
    let mut sent = 0;
    for key in attr::ALL {
        for value in &values {
            let mut attributes = pool();
            attributes.retain(|one| one["key"] != **key);
            attributes.push(json!({ "key": key, "value": value }));
            // Twice the same key, of which one is wrong.
            attributes.push(json!({ "key": key, "value": { "boolValue": false } }));
            let point = json!({ "attributes": attributes, "timeUnixNano": now_ns(), "asInt": "1" });
            let one = |name: &str| json!({ "name": name, "sum": { "aggregationTemporality": 2, "dataPoints": [point] } });
            let all = metrics(&[
                one(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name),
                one(metric::CONNECTION_ACQUIRES.name),
                one(metric::BREAKER_STATE.name),
            ]);
            program.take("/v1/metrics", &all).await;
            let record =
                json!({ "eventName": event::ALL[sent % event::ALL.len()], "attributes": attributes });
            let resource = json!({ "attributes": [{ "key": attr::SERVICE_NAME, "value": value }] });
            let logs = json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [record] }] }] });
            assert_eq!(program.take("/v1/logs", &logs).await, 0);
            let span = json!({
                "traceId": format!("{:032x}", sent + 1), "spanId": "b7ad6b7169203331", "name": "GET", "kind": 3,
                "startTimeUnixNano": now_ns(), "endTimeUnixNano": now_ns(), "attributes": attributes,
            });
            let traces = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
            assert_eq!(program.take("/v1/traces", &traces).await, 0);
            sent += 1;
        }
    }
    // Everything that reads can still read.
    let _: Vec<PoolSummary> = program.get(path::POOLS).await;
    let _: Vec<PoolGroup> = program.get(path::GROUPS).await;
    let _: Vec<Event> = program.get(path::EVENTS).await;
    let _: TraceList = program.get(&format!("{}?status=all", path::TRACES)).await;
    let _: Vec<Service> = program.get(path::SERVICES).await;
    let _: Vec<Warning> = program.get(path::WARNINGS).await;
    program.is_well(300).await;
}

#[tokio::test]
async fn values_that_no_pool_has_are_rejected_with_a_reason() {
    let program = Program::start(&[]);
    let number = |value: Json| {
        let mut point = json!({ "attributes": pool(), "timeUnixNano": now_ns() });
        point.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        point
    };
    let of = |name: &str, temporality: u8, point: Json| {
        metrics(&[
            json!({ "name": name, "sum": { "aggregationTemporality": temporality, "dataPoints": [point] } }),
        ])
    };
    let (open, acquires) = (metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, metric::CONNECTION_ACQUIRES.name);
    for (name, temporality, value, rejected) in [
        (open, 2, json!({ "asInt": "-1" }), 1),
        (open, 1, json!({ "asInt": "-1" }), 0),
        (open, 0, json!({ "asInt": "1" }), 1),
        (open, 7, json!({ "asInt": "1" }), 1),
        (open, 2, json!({ "asDouble": "Infinity" }), 1),
        (open, 2, json!({ "asDouble": "NaN" }), 1),
        (open, 2, json!({ "asInt": "18446744073709551" }), 1),
        (open, 2, json!({ "asDouble": 2.0 }), 0),
        (open, 2, json!({}), 1),
        (acquires, 2, json!({ "asInt": "-9223372036854775808" }), 1),
        (acquires, 2, json!({ "asDouble": 1e308 }), 0),
        (acquires, 2, json!({ "asDouble": -1e-320 }), 1),
    ] {
        assert_eq!(
            program.take("/v1/metrics", &of(name, temporality, number(value.clone()))).await,
            rejected,
            "{name} {value}"
        );
    }
    program.is_well(200).await;
}

#[tokio::test]
async fn times_and_ids_that_can_not_be_are_put_right_or_rejected() {
    let program = Program::start(&[]);
    let far = u64::MAX.to_string();
    let year_2100 = "4102444800000000000".to_owned();
    for (n, (start, time)) in [
        ("0".to_owned(), "0".to_owned()),
        ("0".to_owned(), far.clone()),
        (far.clone(), "1".to_owned()),
        (far.clone(), far.clone()),
        (year_2100.clone(), now_ns()),
        ("1".to_owned(), "2".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut pool = pool();
        pool[0] = text(attr::SERVER_ADDRESS, &format!("clock-{n}"));
        pool.push(text(attr::HTTP_CONNECTION_STATE, "active"));
        let point =
            json!({ "attributes": pool, "startTimeUnixNano": start, "timeUnixNano": time, "asInt": "5" });
        let all = [metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, metric::CONNECTION_ACQUIRES.name]
            .map(|name| json!({ "name": name, "sum": { "aggregationTemporality": 2, "dataPoints": [point, point] } }));
        assert_eq!(program.take("/v1/metrics", &metrics(&all)).await, 0, "{start} {time}");
        let record = json!({ "eventName": event::BREAKER_TRANSITION, "timeUnixNano": time, "traceId": "00" });
        let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
        assert_eq!(program.take("/v1/logs", &logs).await, 0);
    }
    let status = program.status().await;
    let pools: Vec<PoolSummary> = program.get(path::POOLS).await;
    assert_eq!(pools.len(), 6);
    for pool in &pools {
        assert!(pool.last_seen_ms.abs_diff(status.now_ms) < 60_000, "{pool:?}");
        assert_eq!(pool.now.active, Some(5), "{}", pool.address);
    }
    let events: Vec<Event> = program.get(path::EVENTS).await;
    assert!(
        events.iter().all(|event| event.at_ms.abs_diff(status.now_ms) < 60_000 && event.trace_id.is_none())
    );

    let (trace, id) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let (zero_trace, zero_id) = ("0".repeat(32), "0".repeat(16));
    let now = now_ns();
    for (trace, id, parent, start, end, rejected) in [
        (trace, id, "", &*now, &*now, 0),
        (&*zero_trace, id, "", &now, &now, 1),
        (trace, &*zero_id, "", &now, &now, 1),
        ("", id, "", &now, &now, 1),
        ("0af7", id, "", &now, &now, 1),
        (trace, "b7ad6b71692033310000", "", &now, &now, 1),
        (trace, id, "b7ad", &now, &now, 1),
        // Its own parent.
        (trace, id, id, &now, &now, 0),
        (trace, id, "", &now, "1", 1),
        (trace, id, "", "0", "0", 1),
        (trace, id, "", &now, &far, 1),
        (trace, id, "", &now, &year_2100, 1),
    ] {
        let span = json!({
            "traceId": trace, "spanId": id, "parentSpanId": parent, "name": "GET", "kind": 99,
            "startTimeUnixNano": start, "endTimeUnixNano": end, "status": { "code": 77 },
        });
        let traces = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
        assert_eq!(program.take("/v1/traces", &traces).await, rejected, "{span}");
    }
    // Two spans, each the parent of the other.
    let other = "c7ad6b7169203331";
    let of = |id: &str, parent: &str| {
        json!({ "traceId": "1af7651916cd43dd8448eb211c80319c", "spanId": id, "parentSpanId": parent, "name": "loop",
                "startTimeUnixNano": now, "endTimeUnixNano": now })
    };
    let spans = json!([of(id, other), of(other, id)]);
    program.take("/v1/traces", &json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] })).await;
    let detail: TraceDetail =
        program.get(&format!("{}/1af7651916cd43dd8448eb211c80319c", path::TRACES)).await;
    assert_eq!(detail.spans.len(), 2);
    program.is_well(200).await;
}

#[tokio::test]
async fn counters_that_repeat_fall_or_change_their_kind_never_run_away() {
    let program = Program::start(&[]);
    let first: u64 = now_ns().parse().unwrap();
    let point = |second: u64, start: u64, value: u64| {
        let mut attributes = pool();
        attributes.push(text(attr::ACQUIRE_OUTCOME, "reused"));
        json!({ "attributes": attributes, "startTimeUnixNano": start.to_string(),
                "timeUnixNano": (first + second * 1_000_000_000).to_string(), "asInt": value.to_string() })
    };
    let of = |temporality: u8, points: &[Json]| {
        let sum = json!({ "aggregationTemporality": temporality, "isMonotonic": true, "dataPoints": points });
        let state = [text(attr::HTTP_CONNECTION_STATE, "active")];
        let state = [pool(), state.to_vec()].concat();
        let open = json!({ "attributes": state, "timeUnixNano": now_ns(), "asInt": "1" });
        metrics(&[
            json!({ "name": metric::CONNECTION_OPENED.name, "sum": sum }),
            json!({ "name": metric::HTTP_CLIENT_OPEN_CONNECTIONS.name,
                    "sum": { "aggregationTemporality": 2, "dataPoints": [open] } }),
        ])
    };
    let start = first - 1_000_000_000;
    let mut total = Vec::new();
    for (temporality, points) in [
        // Young, so that all of it is new; then each point twice.
        (2, vec![point(0, start, 10)]),
        (2, vec![point(1, start, 15), point(1, start, 15), point(1, start, 15)]),
        // Back in time, back in value, then a restart with another start.
        (2, vec![point(0, start, 3)]),
        (2, vec![point(3, start, 4)]),
        (2, vec![point(4, first + 3_500_000_000, 2)]),
        // Deltas in the middle, and the end of the other kind.
        (1, vec![point(5, first + 4_000_000_000, 7)]),
        (2, vec![point(6, first + 3_500_000_000, 2)]),
        (2, vec![point(7, first + 3_500_000_000, i64::MAX as u64)]),
        (2, vec![point(8, first + 3_500_000_000, i64::MAX as u64)]),
    ] {
        assert_eq!(program.take("/v1/metrics", &of(temporality, &points)).await, 0);
        let pools: Vec<PoolSummary> = program.get(path::POOLS).await;
        total.push(pools[0].opened_total.unwrap());
    }
    assert_eq!(total[..2], [10, 15]);
    assert_eq!(total[2], 15, "what comes late adds nothing");
    assert_eq!(total[3..5], [19, 21], "{total:?}");
    assert_eq!(total[5], 28, "{total:?}");
    assert!(total.windows(2).all(|pair| pair[0] <= pair[1]), "{total:?}");
    assert!(*total.last().unwrap() < u64::MAX, "{total:?}");
    program.is_well(200).await;
}
