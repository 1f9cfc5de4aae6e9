//! Client spans: one for each attempt, below the caller's, with their context in the request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{FutureExt, SpanId, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use poolscope::Scope;
use poolscope::hyper::{ConnectLayer, RequestLayer};
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope_semconv::attr;
use poolscope_tests::upstream::{Options, Reply, Upstream, answer};
use tower::{Service, ServiceBuilder, ServiceExt};

struct Traced {
    scope: Scope,
    provider: SdkTracerProvider,
    spans: InMemorySpanExporter,
}

fn traced() -> Traced {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let spans = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let scope = Scope::new();
    assert!(scope.set_tracer_provider(&provider));
    Traced { scope, provider, spans }
}

impl Traced {
    fn client_spans(&self) -> Vec<SpanData> {
        let spans = self.spans.get_finished_spans().unwrap();
        spans.into_iter().filter(|span| span.span_kind == SpanKind::Client).collect()
    }
}

fn attribute<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|attribute| &attribute.value)
}

/// An upstream that fails so many times first, and remembers the `traceparent` of each request.
async fn upstream(failures: usize) -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let upstream = Upstream::start(Options::default(), move |request: Request<hyper::body::Incoming>| {
        let mut log = log.lock().unwrap();
        log.push(
            request.headers().get("traceparent").map_or("none", |value| value.to_str().unwrap()).to_owned(),
        );
        let status = if log.len() <= failures { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        async move { answer(status, "hello") }
    });
    (upstream.await.unwrap(), seen)
}

async fn call_hyper(scope: &Scope, upstream: &Upstream) {
    let client = scope.client("test");
    let connector = tower::Layer::layer(
        &ConnectLayer::new(&client),
        hyper_util::client::legacy::connect::HttpConnector::new(),
    );
    let mut stack = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::new(scope, "test")))
        .layer(RequestLayer::new(&client))
        .service(Client::builder(TokioExecutor::new()).build(connector));
    let request = Request::get(upstream.url("/p?sig=secret&q=1")).body(Empty::<Bytes>::new()).unwrap();
    let response = stack.ready().await.unwrap().call(request).await.unwrap();
    response.into_body().collect().await.unwrap();
}

async fn call_reqwest(scope: &Scope, upstream: &Upstream) {
    let client = scope.client("test");
    let inner = reqwest::Client::builder().connector_layer(poolscope::reqwest::ConnectLayer::new(&client));
    let mut stack = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::new(scope, "test")))
        .layer(poolscope::reqwest::RequestLayer::new(&client))
        .service(inner.build().unwrap());
    let url = upstream.url("/p?sig=secret&q=1").parse().unwrap();
    let request = reqwest::Request::new(reqwest::Method::GET, url);
    stack.ready().await.unwrap().call(request).await.unwrap().bytes().await.unwrap();
}

/// What must hold for the spans of a call that failed once and then succeeded.
fn check(traced: &Traced, parent: &Context, headers: &[String], upstream: &Upstream) {
    let spans = traced.client_spans();
    assert_eq!(spans.len(), 2, "one span for each attempt");
    assert_eq!(headers.len(), 2);
    for (span, header) in spans.iter().zip(headers) {
        assert_eq!(span.name, "GET");
        assert_eq!(span.parent_span_id, parent.span().span_context().span_id());
        let context = &span.span_context;
        assert_eq!(
            *header,
            format!("00-{}-{}-01", context.trace_id(), context.span_id()),
            "the server can go on"
        );
        assert_eq!(context.trace_id(), parent.span().span_context().trace_id());
        assert_eq!(attribute(span, attr::SERVER_PORT), Some(&Value::I64(upstream.addr().port().into())));
        let url = upstream.url("/p?sig=REDACTED&q=1");
        assert_eq!(attribute(span, attr::URL_FULL).map(Value::as_str), Some(url.into()));
    }
    assert_eq!(attribute(&spans[0], attr::HTTP_REQUEST_RESEND_COUNT), None);
    assert_eq!(attribute(&spans[1], attr::HTTP_REQUEST_RESEND_COUNT), Some(&Value::I64(1)));
    assert_eq!(attribute(&spans[0], attr::HTTP_RESPONSE_STATUS_CODE), Some(&Value::I64(503)));
    assert_eq!(attribute(&spans[0], attr::ERROR_TYPE).map(Value::as_str), Some("503".into()));
    assert!(matches!(spans[0].status, Status::Error { .. }));
    assert_eq!(attribute(&spans[1], attr::ERROR_TYPE), None);
    assert_eq!(attribute(&spans[1], attr::ACQUIRE_OUTCOME).map(Value::as_str), Some("reused".into()));
}

fn parent(traced: &Traced) -> Context {
    let tracer = traced.provider.tracer("test");
    Context::new().with_span(tracer.start("the caller"))
}

#[tokio::test]
async fn hyper_attempts_are_spans_below_the_caller() {
    let traced = traced();
    let (upstream, seen) = upstream(1).await;
    let parent = parent(&traced);
    call_hyper(&traced.scope, &upstream).with_context(parent.clone()).await;
    let headers = seen.lock().unwrap().clone();
    check(&traced, &parent, &headers, &upstream);
}

#[tokio::test]
async fn reqwest_attempts_are_spans_below_the_caller() {
    let traced = traced();
    let (upstream, seen) = upstream(1).await;
    let parent = parent(&traced);
    call_reqwest(&traced.scope, &upstream).with_context(parent.clone()).await;
    let headers = seen.lock().unwrap().clone();
    check(&traced, &parent, &headers, &upstream);
}

#[tokio::test]
async fn a_canceled_request_is_a_span_that_says_so() {
    let traced = traced();
    let upstream = Upstream::start(Options::default(), |_| async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Reply::Hang(poolscope_tests::upstream::HangUp)
    })
    .await
    .unwrap();
    let call = tokio::time::timeout(Duration::from_millis(100), call_hyper(&traced.scope, &upstream)).await;
    assert!(call.is_err());
    let spans = traced.client_spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(attribute(&spans[0], attr::ERROR_TYPE).map(Value::as_str), Some("canceled".into()));
    assert_eq!(spans[0].parent_span_id, SpanId::INVALID);
}

#[tokio::test]
async fn what_telemetry_itself_sends_is_not_observed() {
    let traced = traced();
    let (upstream, seen) = upstream(0).await;
    let suppressed = Context::current().with_telemetry_suppressed();
    call_hyper(&traced.scope, &upstream).with_context(suppressed.clone()).await;
    call_reqwest(&traced.scope, &upstream).with_context(suppressed).await;
    assert_eq!(*seen.lock().unwrap(), ["none", "none"], "both calls were made");
    assert!(traced.client_spans().is_empty());
    assert!(traced.scope.snapshot().pools.is_empty(), "{:?}", traced.scope.snapshot().pools);
}
