//! Something to export: a client with our layers, a server for it, and breakers that know who asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use poolscope::hyper::{Connect, ConnectLayer, RequestBody, RequestLayer, RequestService};
use poolscope::limit::LimitLayer;
use poolscope::otlp::Telemetry;
use poolscope::{BreakerSnapshot, BreakerSource, Scope};
use poolscope_semconv::value::BreakerState;
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};

use crate::receiver::any_port;

/// Sends requests through a client of this name: to a server that answers whether a `traceparent` came, and one to a port
/// where nobody listens. Ends with all connections closed.
pub(crate) async fn traffic(scope: &Scope, name: &str) {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = Router::new().route(
        "/",
        axum::routing::get(|headers: HeaderMap| async move {
            headers.get("traceparent").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        }),
    );
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let client = scope.client(name);
    let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
    let inner = Client::builder(TokioExecutor::new()).build(connector);
    let limit = LimitLayer::builder(&client).build().unwrap();
    let mut service = limit.layer(RequestLayer::new(&client).layer(inner));
    for _ in 0..3 {
        let request = http::Request::get(format!("http://{addr}/")).body(Empty::<Bytes>::new()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        let traceparent = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(traceparent.len(), 55, "a server under a trace is told its parent");
    }
    let nobody = http::Request::get(format!("http://{}/", free_addr())).body(Empty::<Bytes>::new()).unwrap();
    service.ready().await.unwrap().call(nobody).await.unwrap_err();
    drop(service);
    server.abort();
    wait_for("the connections to close", || {
        scope.snapshot().pools.iter().all(|pool| pool.counts().open() == 0)
    })
    .await;
}

/// An address where nobody listens.
pub(crate) fn free_addr() -> SocketAddr {
    std::net::TcpListener::bind(any_port()).unwrap().local_addr().unwrap()
}

/// Waits until a condition holds.
pub(crate) async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A source of breakers that counts by whom it is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) suppressed: Arc<AtomicU64>,
    pub(crate) observed: Arc<AtomicU64>,
}

impl BreakerSource for Asked {
    fn breakers(&self) -> Vec<BreakerSnapshot> {
        let count =
            if Context::is_current_telemetry_suppressed() { &self.suppressed } else { &self.observed };
        count.fetch_add(1, Relaxed);
        vec![BreakerSnapshot {
            name: "pay".into(),
            state: BreakerState::Open,
            failure_ratio: None,
            failure_ratio_limit: Some(0.5),
            slow_call_ratio: None,
            slow_call_ratio_limit: None,
            connect_failure_ratio: None,
            connect_failure_ratio_limit: None,
            window_calls: 1,
            open_remaining: Duration::from_secs(1),
            calls: Vec::new(),
            transitions: Vec::new(),
        }]
    }
}

/// Ends so many spans.
pub(crate) fn spans(telemetry: &Telemetry, count: usize) {
    let tracer = telemetry.tracer_provider().tracer("test");
    for _ in 0..count {
        tracer.start("span").end();
    }
}

/// One event: a request to where nobody listens.
pub(crate) async fn failed_request(scope: &Scope) {
    let mut client = client(scope, "nobody");
    let nobody = http::Request::get(format!("http://{}/", free_addr())).body(Empty::<Bytes>::new()).unwrap();
    client.ready().await.unwrap().call(nobody).await.unwrap_err();
}

/// hyper-util's client with our layers.
pub(crate) fn client(scope: &Scope, name: &str) -> Observed {
    let client = scope.client(name);
    let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
    RequestLayer::new(&client).layer(Client::builder(TokioExecutor::new()).build(connector))
}

/// Such a client.
pub(crate) type Observed = RequestService<Client<Connect<HttpConnector>, RequestBody<Empty<Bytes>>>>;

/// A server that says nothing and says it fast.
pub(crate) struct Server {
    addr: SocketAddr,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let app = Router::new().route("/", axum::routing::get(async || ()));
        Self { addr, task: tokio::spawn(async move { axum::serve(listener, app).await }) }
    }

    pub(crate) async fn request(&self, client: &mut Observed) {
        let request = http::Request::get(format!("http://{}/", self.addr)).body(Empty::new()).unwrap();
        let response = client.ready().await.unwrap().call(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
