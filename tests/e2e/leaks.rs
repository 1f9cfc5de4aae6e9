//! The leak watch against real servers: what is left alone is reported once and told when it comes back, and nobody else is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry::trace::{
    FutureExt, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use poolscope::event::Leak;
use poolscope::hyper::{ConnectLayer, RequestLayer};
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope::{Event, Origin, PoolSnapshot, Scope};
use poolscope_semconv::value::BlockingReason;
use poolscope_tests::client::{Client, Kind, NAME, Settings};
use poolscope_tests::upstream::{Options, Reply, Upstream, answer, answer_without_end};
use poolscope_tests::wait;
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// After this time an answer that is left alone is reported, in tests that wait for it.
const SOON: Duration = Duration::from_millis(200);

/// The same in tests that wait for nothing to be reported: long enough for a busy machine.
const LATER: Duration = Duration::from_secs(1);

const KINDS: [Kind; 4] = [Kind::HyperH1, Kind::HyperH2, Kind::ReqwestH1, Kind::ReqwestH2];

/// What a scope told of leaks, in its order.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Vec<(&'static str, Leak)>>>);

impl Told {
    fn kinds(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(kind, _)| *kind).collect()
    }

    fn first(&self) -> Leak {
        self.0.lock().unwrap()[0].1.clone()
    }
}

const SUSPECTED: &str = "suspected";
const RETURNED: &str = "returned";

fn scope(threshold: Duration) -> (Scope, Told) {
    listened(Scope::builder().leak_threshold(Some(threshold)).build())
}

fn listened(scope: Scope) -> (Scope, Told) {
    let told = Told::default();
    let log = told.clone();
    scope.listen(move |event: &Event| {
        let (kind, leak) = match event {
            Event::LeakSuspected(leak) => (SUSPECTED, leak),
            Event::LeakReturned(leak) => (RETURNED, leak),
            _ => return,
        };
        log.0.lock().unwrap().push((kind, leak.clone()));
    });
    (scope, told)
}

fn pool(scope: &Scope) -> PoolSnapshot {
    let mut pools = scope.snapshot().pools;
    assert_eq!(pools.len(), 1, "one destination is one pool");
    pools.remove(0)
}

/// Waits until the pool is as it should be.
async fn until(scope: &Scope, what: &str, check: impl Fn(&PoolSnapshot) -> bool) -> PoolSnapshot {
    wait::until(what, async || pool(scope), check).await
}

/// A leak is counted and told of before its row is marked; of many, only some have a row.
async fn leaked(scope: &Scope, count: u64) -> PoolSnapshot {
    let marked = |pool: &PoolSnapshot| pool.held.iter().filter(|row| row.is_leaked).count() as u64;
    until(scope, "so many leaks", |pool| {
        pool.leaks_active == count && marked(pool) == count.min(pool.held.len() as u64)
    })
    .await
}

async fn ok(_: Request<Incoming>) -> Reply {
    answer(StatusCode::OK, "hello")
}

/// An answer that is too long to come at once, so that whoever leaves it alone keeps its connection from others.
async fn long(_: Request<Incoming>) -> Reply {
    answer(StatusCode::OK, vec![b'x'; 128 << 10])
}

#[tokio::test]
async fn an_answer_that_is_parked_is_reported_once_with_who_took_it_until_it_is_dropped() {
    for kind in KINDS {
        let upstream = Upstream::start(Options::default(), ok).await.unwrap();
        let (scope, told) = scope(SOON);
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let (origin, line) = (Origin::here(), line!());
        let parked = origin.scope(client.get(&upstream.url("/"))).await.unwrap();
        assert!(pool(&scope).held.iter().all(|row| row.is_answered && !row.is_leaked), "{kind:?}");

        let pool = leaked(&scope, 1).await;
        let place = format!("{}:{line}", file!());
        let [row] = pool.held.as_slice() else { panic!("{kind:?}: {:?}", pool.held) };
        assert!(row.is_leaked && row.is_answered && row.held >= SOON, "{kind:?}: {row:?}");
        assert_eq!((row.method, row.origin.as_ref()), ("GET", Some(&place)), "{kind:?}");
        assert_eq!((row.connection, row.trace_id.as_ref()), (Some(pool.open[0].id), None), "{kind:?}");
        tokio::time::sleep(3 * SOON).await;
        assert_eq!(told.kinds(), [SUSPECTED], "{kind:?}");
        let leak = told.first();
        assert_eq!((leak.method, leak.connection), ("GET", row.connection), "{kind:?}");
        assert_eq!(leak.origin.unwrap().to_string(), place, "{kind:?}");
        assert!(leak.held >= SOON && &*leak.pool.client == NAME, "{kind:?}: {leak:?}");

        drop(parked);
        let pool = leaked(&scope, 0).await;
        assert_eq!((pool.leaks_suspected, pool.held.len()), (1, 0), "{kind:?}");
        assert_eq!(told.kinds(), [SUSPECTED, RETURNED], "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_read_again_is_no_leak_any_more_and_may_become_one_again() {
    for kind in KINDS {
        let pieces = |_| async { answer_without_end(Duration::from_millis(1)) };
        let upstream = Upstream::start(Options::default(), pieces).await.unwrap();
        let (scope, told) = scope(SOON);
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let mut body = client.get(&upstream.url("/")).await.unwrap().into_body();
        leaked(&scope, 1).await;
        assert!(body.frame().await.unwrap().is_ok());
        until(&scope, "the reader to be seen", |pool| pool.leaks_suspected == 1 && pool.leaks_active == 0)
            .await;
        until(&scope, "a second report", |pool| pool.leaks_suspected == 2 && pool.leaks_active == 1).await;
        drop(body);
        leaked(&scope, 0).await;
        assert_eq!(told.kinds(), [SUSPECTED, RETURNED, SUSPECTED, RETURNED], "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_read_to_its_end_is_no_leak_any_more() {
    for kind in KINDS {
        let upstream = Upstream::start(Options::default(), ok).await.unwrap();
        let (scope, told) = scope(SOON);
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let mut body = client.get(&upstream.url("/")).await.unwrap().into_body();
        leaked(&scope, 1).await;
        while body.frame().await.is_some() {}
        let pool = leaked(&scope, 0).await;
        assert_eq!((pool.held.len(), pool.in_flight()), (0, 0), "{kind:?}");
        // Who keeps a body that has ended keeps no connection.
        tokio::time::sleep(2 * SOON).await;
        assert_eq!(told.kinds(), [SUSPECTED, RETURNED], "{kind:?}");
        drop(body);
    }
}

/// The first answer fails, the second one is parked.
async fn fails_once() -> Upstream {
    let asked = Arc::new(Mutex::new(0));
    let handler = move |_: Request<Incoming>| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        let status = if *asked == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        async move { answer(status, "hello") }
    };
    Upstream::start(Options::default(), handler).await.unwrap()
}

#[tokio::test]
async fn a_name_goes_through_retries_of_hyper() {
    let upstream = fails_once().await;
    let (scope, told) = scope(SOON);
    let client = scope.client(NAME);
    let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
    let mut stack = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::new(&scope, "test")))
        .layer(RequestLayer::new(&client))
        .service(HyperClient::builder(TokioExecutor::new()).build(connector));
    let request = Request::put(upstream.url("/")).body(Empty::<Bytes>::new()).unwrap();
    // The call begins under the name, and goes on without it.
    let call = Origin::named("nightly report").in_scope(|| stack.call(request));
    let parked = call.await.unwrap();
    assert_eq!((parked.status(), upstream.counts().requests()), (StatusCode::OK, 2));
    leaked(&scope, 1).await;
    let leak = told.first();
    assert_eq!((leak.origin, leak.method), (Some(Origin::named("nightly report")), "PUT"));
}

#[tokio::test]
async fn a_name_goes_through_retries_of_reqwest() {
    let upstream = fails_once().await;
    let (scope, told) = scope(SOON);
    let client = scope.client(NAME);
    let inner = reqwest::Client::builder().connector_layer(poolscope::reqwest::ConnectLayer::new(&client));
    let mut stack = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::new(&scope, "test")))
        .layer(poolscope::reqwest::RequestLayer::new(&client))
        .service(inner.build().unwrap());
    let request = reqwest::Request::new(reqwest::Method::GET, upstream.url("/").parse().unwrap());
    let parked = Origin::named("nightly report").in_scope(|| stack.call(request)).await.unwrap();
    assert_eq!((parked.status(), upstream.counts().requests()), (StatusCode::OK, 2));
    leaked(&scope, 1).await;
    assert_eq!(told.first().origin, Some(Origin::named("nightly report")));
}

#[tokio::test]
async fn a_leak_tells_its_trace_with_a_tracer_and_without() {
    let remote = SpanContext::new(
        TraceId::from(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
        SpanId::from(0x00f0_67aa_0ba9_02b7),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    let provider = SdkTracerProvider::builder().build();
    for kind in KINDS {
        for has_tracer in [false, true] {
            let upstream = Upstream::start(Options::default(), ok).await.unwrap();
            let (scope, told) = scope(SOON);
            if has_tracer {
                assert!(scope.set_tracer_provider(&provider));
            }
            let client = Client::new(&scope, kind, Settings::default()).unwrap();
            let context = Context::new().with_remote_span_context(remote.clone());
            let parked = client.get(&upstream.url("/")).await.unwrap();
            drop(parked);
            let url = upstream.url("/");
            let _parked = client.get(&url).with_context(context).await.unwrap();
            let pool = leaked(&scope, 1).await;
            let row = pool.held.iter().find(|row| row.is_leaked).unwrap();
            assert_eq!(row.trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"), "{kind:?}");
            let leak = told.first();
            assert_eq!(leak.trace_id, Some(u128::from_be_bytes(remote.trace_id().to_bytes())), "{kind:?}");
            // With a tracer, the request has a span of its own in that trace.
            let is_callers = leak.span_id == Some(u64::from_be_bytes(remote.span_id().to_bytes()));
            assert_eq!(is_callers, !has_tracer, "{kind:?}: {leak:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_left_in_peace_however_slowly_it_reads_or_the_server_speaks() {
    // A piece every three thresholds.
    let seldom = |_| async { answer_without_end(3 * LATER) };
    let silent = Upstream::start(Options::default(), seldom).await.unwrap();
    let pieces = |_| async { answer_without_end(Duration::from_millis(1)) };
    let chatty = Upstream::start(Options::default(), pieces).await.unwrap();
    let late_head = |request| async {
        tokio::time::sleep(2 * LATER).await;
        ok(request).await
    };
    let late = Upstream::start(Options::default(), late_head).await.unwrap();
    let (scope, told) = scope(LATER);
    let mut readers = tokio::task::JoinSet::new();
    for kind in KINDS {
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let (other, third) = (client.clone(), client.clone());
        let (url, other_url, third_url) = (silent.url("/"), chatty.url("/"), late.url("/"));
        readers.spawn(async move {
            // As with server-sent events: always there for what may come.
            let mut body = client.get(&url).await.unwrap().into_body();
            for _ in 0..2 {
                assert!(body.frame().await.unwrap().is_ok());
            }
        });
        readers.spawn(async move {
            let mut body = other.get(&other_url).await.unwrap().into_body();
            for _ in 0..6 {
                tokio::time::sleep(LATER / 2).await;
                assert!(body.frame().await.unwrap().is_ok());
            }
        });
        readers.spawn(async move {
            // The time before the head counts for nothing: the watcher looks a few times until the body is read.
            let body = third.get(&third_url).await.unwrap().into_body();
            tokio::time::sleep(LATER / 2).await;
            body.collect().await.unwrap();
        });
    }
    while let Some(result) = readers.join_next().await {
        result.unwrap();
    }
    assert_eq!(told.kinds(), [""; 0]);
    let pools = scope.snapshot().pools;
    assert_eq!(pools.len(), 3);
    assert!(pools.iter().all(|pool| pool.leaks_suspected == 0 && pool.released == 4), "{pools:#?}");
}

#[tokio::test]
async fn who_has_given_up_waiting_and_parks_the_body_is_found() {
    for kind in KINDS {
        let seldom = |_| async { answer_without_end(Duration::from_secs(600)) };
        let upstream = Upstream::start(Options::default(), seldom).await.unwrap();
        let (scope, told) = scope(SOON);
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let mut body = client.get(&upstream.url("/")).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::timeout(Duration::from_millis(50), body.frame()).await.unwrap_err();
        leaked(&scope, 1).await;
        drop(body);
        leaked(&scope, 0).await;
        assert_eq!(told.kinds(), [SUSPECTED, RETURNED], "{kind:?}");
    }
}

#[tokio::test]
async fn an_answer_whose_connection_serves_others_holds_nothing() {
    for kind in [Kind::HyperH1, Kind::ReqwestH1] {
        let upstream = Upstream::start(Options::default(), ok).await.unwrap();
        let (scope, told) = scope(SOON);
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        // Short enough to have come at once, so the client takes the connection back although nobody reads.
        let parked = client.get(&upstream.url("/")).await.unwrap();
        leaked(&scope, 1).await;
        let reused = async || {
            client.read(&upstream.url("/")).await.unwrap();
            pool(&scope).open[0].requests
        };
        wait::until("the connection to serve another request", reused, |requests| *requests > 1).await;
        leaked(&scope, 0).await;
        tokio::time::sleep(2 * SOON).await;
        assert_eq!(told.kinds(), [SUSPECTED, RETURNED], "{kind:?}");
        drop(parked);
        assert_eq!(told.kinds(), [SUSPECTED, RETURNED], "{kind:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_is_held_by_nobody() {
    for kind in KINDS {
        // An answer that has come whole; a client that waits for a reader to make room does not see the peer's end.
        let upstream = Upstream::start(Options::default(), ok).await.unwrap();
        let (scope, told) = scope(SOON);
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let _parked = client.get(&upstream.url("/")).await.unwrap();
        leaked(&scope, 1).await;
        upstream.cut();
        until(&scope, "a closed connection", |pool| pool.counts().open() == 0).await;
        let pool = leaked(&scope, 0).await;
        assert_eq!((pool.in_flight(), pool.leaks_suspected), (1, 1), "{kind:?}: nobody has dropped it");
        assert_eq!(told.kinds(), [SUSPECTED, RETURNED], "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parked_answers_are_a_thousand_leaks() {
    let upstream = Upstream::start(Options::default(), long).await.unwrap();
    let (scope, told) = scope(SOON);
    let client = Client::new(&scope, Kind::HyperH1, Settings::default()).unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let (client, url) = (client.clone(), upstream.url("/"));
        calls.spawn(async move { client.get(&url).await.unwrap() });
    }
    let parked = calls.join_all().await;
    let pool = leaked(&scope, 1_000).await;
    assert_eq!((pool.leaks_suspected, pool.counts().active, pool.in_flight()), (1_000, 1_000, 1_000));
    assert!(pool.held.len() == 100 && pool.held.iter().all(|row| row.is_leaked));
    drop(parked);
    let pool = leaked(&scope, 0).await;
    assert_eq!((pool.leaks_suspected, pool.held.len(), pool.in_flight()), (1_000, 0, 0));
    let kinds = told.kinds();
    assert_eq!(kinds.iter().filter(|kind| **kind == SUSPECTED).count(), 1_000);
    assert_eq!(kinds.len(), 2_000);
    let connections: std::collections::BTreeSet<_> =
        told.0.lock().unwrap().iter().map(|(_, leak)| leak.connection.unwrap()).collect();
    assert_eq!(connections.len(), 1_000, "each is told of by its own name");
}

#[tokio::test]
async fn a_threshold_is_the_scopes_the_clients_or_the_pools_and_none_reports_nothing() {
    let upstreams = [
        Upstream::start(Options::default(), long).await.unwrap(),
        Upstream::start(Options::default(), long).await.unwrap(),
    ];
    let (scope, told) = scope(SOON);
    let uri = upstreams[1].url("/any/path").parse().unwrap();
    let _ = scope.client("never").leak_threshold(None).leak_threshold_of(&uri, Some(SOON));
    let mut parked = Vec::new();
    for name in ["scope", "never"] {
        let client = scope.client(name);
        let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
        let inner = HyperClient::builder(TokioExecutor::new()).build(connector);
        let mut stack = RequestLayer::new(&client).layer(inner);
        for upstream in &upstreams {
            let request = Request::get(upstream.url("/")).body(Empty::<Bytes>::new()).unwrap();
            let mut body = stack.call(request).await.unwrap().into_body();
            if name == "never" && std::ptr::eq(upstream, &upstreams[0]) {
                // One that was asked, and gave nothing yet, is no other case.
                let _ = tokio::time::timeout(Duration::ZERO, body.frame()).await;
            }
            parked.push(body);
        }
    }
    wait::until("three reports", async || told.kinds().len(), |count| *count == 3).await;
    tokio::time::sleep(3 * SOON).await;
    let suspected = |name, upstream: &Upstream| {
        scope.snapshot().pool(name, "127.0.0.1", upstream.addr().port()).unwrap().leaks_suspected
    };
    for upstream in &upstreams {
        assert_eq!(suspected("scope", upstream), 1);
    }
    assert_eq!(upstreams.each_ref().map(|upstream| suspected("never", upstream)), [0, 1]);
    assert_eq!(told.kinds().len(), 3);
}

/// Sends a request in a task of its own, which reads the answer to its end.
fn send(client: &Client, upstream: &Upstream) -> tokio::task::JoinHandle<Bytes> {
    let (client, url) = (client.clone(), upstream.url("/"));
    tokio::spawn(async move { client.read(&url).await.unwrap() })
}

fn blocked_by(pool: &PoolSnapshot) -> Option<BlockingReason> {
    pool.waiting.as_ref().map(|waiting| waiting.blocked_by)
}

/// HTTP/2 with one stream at a time: the pool has one connection, and a limit that the server has set.
#[tokio::test]
async fn requests_behind_a_leak_are_told_from_requests_behind_a_pool_that_is_too_small() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let slow = move |request: Request<Incoming>| {
        let gate = Arc::clone(&opened);
        async move {
            gate.acquire().await.unwrap().forget();
            ok(request).await
        }
    };
    let one = Options { max_streams: Some(1), ..Options::default() };
    let upstream = Upstream::start(one, slow).await.unwrap();
    let (scope, _) = scope(SOON);
    let client = Client::new(&scope, Kind::HyperH2, Settings::default()).unwrap();
    gate.add_permits(1);
    client.read(&upstream.url("/")).await.unwrap();

    let calls: Vec<_> = (0..5).map(|_| send(&client, &upstream)).collect();
    let waits = |pool: &PoolSnapshot| pool.waiting.as_ref().is_some_and(|waiting| waiting.oldest > 2 * SOON);
    let busy = until(&scope, "requests that wait", waits).await;
    assert_eq!(blocked_by(&busy), Some(BlockingReason::InUse), "the server is slow: {busy:#?}");
    gate.add_permits(5);
    for call in calls {
        call.await.unwrap();
    }

    gate.add_permits(1);
    let parked = client.get(&upstream.url("/")).await.unwrap();
    let calls: Vec<_> = (0..5).map(|_| send(&client, &upstream)).collect();
    let stuck = until(&scope, "a leak", |pool| pool.leaks_active == 1).await;
    assert_eq!(blocked_by(&stuck), Some(BlockingReason::Leaked), "{stuck:#?}");
    drop(parked);
    gate.add_permits(5);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(blocked_by(&pool(&scope)), None);
}

/// HTTP/1 with room for one connection. Where the limit is outside of the connect layer, the pool is known to be used up;
/// inside of it, all that can be seen is a connect that takes long.
#[tokio::test]
async fn a_limit_around_the_connect_layer_is_seen_and_one_inside_of_it_is_a_slow_connect() {
    for is_outside in [true, false] {
        let upstream = Upstream::start(Options::default(), long).await.unwrap();
        let (scope, _) = scope(SOON);
        let client = scope.client(NAME);
        let room = Arc::new(Semaphore::new(1));
        let limit = |room: Arc<Semaphore>| {
            move |uri: http::Uri| {
                let room = Arc::clone(&room);
                async move {
                    room.acquire().await.unwrap().forget();
                    uri
                }
            }
        };
        let (outer, inner) = if is_outside {
            (Arc::clone(&room), None)
        } else {
            (Arc::new(Semaphore::new(9)), Some(Arc::clone(&room)))
        };
        let inner = limit(inner.unwrap_or_else(|| Arc::new(Semaphore::new(9))));
        let connector = service_fn(move |uri| {
            let enter = inner(uri);
            Box::pin(async move { HttpConnector::new().oneshot(enter.await).await })
        });
        let observed = ConnectLayer::new(&client).layer(connector);
        let outer = limit(outer);
        let connector = service_fn(move |uri| {
            let (enter, observed) = (outer(uri), observed.clone());
            Box::pin(async move { observed.oneshot(enter.await).await })
        });
        let stack =
            RequestLayer::new(&client).layer(HyperClient::builder(TokioExecutor::new()).build(connector));
        let request = || Request::get(upstream.url("/")).body(Empty::<Bytes>::new()).unwrap();

        let parked = stack.clone().oneshot(request()).await.unwrap();
        let waiting = tokio::spawn(stack.clone().oneshot(request()));
        let young = until(&scope, "a request that waits", |pool| pool.waiting.is_some()).await;
        assert_eq!(young.leaks_active, 0);
        let expected = if is_outside { BlockingReason::InUse } else { BlockingReason::Connecting };
        assert_eq!(blocked_by(&young), Some(expected));
        let stuck = leaked(&scope, 1).await;
        let expected = if is_outside { BlockingReason::Leaked } else { BlockingReason::Connecting };
        assert_eq!(blocked_by(&stuck), Some(expected));
        assert!(stuck.waiting.unwrap().oldest >= SOON / 2);
        // Read to its end, it gives its connection to the one who waits.
        parked.into_body().collect().await.unwrap();
        waiting.await.unwrap().unwrap().into_body().collect().await.unwrap();
        assert_eq!((pool(&scope).opened, pool(&scope).leaks_active), (1, 0));
    }
}
