//! All three signals arrive, whole and from one resource, wherever the program calls from.

use std::collections::BTreeMap;
use std::convert::Infallible;

use http::{Request, Response};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use poolscope::breaker::BreakerLayer;
use poolscope::otlp_sdk::Protocol;
use poolscope::{PoolSnapshot, Scope};
use poolscope_semconv::metric::MetricDef;
use poolscope_semconv::value::BreakerState;
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME, attr, event, metric};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::manner::Received;
use crate::receiver::Receiver;
use crate::traffic::traffic;
use crate::{export, receivers, records, text};

/// Requests of a client, and a breaker that opens.
pub(crate) async fn work(scope: &Scope) {
    traffic(scope, "payments").await;
    let breaker = BreakerLayer::builder(scope).window(10).minimum_calls(4).build().unwrap();
    let mut failing = breaker.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::builder().status(503).body(String::new()).unwrap())
    }));
    for _ in 0..4 {
        let request = Request::get("http://pay.example/").body(()).unwrap();
        failing.ready().await.unwrap().call(request).await.unwrap();
    }
}

/// The points of a metric in an export, by the attributes that tell pools and this key apart.
fn points(metrics: &[Metric], def: &MetricDef, key: &str) -> BTreeMap<[String; 3], u64> {
    let metric = metrics.iter().find(|metric| metric.name == def.name).expect(def.name);
    assert_eq!(metric.unit, def.unit);
    let by = |attributes: &[_]| {
        [attr::CLIENT_NAME, attr::SERVER_PORT, key].map(|key| text(attributes, key).unwrap_or_default())
    };
    let number = |value| match value {
        Some(Value::AsInt(value)) => u64::try_from(value).unwrap(),
        other => panic!("{other:?}"),
    };
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => {
            sum.data_points.iter().map(|point| (by(&point.attributes), number(point.value))).collect()
        }
        Data::Histogram(histogram) => {
            histogram.data_points.iter().map(|point| (by(&point.attributes), point.count)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// What the receiver has is what happened in the scope.
fn check(received: &Received, scope: &Scope) {
    let (_, metrics) = received.metrics.last().expect("metrics arrived");
    let [metrics] = &metrics.resource_metrics[..] else { panic!("one resource") };
    let ours = metrics.scope_metrics.iter().find(|of| of.scope.as_ref().unwrap().name == SCOPE_NAME).unwrap();
    assert_eq!(ours.schema_url, SCHEMA_URL);
    let opened = points(&ours.metrics, &metric::CONNECTION_OPENED, "");
    let acquires = points(&ours.metrics, &metric::CONNECTION_ACQUIRES, attr::ACQUIRE_OUTCOME);
    let waits = points(&ours.metrics, &metric::CONNECTION_WAIT_TIME, "");
    let closed = points(&ours.metrics, &metric::CONNECTION_CLOSED, attr::CLOSE_REASON);
    let snapshot = scope.snapshot();
    assert_eq!(snapshot.pools.len(), 2, "one that answers, one where nobody listens");
    let key = |pool: &PoolSnapshot, more: &str| [pool.client.clone(), pool.port.to_string(), more.to_owned()];
    for pool in &snapshot.pools {
        assert_eq!(opened.get(&key(pool, "")).copied().unwrap_or_default(), pool.opened);
        for (outcome, count) in &pool.acquires {
            let told = acquires.get(&key(pool, outcome.as_str())).copied().unwrap_or_default();
            assert_eq!(told, *count, "{outcome:?}");
        }
        assert_eq!(waits.get(&key(pool, "")).copied().unwrap_or_default(), pool.acquired);
        let told = closed.iter().filter(|(of, _)| of[..2] == key(pool, "")[..2]).map(|(_, count)| count);
        assert_eq!(told.sum::<u64>(), pool.closed_total());
    }
    assert_eq!(snapshot.pools.iter().map(|pool| pool.acquired).sum::<u64>(), 3);

    let traces: Vec<_> = received.traces.iter().flat_map(|request| &request.resource_spans).collect();
    let spans = traces.iter().flat_map(|traces| &traces.scope_spans).flat_map(|scope| &scope.spans);
    let requests: Vec<_> = spans.filter(|span| span.kind == SpanKind::Client as i32).collect();
    assert_eq!(requests.len(), 4, "three answers and one failure");
    let ports = requests.iter().map(|span| text(&span.attributes, attr::SERVER_PORT).unwrap());
    assert!(ports.into_iter().all(|port| snapshot.pools.iter().any(|pool| pool.port.to_string() == port)));

    let events = records(received);
    let transitions: Vec<_> =
        events.iter().filter(|(_, record)| record.event_name == event::BREAKER_TRANSITION).collect();
    let [(SCOPE_NAME, opened)] = transitions[..] else { panic!("{transitions:?}") };
    assert_eq!(text(&opened.attributes, attr::BREAKER_NAME).as_deref(), Some("http://pay.example:80"));
    assert_eq!(text(&opened.attributes, attr::BREAKER_TO).as_deref(), Some(BreakerState::Open.as_str()));
    assert_eq!(events.iter().filter(|(_, record)| record.event_name == event::CONNECTION_FAILED).count(), 1);

    let logs = received.logs.iter().flat_map(|request| &request.resource_logs);
    let resource = metrics.resource.as_ref().unwrap();
    let others = traces.iter().map(|traces| &traces.resource).chain(logs.map(|logs| &logs.resource));
    for other in others {
        assert_eq!(sorted(other.as_ref().unwrap()), sorted(resource));
    }
    assert_eq!(text(&resource.attributes, attr::SERVICE_NAME).as_deref(), Some("shop"));
    assert_eq!(text(&resource.attributes, attr::SERVICE_INSTANCE_ID).unwrap().len(), 36);
    assert_eq!(text(&resource.attributes, "deployment.environment.name").as_deref(), Some("test"));
}

fn sorted(resource: &Resource) -> BTreeMap<&str, Option<String>> {
    let attributes = &resource.attributes;
    attributes.iter().map(|pair| (pair.key.as_str(), text(attributes, &pair.key))).collect()
}

async fn three_signals(receiver: &Receiver, protocol: Protocol) {
    let scope = Scope::new();
    let telemetry = export(&scope, receiver, protocol)
        .resource_attribute("deployment.environment.name", "test")
        .start()
        .unwrap();
    telemetry.meter_provider().meter("shop").u64_counter("shop.orders").build().add(7, &[]);
    work(&scope).await;
    telemetry.shutdown().unwrap();
    let received = receiver.received();
    check(&received, &scope);
    let (_, metrics) = received.metrics.last().unwrap();
    let scopes = &metrics.resource_metrics[0].scope_metrics;
    assert!(scopes.iter().any(|of| of.metrics[0].name == "shop.orders"), "the program's own are there too");
}

#[tokio::test]
async fn from_a_runtime_with_one_thread() {
    for (receiver, protocol) in receivers() {
        three_signals(&receiver, protocol).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_runtime_with_many_threads() {
    for (receiver, protocol) in receivers() {
        three_signals(&receiver, protocol).await;
    }
}

#[test]
fn without_any_runtime() {
    for (receiver, protocol) in receivers() {
        let scope = Scope::new();
        let export = export(&scope, &receiver, protocol);
        let telemetry = export.resource_attribute("deployment.environment.name", "test").start().unwrap();
        // Only the traffic has a runtime; start, flush and the end have none.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work(&scope));
        drop(runtime);
        telemetry.flush().unwrap();
        check(&receiver.received(), &scope);
        drop(telemetry);
    }
}
