//! What only HTTP/2 has: Why::Goaway, and the useless connects of a cold burst.

use std::time::Duration;

use http::StatusCode;
use poolscope::PoolSnapshot;
use poolscope_tests::client::Settings;
use poolscope_tests::upstream::{Options, Upstream, answer};
use poolscope_tests::wait;

use super::reasons::Why;
use super::{Kind, World, for_clients, ok, options, slow};

for_clients!(streams_in_flight: http2);
for_clients!(goaway_while_idle: http2);
for_clients!(goaway_while_a_stream_is_open: http2);
for_clients!(cold_burst: http2);

/// Streams are counted from the moment at which a request has its connection, before the head of an answer.
async fn streams_in_flight(kind: Kind) {
    const STREAMS: u64 = 30;
    let upstream = Upstream::start(options(kind), slow).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    world.read(&upstream.url("/")).await;
    let calls: Vec<_> = (0..STREAMS)
        .map(|_| {
            let (client, url) = (world.client.clone(), upstream.url("/"));
            tokio::spawn(async move { client.read(&url).await.unwrap() })
        })
        .collect();
    // A snapshot is not taken in an instant. They share one connection.
    let is_shared =
        |pool: &PoolSnapshot| (pool.streams, pool.counts().active, pool.counts().idle) == (STREAMS, 1, 0);
    wait::until("all streams", async || world.pool(), is_shared).await;
    for call in calls {
        call.await.unwrap();
    }
    world.end(&[]).await;
}

async fn goaway_while_idle(kind: Kind) {
    let upstream = Upstream::start(options(kind), ok).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    world.read(&upstream.url("/")).await;
    upstream.drain();
    world.until_held(0).await;
    world.end(&[(Why::Goaway, 1)]).await;
}

async fn goaway_while_a_stream_is_open(kind: Kind) {
    let upstream = Upstream::start(options(kind), |request| async move {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        answer(StatusCode::OK, "hello")
    })
    .await
    .unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let (client, url) = (world.client.clone(), upstream.url("/slow"));
    let call = tokio::spawn(async move { client.read(&url).await.unwrap() });
    wait::until("the request to arrive", async || upstream.counts().requests(), |count| *count == 1).await;
    upstream.drain();
    world.until_reopened(&upstream.url("/")).await;
    assert_eq!(call.await.unwrap(), "hello");
    world.until_held(1).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.counts().idle), (2, 1));
    world.end(&[(Why::Goaway, 1)]).await;
}

/// Where HTTP/2 is negotiated, the client cannot know that one connection is enough, and connects for each request.
async fn cold_burst(kind: Kind) {
    const REQUESTS: u64 = 50;
    // No connect ends before the last one has begun.
    let connects = if kind.is_tls() { REQUESTS } else { 1 };
    let options = Options { silent_until_accepted: connects, ..options(kind) };
    let upstream = Upstream::start(options, slow).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let calls: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (client, url) = (world.client.clone(), upstream.url("/"));
            tokio::spawn(async move { client.read(&url).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    world.until_held(1).await;
    let pool = world.settled().await.remove(0);
    assert_eq!(pool.released, REQUESTS);
    // Where HTTP/2 is known before, one is enough, but that a request may ask in the moment in which it is just made.
    assert!(if kind.is_tls() { pool.opened == connects } else { pool.opened <= 2 }, "{}", pool.opened);
    // A connect that comes late, when the one that serves the others is just in the pool, serves its own request.
    let served = upstream.counts().by_connection();
    let unused = served.iter().filter(|(_, requests)| *requests == 0).count() as u64;
    assert!(unused * 10 >= (connects - 1) * 9, "{served:?}");
    assert_eq!(pool.wasted, unused);
    let closed = pool.opened - 1;
    world.end(&[(Why::Redundant, unused), (Why::Wasted, closed - unused)]).await;
}
