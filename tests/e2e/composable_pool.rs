//! The layers around pools that are composed of hyper-util's parts, against real servers, the kernel's table and the
//! server's own count. The HTTP/1 pool is the one of the middleware's example.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::pool::map::Map;
use hyper_util::client::pool::singleton::Singleton;
use hyper_util::client::pool::{cache, negotiate};
use hyper_util::rt::{TokioExecutor, TokioIo};
use poolscope::hygiene::Hygiene;
use poolscope::hyper::{
    ConnectLayer, ObservedConnection, ObservedIo, RequestBody, RequestLayer, ResponseBody,
};
use poolscope::{ClientScope, PoolSnapshot, Protocol, Scope};
use poolscope_semconv::value::{AcquireOutcome, BlockingReason, Certainty, CloseReason};
use poolscope_tests::upstream::{Options, Reply, Upstream, answer};
use poolscope_tests::{kernel, wait};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower::layer::layer_fn;
use tower::{Layer, Service, ServiceExt, service_fn};

#[path = "../../middleware/examples/composable_pool/pool.rs"]
mod example;

use example::{BoxError, BoxFuture, Limits, PoolError, Sent, http1};

/// Longer than any test lasts.
const NEVER: Duration = Duration::from_secs(600);

fn limits(room: usize, idle_timeout: Duration) -> Limits {
    Limits { room: Arc::new(Semaphore::new(room)), idle_timeout }
}

fn get(upstream: &Upstream) -> Request<Sent> {
    Request::get(upstream.url("/")).body(Sent::default()).unwrap()
}

/// One call to its end.
async fn call<S, B>(service: S, request: Request<Sent>)
where
    S: Service<Request<Sent>, Response = Response<B>, Error: std::fmt::Debug>,
    B: Body<Error: std::fmt::Debug>,
{
    service.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
}

/// So many calls at once, each in a task of its own.
fn calls<S, B>(count: usize, service: &S, upstream: &Upstream) -> Vec<tokio::task::JoinHandle<()>>
where
    S: Service<Request<Sent>, Response = Response<B>, Error: std::fmt::Debug, Future: Send>,
    S: Clone + Send + 'static,
    B: Body<Error: std::fmt::Debug, Data: Send> + Send + 'static,
{
    (0..count).map(|_| tokio::spawn(call(service.clone(), get(upstream)))).collect()
}

/// Waits until the one pool of a scope is there and as it should be.
async fn until(scope: &Scope, what: &str, check: impl Fn(&PoolSnapshot) -> bool) -> PoolSnapshot {
    let pools = wait::until(what, async || scope.snapshot().pools, |pools| pools.iter().any(&check)).await;
    let [pool] = <[_; 1]>::try_from(pools).unwrap();
    pool
}

/// Waits until nothing is going on, and so many connections are open for us, for the kernel and for the server.
async fn quiet(scope: &Scope, upstream: &Upstream, open: u64) -> PoolSnapshot {
    let agree = |pool: &PoolSnapshot| {
        let kernel = kernel::established_to(upstream.addr()).unwrap().len() as u64;
        pool.pending() + pool.in_flight() + pool.streams + pool.counts().active == 0
            && [pool.counts().open(), kernel, upstream.counts().open()] == [open; 3]
    };
    let pool = until(scope, "a quiet pool that agrees with kernel and server", agree).await;
    assert_eq!(pool.opened - pool.closed_total(), open);
    assert_eq!(pool.acquires.iter().map(|(_, count)| count).sum::<u64>(), pool.acquires_started);
    assert_eq!((pool.acquired, pool.wait.count()), (pool.released, pool.acquired));
    pool
}

fn known(reason: CloseReason, count: u64) -> Vec<(CloseReason, Certainty, u64)> {
    vec![(reason, Certainty::Known, count)]
}

async fn ok(_: Request<Incoming>) -> Reply {
    answer(StatusCode::OK, "hello")
}

async fn slow(_: Request<Incoming>) -> Reply {
    tokio::time::sleep(Duration::from_millis(200)).await;
    answer(StatusCode::OK, "hello")
}

#[tokio::test]
async fn a_cap_makes_requests_wait_and_idle_connections_expire_with_a_known_reason() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let service = example::pool(&scope.client("test"), limits(2, Duration::from_millis(400)));
    let running = calls(6, &service, &upstream);
    let busy = until(&scope, "two in use", |pool| pool.in_flight() == 2).await;
    assert_eq!((busy.pending(), busy.counts().active, upstream.counts().accepted()), (4, 2, 2));
    for call in running {
        call.await.unwrap();
    }
    let pool = quiet(&scope, &upstream, 0).await;
    assert_eq!((pool.outcome(AcquireOutcome::New), pool.outcome(AcquireOutcome::Waited)), (2, 4));
    // Two had to wait for one answer of 200 ms, two for two.
    let waited = pool.queued.quantile(0.9).unwrap();
    assert!(waited > 0.2, "waited {waited} s");
    assert_eq!(pool.closed, known(CloseReason::IdleTimeout, 2));
    assert_eq!(upstream.counts().accepted(), 2);
}

/// Its owner decides when a connection goes, so no request is handed one that ends in the same instant.
#[tokio::test]
async fn the_connections_of_a_composed_pool_are_not_replaced() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let hygiene = Hygiene::builder().max_age(Duration::from_millis(20)).build().unwrap();
    let client = scope.client("test").hygiene(&hygiene);
    let service = example::pool(&client, limits(1, NEVER));
    let end = Instant::now() + Duration::from_millis(500);
    while Instant::now() < end {
        call(service.clone(), get(&upstream)).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(client.close_idle(), 0);
    let pool = quiet(&scope, &upstream, 1).await;
    assert_eq!((pool.opened, pool.open[0].draining), (1, None));
}

#[tokio::test]
async fn behind_a_cap_a_leak_is_told_from_a_pool_that_is_too_small() {
    let gate = Arc::new(Semaphore::new(0));
    let passed = Arc::clone(&gate);
    let gated = move |request| {
        let gate = Arc::clone(&passed);
        async move {
            gate.acquire().await.unwrap().forget();
            ok(request).await
        }
    };
    let upstream = Upstream::start(Options::default(), gated).await.unwrap();
    let scope = Scope::builder().leak_threshold(Some(Duration::from_millis(200))).build();
    let service = example::pool(&scope.client("test"), limits(2, NEVER));
    let running = calls(3, &service, &upstream);
    let waits = |pool: &PoolSnapshot| pool.pending() == 1 && pool.connecting == 0;
    let small = until(&scope, "one that waits for two in use", waits).await;
    assert_eq!(small.waiting.unwrap().blocked_by, BlockingReason::InUse);
    gate.add_permits(4);
    for call in running {
        call.await.unwrap();
    }

    let parked = service.clone().oneshot(get(&upstream)).await.unwrap();
    until(&scope, "a leak", |pool| pool.leaks_active == 1).await;
    let running = calls(2, &service, &upstream);
    let stuck = until(&scope, "one that waits for a leak", waits).await;
    assert_eq!(stuck.waiting.unwrap().blocked_by, BlockingReason::Leaked);
    drop(parked);
    gate.add_permits(2);
    for call in running {
        call.await.unwrap();
    }
    let pool = until(&scope, "nobody that waits", |pool| pool.in_flight() == 0).await;
    assert_eq!((pool.waiting, pool.leaks_active, pool.leaks_suspected), (None, 0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_after_the_other_reuses_the_connection() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let service = example::pool(&scope.client("test"), limits(2, NEVER));
    for _ in 0..50 {
        call(service.clone(), get(&upstream)).await;
    }
    let pool = quiet(&scope, &upstream, 1).await;
    assert_eq!((pool.outcome(AcquireOutcome::New), pool.outcome(AcquireOutcome::Reused)), (1, 49));
    assert_eq!((pool.open[0].requests, upstream.counts().requests()), (50, 50));
    assert_eq!(pool.open[0].local, kernel::established_to(upstream.addr()).unwrap().first().copied());
}

#[tokio::test]
async fn a_request_dropped_while_it_waits_at_the_cap_is_canceled() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let service = example::pool(&scope.client("test"), limits(1, NEVER));
    let first = calls(1, &service, &upstream).remove(0);
    until(&scope, "one in use", |pool| pool.in_flight() == 1).await;
    let dropped = tokio::time::timeout(Duration::from_millis(20), call(service.clone(), get(&upstream)));
    assert!(dropped.await.is_err());
    first.await.unwrap();
    call(service.clone(), get(&upstream)).await;
    let pool = quiet(&scope, &upstream, 1).await;
    let outcomes = [AcquireOutcome::Canceled, AcquireOutcome::New, AcquireOutcome::Reused];
    assert_eq!(outcomes.map(|outcome| pool.outcome(outcome)), [1, 1, 1]);
}

#[tokio::test]
async fn a_connection_that_its_server_closes_keeps_that_reason() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let service = example::pool(&scope.client("test"), limits(2, Duration::from_millis(400)));
    call(service.clone(), get(&upstream)).await;
    drop(upstream);
    let pool = until(&scope, "the close", |pool| pool.counts().open() == 0).await;
    assert_eq!(pool.closed, known(CloseReason::PeerClosedIdle, 1));
}

#[tokio::test]
async fn a_connection_with_a_body_half_read_is_replaced() {
    let big = |_| async { answer(StatusCode::OK, vec![b'x'; 8 << 20]) };
    let upstream = Upstream::start(Options::default(), big).await.unwrap();
    let scope = Scope::new();
    let service = example::pool(&scope.client("test"), limits(1, NEVER));
    drop(service.clone().oneshot(get(&upstream)).await.unwrap());
    call(service.clone(), get(&upstream)).await;
    let pool = quiet(&scope, &upstream, 1).await;
    assert_eq!(pool.closed.iter().map(|closed| closed.0).collect::<Vec<_>>(), [CloseReason::BodyDropped]);
    assert_eq!((pool.outcome(AcquireOutcome::New), pool.released), (2, 2));
}

#[tokio::test]
async fn pools_of_a_map_share_one_cap() {
    let upstreams = [
        Upstream::start(Options::default(), ok).await.unwrap(),
        Upstream::start(Options::default(), ok).await.unwrap(),
    ];
    let scope = Scope::new();
    let (client, limits) = (scope.client("test"), limits(1, Duration::from_millis(400)));
    let mut map = Map::builder::<Uri>()
        .keys(|uri| uri.authority().cloned())
        .values(move |_| example::pool(&client, limits.clone()))
        .build();
    for upstream in &upstreams {
        // The second one waits until the connection of the first one is idle for too long.
        let request = get(upstream);
        let service = map.service(request.uri()).clone();
        call(service, request).await;
        let others = upstreams.iter().filter(|other| other.addr() != upstream.addr());
        assert_eq!(others.map(|other| other.counts().open()).sum::<u64>(), 0);
    }
    let expired = |pools: &Vec<PoolSnapshot>| pools.iter().all(|pool| pool.counts().open() == 0);
    let pools = wait::until("all to expire", async || scope.snapshot().pools, expired).await;
    assert_eq!(pools.len(), 2);
    for pool in &pools {
        assert_eq!(pool.closed, known(CloseReason::IdleTimeout, 1));
        assert_eq!((pool.outcome(AcquireOutcome::New), pool.queued.count()), (1, 1));
    }
    let waits = pools.iter().filter(|pool| pool.wait.quantile(0.5).unwrap() > 0.2);
    assert_eq!(waits.count(), 1);
}

/// One HTTP/2 connection as a service.
#[derive(Clone)]
struct Http2(SendRequest<RequestBody<Sent>>);

impl Service<Request<RequestBody<Sent>>> for Http2 {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody<Sent>>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

fn http2<C, To>(
    connector: C,
) -> impl Service<To, Response = ObservedConnection<Http2>, Error = BoxError, Future: Send + Unpin> + Clone
where
    C: Service<To, Response = ObservedIo<TokioIo<TcpStream>>, Error = BoxError, Future: Send>,
    C: Clone + Send + 'static,
    To: Send + 'static,
{
    service_fn(move |to: To| {
        let mut connector = connector.clone();
        Box::pin(async move {
            let io = connector.ready().await?.call(to).await?;
            let handle = io.handle();
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Ok(ObservedConnection::new(Http2(sender), handle))
        })
    })
}

/// A client that sends each request to a connection of a pool.
fn client_of<P, S>(
    client: &ClientScope,
    pool: P,
) -> impl Service<
    Request<Sent>,
    Response = Response<ResponseBody<Incoming>>,
    Error: std::fmt::Debug + Send,
    Future: Send,
> + Clone
+ Send
+ use<P, S>
where
    P: Service<Uri, Response = S, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    S: Service<Request<RequestBody<Sent>>, Response = Response<Incoming>, Error = hyper::Error> + Send,
    S::Future: Send,
{
    RequestLayer::new(client).layer(service_fn(move |request: Request<RequestBody<Sent>>| {
        let mut pool = pool.clone();
        async move {
            let connect = pool.ready().await.map_err(Into::into)?.call(request.uri().clone());
            let mut connection = connect.await.map_err(Into::into)?;
            Ok::<_, PoolError>(connection.ready().await?.call(request).await?)
        }
    }))
}

#[tokio::test]
async fn an_http2_singleton_is_one_connection_and_its_streams_are_seen_when_they_are_sent() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let client = scope.client("test");
    let connector = ConnectLayer::new(&client).http2_only().layer(HttpConnector::new());
    let mut singleton = Singleton::new(http2(connector));
    let service = client_of(&client, singleton.clone());

    let running = calls(10, &service, &upstream);
    let busy = until(&scope, "ten streams", |pool| pool.streams == 10).await;
    assert_eq!((busy.in_flight(), busy.pending(), busy.counts().active), (10, 0, 1));
    singleton.retain(|connection| {
        assert_eq!(connection.handle().idle_for(), Duration::ZERO, "its requests wait for headers");
        assert_eq!((connection.handle().requests(), connection.handle().protocol()), (10, Protocol::Http2));
        true
    });
    for call in running {
        call.await.unwrap();
    }
    call(service.clone(), get(&upstream)).await;
    let outcomes = [AcquireOutcome::New, AcquireOutcome::Waited, AcquireOutcome::Reused];
    let busy = quiet(&scope, &upstream, 1).await;
    assert_eq!(outcomes.map(|outcome| busy.outcome(outcome)), [1, 9, 1]);

    // A stream that is under way when its connection is given up comes to its end.
    let last = calls(1, &service, &upstream).remove(0);
    until(&scope, "one stream", |pool| pool.streams == 1).await;
    singleton.retain(|connection| {
        connection.handle().closing(CloseReason::IdleTimeout);
        false
    });
    last.await.unwrap();
    let pool = quiet(&scope, &upstream, 0).await;
    assert_eq!(pool.closed, known(CloseReason::IdleTimeout, 1));
    assert_eq!(upstream.counts().accepted(), 1);
}

#[tokio::test]
async fn requests_beyond_the_streams_of_an_http2_connection_are_pending() {
    let options = Options { max_streams: Some(1), ..Options::default() };
    let upstream = Upstream::start(options, slow).await.unwrap();
    let scope = Scope::new();
    let client = scope.client("test");
    let connector = ConnectLayer::new(&client).http2_only().layer(HttpConnector::new());
    let service = client_of(&client, Singleton::new(http2(connector)));
    // With the first answer the limit is known.
    call(service.clone(), get(&upstream)).await;
    let running = calls(4, &service, &upstream);
    // hyper lets one request more go than the server takes.
    let busy = until(&scope, "streams", |pool| pool.in_flight() == 2).await;
    assert_eq!((busy.pending(), busy.streams), (2, 2));
    for call in running {
        call.await.unwrap();
    }
    quiet(&scope, &upstream, 1).await;
}

#[tokio::test]
async fn a_negotiated_pool_is_observed_on_both_of_its_sides() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let scope = Scope::new();
        let client = scope.client("test");
        let layer = ConnectLayer::new(&client);
        let layer = if protocol == Protocol::Http2 { layer.http2_only() } else { layer };
        let room = Arc::new(Semaphore::new(10));
        let pool = negotiate::builder()
            .connect(layer.layer(HttpConnector::new()))
            .inspect(|io: &ObservedIo<_>| io.handle().protocol() == Protocol::Http2)
            .fallback(layer_fn(move |connector| {
                cache::builder().build(http1::<_, Uri>(connector, Arc::clone(&room)))
            }))
            .upgrade(layer_fn(|connected| Singleton::new(http2::<_, ()>(connected))))
            .build::<Uri>();
        let service = client_of(&client, pool.clone());
        for _ in 0..3 {
            call(service.clone(), get(&upstream)).await;
        }
        let seen = quiet(&scope, &upstream, 1).await;
        assert_eq!((seen.opened, seen.open[0].protocol, seen.open[0].requests), (1, protocol, 3));
        assert_eq!((seen.outcome(AcquireOutcome::New), seen.outcome(AcquireOutcome::Reused)), (1, 2));
        drop((service, pool));
        quiet(&scope, &upstream, 0).await;
    }
}
