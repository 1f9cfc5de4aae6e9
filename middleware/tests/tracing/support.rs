//! A server, clients with layers and a resolver of the program's own, and what a program that uses `tracing` has.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{SpanId, SpanKind, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use poolscope::{PhaseLayer, Scope};
use tokio::sync::Semaphore;
use tokio_stream::StreamExt;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt as _, service_fn};
use tracing::subscriber::DefaultGuard;
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// Time between the head and the end of `/slow`.
pub(crate) const SLOW: Duration = Duration::from_millis(150);

/// Whether the layer makes the context of a span current.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    On,
    Off,
}

/// A program with `tracing` and tracing-opentelemetry, as this thread sees it.
pub(crate) struct Program {
    pub(crate) provider: SdkTracerProvider,
    spans: InMemorySpanExporter,
    _default: DefaultGuard,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self::with(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)), Activation::On)
    }

    pub(crate) fn with(sampler: Sampler, activation: Activation) -> Self {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let spans = InMemorySpanExporter::default();
        let provider =
            SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(spans.clone()).build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("program"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(activation == Activation::On);
        let default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        Self { provider, spans, _default: default }
    }

    /// A scope that makes OpenTelemetry's spans with the same provider.
    pub(crate) fn direct(&self) -> Scope {
        let scope = Scope::new();
        assert!(scope.set_tracer_provider(&self.provider));
        scope
    }

    pub(crate) fn all(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().unwrap()
    }

    /// The only span whose name begins so.
    pub(crate) fn one(&self, name: &str) -> SpanData {
        let mut found: Vec<_> = self.all().into_iter().filter(|span| span.name.starts_with(name)).collect();
        assert_eq!(found.len(), 1, "{name}: {:#?}", self.all());
        found.remove(0)
    }

    pub(crate) fn requests(&self) -> Vec<SpanData> {
        self.all().into_iter().filter(|span| span.span_kind == SpanKind::Client).collect()
    }
}

pub(crate) fn id(span: &SpanData) -> SpanId {
    span.span_context.span_id()
}

pub(crate) fn took(span: &SpanData) -> Duration {
    span.end_time.duration_since(span.start_time).unwrap()
}

/// The value of an attribute as text; empty if there is none.
pub(crate) fn text(span: &SpanData, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
    found.map_or_else(String::new, |attribute| attribute.value.to_string())
}

/// A scope whose spans are those of `tracing`.
pub(crate) fn by_tracing() -> Scope {
    let scope = Scope::new();
    assert!(scope.trace_by_tracing());
    scope
}

/// A server that remembers the `traceparent` of each request.
pub(crate) struct Upstream {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |State(seen): State<Arc<Mutex<Vec<String>>>>, headers: HeaderMap| async move {
            let parent = headers.get("traceparent").map_or("none", |value| value.to_str().unwrap());
            seen.lock().unwrap().push(parent.to_owned());
            "hello"
        };
        let slow = || async {
            let chunks = tokio_stream::iter(["soon", "late"]).then(|chunk| async move {
                if chunk == "late" {
                    tokio::time::sleep(SLOW).await;
                }
                Ok::<_, std::io::Error>(chunk)
            });
            axum::body::Body::from_stream(chunks)
        };
        let app = axum::Router::new()
            .route("/", get(note))
            .route("/slow", get(slow))
            .route("/fails", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .with_state(Arc::clone(&seen));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { addr, seen }
    }

    /// A URL with a name to look up.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://upstream.test:{}{path}", self.addr.port())
    }

    /// Every `traceparent` so far, or `none`.
    pub(crate) fn parents(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// A layer of the program's own, inside of ours: it has spans in the call and across an `.await`.
#[derive(Debug, Clone)]
pub(crate) struct Auth<S>(S);

impl<S, R> Service<R> for Auth<S>
where
    S: Service<R, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        info_span!("sign").in_scope(|| ());
        let inner = self.0.call(request);
        Box::pin(async move {
            tokio::task::yield_now().instrument(info_span!("token")).await;
            inner.await
        })
    }
}

/// What a look-up waits for before it answers.
pub(crate) type Gate = Arc<Semaphore>;

/// A resolver of the program's own, with a span of its own after it was let go.
async fn resolve(gate: Gate) -> SocketAddr {
    gate.acquire().await.unwrap().forget();
    info_span!("resolve").in_scope(|| ());
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A client with the layers of both libraries.
pub(crate) type Get =
    Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send + Sync>;

pub(crate) fn hyper(scope: &Scope, gate: Gate) -> Get {
    use poolscope::hyper::{ConnectLayer, RequestLayer};
    let client = scope.client("test");
    let resolver = service_fn(move |_: Name| {
        let gate = gate.clone();
        async move { Ok::<_, std::io::Error>(std::iter::once(resolve(gate).await)) }
    });
    let http = HttpConnector::new_with_resolver(PhaseLayer::dns().layer(resolver));
    let connector = ConnectLayer::new(&client).layer(PhaseLayer::tcp().layer(http));
    let service = ServiceBuilder::new()
        .layer(RequestLayer::new(&client))
        .layer_fn(Auth)
        .service(Client::builder(TokioExecutor::new()).build(connector));
    Box::new(move |url| {
        let mut service = service.clone();
        Box::pin(async move {
            let request = http::Request::get(url).body(Empty::<Bytes>::new())?;
            service.ready().await?.call(request).await?.into_body().collect().await?;
            Ok(())
        })
    })
}

pub(crate) fn reqwest(scope: &Scope, gate: Gate) -> Get {
    use poolscope::reqwest::{ConnectLayer, DnsResolver, RequestLayer};
    struct Resolver(Gate);
    impl reqwest::dns::Resolve for Resolver {
        fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
            let gate = self.0.clone();
            Box::pin(async move {
                let addrs = std::iter::once(resolve(gate).await);
                Ok(Box::new(addrs) as reqwest::dns::Addrs)
            })
        }
    }
    let client = scope.client("test");
    let inner = reqwest::Client::builder()
        .dns_resolver(DnsResolver::new(Arc::new(Resolver(gate))))
        .connector_layer(ConnectLayer::new(&client))
        .build()
        .unwrap();
    let service = ServiceBuilder::new().layer(RequestLayer::new(&client)).layer_fn(Auth).service(inner);
    Box::new(move |url| {
        let mut service = service.clone();
        Box::pin(async move {
            let request = reqwest::Request::new(reqwest::Method::GET, url.parse()?);
            service.ready().await?.call(request).await?.bytes().await?;
            Ok(())
        })
    })
}

/// How a client is made.
pub(crate) type Make = fn(&Scope, Gate) -> Get;

/// Both libraries.
pub(crate) const CLIENTS: [Make; 2] = [hyper, reqwest];

/// A gate that lets all through.
pub(crate) fn open() -> Gate {
    Arc::new(Semaphore::new(1_000))
}

/// What the program does within a span of its own.
#[tracing::instrument(skip_all)]
pub(crate) async fn handler(get: &Get, url: String) -> Result<(), BoxError> {
    tokio::task::yield_now().await;
    get(url).await
}
