//! The layers for reqwest against real servers. Closes are concluded there, so only what reqwest shows is compared.

use std::time::Duration;

use http::StatusCode;
use poolscope::reqwest::{ConnectLayer, RequestLayer, RequestService};
use poolscope::{PoolSnapshot, Scope};
use poolscope_semconv::value::{AcquireOutcome, Certainty, CloseReason, Observation};
use poolscope_tests::upstream::{HangUp, Options, Reply, Upstream, answer, answer_with};
use poolscope_tests::{kernel, wait};
use reqwest::{Client, ClientBuilder, Method, Request};
use tower::{Layer, Service};

type Stack = RequestService<Client>;

fn stack(scope: &Scope, http2: bool, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Stack {
    let client = scope.client("test");
    let connect = ConnectLayer::new(&client);
    let (builder, connect) = if http2 {
        (Client::builder().http2_prior_knowledge(), connect.http2_only())
    } else {
        (Client::builder(), connect)
    };
    RequestLayer::new(&client).layer(change(builder).connector_layer(connect).build().unwrap())
}

fn get(upstream: &Upstream, path: &str) -> Request {
    Request::new(Method::GET, upstream.url(path).parse().unwrap())
}

fn pool(scope: &Scope) -> PoolSnapshot {
    let mut pools = scope.snapshot().pools;
    assert_eq!(pools.len(), 1, "one destination is one pool");
    pools.remove(0)
}

async fn quiet(scope: &Scope) -> PoolSnapshot {
    let pool = wait::until(
        "a quiet pool",
        async || pool(scope),
        |pool| pool.pending() == 0 && pool.in_flight() == 0 && pool.counts().active == 0,
    )
    .await;
    assert_eq!(pool.opened - pool.closed_total(), pool.counts().open());
    let outcomes: u64 = pool.acquires.iter().map(|(_, count)| count).sum();
    assert_eq!(outcomes, pool.acquires_started, "every acquire has one outcome");
    assert_eq!(pool.observation, Observation::Kernel);
    pool
}

async fn slow(_: http::Request<hyper::body::Incoming>) -> Reply {
    tokio::time::sleep(Duration::from_millis(150)).await;
    answer(StatusCode::OK, "hello")
}

#[tokio::test]
async fn reuse_is_seen_and_the_response_stays_what_it_was() {
    let upstream =
        Upstream::start(Options::default(), |_| async { answer_with(StatusCode::OK, "hello", "x-it", "is") })
            .await
            .unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |builder| builder);
    for _ in 0..10 {
        let response = stack.call(get(&upstream, "/path?q=1")).await.unwrap();
        assert_eq!(response.url().as_str(), upstream.url("/path?q=1"));
        assert_eq!(response.remote_addr(), Some(upstream.addr()));
        assert_eq!(
            (response.content_length(), &response.headers()["x-it"]),
            (Some(5), &"is".parse().unwrap())
        );
        assert_eq!(response.text().await.unwrap(), "hello");
    }
    let pool = quiet(&scope).await;
    assert_eq!(
        (pool.opened, pool.outcome(AcquireOutcome::New), pool.outcome(AcquireOutcome::Reused)),
        (1, 1, 9)
    );
    assert_eq!((upstream.counts().accepted(), pool.open[0].requests), (1, 10));
    assert_eq!(kernel::established_to(upstream.addr()).unwrap(), [pool.open[0].local.unwrap()]);
}

#[tokio::test]
async fn requests_at_one_time_each_have_a_connection() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let stack = stack(&scope, false, |builder| builder);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let mut stack = stack.clone();
            let request = get(&upstream, "/");
            tokio::spawn(async move { stack.call(request).await.unwrap().bytes().await.unwrap() })
        })
        .collect();
    let active = async || scope.snapshot().pools.iter().map(|pool| pool.counts().active).sum::<u64>();
    wait::until("10 active connections", active, |active| *active == 10).await;
    for call in calls {
        call.await.unwrap();
    }
    let pool = quiet(&scope).await;
    assert_eq!((pool.outcome(AcquireOutcome::New), pool.opened), (10, upstream.counts().accepted()));
}

#[tokio::test]
async fn connection_close_and_dropped_bodies_are_concluded() {
    let upstream = Upstream::start(Options::default(), |request: http::Request<_>| async move {
        match request.uri().path() {
            "/close" => answer_with(StatusCode::OK, "bye", "connection", "close"),
            _ => answer(StatusCode::OK, vec![b'x'; 8 << 20]),
        }
    })
    .await
    .unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |builder| builder);
    stack.call(get(&upstream, "/close")).await.unwrap().bytes().await.unwrap();
    drop(stack.call(get(&upstream, "/big")).await.unwrap());
    wait::until("both closes", async || pool(&scope).closed_total(), |closed| *closed == 2).await;
    let pool = quiet(&scope).await;
    let reasons: Vec<_> = pool.closed.iter().map(|(reason, _, count)| (*reason, *count)).collect();
    assert_eq!(reasons, [(CloseReason::ConnectionClose, 1), (CloseReason::BodyDropped, 1)]);
    wait::until(
        "the kernel to agree",
        async || kernel::established_to(upstream.addr()).unwrap(),
        Vec::is_empty,
    )
    .await;
}

#[tokio::test]
async fn a_failed_request_closes_its_connection() {
    let upstream =
        Upstream::start(Options { reset: true, ..Options::default() }, |_| async { Reply::Hang(HangUp) })
            .await
            .unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |builder| builder);
    for _ in 0..3 {
        stack.call(get(&upstream, "/")).await.unwrap_err();
    }
    wait::until("the closes", async || pool(&scope).closed_total(), |closed| *closed == 3).await;
    let pool = quiet(&scope).await;
    assert_eq!((pool.opened, pool.closed_total(), pool.counts().open()), (3, 3, 0));
}

#[tokio::test]
async fn a_refused_connect_fails_the_acquire() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |builder| builder);
    let request = Request::new(Method::GET, format!("http://{free}/").parse().unwrap());
    assert!(stack.call(request).await.unwrap_err().is_connect());
    let pool = quiet(&scope).await;
    assert_eq!((pool.connect_failed(), pool.outcome(AcquireOutcome::Failed), pool.port), (1, 1, free.port()));
}

#[tokio::test]
async fn a_dropped_call_gives_everything_back() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |builder| builder);
    assert!(tokio::time::timeout(Duration::from_millis(50), stack.call(get(&upstream, "/"))).await.is_err());
    let pool = quiet(&scope).await;
    assert_eq!((pool.pending(), pool.in_flight()), (0, 0));
    assert_eq!(pool.results[0].error_type.map(poolscope_semconv::value::ErrorType::as_str), Some("canceled"));
}

#[tokio::test]
async fn an_idle_connection_expires_in_the_books_too() {
    let upstream =
        Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, "hello") }).await.unwrap();
    let scope = Scope::new();
    let idle = Duration::from_millis(300);
    let _ = scope.client("test").pool_idle_timeout(idle);
    let mut stack = stack(&scope, false, |builder| builder.pool_idle_timeout(idle));
    stack.call(get(&upstream, "/")).await.unwrap().bytes().await.unwrap();
    assert_eq!(pool(&scope).counts().open(), 1);
    let pool =
        wait::until("the connection to expire", async || pool(&scope), |pool| pool.counts().open() == 0)
            .await;
    assert_eq!(pool.closed[0].0, CloseReason::IdleTimeout);
}

#[tokio::test]
async fn http2_requests_share_one_connection() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let stack = stack(&scope, true, |builder| builder);
    stack.clone().call(get(&upstream, "/")).await.unwrap().bytes().await.unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut stack = stack.clone();
            let request = get(&upstream, "/");
            tokio::spawn(async move { stack.call(request).await.unwrap().bytes().await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let pool = quiet(&scope).await;
    assert_eq!((pool.opened, pool.streams, pool.outcome(AcquireOutcome::Reused)), (1, 0, 20));
}

#[tokio::test]
async fn after_a_redirect_the_answering_connection_is_found_in_its_own_pool() {
    let target =
        Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, "there") }).await.unwrap();
    let location: &'static str = Box::leak(target.url("/there").into_boxed_str());
    let upstream = Upstream::start(Options::default(), move |_| async move {
        answer_with(StatusCode::FOUND, "", "location", location)
    })
    .await
    .unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |builder| builder);
    let response = stack.call(get(&upstream, "/")).await.unwrap();
    assert_eq!(response.url().as_str(), location);
    assert_eq!(response.text().await.unwrap(), "there");
    let snapshot = scope.snapshot();
    let of = |server: &Upstream| snapshot.pool("test", "127.0.0.1", server.addr().port()).unwrap();
    assert_eq!((of(&target).counts().idle, of(&target).open[0].requests), (1, 1));
    assert_eq!(of(&upstream).counts().open(), 1);
    assert!(snapshot.pools.iter().all(|pool| pool.in_flight() == 0 && pool.pending() == 0));
}

#[tokio::test]
async fn a_short_body_dropped_unread_keeps_its_connection() {
    let upstream =
        Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, "hello") }).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |builder| builder);
    for _ in 0..5 {
        drop(stack.call(get(&upstream, "/")).await.unwrap());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pool = quiet(&scope).await;
    assert_eq!((pool.opened, pool.counts().open(), upstream.counts().accepted()), (1, 1, 1));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_missed_at_the_next_connect() {
    let upstream =
        Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, "hello") }).await.unwrap();
    let addr = upstream.addr();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |builder| builder);
    stack.call(get(&upstream, "/")).await.unwrap().bytes().await.unwrap();
    drop(upstream);
    wait::until("the kernel to close it", async || kernel::held_to(addr).unwrap(), Vec::is_empty).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let request = Request::new(Method::GET, format!("http://{addr}/").parse().unwrap());
    stack.call(request).await.unwrap_err();
    let pool = quiet(&scope).await;
    assert_eq!(pool.closed, [(CloseReason::PeerClosedIdle, Certainty::Known, 1)]);
}

#[tokio::test]
async fn the_request_layer_alone_finds_the_connections_it_is_answered_on() {
    let upstream =
        Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, "hello") }).await.unwrap();
    let scope = Scope::new();
    let mut stack = RequestLayer::new(&scope.client("test")).layer(Client::new());
    for _ in 0..3 {
        stack.call(get(&upstream, "/")).await.unwrap().bytes().await.unwrap();
    }
    let pool = pool(&scope);
    assert_eq!((pool.opened, pool.open[0].requests, pool.in_flight()), (1, 3, 0));
}
