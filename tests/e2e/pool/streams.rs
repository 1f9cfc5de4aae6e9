//! HTTP/2 requests that nobody answers: given up, reset, out of time, cut off. Each still belongs to the connection that
//! sent it, as the server's own counts have it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ::hyper::body::{Frame, Incoming};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use poolscope::{PoolSnapshot, Scope, hyper};
use poolscope_semconv::value::{AcquireOutcome, Certainty, CloseReason, ErrorType};
use poolscope_tests::client::{Client, NAME, Settings};
use poolscope_tests::upstream::{HangUp, Options, Reply, Upstream, answer_with};
use poolscope_tests::wait;
use tokio::task::JoinHandle;
use tower::Layer;

use super::reasons::Why;
use super::world::all_at_zero;
use super::{Kind, World, for_clients, ok, options};

/// Requests at one time.
const REQUESTS: u64 = 20;

for_clients!(canceled_on_a_fresh_connection: hyper_http2);
for_clients!(canceled_on_a_used_connection: http2);
for_clients!(canceled_on_one_of_two_connections_of_a_client: hyper_http2);
for_clients!(canceled_on_the_connections_of_two_clients: hyper_http2);
for_clients!(reset_before_the_head: http2);
for_clients!(cut_before_the_head: hyper_http2);
for_clients!(out_of_time_on_a_fresh_connection: http2);
for_clients!(out_of_time_on_a_used_connection: http2);
for_clients!(close_is_asked_by_an_answer_that_nobody_has_seen: hyper_http1);
for_clients!(an_answer_that_ends_with_its_connection: hyper_http1);

/// Leaves requests to `/stuck` without an answer.
async fn handler(request: Request<Incoming>) -> Reply {
    if request.uri().path() == "/stuck" { std::future::pending().await } else { ok(request).await }
}

type Calls = Vec<JoinHandle<()>>;

/// Sends requests that get no answer, and waits until the server has them.
async fn stuck(client: &Client, upstream: &Upstream) -> Calls {
    let before = upstream.counts().requests();
    let calls = (0..REQUESTS).map(|_| call(client, upstream.url("/stuck"))).collect();
    let requests = async || upstream.counts().requests();
    wait::until("the requests to arrive", requests, |count| *count == before + REQUESTS).await;
    calls
}

fn call(client: &Client, url: String) -> JoinHandle<()> {
    let client = client.clone();
    tokio::spawn(async move { drop(client.get(&url).await) })
}

async fn cancel(calls: Calls) {
    for call in calls {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
}

/// Requests of each connection that had one, as the books have it.
fn requests_by_client(pool: &PoolSnapshot) -> BTreeMap<SocketAddr, u64> {
    let used = pool.open.iter().filter(|open| open.requests > 0);
    used.map(|open| (open.local.unwrap(), open.requests)).collect()
}

/// Waits until books and server agree on the requests of each connection, all of which are still open, but for some that
/// the server has refused unseen. The server may have a request before the poll is over in which it was sent.
async fn until_agreed(world: &World, upstream: &Upstream) {
    let refused = world.refused();
    let ask = async || {
        let served: BTreeMap<_, _> = upstream.counts().used().into_iter().collect();
        (requests_by_client(&world.pool()), served)
    };
    wait::until("books and server to agree", ask, |(told, served)| {
        let sum = |requests: &BTreeMap<_, u64>| requests.values().sum::<u64>();
        let is_same = |(client, served): (_, &u64)| {
            told.get(client).is_some_and(|told| (*served..=*served + refused).contains(told))
        };
        told.len() == served.len() && served.iter().all(is_same) && sum(told) == sum(served) + refused
    })
    .await;
}

/// Once all is closed: a connection was wasted if the server has seen no request on it.
async fn check_wasted(scope: &Scope, upstream: &Upstream, refused: u64) {
    let pool = all_at_zero(scope).await.remove(0);
    let counts = upstream.counts();
    let used = counts.used().len() as u64;
    assert_eq!(pool.wasted, counts.accepted() - used, "{:?}", pool.closed);
    assert_eq!((pool.requests.count(), pool.requests.sum as u64), (pool.opened, counts.requests() + refused));
}

async fn canceled_on_a_fresh_connection(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let scope = world.scope.clone();
    let calls = stuck(&world.client, &upstream).await;
    let pool = world.pool();
    assert_eq!((pool.pending(), pool.in_flight(), pool.streams), (0, REQUESTS, REQUESTS));
    until_agreed(&world, &upstream).await;
    let used = upstream.counts().used().len() as u64;
    cancel(calls).await;
    world.until_held(1).await;
    let pool = world.settled().await.remove(0);
    // Who comes late finds the connection ready.
    let later = pool.outcome(AcquireOutcome::Waited) + pool.outcome(AcquireOutcome::Reused);
    assert_eq!((pool.outcome(AcquireOutcome::New), later, pool.released), (used, REQUESTS - used, REQUESTS));
    world.end(&[(Why::Redundant, pool.opened - used), (Why::Wasted, used - 1)]).await;
    check_wasted(&scope, &upstream, 0).await;
}

async fn canceled_on_a_used_connection(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let scope = world.scope.clone();
    world.read(&upstream.url("/")).await;
    let calls = stuck(&world.client, &upstream).await;
    if !kind.is_reqwest() {
        until_agreed(&world, &upstream).await;
    }
    assert_eq!(world.pool().streams, REQUESTS);
    cancel(calls).await;
    world.read(&upstream.url("/")).await;
    let pool = world.settled().await.remove(0);
    until_agreed(&world, &upstream).await;
    let outcomes = [AcquireOutcome::New, AcquireOutcome::Reused].map(|outcome| pool.outcome(outcome));
    assert_eq!((outcomes, pool.released), ([1, REQUESTS + 1], REQUESTS + 2));
    world.end(&[]).await;
    check_wasted(&scope, &upstream, 0).await;
}

/// A GOAWAY makes the client open another one while the streams of the first go on.
async fn canceled_on_one_of_two_connections_of_a_client(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let scope = world.scope.clone();
    world.read(&upstream.url("/")).await;
    let first = stuck(&world.client, &upstream).await;
    upstream.drain();
    world.until_reopened(&upstream.url("/")).await;
    let second = stuck(&world.client, &upstream).await;
    let pool = world.pool();
    until_agreed(&world, &upstream).await;
    assert_eq!((pool.streams, pool.counts().active), (2 * REQUESTS, 2));
    cancel(second).await;
    let pool =
        wait::until("the streams to end", async || world.pool(), |pool| pool.streams == REQUESTS).await;
    until_agreed(&world, &upstream).await;
    assert_eq!((pool.counts().active, pool.counts().idle), (1, 1));
    cancel(first).await;
    world.until_held(1).await;
    let refused = world.refused();
    world.end(&[(Why::Goaway, 1)]).await;
    check_wasted(&scope, &upstream, refused).await;
}

async fn canceled_on_the_connections_of_two_clients(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let scope = world.scope.clone();
    let other = Client::new(&scope, kind, Settings::default()).unwrap();
    let calls = [stuck(&world.client, &upstream).await, stuck(&other, &upstream).await];
    // A burst over TLS may come to use two.
    let used = upstream.counts().used().len() as u64;
    world.until_held(used as usize).await;
    assert_eq!(upstream.counts().requests(), 2 * REQUESTS);
    until_agreed(&world, &upstream).await;
    for calls in calls {
        cancel(calls).await;
    }
    world.until_held(2).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.outcome(AcquireOutcome::New), pool.outcome(AcquireOutcome::Canceled)), (used, 0));
    drop(other);
    world.until_held(1).await;
    let closes = [(Why::Redundant, pool.opened - used), (Why::Wasted, used - 2), (Why::ClientGone, 1)];
    world.end(&closes).await;
    check_wasted(&scope, &upstream, 0).await;
}

async fn reset_before_the_head(kind: Kind) {
    let upstream = Upstream::start(options(kind), |_| async { Reply::Hang(HangUp) }).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let scope = world.scope.clone();
    for _ in 0..5 {
        world.client.get(&upstream.url("/")).await.unwrap_err();
    }
    let pool = world.settled().await.remove(0);
    until_agreed(&world, &upstream).await;
    let outcomes = [AcquireOutcome::New, AcquireOutcome::Reused].map(|outcome| pool.outcome(outcome));
    assert_eq!((pool.opened, outcomes, pool.stale_reuse), (1, [1, 4], 0));
    assert_eq!((pool.results.len(), pool.results[0].error_type), (1, Some(ErrorType::StreamReset)));
    world.end(&[]).await;
    check_wasted(&scope, &upstream, 0).await;
}

async fn cut_before_the_head(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let scope = world.scope.clone();
    let calls = stuck(&world.client, &upstream).await;
    let used = upstream.counts().used().len() as u64;
    world.until_held(used as usize).await;
    upstream.cut();
    for call in calls {
        call.await.unwrap();
    }
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!(pool.released, REQUESTS);
    world.end(&[(Why::ServerStopped, used), (Why::Redundant, pool.opened - used)]).await;
    check_wasted(&scope, &upstream, 0).await;
}

/// Gives requests a time that is too short for an answer, and long enough to be sent on a machine that is busy.
async fn out_of_time(world: &World, upstream: &Upstream) {
    const TIME: Duration = Duration::from_secs(2);
    let calls: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (client, url) = (world.client.clone(), upstream.url("/stuck"));
            tokio::spawn(async move { tokio::time::timeout(TIME, client.get(&url)).await.is_err() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
}

async fn out_of_time_on_a_fresh_connection(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let scope = world.scope.clone();
    out_of_time(&world, &upstream).await;
    world.gives_up(REQUESTS);
    world.until_held(1).await;
    let pool = world.settled().await.remove(0);
    let used = upstream.counts().used().len() as u64;
    if kind.is_reqwest() {
        // Nobody tells it that the second one, if there was one, was used.
        world.end_by_any_of(&[Why::Redundant, Why::Wasted, Why::ClientGone]).await;
    } else {
        world.end(&[(Why::Redundant, pool.opened - used), (Why::Wasted, used - 1)]).await;
        check_wasted(&scope, &upstream, 0).await;
    }
}

async fn out_of_time_on_a_used_connection(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let scope = world.scope.clone();
    world.read(&upstream.url("/")).await;
    out_of_time(&world, &upstream).await;
    world.settled().await;
    until_agreed(&world, &upstream).await;
    world.end(&[]).await;
    check_wasted(&scope, &upstream, 0).await;
}

/// With threads, a connection may take a request before the caller's poll is over in which it was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn canceled_on_fresh_connections_by_many_threads() {
    for kind in [Kind::HyperH2, Kind::HyperTlsH2] {
        let upstream = Upstream::start(options(kind), handler).await.unwrap();
        let scope = Scope::new();
        for _ in 0..50 {
            let client = Client::new(&scope, kind, Settings::default()).unwrap();
            let calls = stuck(&client, &upstream).await;
            cancel(calls).await;
            drop(client);
            let pool = all_at_zero(&scope).await.remove(0);
            let outcomes = [AcquireOutcome::New, AcquireOutcome::Canceled];
            // A burst over TLS may come to use two.
            let used = upstream.counts().used().len() as u64;
            assert_eq!(outcomes.map(|outcome| pool.outcome(outcome)), [used, 0]);
        }
        check_wasted(&scope, &upstream, 0).await;
    }
}

/// Where nobody sees the requests, what a connection has sent shows that it was used.
#[tokio::test]
async fn a_used_connection_is_not_redundant_because_there_is_another() {
    let upstream = Upstream::start(Options::default(), handler).await.unwrap();
    let scope = Scope::new();
    let clients = [(); 2].map(|()| {
        let connect = hyper::ConnectLayer::new(&scope.client(NAME)).http2_only();
        let connector = connect.layer(HttpConnector::new());
        legacy::Client::builder(TokioExecutor::new()).http2_only(true).build(connector)
    });
    for client in &clients {
        let request = Request::get(upstream.url("/")).body(Empty::<Bytes>::new()).unwrap();
        client.request(request).await.unwrap().into_body().collect().await.unwrap();
    }
    assert_eq!(scope.snapshot().pools[0].counts().idle, 2);
    drop(clients);
    let pool = all_at_zero(&scope).await.remove(0);
    assert_eq!(pool.closed, [(CloseReason::ClientDropped, Certainty::Known, 2)]);
}

async fn close_is_asked_by_an_answer_that_nobody_has_seen(kind: Kind) {
    let close = |_| async { answer_with(StatusCode::OK, "bye", "connection", "close") };
    known_connection_close(kind, close).await;
}

/// Without a length, the end of the connection is the end of the body.
async fn an_answer_that_ends_with_its_connection(kind: Kind) {
    known_connection_close(kind, |_| async {
        let pieces = [Ok(Frame::data(Bytes::from_static(b"bye")))];
        let mut response = Response::new(BodyExt::boxed(StreamBody::new(tokio_stream::iter(pieces))));
        *response.version_mut() = Version::HTTP_10;
        Reply::Answer(response)
    })
    .await;
}

async fn known_connection_close<H, F>(kind: Kind, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    for _ in 0..5 {
        world.read(&upstream.url("/")).await;
    }
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!(pool.closed, [(CloseReason::ConnectionClose, Certainty::Known, 5)]);
    world.end(&[(Why::ConnectionClose, 5)]).await;
}
