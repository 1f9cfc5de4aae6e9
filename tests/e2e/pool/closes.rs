//! Connections that end in the middle of something, or because one side asks for it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use poolscope_semconv::value::ErrorType;
use poolscope_tests::client::Settings;
use poolscope_tests::upstream::{HangUp, Options, Reply, Upstream, answer, answer_with, answer_without_end};

use super::reasons::Why;
use super::world::BACK_IN_POOL;
use super::{Kind, World, for_clients, ok, options};

for_clients!(connection_close: http1);
for_clients!(connection_close_of_the_client: http1);
for_clients!(server_restart: all);
for_clients!(reset_in_the_middle_of_a_body: all);
for_clients!(end_in_the_middle_of_a_body: all);
for_clients!(hang_up_before_the_head: http1);
for_clients!(half_read_body: all);
for_clients!(short_body_dropped_unread: all);
for_clients!(refused_connect: all);

async fn connection_close(kind: Kind) {
    let close = |_| async { answer_with(StatusCode::OK, "bye", "connection", "close") };
    let upstream = Upstream::start(options(kind), close).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    for _ in 0..3 {
        world.read(&upstream.url("/")).await;
    }
    world.until_held(0).await;
    world.end(&[(Why::ConnectionClose, 3)]).await;
}

/// The server hears it, and answers with the same.
async fn connection_close_of_the_client(kind: Kind) {
    let upstream = Upstream::start(options(kind), ok).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    for _ in 0..3 {
        let request = Request::get(upstream.url("/")).header(header::CONNECTION, "close");
        let response = world.client.send(request.body(Bytes::new()).unwrap()).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    }
    world.until_held(0).await;
    world.end(&[(Why::ConnectionClose, 3)]).await;
}

async fn server_restart(kind: Kind) {
    let mut upstream = Upstream::start(options(kind), ok).await.unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    world.read(&upstream.url("/")).await;
    upstream.stop().await;
    world.until_held(0).await;
    let upstream = Upstream::start_at(upstream.addr(), options(kind), ok).await.unwrap();
    world.add(&upstream);
    world.read(&upstream.url("/")).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.closed_total(), pool.counts().idle), (2, 1, 1));
    world.end(&[(Why::ServerGoneIdle, 1)]).await;
}

async fn reset_in_the_middle_of_a_body(kind: Kind) {
    cut_in_the_middle_of_a_body(kind, true).await.end(&[(Why::Reset, 1)]).await;
}

async fn end_in_the_middle_of_a_body(kind: Kind) {
    let world = cut_in_the_middle_of_a_body(kind, false).await;
    // Over HTTP/2 the client has something to say too, which the server may not have read.
    let why = if kind.is_http2() { Why::ServerStopped } else { Why::ServerGoneActive };
    world.end(&[(why, 1)]).await;
}

async fn cut_in_the_middle_of_a_body(kind: Kind, reset: bool) -> World {
    let options = Options { reset, ..options(kind) };
    let endless = |_| async { answer_without_end(Duration::from_secs(1)) };
    let upstream = Upstream::start(options, endless).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let mut body = world.client.get(&upstream.url("/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(world.pool().counts().active, 1);
    upstream.cut();
    let error = loop {
        match body.frame().await.expect("a body that is cut off does not end well") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    drop(body);
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.released), (1, 1), "{error}");
    world
}

async fn hang_up_before_the_head(kind: Kind) {
    let options = Options { reset: true, ..options(kind) };
    let upstream = Upstream::start(options, |_| async { Reply::Hang(HangUp) }).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    for _ in 0..5 {
        world.client.get(&upstream.url("/")).await.unwrap_err();
    }
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.closed_total(), pool.results[0].status), (5, 5, None));
    world.end(&[(Why::Reset, 5)]).await;
}

async fn half_read_body(kind: Kind) {
    let big = |_| async { answer(StatusCode::OK, vec![b'x'; 8 << 20]) };
    let upstream = Upstream::start(options(kind), big).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let mut body = world.client.get(&upstream.url("/")).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!((world.pool().in_flight(), world.pool().counts().active), (1, 1));
    drop(body);
    if kind.is_http2() {
        // Only a stream is given up.
        let pool = world.settled().await.remove(0);
        assert_eq!((pool.released, pool.counts().idle), (1, 1));
        world.end_with(&[], Why::ClientGoneAfterHalfReadStream).await;
    } else {
        world.until_held(0).await;
        world.end(&[(Why::BodyDropped, 1)]).await;
    }
}

async fn refused_connect(kind: Kind) {
    let mut upstream = Upstream::start(options(kind), ok).await.unwrap();
    upstream.stop().await;
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    world.client.get(&upstream.url("/")).await.unwrap_err();
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.connect_failed(), pool.opened, pool.port), (1, 0, upstream.addr().port()));
    assert_eq!(pool.results[0].error_type, Some(ErrorType::Connect));
    world.end(&[]).await;
}

async fn short_body_dropped_unread(kind: Kind) {
    let upstream = Upstream::start(options(kind), ok).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    for _ in 0..5 {
        drop(world.client.get(&upstream.url("/")).await.unwrap());
        tokio::time::sleep(BACK_IN_POOL).await;
    }
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.counts().idle, upstream.counts().accepted()), (1, 1, 1));
    world.end(&[]).await;
}
