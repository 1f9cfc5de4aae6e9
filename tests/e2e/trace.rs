//! Client spans: one for each attempt, below the caller's, with their context in the request.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{FutureExt, Link, SpanId, SpanKind, Status, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, Span, SpanData, SpanProcessor,
};
use poolscope::Scope;
use poolscope::hyper::{ConnectLayer, RequestLayer};
use poolscope::limit::LimitLayer;
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope_semconv::value::ErrorType;
use poolscope_semconv::{attr, span};
use poolscope_tests::client::{self, Kind, Settings};
use poolscope_tests::spans::{Traced, attribute, text};
use poolscope_tests::upstream::{Options, Reply, Upstream, answer, answer_without_end};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tower::{Service, ServiceBuilder, ServiceExt};

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
    let spans = traced.requests();
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

#[tokio::test]
async fn hyper_attempts_are_spans_below_the_caller() {
    let traced = Traced::new();
    let (upstream, seen) = upstream(1).await;
    let parent = traced.caller();
    call_hyper(&traced.scope, &upstream).with_context(parent.clone()).await;
    let headers = seen.lock().unwrap().clone();
    check(&traced, &parent, &headers, &upstream);
}

#[tokio::test]
async fn reqwest_attempts_are_spans_below_the_caller() {
    let traced = Traced::new();
    let (upstream, seen) = upstream(1).await;
    let parent = traced.caller();
    call_reqwest(&traced.scope, &upstream).with_context(parent.clone()).await;
    let headers = seen.lock().unwrap().clone();
    check(&traced, &parent, &headers, &upstream);
}

#[tokio::test]
async fn a_canceled_request_is_a_span_that_says_so() {
    let traced = Traced::new();
    let upstream = Upstream::start(Options::default(), |_| async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Reply::Hang(poolscope_tests::upstream::HangUp)
    })
    .await
    .unwrap();
    let call = tokio::time::timeout(Duration::from_millis(100), call_hyper(&traced.scope, &upstream)).await;
    assert!(call.is_err());
    let spans = traced.requests();
    assert_eq!(spans.len(), 1);
    assert_eq!(attribute(&spans[0], attr::ERROR_TYPE).map(Value::as_str), Some("canceled".into()));
    assert_eq!(spans[0].parent_span_id, SpanId::INVALID);
}

#[tokio::test]
async fn what_telemetry_itself_sends_is_not_observed() {
    let traced = Traced::new();
    let (upstream, seen) = upstream(0).await;
    let suppressed = Context::current().with_telemetry_suppressed();
    call_hyper(&traced.scope, &upstream).with_context(suppressed.clone()).await;
    call_reqwest(&traced.scope, &upstream).with_context(suppressed).await;
    assert_eq!(*seen.lock().unwrap(), ["none", "none"], "both calls were made");
    assert!(traced.all().is_empty());
    assert!(traced.scope.snapshot().pools.is_empty(), "{:?}", traced.scope.snapshot().pools);
}

/// Clients that differ in how a request finds its connection.
const KINDS: [Kind; 3] = [Kind::HyperH1, Kind::HyperH2, Kind::ReqwestH1];

#[tokio::test]
async fn a_set_up_is_a_trace_of_its_own_that_every_request_of_the_connection_links_to() {
    const PAUSE: Duration = Duration::from_millis(250);
    for kind in KINDS {
        let (traced, (upstream, _)) = (Traced::new(), upstream(0).await);
        let client = client::Client::new(&traced.scope, kind, Settings::default()).unwrap();
        let caller = traced.caller();
        client.read(&upstream.url("/first")).with_context(caller.clone()).await.unwrap();
        tokio::time::sleep(PAUSE).await;
        client.read(&upstream.url("/second")).with_context(caller.clone()).await.unwrap();

        let setups = traced.setups();
        assert_eq!(setups.len(), 1);
        let setup = &setups[0].span;
        assert_eq!(setup.name, format!("{} {}", span::CONNECTION_SETUP, upstream.addr()));
        assert_eq!((setup.span_kind.clone(), setup.parent_span_id), (SpanKind::Internal, SpanId::INVALID));
        assert_ne!(setup.span_context.trace_id(), caller.span().span_context().trace_id());
        check_pool_attributes(setup, &upstream);
        assert_eq!(text(setup, attr::NETWORK_PEER_ADDRESS), "127.0.0.1");
        assert_eq!(setup.status, Status::Unset);

        let requests = traced.requests();
        assert_eq!(requests.len(), 2);
        for request in &requests {
            assert_eq!(request.links.len(), 1, "{kind:?}");
            assert_eq!(request.links[0].span_context, setup.span_context);
            check_pool_attributes(request, &upstream);
            assert_eq!(text(request, attr::NETWORK_PEER_ADDRESS), "127.0.0.1");
            let port = Value::I64(upstream.addr().port().into());
            assert_eq!(attribute(request, attr::NETWORK_PEER_PORT), Some(&port));
            let (wait, head) =
                (seconds(request, attr::ACQUIRE_WAIT), seconds(request, attr::RESPONSE_HEADERS_TIME));
            assert!(wait < head && head <= took(request), "{kind:?}: {wait} {head} {}", took(request));
        }
        assert_eq!(text(&requests[0], attr::ACQUIRE_OUTCOME), "new");
        assert_eq!(attribute(&requests[0], attr::CONNECTION_IDLE_TIME), None);
        assert_eq!(text(&requests[1], attr::ACQUIRE_OUTCOME), "reused");
        let idle = seconds(&requests[1], attr::CONNECTION_IDLE_TIME);
        assert!(idle >= PAUSE.as_secs_f64() && idle < 10.0, "{kind:?}: {idle}");
        assert_eq!(
            attribute(&requests[0], attr::CONNECTION_ID),
            attribute(&requests[1], attr::CONNECTION_ID)
        );
        check_wait(&traced, &requests[0], setup);
    }
}

fn check_pool_attributes(span: &SpanData, upstream: &Upstream) {
    assert_eq!(text(span, attr::SERVER_ADDRESS), "127.0.0.1");
    assert_eq!(attribute(span, attr::SERVER_PORT), Some(&Value::I64(upstream.addr().port().into())));
    assert_eq!(text(span, attr::URL_SCHEME), "http");
    assert_eq!(text(span, attr::CLIENT_NAME), client::NAME);
}

fn seconds(span: &SpanData, key: &str) -> f64 {
    match attribute(span, key) {
        Some(Value::F64(seconds)) => *seconds,
        other => panic!("{key} is {other:?}"),
    }
}

/// The first request waited, below its span, for as long as the set-up took; the second did not.
fn check_wait(traced: &Traced, request: &SpanData, setup: &SpanData) {
    let waits = traced.waits();
    assert_eq!(waits.len(), 1);
    let wait = &waits[0];
    assert_eq!(wait.parent_span_id, request.span_context.span_id());
    assert_eq!(wait.span_kind, SpanKind::Internal);
    assert!(request.start_time <= wait.start_time && wait.end_time <= request.end_time, "{wait:?}");
    assert!(wait.start_time <= setup.start_time, "{wait:?} {setup:?}");
    assert!((took(wait) - seconds(request, attr::ACQUIRE_WAIT)).abs() < 1e-6);
    assert!(took(wait) > took(setup) * 0.9, "{wait:#?} {setup:#?}");
    assert_eq!(attribute(wait, attr::ERROR_TYPE), None);
}

/// Seconds that a span took.
fn took(span: &SpanData) -> f64 {
    span.end_time.duration_since(span.start_time).unwrap().as_secs_f64()
}

#[tokio::test]
async fn those_who_wait_for_anothers_connect_have_waited_too() {
    for kind in [Kind::HyperH2, Kind::ReqwestH2] {
        let (traced, (upstream, _)) = (Traced::new(), upstream(0).await);
        let client = client::Client::new(&traced.scope, kind, Settings::default()).unwrap();
        let url = upstream.url("/");
        let call = || client.read(&url);
        let (first, second, third) = tokio::join!(call(), call(), call());
        first.and(second).and(third).unwrap();
        let (setups, requests) = (traced.setups(), traced.requests());
        assert_eq!((setups.len(), requests.len()), (1, 3), "{kind:?}");
        let mut outcomes: Vec<_> =
            requests.iter().map(|request| text(request, attr::ACQUIRE_OUTCOME)).collect();
        outcomes.sort();
        assert_eq!(outcomes, ["new", "waited", "waited"], "{kind:?}");
        let waits = traced.waits();
        assert_eq!(waits.len(), 3);
        for wait in &waits {
            assert!(wait.start_time < setups[0].span.end_time && took(wait) > 0.0, "{kind:?}: {wait:#?}");
        }
        let pool = traced.scope.snapshot().pools.remove(0);
        assert_eq!((pool.wait.count(), pool.queued.count()), (3, 3));
    }
}

/// Counts what is begun, sampled or not.
#[derive(Debug, Default)]
struct Begun(Arc<AtomicUsize>);

impl SpanProcessor for Begun {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.0.fetch_add(1, Relaxed);
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_not_sampled_is_passed_on_and_nothing_else() {
    let sampled = Traced::new();
    for kind in KINDS {
        let (upstream, seen) = upstream(0).await;
        let begun = Begun::default();
        let count = Arc::clone(&begun.0);
        let provider =
            SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).with_span_processor(begun).build();
        let scope = Scope::new();
        assert!(scope.set_tracer_provider(&provider));
        let client = client::Client::new(&scope, kind, Settings::default()).unwrap();
        let caller = sampled.caller();
        client.read(&upstream.url("/")).with_context(caller.clone()).await.unwrap();
        client.read(&upstream.url("/")).await.unwrap();
        client.read("http://127.0.0.1:1/").await.unwrap_err();
        assert_eq!(count.load(Relaxed), 0, "no request, no wait and no set-up");
        let seen = seen.lock().unwrap();
        let below = format!("00-{}-", caller.span().span_context().trace_id());
        assert!(seen[0].starts_with(&below) && seen[0].ends_with("-00"), "{seen:?}");
        assert!(!seen[0].contains(&caller.span().span_context().span_id().to_string()), "{seen:?}");
        assert!(seen[1].ends_with("-00") && seen[1].len() == seen[0].len(), "{seen:?}");
    }
}

/// Samples requests, and decides otherwise about the set-up of connections.
#[derive(Debug, Clone)]
struct Setups(SamplingDecision);

impl ShouldSample for Setups {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        name: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let is_setup = name.starts_with(span::CONNECTION_SETUP);
        SamplingResult {
            decision: if is_setup { self.0.clone() } else { SamplingDecision::RecordAndSample },
            attributes: Vec::new(),
            trace_state: Default::default(),
        }
    }
}

#[tokio::test]
async fn a_set_up_that_is_not_sampled_is_not_linked_to() {
    for decision in [SamplingDecision::Drop, SamplingDecision::RecordOnly] {
        let (traced, (upstream, _)) = (Traced::sampled(Setups(decision)), upstream(0).await);
        let client = client::Client::new(&traced.scope, Kind::HyperH1, Settings::default()).unwrap();
        client.read(&upstream.url("/")).await.unwrap();
        assert!(traced.setups().is_empty());
        let requests = traced.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].links.is_empty(), "{:?}", requests[0].links);
        assert_eq!(traced.waits().len(), 1);
    }
}

#[tokio::test]
async fn secrets_in_urls_are_not_told() {
    const QUERY: [(&str, &str); 8] = [
        ("AWSAccessKeyId", "REDACTED"),
        ("Signature", "REDACTED"),
        ("sig", "REDACTED"),
        ("X-Amz-Credential", "REDACTED"),
        ("X-Amz-Security-Token", "REDACTED"),
        ("X-Amz-Signature", "REDACTED"),
        ("X-Goog-Signature", "REDACTED"),
        ("page", "secret"),
    ];
    let (upstream, _) = upstream(0).await;
    let asked = QUERY.map(|(key, _)| format!("{key}=secret")).join("&");
    let told = QUERY.map(|(key, value)| format!("{key}={value}")).join("&");
    for kind in [Kind::HyperH1, Kind::ReqwestH1] {
        let traced = Traced::new();
        let client = client::Client::new(&traced.scope, kind, Settings::default()).unwrap();
        client.read(&format!("http://me:secret@{}/p?{asked}", upstream.addr())).await.unwrap();
        let expected = format!("http://REDACTED:REDACTED@{}/p?{told}", upstream.addr());
        assert_eq!(text(&traced.requests()[0], attr::URL_FULL), expected, "{kind:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_no_failure_and_one_that_breaks_off_is() {
    let upstream =
        Upstream::start(Options::default(), |_| async { answer_without_end(Duration::from_millis(20)) });
    let (traced, upstream) = (Traced::new(), upstream.await.unwrap());
    let client = client::Client::new(&traced.scope, Kind::HyperH1, Settings::default()).unwrap();
    drop(client.get(&upstream.url("/")).await.unwrap());
    let response = client.get(&upstream.url("/")).await.unwrap();
    upstream.cut();
    response.into_body().collect().await.unwrap_err();
    let requests = traced.requests();
    assert_eq!((attribute(&requests[0], attr::ERROR_TYPE), &requests[0].status), (None, &Status::Unset));
    assert_eq!(text(&requests[1], attr::ERROR_TYPE), "incomplete_message");
    assert!(matches!(requests[1].status, Status::Error { .. }));
}

/// Tries a failing status once more.
struct OnceMore;

#[async_trait::async_trait]
impl Middleware for OnceMore {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let again = request.try_clone().unwrap();
        let response = next.clone().run(request, extensions).await?;
        if response.status().is_success() { Ok(response) } else { next.run(again, extensions).await }
    }
}

fn with_middleware(
    scope: &Scope,
    change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> reqwest_middleware::ClientWithMiddleware {
    let client = scope.client("test");
    let builder =
        reqwest::Client::builder().no_proxy().connector_layer(poolscope::reqwest::ConnectLayer::new(&client));
    #[cfg(feature = "https")]
    let builder = builder
        .tls_backend_preconfigured(poolscope_tests::tls::client(poolscope_tests::tls::Alpn::Http1).unwrap());
    ClientBuilder::new(change(builder).build().unwrap())
        .with(OnceMore)
        .with(poolscope::reqwest::RequestLayer::new(&client))
        .build()
}

#[tokio::test]
async fn the_attempts_of_a_middleware_are_seen_one_by_one() {
    let (traced, (upstream, seen)) = (Traced::new(), upstream(1).await);
    let client = with_middleware(&traced.scope, |builder| builder);
    let caller = traced.caller();
    let call = async { client.get(upstream.url("/")).send().await.unwrap().bytes().await.unwrap() };
    assert_eq!(call.with_context(caller.clone()).await, "hello");
    let pool = traced.scope.snapshot().pools.remove(0);
    assert_eq!((pool.acquires_started, pool.acquired, pool.released), (2, 2, 2));
    let statuses: Vec<_> = pool.results.iter().map(|row| row.status).collect();
    assert_eq!(statuses, [Some(200), Some(503)]);
    let requests = traced.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(text(&requests[0], attr::ERROR_TYPE), "503");
    assert_eq!(attribute(&requests[1], attr::ERROR_TYPE), None);
    assert_eq!(seen.lock().unwrap().len(), 2);
    let setups = traced.setups();
    assert_eq!(setups.len(), 1, "both over one connection");
    for request in &requests {
        assert_eq!(request.parent_span_id, caller.span().span_context().span_id());
        assert_eq!(request.links[0].span_context, setups[0].span.span_context);
    }
}

#[tokio::test]
async fn a_failure_below_a_middleware_keeps_its_class() {
    let upstream = Upstream::start(Options::default(), |_| async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        answer(StatusCode::OK, "late")
    });
    let (traced, upstream) = (Traced::new(), upstream.await.unwrap());
    let client = with_middleware(&traced.scope, |builder| builder.timeout(Duration::from_millis(100)));
    client.get(upstream.url("/")).send().await.unwrap_err();
    assert_eq!(text(&traced.requests()[0], attr::ERROR_TYPE), "timeout");
    let pool = traced.scope.snapshot().pools.remove(0);
    assert_eq!(pool.results[0].error_type.map(ErrorType::as_str), Some("timeout"));
}

/// A limit of one, with room for one to wait: the second waits, and the third is refused.
#[tokio::test]
async fn a_wait_for_a_limit_is_told_by_the_request_and_a_refusal_by_a_span_of_its_own() {
    let traced = Traced::new();
    let upstream = Upstream::start(Options::default(), |_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        answer(StatusCode::OK, "hello")
    });
    let upstream = upstream.await.unwrap();
    let limit = LimitLayer::builder(&traced.scope.client(client::NAME)).per_destination(1).max_queued(1);
    let limit = limit.build().unwrap();
    let client = client::Client::limited(&traced.scope, Kind::HyperH1, Settings::default(), &limit).unwrap();
    let url = upstream.url("/");
    let (first, second, third) = tokio::join!(client.read(&url), client.read(&url), client.read(&url));
    assert!(first.is_ok() && second.is_ok() && third.is_err());

    let requests = traced.requests();
    assert_eq!(requests.len(), 2, "a request that is refused is none");
    let mut waits: Vec<_> = requests.iter().map(|span| attribute(span, attr::LIMIT_WAIT).cloned()).collect();
    waits.sort_by_key(Option::is_some);
    let [None, Some(Value::F64(wait))] = waits[..] else { panic!("{waits:?}") };
    assert!(wait >= 0.15, "{wait}");
    let refused: Vec<_> = traced.all().into_iter().filter(|one| one.name == span::LIMIT_REFUSED).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(text(&refused[0], attr::LIMIT_OUTCOME), "queue_full");
    assert_eq!(text(&refused[0], attr::ERROR_TYPE), ErrorType::LimitExceeded.as_str());
}
