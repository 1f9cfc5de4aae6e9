//! The layers for hyper-util's client against real servers, the kernel's table and the server's own count.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use poolscope::hyper::{Connect, ConnectLayer, RequestBody, RequestLayer, RequestService};
use poolscope::timeout::TimeoutLayer;
use poolscope::{ConnectionCounts, PoolSnapshot, Protocol, Scope};
use poolscope_semconv::value::{AcquireOutcome, CloseReason, ErrorType};
use poolscope_tests::upstream::{Options, Reply, Upstream, answer, answer_with};
use poolscope_tests::{kernel, wait};
use tower::{Layer, Service};

type Body = Empty<Bytes>;
type Stack = RequestService<Client<Connect<HttpConnector>, RequestBody<Body>>>;

fn stack(scope: &Scope, http2: bool, change: impl FnOnce(&mut Builder)) -> Stack {
    let client = scope.client("test");
    let connect = ConnectLayer::new(&client);
    let connect = if http2 { connect.http2_only() } else { connect };
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).http2_only(http2);
    change(&mut builder);
    RequestLayer::new(&client).layer(builder.build(connect.layer(HttpConnector::new())))
}

fn get(upstream: &Upstream, path: &str) -> Request<Body> {
    Request::get(upstream.url(path)).body(Empty::new()).unwrap()
}

fn pool(scope: &Scope) -> PoolSnapshot {
    let mut pools = scope.snapshot().pools;
    assert_eq!(pools.len(), 1, "one destination is one pool");
    pools.remove(0)
}

/// What holds for every pool at every moment.
fn check_invariants(pool: &PoolSnapshot) {
    assert_eq!(pool.opened - pool.closed_total(), pool.counts().open());
    assert!(pool.acquires_started >= pool.acquired);
    assert!(pool.acquired >= pool.released);
}

/// Waits until so many connections are closed.
async fn closed(scope: &Scope, count: u64) {
    wait::until("closed connections", async || pool(scope).closed_total(), |closed| *closed == count).await;
}

/// What holds for every pool once nothing is going on.
async fn quiet(scope: &Scope, upstream: &Upstream) -> PoolSnapshot {
    let pool = wait::until(
        "a quiet pool that agrees with the kernel",
        async || {
            (
                pool(scope),
                kernel::established_to(upstream.addr()).unwrap().len() as u64,
                upstream.counts().open(),
            )
        },
        |(pool, kernel, server)| {
            let counts = pool.counts();
            pool.pending() == 0
                && pool.in_flight() == 0
                && counts.active == 0
                && counts.open() == *kernel
                && *kernel == *server
        },
    )
    .await
    .0;
    check_invariants(&pool);
    let outcomes: u64 = pool.acquires.iter().map(|(_, count)| count).sum();
    assert_eq!(outcomes, pool.acquires_started, "every acquire has one outcome");
    assert_eq!(pool.usage.count(), pool.released);
    assert_eq!(pool.wait.count(), pool.acquired);
    pool
}

async fn ok(_: Request<hyper::body::Incoming>) -> Reply {
    answer(StatusCode::OK, "hello")
}

async fn slow(_: Request<hyper::body::Incoming>) -> Reply {
    tokio::time::sleep(Duration::from_millis(200)).await;
    answer(StatusCode::OK, "hello")
}

#[tokio::test]
async fn a_second_request_reuses_the_connection_of_the_first() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    for _ in 0..10 {
        let response = stack.call(get(&upstream, "/")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pool = quiet(&scope, &upstream).await;
    assert_eq!(
        (pool.opened, pool.outcome(AcquireOutcome::New), pool.outcome(AcquireOutcome::Reused)),
        (1, 1, 9)
    );
    assert_eq!(upstream.counts().accepted(), 1);
    assert_eq!(pool.open[0].requests, 10);
    let local = kernel::established_to(upstream.addr()).unwrap();
    assert_eq!(pool.open[0].local, Some(local[0]));
    let (sent, received) = pool.bytes.unwrap();
    assert!(sent > 0 && received > 10 * 5, "{sent} {received}");
    assert_eq!(pool.results.len(), 1);
    assert_eq!((pool.results[0].status, pool.results[0].duration.count()), (Some(200), 10));
}

#[tokio::test]
async fn an_active_connection_is_active_until_the_body_has_ended() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    let response = stack.call(get(&upstream, "/")).await.unwrap();
    assert_eq!(pool(&scope).counts(), ConnectionCounts { active: 1, ..ConnectionCounts::default() });
    assert_eq!(pool(&scope).in_flight(), 1);
    response.into_body().collect().await.unwrap();
    let pool = quiet(&scope, &upstream).await;
    assert_eq!(pool.counts(), ConnectionCounts { idle: 1, ..ConnectionCounts::default() });
}

#[tokio::test]
async fn requests_at_one_time_each_have_a_connection() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let stack = stack(&scope, false, |_| {});
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut stack = stack.clone();
            let request = get(&upstream, "/");
            tokio::spawn(
                async move { stack.call(request).await.unwrap().into_body().collect().await.unwrap() },
            )
        })
        .collect();
    let active = async || scope.snapshot().pools.iter().map(|pool| pool.counts().active).sum::<u64>();
    wait::until("20 active connections", active, |active| *active == 20).await;
    assert_eq!(kernel::established_to(upstream.addr()).unwrap().len(), 20);
    for call in calls {
        call.await.unwrap();
    }
    let pool = quiet(&scope, &upstream).await;
    assert_eq!(pool.outcome(AcquireOutcome::New), 20);
    assert_eq!(pool.queued.count(), 20);
}

#[tokio::test]
async fn a_request_dropped_before_it_has_a_connection_is_canceled() {
    // A listener that never accepts more than its backlog would still connect; an address that answers nothing does not.
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    let request = Request::get("http://192.0.2.1:9/").body(Empty::new()).unwrap();
    let call = tokio::time::timeout(Duration::from_millis(100), stack.call(request)).await;
    assert!(
        call.is_err() || call.is_ok_and(|result| result.is_err()),
        "nobody lives at a documentation address"
    );
    let pool = pool(&scope);
    check_invariants(&pool);
    assert_eq!(pool.pending(), 0);
    assert_eq!(pool.outcome(AcquireOutcome::Canceled) + pool.outcome(AcquireOutcome::Failed), 1);
    assert_eq!((pool.acquired, pool.counts().open()), (0, 0));
}

#[tokio::test]
async fn a_request_dropped_before_its_headers_gives_its_connection_back() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    let call = tokio::time::timeout(Duration::from_millis(50), stack.call(get(&upstream, "/"))).await;
    assert!(call.is_err());
    closed(&scope, 1).await;
    let pool = quiet(&scope, &upstream).await;
    assert_eq!((pool.acquired, pool.released, pool.counts().open()), (1, 1, 0));
    assert_eq!(pool.closed[0].0, CloseReason::RequestDropped);
}

#[tokio::test]
async fn a_request_that_a_timeout_drops_has_failed_by_a_timeout() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let timeout = TimeoutLayer::new(&scope, "attempt", Duration::from_millis(50)).unwrap();
    let mut stack = timeout.layer(stack(&scope, false, |_| {}));
    stack.call(get(&upstream, "/")).await.unwrap_err();
    assert_eq!(pool(&scope).results[0].error_type, Some(ErrorType::Timeout));
    closed(&scope, 1).await;
    assert_eq!(quiet(&scope, &upstream).await.closed[0].0, CloseReason::RequestDropped);
}

#[tokio::test]
async fn a_body_dropped_half_read_gives_its_connection_back() {
    let big = |_| async { answer(StatusCode::OK, vec![b'x'; 8 << 20]) };
    let upstream = Upstream::start(Options::default(), big).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    let mut body = stack.call(get(&upstream, "/")).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    drop(body);
    closed(&scope, 1).await;
    let pool = quiet(&scope, &upstream).await;
    assert_eq!((pool.released, pool.counts().open()), (1, 0));
    assert_eq!(pool.closed[0].0, CloseReason::BodyDropped);
}

#[tokio::test]
async fn a_refused_connect_fails_the_acquire() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    let request = Request::get(format!("http://{free}/")).body(Empty::new()).unwrap();
    assert!(stack.call(request).await.unwrap_err().is_connect());
    let pool = pool(&scope);
    check_invariants(&pool);
    assert_eq!((pool.connect_failed(), pool.outcome(AcquireOutcome::Failed)), (1, 1));
    assert_eq!(pool.results[0].error_type.map(ErrorType::as_str), Some("connect"));
}

#[tokio::test]
async fn a_reset_in_the_middle_ends_request_and_connection() {
    let options = Options { reset: true, ..Options::default() };
    let upstream =
        Upstream::start(options, |_| async { Reply::Hang(poolscope_tests::upstream::HangUp) }).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    for _ in 0..5 {
        stack.call(get(&upstream, "/")).await.unwrap_err();
    }
    let pool = quiet(&scope, &upstream).await;
    assert_eq!((pool.opened, pool.closed_total()), (5, 5));
    assert_eq!(pool.results.iter().map(|row| row.duration.count()).sum::<u64>(), 5);
}

#[tokio::test]
async fn connection_close_is_the_reason() {
    let upstream = Upstream::start(Options::default(), |_| async {
        answer_with(StatusCode::OK, "bye", "connection", "close")
    })
    .await
    .unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    for _ in 0..3 {
        stack.call(get(&upstream, "/")).await.unwrap().into_body().collect().await.unwrap();
    }
    closed(&scope, 3).await;
    let pool = quiet(&scope, &upstream).await;
    assert!(
        pool.closed.iter().all(|(reason, _, _)| *reason == CloseReason::ConnectionClose),
        "{:?}",
        pool.closed
    );
}

#[tokio::test]
async fn an_idle_timeout_is_concluded() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let idle = Duration::from_millis(300);
    let _ = scope.client("test").pool_idle_timeout(idle);
    let mut stack = stack(&scope, false, |builder| {
        builder.pool_idle_timeout(idle);
    });
    stack.call(get(&upstream, "/")).await.unwrap().into_body().collect().await.unwrap();
    let pool =
        wait::until("the idle connection to close", async || pool(&scope), |pool| pool.counts().open() == 0)
            .await;
    assert_eq!(pool.closed[0].0, CloseReason::IdleTimeout);
    assert_eq!(quiet(&scope, &upstream).await.counts().open(), 0);
}

#[tokio::test]
async fn a_server_that_goes_away_is_known_as_the_reason() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    stack.call(get(&upstream, "/")).await.unwrap().into_body().collect().await.unwrap();
    drop(upstream);
    let pool =
        wait::until("the connection to close", async || pool(&scope), |pool| pool.counts().open() == 0).await;
    assert_eq!(pool.closed[0].0, CloseReason::PeerClosedIdle);
}

#[tokio::test]
async fn many_http2_requests_share_one_connection() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let stack = stack(&scope, true, |_| {});
    // The first request opens the connection that the others share.
    stack.clone().call(get(&upstream, "/")).await.unwrap().into_body().collect().await.unwrap();
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let mut stack = stack.clone();
            let request = get(&upstream, "/");
            tokio::spawn(async move { stack.call(request).await.unwrap() })
        })
        .collect();
    let mut responses = Vec::new();
    for call in calls {
        responses.push(call.await.unwrap());
    }
    let busy = pool(&scope);
    check_invariants(&busy);
    assert_eq!(busy.connections.len(), 1);
    assert_eq!(busy.connections[0].0, Protocol::Http2);
    assert!(busy.streams > 0 || busy.in_flight() == 0, "{busy:?}");
    for response in responses {
        response.into_body().collect().await.unwrap();
    }
    let pool = quiet(&scope, &upstream).await;
    assert_eq!((pool.opened, pool.streams, pool.outcome(AcquireOutcome::Reused)), (1, 0, 30));
    assert_eq!(pool.open[0].requests, 31);
}

#[tokio::test]
async fn a_dropped_http2_response_leaves_its_connection_open() {
    let big = |_| async { answer(StatusCode::OK, vec![b'x'; 8 << 20]) };
    let upstream = Upstream::start(Options::default(), big).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, true, |_| {});
    drop(stack.call(get(&upstream, "/")).await.unwrap());
    let pool = quiet(&scope, &upstream).await;
    assert_eq!((pool.counts().open(), pool.streams, pool.released), (1, 0, 1));
}

#[tokio::test]
async fn a_panic_of_the_caller_gives_everything_back() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let mut stack = stack(&scope, false, |_| {});
    let request = get(&upstream, "/");
    let caller = tokio::spawn(async move {
        let _response = stack.call(request).await.unwrap();
        panic!("the caller fails while it holds a response");
    });
    assert!(caller.await.unwrap_err().is_panic());
    let pool = quiet(&scope, &upstream).await;
    assert_eq!((pool.in_flight(), pool.pending()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_requests_at_a_time_drift_nothing() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let stack = stack(&scope, false, |_| {});
    let calls: Vec<_> = (0..1_000u32)
        .map(|number| {
            let mut stack = stack.clone();
            let request = get(&upstream, "/");
            tokio::spawn(async move {
                match number % 4 {
                    // Read, dropped with its headers, dropped at some moment before.
                    0 | 1 => drop(stack.call(request).await.unwrap().into_body().collect().await),
                    2 => drop(stack.call(request).await),
                    _ => {
                        let some = Duration::from_micros(u64::from(number));
                        let _ = tokio::time::timeout(some, stack.call(request)).await;
                    }
                }
            })
        })
        .collect();
    for call in calls {
        scope.snapshot().pools.iter().for_each(check_invariants);
        call.await.unwrap();
    }
    let pool = quiet(&scope, &upstream).await;
    assert_eq!(pool.acquires_started, 1_000);
    assert_eq!(pool.released, pool.acquired);
}
