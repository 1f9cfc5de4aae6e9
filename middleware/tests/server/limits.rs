//! How many connections there may be.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use poolscope::server::{AtLimit, Listen};
use poolscope::{Event, RejectReason, Scope, ServerSnapshot};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Api, established};

#[tokio::test]
async fn a_connection_too_many_reads_why() {
    let scope = Scope::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    scope.listen(move |event: &Event| {
        if let Event::ServerRejecting(rejecting) = event {
            hears.lock().unwrap().push(rejecting.clone());
        }
    });
    let api = Api::start(&scope, |server| server.max_connections(2)).await;
    let mut served = [api.connect().await, api.connect().await];
    for client in &mut served {
        client.get("/").await;
        client.read_to("hello").await;
    }
    for _ in 0..20 {
        let mut refused = api.connect().await;
        // More than one head, so that there is something that nobody has read when it is closed.
        refused.get(&format!("/{}", "x".repeat(50_000))).await;
        let answer = String::from_utf8(refused.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
        assert!(
            answer.ends_with("api has as many connections as it may have, 2: try again later\n"),
            "{answer}"
        );
    }
    let seen = api.until("the refused to be gone", |_| established(api.addr.port()) == 2).await;
    assert_eq!((seen.rejected(RejectReason::MaxConnections), seen.accepted), (20, 22));
    let heard = heard.lock().unwrap().clone();
    assert_eq!((heard.len(), heard[0].rejected, heard[0].limit), (1, 1, 2));

    let error = reqwest::get(format!("http://{}/", api.addr)).await.unwrap();
    assert_eq!(error.status(), 503);
    drop(served);
    api.until("room", |seen| seen.present() == 0).await;
    assert_eq!(reqwest::get(format!("http://{}/", api.addr)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_flood_of_connections_too_many_is_counted_and_closed_where_not_all_can_be_answered() {
    const ANSWERED: usize = 64;
    let api = Api::start(&Scope::new(), |server| server.max_connections(1)).await;
    let _served = api.connect().await;
    api.until("the first", |seen| seen.present() == 1).await;
    // They keep their places by saying nothing.
    let mut silent = Vec::new();
    for _ in 0..ANSWERED {
        silent.push(api.connect().await);
    }
    let rejected = |count| move |seen: &ServerSnapshot| seen.rejected(RejectReason::MaxConnections) == count;
    api.until("the silent ones", rejected(ANSWERED as u64)).await;
    let mut unheard = api.connect().await;
    assert_eq!(unheard.rest().await, b"");
    api.until("one more", rejected(ANSWERED as u64 + 1)).await;
    let mut answered = silent.pop().unwrap();
    answered.get("/").await;
    assert!(answered.rest().await.starts_with(b"HTTP/1.1 503"));
    api.until("the refused to be gone", |_| established(api.addr.port()) == 1).await;
}

#[tokio::test]
async fn a_connection_too_many_over_http2_is_told_to_go_away() {
    let api = Api::start(&Scope::new(), |server| server.max_connections(1)).await;
    let _served = api.connect().await;
    api.until("the first", |seen| seen.present() == 1).await;
    let io = TokioIo::new(TcpStream::connect(api.addr).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("http://{}/", api.addr)).body(Empty::<Bytes>::new()).unwrap();
    let error = client.send_request(request).await.unwrap_err();
    assert!(!error.is_parse(), "{error:?}");
    api.until("the refused one to be gone", |_| established(api.addr.port()) == 1).await;
}

#[tokio::test]
async fn a_connection_too_many_waits_for_room() {
    let api = Api::start(&Scope::new(), |server| server.max_connections(1).at_limit(AtLimit::Wait)).await;
    let mut first = api.connect().await;
    first.get("/").await;
    first.read_to("hello").await;
    let mut second = api.connect().await;
    second.get("/").await;
    timeout(Duration::from_millis(100), second.read_to("hello")).await.unwrap_err();
    let seen = api.seen();
    assert_eq!((seen.accepted, seen.rejected(RejectReason::MaxConnections)), (1, 0));
    drop(first);
    second.read_to("hello").await;
    assert_eq!(api.seen().accepted, 2);
    // It still hears that it is to end while it waits.
    api.server.close();
    second.rest().await;
    timeout(Duration::from_secs(5), api.serving).await.unwrap().unwrap();
}

/// A socket from which nothing can be accepted at first.
struct Poor {
    listener: TcpListener,
    errors: Vec<io::Error>,
}

impl Listen for Poor {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        match self.errors.pop() {
            Some(error) => Err(error),
            None => self.listener.accept().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn peer(addr: &SocketAddr) -> Option<SocketAddr> {
        Some(*addr)
    }
}

#[tokio::test]
async fn want_of_open_files_is_counted_and_waited_out() {
    const TOO_MANY_OPEN_FILES: i32 = 24;
    let server = Scope::new().server("api").build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut errors: Vec<_> = (0..3).map(|_| io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES)).collect();
    // The client was gone before it was accepted: nothing is wrong here.
    errors.push(io::ErrorKind::ConnectionAborted.into());
    let mut listener = server.listen(Poor { listener, errors });
    let _client = TcpStream::connect(addr).await.unwrap();
    let (io, peer) = timeout(Duration::from_secs(5), listener.accept()).await.unwrap().unwrap();
    assert_eq!(io.connection().peer(), Some(peer));
    assert_eq!((server.snapshot().accept_errors, server.snapshot().accepted), (3, 1));
    server.close();
    assert!(listener.accept().await.is_none() && listener.local_addr().is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_a_server_too() {
    let path = std::env::temp_dir().join(format!("poolscope-server-{}.sock", std::process::id()));
    let server = Scope::new().server("local").build().unwrap();
    let listener = server.listen(tokio::net::UnixListener::bind(&path).unwrap());
    let serving = tokio::spawn(server.serve(listener, crate::support::router()));
    let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: local\r\nconnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut client, request).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut client, &mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    server.close();
    serving.await.unwrap();
    std::fs::remove_file(path).unwrap();
}

/// Keepalive of a connection that is accepted: the silence before the kernel asks, from one time to the next, and how often.
#[cfg(target_os = "linux")]
async fn kept_alive(
    keepalive: Option<Duration>,
    own: Option<&socket2::TcpKeepalive>,
) -> Option<(u64, u64, u32)> {
    let tcp = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    if let Some(own) = own {
        socket2::SockRef::from(&tcp).set_tcp_keepalive(own).unwrap();
    }
    let server = Scope::new().server("api").keepalive(keepalive).build().unwrap();
    let mut listener = server.listen(tcp);
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (io, _) = listener.accept().await.unwrap();
    let socket = socket2::SockRef::from(io.get_ref());
    let times = || {
        let [time, interval] = [socket.tcp_keepalive_time(), socket.tcp_keepalive_interval()];
        (time.unwrap().as_secs(), interval.unwrap().as_secs(), socket.tcp_keepalive_retries().unwrap())
    };
    socket.keepalive().unwrap().then(times)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_asks_silent_clients_unless_the_program_or_the_socket_has_it_otherwise() {
    use poolscope::server::DEFAULT_KEEPALIVE;
    let secs = |secs| Some(Duration::from_secs(secs));
    assert_eq!(kept_alive(Some(DEFAULT_KEEPALIVE), None).await, Some((30, 10, 3)));
    assert_eq!(kept_alive(secs(1), None).await, Some((1, 1, 3)));
    assert_eq!(kept_alive(None, None).await, None);
    let own = socket2::TcpKeepalive::new().with_time(Duration::from_secs(7)).with_retries(5);
    let own = own.with_interval(Duration::from_secs(2));
    assert_eq!(kept_alive(secs(60), Some(&own)).await, Some((7, 2, 5)));
    assert_eq!(kept_alive(None, Some(&own)).await, Some((7, 2, 5)));
}
