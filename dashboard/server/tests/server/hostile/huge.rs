//! Too much of everything: long, many, deep.

use super::samples::{JSON, PROTOBUF, Wire, framed, samples};
use super::*;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::trace::v1::span::{Event as SpanEvent, Link};

const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

fn kv(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn word(key: &str, value: impl Into<String>) -> KeyValue {
    kv(key, Value::StringValue(value.into()))
}

fn metric_of(name: &str, data: Data) -> Metric {
    Metric { name: name.into(), data: Some(data), ..Metric::default() }
}

fn export(metrics: Vec<Metric>) -> Vec<u8> {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource = serde_json::from_value(resource()).unwrap();
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..Default::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn open(host: &str, more: Vec<KeyValue>) -> NumberDataPoint {
    let mut attributes = vec![word(attr::SERVER_ADDRESS, host), word(attr::HTTP_CONNECTION_STATE, "idle")];
    attributes.extend(more);
    NumberDataPoint { attributes, value: Some(Number::AsInt(1)), ..NumberDataPoint::default() }
}

fn gauge(data_points: Vec<NumberDataPoint>) -> Metric {
    metric_of(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, Data::Gauge(Gauge { data_points }))
}

/// Sends by gRPC, which takes more at once.
async fn send(program: &Program, message: &[u8]) -> Code {
    Wire::open(program).await.call(METRICS, None, framed(0, message.len(), message)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_values_of_megabytes_are_cut() {
    let program = Program::start(&[]);
    let long = "\u{e9}".repeat(600_000);
    let pool = [word(attr::CLIENT_NAME, &*long), word(attr::URL_SCHEME, &*long), word("other", &*long)];
    assert_eq!(send(&program, &export(vec![gauge(vec![open(&long, pool.to_vec())])])).await, Code::Ok);
    // Without a place here, and with one but of a wrong kind, so that its name is repeated to the sender.
    for (name, rejected) in [(long.clone(), 0), (String::new(), 0)] {
        let body =
            export(vec![metric_of(&name, Data::Gauge(Gauge { data_points: vec![open("a", vec![])] }))]);
        let answer = program.post("/v1/metrics", PROTOBUF, None, body).await.bytes().await.unwrap();
        let answer = ExportMetricsServiceResponse::decode(answer).unwrap();
        assert_eq!(answer.partial_success.map_or(0, |partial| partial.rejected_data_points), rejected);
    }
    let nameless = export(vec![Metric { name: long.clone(), ..Metric::default() }]);
    let answer = program.post("/v1/metrics", PROTOBUF, None, nameless).await.bytes().await.unwrap();
    assert!(answer.len() < 1_000, "{} bytes are told to the sender", answer.len());
    let mut logs = transition();
    let record = &mut logs.resource_logs[0].scope_logs[0].log_records[0];
    record.attributes.push(word("note", &*long));
    record.body = Some(AnyValue { value: Some(Value::StringValue(long.clone())) });
    assert_eq!(program.post("/v1/logs", PROTOBUF, None, logs.encode_to_vec()).await.status(), 200);

    let pools: Vec<PoolSummary> = program.get(path::POOLS).await;
    assert!(
        pools[0].address.starts_with('\u{e9}') && pools[0].address.len() <= 512,
        "{}",
        pools[0].address.len()
    );
    let all = program.client.get(format!("http://{}{}", program.http, path::POOLS)).send().await.unwrap();
    assert!(all.bytes().await.unwrap().len() < 10_000);
    let events: Vec<Event> = program.get(path::EVENTS).await;
    assert!(events[0].attributes.iter().all(|(_, value)| value.len() <= 512), "{events:?}");
    // Of the pool: client, scheme and address; of the event: its note.
    assert_eq!(program.hits("bytes of a text").await, 4);
    program.is_well(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_of_anything_is_a_bound_that_shows() {
    let program = Program::start(&[]);
    // Pools, each with a host of its own.
    for ten_thousand in 0..10 {
        let points = (0..10_000).map(|n| open(&format!("host-{ten_thousand}-{n}"), vec![])).collect();
        assert_eq!(send(&program, &export(vec![gauge(points)])).await, Code::Ok);
    }
    let pools: Vec<PoolSummary> = program.get(path::POOLS).await;
    assert_eq!(pools.len(), 2_000);
    assert_eq!(program.hits("pools").await, 98_000);
    let after_pools = program.memory("VmHWM");
    // Series of one pool.
    for ten_thousand in 0..10 {
        let series = |n: i32| open("one", vec![word("more", format!("{ten_thousand}-{n}"))]);
        assert_eq!(send(&program, &export(vec![gauge((0..10_000).map(series).collect())])).await, Code::Ok);
    }
    assert_eq!(program.hits("series of a pool").await, 100_000 - 256);
    // Instances, each a process that never comes again.
    for thousand in 0..5 {
        let mut all = ExportMetricsServiceRequest::default();
        for n in 0..1_000 {
            let mut one = request("instance", 1).resource_metrics.remove(0);
            one.resource.as_mut().unwrap().attributes[1] =
                word(attr::SERVICE_INSTANCE_ID, format!("{thousand}-{n}"));
            all.resource_metrics.push(one);
        }
        assert_eq!(send(&program, &all.encode_to_vec()).await, Code::Ok);
    }
    assert!(program.hits("instances").await >= 4_000);
    println!(
        "100,000 pools: {after_pools} MiB; then 100,000 series and 5,000 instances: {} MiB",
        program.memory("VmHWM")
    );
    program.is_well(600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_points_are_refused_and_what_fits_is_taken_in_bounded_memory() {
    let program = Program::start(&[]);
    let point = NumberDataPoint { value: Some(Number::AsInt(1)), ..NumberDataPoint::default() };
    let many = |count: usize| {
        export(vec![metric_of("some.gauge", Data::Gauge(Gauge { data_points: vec![point.clone(); count] }))])
    };
    assert_eq!(send(&program, &many(1_000_000)).await, Code::ResourceExhausted);
    let zipped = gzip(&many(1_000_000));
    assert_eq!(program.post("/v1/metrics", PROTOBUF, Some("gzip"), zipped).await.status(), 413);
    assert_eq!(program.lost("too large").await, 2);
    assert_eq!(send(&program, &many(400_000)).await, Code::Ok);
    assert_eq!(program.status().await.received.metric_points, 400_000);
    let exemplars = vec![Exemplar { trace_id: vec![1; 16], ..Exemplar::default() }; 300_000];
    let full = NumberDataPoint { exemplars, ..open("exemplars", vec![]) };
    assert_eq!(send(&program, &export(vec![gauge(vec![full])])).await, Code::Ok);
    println!("400,000 points at once: {} MiB", program.memory("VmHWM"));
    program.is_well(500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histograms_of_any_size_and_order_are_bounded() {
    let program = Program::start(&[]);
    let histogram = |bounds: Vec<f64>, counts: Vec<u64>, count: u64| {
        let point = HistogramDataPoint {
            attributes: vec![word(attr::SERVER_ADDRESS, "pay")],
            count,
            bucket_counts: counts,
            explicit_bounds: bounds,
            ..HistogramDataPoint::default()
        };
        let data = Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 2 });
        export(vec![metric_of(metric::CONNECTION_WAIT_TIME.name, data)])
    };
    let rising = |count: u32| (0..count).map(f64::from).collect::<Vec<_>>();
    for (what, message, rejected) in [
        ("a million buckets", histogram(rising(999_999), vec![1; 1_000_000], 1_000_000), 1),
        ("more buckets than are kept", histogram(rising(256), vec![1; 257], 257), 1),
        ("as many as are kept", histogram(rising(255), vec![1; 256], 256), 0),
        ("falling", histogram(vec![2.0, 1.0], vec![1; 3], 3), 1),
        ("equal", histogram(vec![1.0, 1.0], vec![1; 3], 3), 1),
        ("no number", histogram(vec![1.0, f64::NAN], vec![1; 3], 3), 1),
        ("infinite", histogram(vec![1.0, f64::INFINITY], vec![1; 3], 3), 1),
        ("infinite below", histogram(vec![f64::NEG_INFINITY, 1.0], vec![1; 3], 3), 1),
        ("beyond 64 bits", histogram(vec![1.0], vec![u64::MAX, 2], 1), 1),
        ("a count that is wrong", histogram(vec![1.0], vec![1, 2], 4), 1),
        ("bounds without counts", histogram(vec![1.0], vec![], 4), 1),
        ("all that there is", histogram(vec![1.0], vec![u64::MAX, 0], u64::MAX), 0),
    ] {
        let before = program.status().await.received.rejected_items;
        assert_eq!(send(&program, &message).await, Code::Ok, "{what}");
        assert_eq!(program.status().await.received.rejected_items - before, rejected, "{what}");
    }
    let pools: Vec<PoolSummary> = program.get(path::POOLS).await;
    assert_eq!((pools.len(), &*pools[0].address), (1, "pay"));
    program.is_well(300).await;
}

/// A value in a value, so many times.
fn nested(depth: usize, pairs: bool) -> AnyValue {
    (0..depth).fold(AnyValue { value: Some(Value::IntValue(7)) }, |inner, _| {
        let value = if pairs {
            let values = vec![KeyValue { key: "k".into(), value: Some(inner), ..KeyValue::default() }];
            Value::KvlistValue(KeyValueList { values })
        } else {
            Value::ArrayValue(ArrayValue { values: vec![inner] })
        };
        AnyValue { value: Some(value) }
    })
}

/// The same as it travels, made without recursion, which would take more stack than a test has.
fn nested_bytes(depth: usize, pairs: bool) -> Vec<u8> {
    let wrap = |tag: u8, inner: &[u8]| {
        let mut out = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut out);
        [out, inner.to_vec()].concat()
    };
    let mut value = vec![0x18, 7];
    for _ in 0..depth {
        value = if pairs {
            wrap(0x32, &wrap(0x0a, &wrap(0x12, &value)))
        } else {
            wrap(0x2a, &wrap(0x0a, &value))
        };
    }
    // The body of a record of a scope of a resource.
    wrap(0x0a, &wrap(0x12, &wrap(0x12, &wrap(0x2a, &value))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_inside_of_values_end_somewhere() {
    let program = Program::start(&[]);
    for pairs in [false, true] {
        for depth in [100, 10_000, 30_000] {
            let answer = program.post("/v1/logs", PROTOBUF, None, nested_bytes(depth, pairs)).await;
            assert_eq!(answer.status(), 400, "{depth}");
        }
        assert_eq!(program.post("/v1/logs", PROTOBUF, None, nested_bytes(20, pairs)).await.status(), 200);
        let mut logs = transition();
        logs.resource_logs[0].scope_logs[0].log_records[0].attributes.push(KeyValue {
            key: "deep".into(),
            value: Some(nested(20, pairs)),
            ..KeyValue::default()
        });
        assert_eq!(program.post("/v1/logs", PROTOBUF, None, logs.encode_to_vec()).await.status(), 200);
        let open = if pairs {
            r#"{"kvlistValue":{"values":[{"key":"k","value":"#
        } else {
            r#"{"arrayValue":{"values":["#
        };
        let close = if pairs { "}]}}" } else { "]}}" };
        for (depth, status) in [(10, 200), (60, 400), (10_000, 400), (40_000, 400)] {
            let value = [open.repeat(depth), "{\"intValue\":\"7\"}".to_owned(), close.repeat(depth)].concat();
            let body =
                format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#);
            let answer = program.post("/v1/logs", JSON, None, body.into_bytes()).await;
            assert_eq!(answer.status(), status, "{depth} {pairs}");
        }
    }
    for unfinished in ["[", "{\"a\":", "{\"resourceLogs\":["] {
        let body = unfinished.repeat(200_000).into_bytes();
        let answer = program.post("/v1/logs", JSON, None, body).await;
        assert!(matches!(answer.status().as_u16(), 400 | 413), "{unfinished}: {}", answer.status());
    }
    let events: Vec<Event> = program.get(path::EVENTS).await;
    let deep = events[0].attributes.iter().find(|(key, _)| key == "deep").unwrap();
    assert!(deep.1.contains("..."), "{deep:?}");
    program.is_well(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_and_events_without_end_have_their_bounds() {
    let program = Program::start(&[]);
    let spans = &samples()[1];
    let mut traces = ExportTraceServiceRequest::decode(&spans.protobuf[..]).unwrap();
    let span = &mut traces.resource_spans[0].scope_spans[0].spans[0];
    span.events = vec![SpanEvent { name: "e".into(), ..SpanEvent::default() }; 100_000];
    span.links = vec![Link { trace_id: vec![7; 16], span_id: vec![7; 8], ..Link::default() }; 100_000];
    span.attributes.extend((0..100_000).map(|n| word(&format!("a{n}"), "x")));
    let (name, message) = (spans.grpc_path, traces.encode_to_vec());
    let mut wire = Wire::open(&program).await;
    assert_eq!(wire.call(name, None, framed(0, message.len(), &message)).await, Code::Ok);
    let detail: TraceDetail =
        program.get(&format!("{}/0af7651916cd43dd8448eb211c80319c", path::TRACES)).await;
    assert!(serde_json::to_vec(&detail).unwrap().len() < 20_000);
    assert!(program.hits("attributes of a span").await > 299_000);
    // One trace of very many spans, and very many traces of one.
    for many in [false, true] {
        let mut all = ExportTraceServiceRequest::decode(&spans.protobuf[..]).unwrap();
        let list = &mut all.resource_spans[0].scope_spans[0].spans;
        let one = list.remove(0);
        list.extend((1..=10_000_u64).map(|n| {
            let mut next = one.clone();
            next.span_id = n.to_be_bytes().to_vec();
            if many {
                next.trace_id = (u128::from(n) << 64).to_be_bytes().to_vec();
            }
            next
        }));
        let message = all.encode_to_vec();
        assert_eq!(wire.call(name, None, framed(0, message.len(), &message)).await, Code::Ok);
    }
    assert!(program.hits("spans of a trace").await > 9_000 && program.hits("traces").await > 7_000);
    // Events.
    let one = transition();
    for _ in 0..3 {
        let mut logs = one.clone();
        logs.resource_logs[0].scope_logs[0].log_records =
            vec![one.resource_logs[0].scope_logs[0].log_records[0].clone(); 10_000];
        assert_eq!(program.post("/v1/logs", PROTOBUF, None, logs.encode_to_vec()).await.status(), 200);
    }
    let events = program.hits("events").await;
    assert!(events >= 25_000, "{events}");
    assert_eq!(program.take("/v1/metrics", &report("still", 2)).await, 0);
    program.is_well(400).await;
}
