//! Connections that are idle for too long, for one side or the other.

use std::time::Duration;

use http::StatusCode;
use poolscope_semconv::value::AcquireOutcome;
use poolscope_tests::client::Settings;
use poolscope_tests::upstream::{Options, Upstream, answer};

use super::reasons::Why;
use super::{Kind, World, for_clients, ok, options};

const IDLE: Duration = Duration::from_millis(400);

for_clients!(our_idle_timeout: all);
for_clients!(stream_longer_than_our_idle_timeout: http2);
for_clients!(idle_timeout_of_the_server: http1);

async fn our_idle_timeout(kind: Kind) {
    let upstream = Upstream::start(options(kind), ok).await.unwrap();
    let settings = Settings { idle_timeout: Some(IDLE), ..Settings::default() };
    let world = World::new(kind, settings, [(&upstream).into()]);
    for _ in 0..3 {
        world.read(&upstream.url("/")).await;
    }
    assert_eq!(world.settled().await[0].counts().idle, 1);
    world.until_held(0).await;
    // What was closed is not used again.
    world.read(&upstream.url("/")).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.outcome(AcquireOutcome::New)), (2, 2));
    world.until_held(0).await;
    world.end(&[(Why::OurIdleTimeout, 2)]).await;
}

/// The pool forgets a connection that has a stream for longer than the timeout; it lives until the stream has ended.
async fn stream_longer_than_our_idle_timeout(kind: Kind) {
    let longer = |_| async {
        tokio::time::sleep(2 * IDLE).await;
        answer(StatusCode::OK, "hello")
    };
    let upstream = Upstream::start(options(kind), longer).await.unwrap();
    let settings = Settings { idle_timeout: Some(IDLE), ..Settings::default() };
    let world = World::new(kind, settings, [(&upstream).into()]);
    world.read(&upstream.url("/")).await;
    world.until_held(0).await;
    world.end(&[(Why::OurIdleTimeoutAfterLongStream, 1)]).await;
}

async fn idle_timeout_of_the_server(kind: Kind) {
    let options = Options { idle_timeout: Some(IDLE), ..options(kind) };
    let upstream = Upstream::start(options, ok).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    for _ in 0..3 {
        world.read(&upstream.url("/")).await;
    }
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.open.len()), (1, 0));
    world.end(&[(Why::ServerGoneIdle, 1)]).await;
}
