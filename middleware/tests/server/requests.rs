//! Requests as metrics and as spans, below those of their clients.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt, TraceId, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use poolscope::server::RouteLayer;
use poolscope::{Scope, ServerCloseReason};
use tokio::net::TcpListener;
use tower::Layer;
use tower::limit::ConcurrencyLimitLayer;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Api, Raw, router};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A scope whose spans are kept.
fn traced() -> (Scope, InMemorySpanExporter) {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let spans = InMemorySpanExporter::default();
    let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(spans.clone()).build();
    let scope = Scope::new();
    assert!(scope.set_tracer_provider(&provider));
    (scope, spans)
}

fn text(span: &SpanData, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
    found.map_or_else(String::new, |attribute| attribute.value.to_string())
}

fn asking(path: &str, sampled: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: api.example:8080\r\nuser-agent: tester\r\ntraceparent: 00-{TRACE}-{PARENT}-{sampled}\r\n\r\n"
    )
}

async fn one(spans: &InMemorySpanExporter, api: &Api) -> SpanData {
    api.until("the request to be over", |seen| seen.requests > 0 && seen.active_requests == 0).await;
    let mut all = spans.get_finished_spans().unwrap();
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

#[tokio::test]
async fn a_span_is_below_that_of_the_client_and_says_what_was_asked_for() {
    let (scope, spans) = traced();
    let api = Api::start(&scope, |server| server).await;
    let mut client = api.connect().await;
    client.send(asking("/orders/7?token=secret&x=1", "01")).await;
    client.read_to("\r\n\r\n7").await;
    let span = one(&spans, &api).await;
    assert_eq!(
        (&*span.name, &span.span_kind, &span.status),
        ("GET /orders/{id}", &SpanKind::Server, &Status::Unset)
    );
    assert_eq!(span.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
    assert_eq!(span.parent_span_id, SpanId::from_hex(PARENT).unwrap());
    let local = client.0.local_addr().unwrap();
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("http.route", "/orders/{id}"),
        ("http.response.status_code", "200"),
        ("url.path", "/orders/7"),
        ("url.query", "token=REDACTED&x=REDACTED"),
        ("url.scheme", "http"),
        ("server.address", "api.example"),
        ("server.port", "8080"),
        ("client.address", "127.0.0.1"),
        ("network.peer.port", &local.port().to_string()),
        ("user_agent.original", "tester"),
        ("network.protocol.version", "1.1"),
        ("poolscope.server.name", "api"),
        ("error.type", ""),
    ] {
        assert_eq!(text(&span, key), expected, "{key}");
    }
}

#[tokio::test]
async fn a_span_of_tracing_says_the_same() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let spans = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("program"));
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let scope = Scope::new();
    assert!(scope.trace_by_tracing());
    let api = Api::start(&scope, |server| server).await;
    let mut client = api.connect().await;
    client.send(asking("/orders/7", "01")).await;
    client.read_to("\r\n\r\n7").await;
    let span = one(&spans, &api).await;
    assert_eq!((&*span.name, &span.span_kind), ("GET /orders/{id}", &SpanKind::Server));
    assert_eq!(span.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
    assert_eq!(span.parent_span_id, SpanId::from_hex(PARENT).unwrap());
    assert_eq!(
        (text(&span, "http.route"), text(&span, "client.address")),
        ("/orders/{id}".into(), "127.0.0.1".into())
    );
}

#[tokio::test]
async fn what_fails_is_marked_and_what_the_client_does_wrong_is_not() {
    for (path, error, is_error) in [("/empty", "", false), ("/error", "500", true), ("/panic", "panic", true)]
    {
        let (scope, spans) = traced();
        let api = Api::start(&scope, |server| server).await;
        let mut client = api.connect().await;
        client.get(path).await;
        let mut byte = [0];
        let _ = tokio::io::AsyncReadExt::read(&mut client.0, &mut byte).await;
        let span = one(&spans, &api).await;
        assert_eq!(text(&span, "error.type"), error, "{path}");
        assert_eq!(span.status != Status::Unset, is_error, "{path}");
        assert_eq!(span.name, format!("GET {path}"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_told_with_how_far_its_request_was() {
    let all = [("/slow", "waiting", ""), ("/endless", "responding", "200"), ("/large", "responding", "200")];
    for (path, phase, status) in all {
        let (scope, spans) = traced();
        let api = Api::start(&scope, |server| server).await;
        let mut client = api.connect().await;
        client.get(path).await;
        api.until("the request", |seen| seen.active_requests == 1).await;
        if phase == "responding" {
            client.read_to("\r\n\r\n").await;
        }
        drop(client);
        let span = one(&spans, &api).await;
        assert_eq!(text(&span, "poolscope.server.disconnect_phase"), phase);
        assert_eq!(text(&span, "error.type"), "client_disconnected");
        assert_eq!(text(&span, "http.response.status_code"), status);
    }
}

/// Serves one request, and tells the span that was current in the handler.
async fn within(scope: &Scope, sampled: &str) -> (Api, opentelemetry::trace::SpanContext) {
    let seen = Arc::new(Mutex::new(None));
    let sees = Arc::clone(&seen);
    let handler = move || async move {
        tokio::task::yield_now().await;
        *sees.lock().unwrap() = Some(Context::current().span().span_context().clone());
    };
    let router = Router::new().route("/", get(handler)).layer(RouteLayer);
    let server = scope.server("api").build().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let serving = tokio::spawn(server.serve(server.listen(tcp), router));
    let api = Api { server, addr, serving };
    let mut client = api.connect().await;
    client.send(asking("/", sampled)).await;
    client.read_to("\r\n\r\n").await;
    let current = seen.lock().unwrap().take().unwrap();
    (api, current)
}

#[tokio::test]
async fn what_a_handler_does_is_below_its_span_sampled_or_not() {
    let (scope, spans) = traced();
    let (api, current) = within(&scope, "01").await;
    let span = one(&spans, &api).await;
    assert_eq!((current.span_id(), current.is_sampled()), (span.span_context.span_id(), true));

    let (scope, spans) = traced();
    let (_api, current) = within(&scope, "00").await;
    assert_eq!((current.trace_id(), current.is_sampled()), (TraceId::from_hex(TRACE).unwrap(), false));
    assert!(spans.get_finished_spans().unwrap().is_empty());
    assert!(!Context::current().span().span_context().is_valid(), "nothing is left on this thread");
}

#[tokio::test]
async fn a_head_has_no_body_and_nobody_left() {
    let api = Api::start(&Scope::new(), |server| server).await;
    let mut client = api.connect().await;
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.read_to("\r\n\r\n").await;
    client.get("/").await;
    client.read_to("hello").await;
    let seen = api.until("both to be over", |seen| seen.requests == 2 && seen.active_requests == 0).await;
    assert!(seen.disconnected.iter().all(|(_, count)| *count == 0), "{:?}", seen.disconnected);
}

#[tokio::test]
async fn a_request_whose_service_is_not_ready_is_no_slow_head_and_no_idle_connection() {
    let timeout = Duration::from_millis(100);
    let server = Scope::new().server("api").headers_timeout(timeout).idle_timeout(timeout).build().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let one_at_a_time = ConcurrencyLimitLayer::new(1).layer(router());
    let serving = tokio::spawn(server.serve(server.listen(tcp), one_at_a_time));
    let api = Api { server, addr, serving };
    let (mut first, mut second) = (api.connect().await, api.connect().await);
    first.get("/soon").await;
    second.get("/soon").await;
    api.until("both", |seen| seen.active_requests == 2).await;
    first.read_to("HTTP/1.1 200").await;
    second.read_to("HTTP/1.1 200").await;
}

#[tokio::test]
async fn requests_that_come_together_are_all_over_and_nobody_left() {
    let api = Api::start(&Scope::new(), |server| server).await;
    let mut client = api.connect().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    client.send(["/large", "/large", "/empty"].map(get).concat()).await;
    client.send("GET /orders/7 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(client.rest().await.ends_with(b"\r\n\r\n7"));
    let seen = api.closed(ServerCloseReason::ConnectionClose).await;
    assert_eq!((seen.requests, seen.active_requests), (4, 0));
    assert!(seen.disconnected.iter().all(|(_, count)| *count == 0), "{:?}", seen.disconnected);
}

#[tokio::test]
async fn a_handler_knows_who_asks() {
    let api = Api::start(&Scope::new(), |server| server).await;
    let mut client: Raw = api.connect().await;
    let local = client.0.local_addr().unwrap().to_string();
    client.get("/whoami").await;
    client.read_to(&local).await;
}
