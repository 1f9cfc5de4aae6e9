//! Connections that end in the middle of something, or because one side asks for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use poolscope_semconv::value::ErrorType;
use poolscope_tests::client::Settings;
use poolscope_tests::tls;
use poolscope_tests::upstream::{HangUp, Options, Reply, Upstream, answer, answer_with, answer_without_end};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::reasons::Why;
use super::world::{BACK_IN_POOL, Server};
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
for_clients!(garbage: all);
for_clients!(bytes_that_nobody_asked_for: http1);

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

async fn garbage(kind: Kind) {
    let server = Script::start(kind, b"GARBAGE\r\n\r\n", b"").await;
    let world = World::new(kind, Settings::default(), [Server::at(server.addr)]);
    world.client.get(&server.url).await.unwrap_err();
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.closed_total()), (1, 1));
    world.end(&[(Why::Garbage, 1)]).await;
}

async fn bytes_that_nobody_asked_for(kind: Kind) {
    let server = Script::start(kind, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b"and more").await;
    let world = World::new(kind, Settings::default(), [Server::at(server.addr)]);
    world.read(&server.url).await;
    server.go_on.notify_one();
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.closed_total()), (1, 1));
    world.end(&[(Why::Unasked, 1)]).await;
}

/// A server that knows no HTTP: it says something when the first bytes come, and something else when it is told to.
struct Script {
    addr: SocketAddr,
    url: String,
    go_on: Arc<Notify>,
}

impl Script {
    async fn start(kind: Kind, answer: &'static [u8], more: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let go_on = Arc::new(Notify::new());
        let told = Arc::clone(&go_on);
        let tls = options(kind).tls.map(|alpn| TlsAcceptor::from(tls::server(alpn).unwrap()));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            match tls {
                None => speak(stream, answer, more, &told).await,
                Some(tls) => speak(tls.accept(stream).await.unwrap(), answer, more, &told).await,
            }
        });
        let url = format!("{}://{addr}/", if kind.is_tls() { "https" } else { "http" });
        Self { addr, url, go_on }
    }
}

async fn speak(mut io: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8], more: &[u8], told: &Notify) {
    let mut heard = [0; 4096];
    assert!(io.read(&mut heard).await.unwrap() > 0);
    io.write_all(answer).await.unwrap();
    if !more.is_empty() {
        told.notified().await;
        io.write_all(more).await.unwrap();
    }
    // Until the client has had enough.
    while io.read(&mut heard).await.is_ok_and(|count| count > 0) {}
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
