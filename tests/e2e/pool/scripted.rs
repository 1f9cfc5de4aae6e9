//! Servers that follow a script and not HTTP: what they say is wrong, or they end a connection without saying that they will.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::BodyExt;
use poolscope_tests::client::Settings;
use poolscope_tests::tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::reasons::Why;
use super::world::Server;
use super::{Kind, World, for_clients, options};

for_clients!(garbage: all);
for_clients!(a_chunk_that_is_none: http1);
for_clients!(bytes_that_nobody_asked_for: http1);
for_clients!(a_timeout_that_is_told_to_nobody: http1);
for_clients!(a_body_that_ends_with_its_connection: http1);
for_clients!(an_end_that_was_announced_and_comes_too_soon: http1);
for_clients!(only_the_client_says_close: http1);

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn garbage(kind: Kind) {
    let (server, world) = start(kind, b"GARBAGE\r\n\r\n", Then::Wait).await;
    world.client.get(&server.url).await.unwrap_err();
    ends_once(world, Why::Garbage).await;
}

async fn a_chunk_that_is_none(kind: Kind) {
    let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nnot a size\r\n";
    let (server, world) = start(kind, answer, Then::Wait).await;
    world.client.read(&server.url).await.unwrap_err();
    ends_once(world, Why::Garbage).await;
}

async fn bytes_that_nobody_asked_for(kind: Kind) {
    let (server, world) = start(kind, OK, Then::Say(b"and more")).await;
    world.read(&server.url).await;
    server.go_on.notify_one();
    ends_once(world, Why::Unasked).await;
}

/// Some servers and balancers say so before they close a connection that was idle for too long.
async fn a_timeout_that_is_told_to_nobody(kind: Kind) {
    let told = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (server, world) = start(kind, OK, Then::Say(told)).await;
    world.read(&server.url).await;
    server.go_on.notify_one();
    ends_once(world, Why::ServerTimeoutTold).await;
}

async fn a_body_that_ends_with_its_connection(kind: Kind) {
    let (server, world) = start(kind, b"HTTP/1.1 200 OK\r\n\r\nok", Then::Close).await;
    assert_eq!(world.client.read(&server.url).await.unwrap(), "ok");
    ends_once(world, Why::ServerEndsBody).await;
}

async fn an_end_that_was_announced_and_comes_too_soon(kind: Kind) {
    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nok";
    let (server, world) = start(kind, answer, Then::Close).await;
    world.client.read(&server.url).await.unwrap_err();
    ends_once(world, Why::ServerGoneActive).await;
}

async fn only_the_client_says_close(kind: Kind) {
    let (server, world) = start(kind, OK, Then::Wait).await;
    let request = Request::get(&server.url).header(header::CONNECTION, "close");
    let response = world.client.send(request.body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    ends_once(world, Why::ConnectionClose).await;
}

async fn start(kind: Kind, answer: &'static [u8], then: Then) -> (Script, World) {
    let server = Script::start(kind, answer, then).await;
    let world = World::new(kind, Settings::default(), [Server::at(server.addr)]);
    (server, world)
}

/// The one connection of a pool ends, for this reason.
async fn ends_once(world: World, why: Why) {
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.closed_total()), (1, 1));
    world.end(&[(why, 1)]).await;
}

/// A server that says something when the first bytes come, and goes on when it is told to.
struct Script {
    addr: SocketAddr,
    url: String,
    go_on: Arc<Notify>,
}

/// What it does then.
enum Then {
    /// It waits until the client has had enough.
    Wait,
    /// It is told to say more, and waits.
    Say(&'static [u8]),
    /// It closes the connection in order, at once.
    Close,
}

impl Script {
    async fn start(kind: Kind, answer: &'static [u8], then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let go_on = Arc::new(Notify::new());
        let told = Arc::clone(&go_on);
        let tls = options(kind).tls.map(|alpn| TlsAcceptor::from(tls::server(alpn).unwrap()));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            match tls {
                None => speak(stream, answer, then, &told).await,
                Some(tls) => speak(tls.accept(stream).await.unwrap(), answer, then, &told).await,
            }
        });
        let url = format!("{}://{addr}/", if kind.is_tls() { "https" } else { "http" });
        Self { addr, url, go_on }
    }
}

async fn speak(mut io: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8], then: Then, told: &Notify) {
    let mut heard = [0; 4096];
    assert!(io.read(&mut heard).await.unwrap() > 0);
    io.write_all(answer).await.unwrap();
    match then {
        Then::Wait => {}
        Then::Say(more) => {
            told.notified().await;
            io.write_all(more).await.unwrap();
        }
        Then::Close => io.shutdown().await.unwrap(),
    }
    // Until the client has had enough.
    while io.read(&mut heard).await.is_ok_and(|count| count > 0) {}
}
