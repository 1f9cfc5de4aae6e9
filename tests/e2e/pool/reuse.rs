//! Connections that are used again: one after the other, shared by streams, under a thousand requests at a time.

use std::time::Duration;

use http::StatusCode;
use poolscope::{ConnectionCounts, PoolSnapshot, Protocol};
use poolscope_semconv::value::AcquireOutcome;
use poolscope_tests::client::Settings;
use poolscope_tests::limits;
use poolscope_tests::upstream::{Upstream, answer};
use poolscope_tests::wait;

use super::reasons::Why;
use super::world::{Server, check_always};
use super::{Kind, World, for_clients, ok, options, slow};

/// For all tests that have many, at a time: both ends of a connection are this process's.
pub(super) const OPEN_FILES: u64 = 16_000;

for_clients!(keep_alive: all);
for_clients!(requests_at_one_time_each_have_a_connection: http1);
for_clients!(streams_share_a_connection: http2);

async fn keep_alive(kind: Kind) {
    let upstream = Upstream::start(options(kind), ok).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    for _ in 0..10 {
        world.read(&upstream.url("/")).await;
    }
    let pool = world.settled().await.remove(0);
    let outcomes = [AcquireOutcome::New, AcquireOutcome::Reused].map(|outcome| pool.outcome(outcome));
    assert_eq!((pool.opened, outcomes), (1, [1, 9]));
    assert_eq!((pool.open[0].requests, pool.open[0].local), (10, Some(world.held()[0])));
    let protocol = if kind.is_http2() { Protocol::Http2 } else { Protocol::Http1 };
    let idle = ConnectionCounts { idle: 1, ..ConnectionCounts::default() };
    assert_eq!(pool.connections, [(protocol, idle)]);
    assert_eq!(
        (pool.scheme, pool.port),
        (if kind.is_tls() { "https" } else { "http" }, upstream.addr().port())
    );
    if !kind.is_reqwest() {
        // The kernel tells those of reqwest when a connection has closed.
        let (sent, received) = pool.bytes.unwrap();
        assert!(sent > 0 && received > 10 * 5, "{sent} {received}");
    }
    assert_eq!(pool.results.len(), 1);
    assert_eq!((pool.results[0].status, pool.results[0].duration.count()), (Some(200), 10));
    world.end(&[]).await;
}

async fn requests_at_one_time_each_have_a_connection(kind: Kind) {
    let upstream = Upstream::start(options(kind), slow).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let calls: Vec<_> = (0..20).map(|_| spawn_read(&world, &upstream)).collect();
    let active = async || world.scope.snapshot().pools.iter().map(|pool| pool.counts().active).sum::<u64>();
    wait::until("20 active connections", active, |active| *active == 20).await;
    assert_eq!(world.held().len(), 20);
    for call in calls {
        call.await.unwrap();
    }
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.outcome(AcquireOutcome::New), pool.queued.count()), (20, 20, 20));
    world.end(&[]).await;
}

async fn streams_share_a_connection(kind: Kind) {
    // More than a stream may send before the other side reads.
    let big = |_| async { answer(StatusCode::OK, vec![b'x'; 4 << 20]) };
    let upstream = Upstream::start(options(kind), big).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    // The first request opens the connection that the others share.
    world.read(&upstream.url("/")).await;
    let mut responses = Vec::new();
    for _ in 0..30 {
        responses.push(world.client.get(&upstream.url("/")).await.unwrap());
    }
    let busy = world.pool();
    check_always(&busy);
    let one = ConnectionCounts { active: 1, ..ConnectionCounts::default() };
    assert_eq!((busy.counts(), busy.in_flight(), busy.streams), (one, 30, 30));
    assert_eq!((busy.open[0].in_flight, world.held().len()), (30, 1));
    drop(responses);
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.outcome(AcquireOutcome::Reused)), (1, 30));
    assert_eq!(pool.open[0].requests, 31);
    world.end(&[]).await;
}

fn spawn_read(world: &World, upstream: &Upstream) -> tokio::task::JoinHandle<()> {
    let (client, url) = (world.client.clone(), upstream.url("/"));
    tokio::spawn(async move { drop(client.read(&url).await.unwrap()) })
}

mod a_thousand_at_a_time {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn hyper_h1() {
        run(Kind::HyperH1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn hyper_h2() {
        run(Kind::HyperH2).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reqwest_h1() {
        run(Kind::ReqwestH1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reqwest_h2() {
        run(Kind::ReqwestH2).await;
    }

    /// A thousand callers, each with one request after the other. None fails; once all have begun, at least nine of ten
    /// requests find a connection that was there before.
    async fn run(kind: Kind) {
        const CALLERS: u64 = 1_000;
        const STEADY: u64 = 5;
        limits::allow_open_files(OPEN_FILES).unwrap();
        let upstream = Upstream::start(options(kind), |_| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            answer(StatusCode::OK, "hello")
        })
        .await
        .unwrap();
        let world = World::new(kind, Settings::default(), [(&upstream).into()]);
        // An HTTP/2 client that has no connection yet opens one for each request, and throws all but one away.
        world.read(&upstream.url("/")).await;
        wave(&world, &upstream, CALLERS, 1).await;
        let warm = world.settled().await.remove(0);
        wave(&world, &upstream, CALLERS, STEADY).await;
        let pool = world.settled().await.remove(0);
        assert_eq!(pool.acquired, 1 + CALLERS * (1 + STEADY), "every request had a connection");
        let reused = |pool: &PoolSnapshot| pool.outcome(AcquireOutcome::Reused);
        let steady = reused(&pool) - reused(&warm);
        assert!(steady * 10 >= CALLERS * STEADY * 9, "{steady} of {} reused", CALLERS * STEADY);
        assert!(pool.opened <= 2 * CALLERS, "{} connections", pool.opened);
        world.end(&[(Why::Wasted, pool.closed_total())]).await;
    }

    async fn wave(world: &World, upstream: &Upstream, callers: u64, requests: u64) {
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                let (client, url) = (world.client.clone(), upstream.url("/"));
                tokio::spawn(async move {
                    for _ in 0..requests {
                        client.read(&url).await.unwrap();
                    }
                })
            })
            .collect();
        for call in calls {
            world.scope.snapshot().pools.iter().for_each(check_always);
            call.await.unwrap();
        }
    }
}

/// Read, dropped with their headers, dropped at some moment before: nothing drifts.
mod a_thousand_impatient_callers {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn hyper_h1() {
        run(Kind::HyperH1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn hyper_h2() {
        run(Kind::HyperH2).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn reqwest_h1() {
        run(Kind::ReqwestH1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn reqwest_h2() {
        run(Kind::ReqwestH2).await;
    }

    async fn run(kind: Kind) {
        limits::allow_open_files(OPEN_FILES).unwrap();
        let upstream = Upstream::start(options(kind), ok).await.unwrap();
        // What the server accepts is not compared: it may be given up before the client knows that it is connected.
        let world = World::new(kind, Settings::default(), [Server::at(upstream.addr())]);
        let calls: Vec<_> = (0..1_000u32)
            .map(|number| {
                let (client, url) = (world.client.clone(), upstream.url("/"));
                tokio::spawn(async move {
                    match number % 4 {
                        // An HTTP/2 server may have enough of so many resets, and send all of them away.
                        0 | 1 => drop(client.read(&url).await),
                        2 => drop(client.get(&url).await),
                        _ => {
                            let some = Duration::from_micros(u64::from(number));
                            let _ = tokio::time::timeout(some, client.get(&url)).await;
                        }
                    }
                })
            })
            .collect();
        for call in calls {
            world.scope.snapshot().pools.iter().for_each(check_always);
            call.await.unwrap();
        }
        let pool = world.settled().await.remove(0);
        assert_eq!((pool.acquires_started, pool.released), (1_000, pool.acquired));
        // A request that is given up may not have come to the server; one that was answered has. One that is given up in
        // the moment in which it is sent counts as waiting, and comes to the server all the same.
        let answers = pool.results.iter().filter(|row| row.status.is_some());
        let answered: u64 = answers.map(|row| row.duration.count()).sum();
        let sent = answered..=pool.acquires_started;
        assert!(sent.contains(&upstream.counts().requests()), "{:?} of {sent:?}", upstream.counts());
        // Which connections a drop has closed depends on its moment; the server sends away whom it has had enough of.
        let of_http2 = [Why::Wasted, Why::Redundant, Why::Goaway, Why::ServerStopped, Why::ClientGone];
        let of_http1 =
            [Why::Wasted, Why::BodyDropped, Why::RequestDropped, Why::AnswerMetOurClose, Why::ClientGone];
        world.end_by_any_of(if kind.is_http2() { &of_http2 } else { &of_http1 }).await;
    }
}
