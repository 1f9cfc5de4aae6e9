//! All three signals arrive, whole and from one resource.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{Span, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use poolscope::Scope;
use poolscope::otlp::Otlp;
use poolscope_semconv::value::Signal;
use poolscope_semconv::{attr, event, metric};

use crate::receiver::{Manner, Receiver};
use crate::traffic::{Asked, traffic, wait_for};
use crate::{export, http_export};

pub(crate) fn text(pairs: &[KeyValue], key: &str) -> Option<String> {
    let value = pairs.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

fn sorted(resource: &Resource) -> BTreeSet<(String, String)> {
    let value = |pair: &KeyValue| text(std::slice::from_ref(pair), &pair.key).unwrap();
    resource.attributes.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

/// Runs traffic under an export and checks what the receiver has after its end.
async fn three_signals(receiver: &Receiver, scope: &Scope, export: Otlp) {
    let asked = Asked::default();
    scope.show_breakers(asked.clone());
    let telemetry = export.resource_attribute("deployment.environment.name", "test").start().unwrap();
    traffic(scope, "payments").await;
    let seen_by_us = asked.observed.load(Relaxed);
    assert!(seen_by_us > 0, "the traffic takes snapshots too");
    telemetry.shutdown();
    assert!(asked.suppressed.load(Relaxed) > 0, "the exporter runs where telemetry is suppressed");

    let received = receiver.received();
    let (_, metrics) = received.metrics.last().expect("metrics arrived");
    let metrics = &metrics.resource_metrics[0];
    let names: BTreeSet<_> =
        metrics.scope_metrics[0].metrics.iter().map(|metric| metric.name.as_str()).collect();
    // Only the kernel tells two of them, and an address is not looked up.
    let untold =
        [metric::CONNECTION_RTT.name, metric::CONNECTION_RETRANSMITS.name, metric::DNS_LOOKUP_DURATION.name];
    let of_pools = metric::ALL.iter().filter(|def| def.required.contains(&attr::SERVER_ADDRESS));
    for def in of_pools.filter(|def| !untold.contains(&def.name)) {
        assert!(names.contains(def.name), "{} is missing", def.name);
    }
    assert!(names.contains(metric::BREAKER_STATE.name));

    let traces: Vec<_> = received.traces.iter().flat_map(|request| &request.resource_spans).collect();
    let spans: Vec<_> =
        traces.iter().flat_map(|traces| &traces.scope_spans).flat_map(|scope| &scope.spans).collect();
    let requests: Vec<_> = spans.iter().filter(|span| span.kind == SpanKind::Client as i32).collect();
    assert_eq!(requests.len(), 4, "three answers and one failure");
    let failed: Vec<_> =
        requests.iter().filter(|span| text(&span.attributes, attr::ERROR_TYPE).is_some()).collect();
    assert_eq!(failed.len(), 1);

    let logs: Vec<_> = received.logs.iter().flat_map(|request| &request.resource_logs).collect();
    let records: Vec<_> =
        logs.iter().flat_map(|logs| &logs.scope_logs).flat_map(|scope| &scope.log_records).collect();
    let named = |name| records.iter().filter(move |record| record.event_name == name);
    // A second connection may have been opened before the first one was back.
    let closed: u64 = scope.snapshot().pools.iter().map(poolscope::PoolSnapshot::closed_total).sum();
    assert_eq!(named(event::CONNECTION_CLOSED).count() as u64, closed);
    assert_eq!(named(event::CONNECTION_FAILED).count(), 1);
    for record in &records {
        assert!(record.time_unix_nano > 0 && record.severity_number > 0);
        assert_eq!(text(&record.attributes, attr::CLIENT_NAME).as_deref(), Some("payments"));
    }

    let resource = sorted(metrics.resource.as_ref().unwrap());
    let told: BTreeSet<_> = resource.iter().map(|(key, _)| key.as_str()).collect();
    for key in [
        attr::SERVICE_NAME,
        attr::SERVICE_INSTANCE_ID,
        attr::TELEMETRY_SDK_NAME,
        attr::TELEMETRY_SDK_LANGUAGE,
        attr::TELEMETRY_SDK_VERSION,
        "deployment.environment.name",
    ] {
        assert!(told.contains(key), "{key} is missing in {resource:?}");
    }
    assert!(resource.contains(&(attr::SERVICE_NAME.to_owned(), "shop".to_owned())));
    for traces in traces {
        assert_eq!(sorted(traces.resource.as_ref().unwrap()), resource);
    }
    for logs in logs {
        assert_eq!(sorted(logs.resource.as_ref().unwrap()), resource);
    }
}

#[tokio::test]
async fn over_grpc_from_a_runtime_with_one_thread() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    three_signals(&receiver, &scope, export(&scope, &receiver.url())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_grpc_from_a_runtime_with_many_threads() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    three_signals(&receiver, &scope, export(&scope, &receiver.url())).await;
}

#[tokio::test]
async fn over_http_from_a_runtime_with_one_thread() {
    let receiver = Receiver::http(Manner::default());
    let scope = Scope::new();
    three_signals(&receiver, &scope, http_export(&scope, &receiver.url())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_from_a_runtime_with_many_threads() {
    let receiver = Receiver::http(Manner::default());
    let scope = Scope::new();
    three_signals(&receiver, &scope, http_export(&scope, &receiver.url())).await;
}

#[test]
fn without_any_runtime() {
    for (receiver, is_http) in
        [(Receiver::grpc(Manner::default()), false), (Receiver::http(Manner::default()), true)]
    {
        let scope = Scope::new();
        let export =
            if is_http { http_export(&scope, &receiver.url()) } else { export(&scope, &receiver.url()) };
        let telemetry = export.start().unwrap();
        // Only the traffic has a runtime; start, flush and the end have none.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(traffic(&scope, "payments"));
        drop(runtime);
        telemetry.flush();
        {
            let received = receiver.received();
            assert!(!received.metrics.is_empty() && !received.traces.is_empty() && !received.logs.is_empty());
        }
        drop(telemetry);
    }
}

#[tokio::test]
async fn events_and_spans_do_not_wait_for_the_end() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = export(&scope, &receiver.url()).start().unwrap();
    traffic(&scope, "payments").await;
    wait_for("events", || !receiver.received().logs.is_empty()).await;
    wait_for("spans", || !receiver.received().traces.is_empty()).await;
    telemetry.shutdown();
}

#[tokio::test]
async fn an_event_tells_the_trace_that_it_happened_in() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = export(&scope, &receiver.url()).start().unwrap();
    let span = telemetry.tracer_provider().tracer("test").start("checkout");
    let trace = span.span_context().trace_id().to_bytes();
    traffic(&scope, "payments").with_context(Context::current_with_span(span)).await;
    telemetry.shutdown();

    let received = receiver.received();
    let logs = received.logs.iter().flat_map(|request| &request.resource_logs);
    let records: Vec<_> =
        logs.flat_map(|logs| &logs.scope_logs).flat_map(|scope| &scope.log_records).collect();
    let failed = records.iter().find(|record| record.event_name == event::CONNECTION_FAILED).unwrap();
    assert_eq!(failed.trace_id, trace);
    // The close happens in the connection's own task, which belongs to no request.
    let closed = records.iter().find(|record| record.event_name == event::CONNECTION_CLOSED).unwrap();
    assert!(closed.trace_id.is_empty());
    let spans = received.traces.iter().flat_map(|request| &request.resource_spans);
    let spans = spans.flat_map(|spans| &spans.scope_spans).flat_map(|scope| &scope.spans);
    let mut requests = spans.into_iter().filter(|span| span.kind == SpanKind::Client as i32);
    assert!(requests.all(|span| span.trace_id == trace));
}

#[tokio::test]
async fn headers_and_compression_go_with_every_signal() {
    for (receiver, protocol) in
        [(Receiver::grpc(Manner::default()), "grpc"), (Receiver::http(Manner::default()), "http/protobuf")]
    {
        let url = receiver.url();
        let scope = Scope::new();
        let telemetry = Otlp::new(&scope)
            .environment(move |name| match name {
                "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.clone()),
                "OTEL_EXPORTER_OTLP_PROTOCOL" => Some(protocol.to_owned()),
                "OTEL_EXPORTER_OTLP_COMPRESSION" => Some("gzip".to_owned()),
                "OTEL_EXPORTER_OTLP_HEADERS" => Some("authorization=env,tenant=blue".to_owned()),
                _ => None,
            })
            .header("Authorization", "Bearer builder")
            .start()
            .unwrap();
        traffic(&scope, "payments").await;
        telemetry.shutdown();
        let received = receiver.received();
        assert!(received.headers.len() >= 3, "{protocol}");
        for headers in &received.headers {
            let all: Vec<_> = headers.get_all("authorization").iter().collect();
            assert_eq!(all, ["Bearer builder"], "{protocol}");
            assert_eq!(headers["tenant"], "blue", "{protocol}");
            let encoding = headers.get("grpc-encoding").or_else(|| headers.get("content-encoding"));
            assert_eq!(encoding.unwrap(), "gzip", "{protocol}");
        }
    }
}

#[tokio::test]
async fn each_signal_has_its_own_headers_and_over_http_they_may_be_any_text() {
    let receiver = Receiver::http(Manner::default());
    let scope = Scope::new();
    let telemetry = http_export(&scope, &receiver.url())
        .environment(|name| match name {
            "OTEL_EXPORTER_OTLP_HEADERS" => Some("tenant=caf%C3%A9%20one,content-type=text/plain".to_owned()),
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS" => Some("key=only%2Cspans".to_owned()),
            _ => None,
        })
        .start()
        .unwrap();
    traffic(&scope, "payments").await;
    telemetry.shutdown_async(Duration::from_secs(5)).await;
    let received = receiver.received();
    let of_spans: Vec<_> = received.headers.iter().filter(|headers| headers.contains_key("key")).collect();
    assert_eq!(of_spans.len(), received.attempts_of("traces").len());
    assert!(of_spans.iter().all(|headers| headers["key"] == "only,spans" && !headers.contains_key("tenant")));
    let of_others: Vec<_> =
        received.headers.iter().filter(|headers| headers.contains_key("tenant")).collect();
    assert_eq!(of_others.len() + of_spans.len(), received.headers.len());
    assert!(of_others.iter().all(|headers| headers["tenant"].as_bytes() == "café one".as_bytes()));
    for headers in &received.headers {
        let agent = headers["user-agent"].to_str().unwrap();
        assert!(agent.starts_with("OTel-OTLP-Exporter-Rust-Poolscope/"), "{agent}");
    }
}

#[tokio::test]
async fn a_signal_that_is_switched_off_is_not_sent() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = export(&scope, &receiver.url())
        .environment(|name| {
            matches!(name, "OTEL_TRACES_EXPORTER" | "OTEL_METRICS_EXPORTER").then(|| "none".to_owned())
        })
        .start()
        .unwrap();
    // A server under no trace is told no parent, so this is not the usual traffic.
    crate::traffic::failed_request(&scope).await;
    crate::traffic::spans(&telemetry, 3);
    telemetry.flush_async().await;
    assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await, poolscope::otlp::Lost::default());
    let received = receiver.received();
    assert_eq!((received.metrics.len(), received.spans(), received.records()), (0, 0, 1));
}

#[tokio::test]
async fn a_disabled_sdk_sends_nothing() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = export(&scope, &receiver.url())
        .environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()))
        .start()
        .unwrap();
    let asked = Asked::default();
    scope.show_breakers(asked.clone());
    telemetry.flush();
    telemetry.shutdown();
    assert_eq!(asked.suppressed.load(Relaxed), 0);
    assert!(receiver.received().headers.is_empty());
}

#[tokio::test]
async fn points_that_are_refused_are_counted() {
    let manner = Manner { refuses_points: true, ..Manner::default() };
    let (by_grpc, by_http) = (Receiver::grpc(manner), Receiver::http(manner));
    let scope = Scope::new();
    for export in [export(&scope, &by_grpc.url()), http_export(&scope, &by_http.url())] {
        let telemetry = export.start().unwrap();
        wait_for("an export", || telemetry.dropped(Signal::Metrics) > 0).await;
        telemetry.shutdown();
    }
}
