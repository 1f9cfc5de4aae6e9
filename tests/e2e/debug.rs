//! The debug handler in real servers, read by a plain client while another client's requests wait for connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use poolscope::debug::{SCHEMA_VERSION, SnapshotService};
use poolscope::hyper::{ConnectLayer, RequestLayer};
use poolscope::{PoolSnapshot, Scope};
use poolscope_semconv::value::AcquireOutcome;
use poolscope_tests::upstream::{Options, Upstream, answer};
use poolscope_tests::wait;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

/// A server with the handler, which ends with the test's runtime, and a client that nobody observes.
struct Debug {
    addr: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Debug {
    async fn in_axum(scope: &Scope) -> Self {
        let app = axum::Router::new().route_service("/debug/pools", SnapshotService::new(scope));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { addr, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn in_hyper(scope: &Scope) -> Self {
        let service = TowerToHyperService::new(SnapshotService::new(scope));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service.clone()));
            }
        });
        Self { addr, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn send(&self, method: Method, query: &str) -> Response<Bytes> {
        let uri = format!("http://{}/debug/pools{query}", self.addr);
        let request =
            Request::builder().method(method).uri(uri).body(Full::from("a body to ignore")).unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    async fn document(&self, query: &str) -> Value {
        let response = self.send(Method::GET, query).await;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        serde_json::from_slice(response.body()).unwrap()
    }

    /// The error of a query that is refused.
    async fn refused(&self, query: &str) -> String {
        let response = self.send(Method::GET, query).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let document: Value = serde_json::from_slice(response.body()).unwrap();
        document["error"].as_str().unwrap().to_owned()
    }
}

/// The pool as the scope has it and as the document shows it must agree in what stands still meanwhile.
fn agree(pool: &PoolSnapshot, shown: &Value) {
    let counts = pool.counts();
    let waiting = pool.waiting.as_ref();
    let glance = &shown["glance"];
    for (name, expected) in [
        ("waiting", waiting.map_or(0, |waiting| waiting.requests)),
        ("total", counts.open()),
        ("idle", counts.idle),
        ("active", counts.active),
        ("upgraded", counts.upgraded),
        ("connecting", pool.connecting),
        ("in_flight", pool.in_flight()),
        ("leaked", pool.leaks_active),
    ] {
        assert_eq!(glance[name], expected, "{name} in {shown:#}");
    }
    assert_eq!(glance["blocked_by"].as_str(), waiting.map(|waiting| waiting.blocked_by.as_str()));
    for (name, expected) in [
        ("opened", pool.opened),
        ("acquires_started", pool.acquires_started),
        ("acquired", pool.acquired),
        ("released", pool.released),
        ("leaks_suspected", pool.leaks_suspected),
    ] {
        assert_eq!(shown[name], expected, "{name} in {shown:#}");
    }
    assert_eq!(shown["acquires"]["new"], pool.outcome(AcquireOutcome::New));
    assert_eq!(shown["wait_secs"]["count"], pool.wait.count());
    assert_eq!(shown["create_secs"]["p50"].is_null(), pool.create.count() == 0);
    let ids = |rows: &Value, key: &str| -> Vec<_> {
        rows.as_array().unwrap().iter().map(|row| row[key].as_u64()).collect()
    };
    assert_eq!(ids(&shown["open"], "id"), pool.open.iter().map(|row| Some(row.id)).collect::<Vec<_>>());
    assert_eq!(
        ids(&shown["held"], "connection"),
        pool.held.iter().map(|row| row.connection).collect::<Vec<_>>()
    );
    for (row, connection) in shown["open"].as_array().unwrap().iter().zip(&pool.open) {
        assert_eq!(row["peer"].as_str().unwrap(), connection.peer.unwrap().to_string());
        assert_eq!(row["requests"], connection.requests);
        assert_eq!(row["state"], connection.state.as_str());
        assert_eq!(row["bytes_received"].as_u64(), connection.bytes_received);
        assert!(row["age_secs"].as_f64().unwrap() <= connection.age.as_secs_f64(), "it was asked for first");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_of_a_pool_under_load_agrees_with_its_scope() {
    let upstream =
        Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, vec![b'x'; 128 << 10]) })
            .await
            .unwrap();
    let scope = Scope::builder().leak_threshold(Some(Duration::from_millis(100))).build();
    let web = scope.client("web");
    // Connects stop at a gate: two pass, and the rest wait until it opens.
    let gate = Arc::new(Semaphore::new(2));
    let opened = Arc::clone(&gate);
    let connector = service_fn(move |uri| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            HttpConnector::new().oneshot(uri).await
        })
    });
    let connector = ConnectLayer::new(&web).layer(connector);
    let inner = Client::builder(TokioExecutor::new()).build(connector);
    let stack = RequestLayer::new(&web).layer(inner);
    let request = || Request::get(upstream.url("/")).body(Empty::<Bytes>::new()).unwrap();
    let parked =
        [stack.clone().oneshot(request()).await.unwrap(), stack.clone().oneshot(request()).await.unwrap()];
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let call = stack.clone().oneshot(request());
        calls.spawn(async move { call.await.unwrap().into_body().collect().await.unwrap() });
    }
    let pool = || scope.snapshot().pools.remove(0);
    let is_stuck =
        |pool: &PoolSnapshot| pool.pending() == 20 && pool.connecting == 20 && pool.leaks_active == 2;
    wait::until("20 that wait behind two leaks", async || pool(), is_stuck).await;

    for debug in [Debug::in_axum(&scope).await, Debug::in_hyper(&scope).await] {
        let before = pool();
        let document = debug.document("?pretty").await;
        assert_eq!(document["schema_version"], SCHEMA_VERSION);
        agree(&pool(), &document["pools"][0]);
        let wait = document["pools"][0]["glance"]["oldest_wait_secs"].as_f64().unwrap();
        assert!(wait >= before.waiting.unwrap().oldest.as_secs_f64() - 1e-6, "{wait} s");
        assert_eq!(document["pools"][0]["held"][1]["is_leaked"], true);
        assert_eq!(document["pools"][0]["waiting"]["blocked_by"], "connecting");
    }

    for answer in parked {
        answer.into_body().collect().await.unwrap();
    }
    opened.add_permits(20);
    calls.join_all().await;
    let is_quiet = |pool: &PoolSnapshot| pool.in_flight() + pool.connecting == 0 && pool.counts().active == 0;
    wait::until("a quiet pool", async || pool(), is_quiet).await;
    let document = Debug::in_axum(&scope).await.document("").await;
    agree(&pool(), &document["pools"][0]);
    assert_eq!(document["pools"][0]["glance"]["oldest_wait_secs"], Value::Null);
    assert_eq!(document["pools"][0]["results"][0]["duration_secs"]["count"], 22);
}

#[tokio::test]
async fn queries_narrow_and_what_is_wrong_with_them_is_said() {
    let upstream =
        Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, "hello") }).await.unwrap();
    let scope = Scope::new();
    for name in ["web", "night shift"] {
        let client = scope.client(name);
        let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
        let stack = RequestLayer::new(&client).layer(Client::builder(TokioExecutor::new()).build(connector));
        let request = Request::get(upstream.url("/")).body(Empty::<Bytes>::new()).unwrap();
        stack.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    }
    let debug = Debug::in_axum(&scope).await;
    for (query, expected) in [
        ("", 2),
        ("?", 2),
        ("?client=night+shift", 1),
        ("?client=web&client=night%20shift", 2),
        ("?host=127.0.0.1&pretty=false", 2),
        ("?host=127.0.0.1&client=web", 1),
        ("?host=elsewhere", 0),
        ("?client=%00%FF", 0),
    ] {
        assert_eq!(debug.document(query).await["pools"].as_array().unwrap().len(), expected, "{query}");
    }
    let error = debug.refused("?hots=a&client=web").await;
    assert!(error.contains("\"hots\"") && error.contains("client, host and pretty"), "{error}");
    assert!(debug.refused("?%3Cscript%3E").await.contains("<script>"), "JSON is no page");
    assert!(debug.refused(&format!("?{}", "k&".repeat(10_000))).await.len() < 1_000);
    assert!(debug.refused(&format!("?{}=1", "%F0%9F%A6%80".repeat(3_000))).await.len() < 1_000);
    debug.refused("?pretty=perhaps").await;
}

#[tokio::test]
async fn a_head_is_a_get_without_a_body_and_other_methods_are_refused() {
    let scope = Scope::new();
    for debug in [Debug::in_axum(&scope).await, Debug::in_hyper(&scope).await] {
        let [get, head] = [debug.send(Method::GET, "").await, debug.send(Method::HEAD, "").await];
        assert_eq!((head.status(), head.body().len()), (StatusCode::OK, 0));
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::CACHE_CONTROL,
            header::X_CONTENT_TYPE_OPTIONS,
        ] {
            assert_eq!(head.headers().get(&name), get.headers().get(&name), "{name}");
        }
        assert_eq!(head.headers()[header::CACHE_CONTROL], "no-store");
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let refused = debug.send(method.clone(), "").await;
            assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert_eq!(refused.headers()[header::ALLOW], "GET, HEAD", "{method}");
        }
    }
}
