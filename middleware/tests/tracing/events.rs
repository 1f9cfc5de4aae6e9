//! Events as those of `tracing`, where they happen.

use std::time::Duration;

use opentelemetry::trace::{Event, Status};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::trace::SpanData;
use poolscope::Scope;
use poolscope::breaker::BreakerLayer;
use poolscope::tracing::TracingEvents;
use poolscope_semconv::{attr, event};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::*;

/// What the only event of ours that a span has tells by this key. tracing-opentelemetry names it by its message.
fn field(span: &SpanData, key: &str) -> String {
    let value = |event: &Event, key: &str| {
        let found = event.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
        Some(found.value.to_string())
    };
    let is_ours = |event: &&Event| value(event, "target").as_deref() == Some("poolscope");
    let ours: Vec<_> = span.events.events.iter().filter(is_ours).collect();
    assert_eq!(ours.len(), 1, "{span:#?}");
    value(ours[0], key).unwrap_or_default()
}

#[tokio::test]
async fn an_event_is_in_the_span_in_which_it_happens() {
    for (scope, owner) in [(Program::direct as fn(&Program) -> Scope, "handler"), (|_| by_tracing(), "GET")] {
        let program = Program::new();
        let scope = scope(&program);
        scope.listen(TracingEvents);
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = format!("http://upstream.test:{}/", gone.port());
        handler(&hyper(&scope, open()), url).await.unwrap_err();
        let owner = program.one(owner);
        assert_eq!(field(&owner, attr::ERROR_TYPE), "connect");
        assert_eq!(field(&owner, attr::SERVER_ADDRESS), "upstream.test");
        assert_eq!(field(&owner, "level"), "WARN");
    }
}

#[tokio::test]
async fn a_breaker_that_opens_marks_the_span_in_which_it_does() {
    let program = Program::new();
    let scope = program.direct();
    scope.listen(TracingEvents);
    let breaker = BreakerLayer::builder(&scope).minimum_calls(1).window(1).build().unwrap();
    let fails = service_fn(|_: http::Request<String>| async {
        Ok::<_, std::io::Error>(http::Response::builder().status(503).body(String::new()).unwrap())
    });
    let mut service = breaker.layer(fails);
    let call = service
        .ready()
        .await
        .unwrap()
        .call(http::Request::get("http://a.test/").body(String::new()).unwrap());
    let outer = tracing::info_span!("outer");
    tracing::Instrument::instrument(async { drop(call.await.unwrap()) }, outer).await;
    let outer = program.one("outer");
    assert_eq!(field(&outer, attr::BREAKER_TO), "open");
    assert!(matches!(outer.status, Status::Error { .. }));
}

/// In a thread of ours, so this sets the subscriber of the process; other tests have their own in their threads.
#[tokio::test]
async fn a_leak_is_a_log_record_in_the_trace_of_its_request() {
    let program = Program::new();
    let logs = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder().with_simple_exporter(logs.clone()).build();
    let bridge = OpenTelemetryTracingBridge::new(&provider);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(bridge)).unwrap();
    let scope = Scope::builder().leak_threshold(Some(Duration::from_millis(60))).build();
    scope.set_tracer_provider(&program.provider);
    scope.listen(TracingEvents);
    let upstream = Upstream::start().await;
    let client = scope.client("leaky");
    let inner = reqwest::Client::builder().connector_layer(poolscope::reqwest::ConnectLayer::new(&client));
    let mut service = poolscope::reqwest::RequestLayer::new(&client).layer(inner.build().unwrap());
    let url = upstream.url("/slow").replace("upstream.test", "127.0.0.1");
    let request = reqwest::Request::new(reqwest::Method::GET, url.parse().unwrap());
    let held = service.ready().await.unwrap().call(request).await.unwrap();
    let leak = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let logs = logs.get_emitted_logs().unwrap();
            if let Some(leak) =
                logs.into_iter().find(|log| log.record.event_name() == Some(event::LEAK_SUSPECTED))
            {
                break leak.record;
            }
        }
    });
    let leak = leak.await.unwrap();
    drop(held);
    let request = program.one("GET");
    let trace = leak.trace_context().unwrap();
    assert_eq!((trace.trace_id, trace.span_id), (request.span_context.trace_id(), id(&request)));
    assert_eq!(leak.severity_text(), Some("WARN"));
    let name = leak.attributes_iter().find(|(key, _)| key.as_str() == attr::CLIENT_NAME).unwrap();
    assert_eq!(name.1, opentelemetry::logs::AnyValue::from("leaky"));
}
