//! WebSockets over the connections of a server of ours.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use poolscope::server::Server as Accepts;
use poolscope::session::{SessionEnd, Sessions};
use poolscope::websocket::{SendError, Socket};
use poolscope::{Scope, ServerCloseReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use super::vanished::{PROMISED, found, lively};
use super::{PATIENCE, Server, Serves, alone, connect, serve, until};

/// Heads of requests have so long.
const HEADERS: Duration = Duration::from_millis(100);

impl Server {
    /// Serves over the connections that a server of ours accepts.
    async fn start_accepted(self, scope: &Scope, sessions: &Sessions, serves: Serves) -> Carried {
        let accepts = scope.server("carries").headers_timeout(HEADERS).build().unwrap();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let mut listener = accepts.listen(tcp);
        let sessions = sessions.clone();
        let task = match self {
            Self::Axum => {
                let upgrade = move |upgrade: WebSocketUpgrade| async move {
                    let session = sessions.begin("axum").unwrap();
                    let data = || vec![7; 65_536].into();
                    upgrade.on_upgrade(async move |socket| {
                        serve(Socket::new(socket, session), serves, data).await;
                    })
                };
                let made = accepts.make_service(Router::new().route("/", get(upgrade)));
                tokio::spawn(async move { axum::serve(listener, made).await.unwrap() })
            }
            Self::Tungstenite => tokio::spawn(async move {
                while let Some((stream, _)) = listener.accept().await {
                    let session = sessions.begin("tungstenite").unwrap();
                    session.carried_by(&stream.connection());
                    tokio::spawn(async move {
                        let Ok(socket) = accept_async(stream).await else { return };
                        let data = || Message::binary(vec![7; 65_536]);
                        serve(Socket::new(socket, session), serves, data).await;
                    });
                }
            }),
        };
        Carried { accepts, address, task }
    }
}

struct Carried {
    accepts: Accepts,
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// A client that has left HTTP, and does nothing by itself any more.
async fn silent(address: SocketAddr) -> TcpStream {
    let tcp = tokio::net::TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(4_096).unwrap();
    let mut client = tcp.connect(address).await.unwrap();
    let head = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    while !all.ends_with(b"\r\n\r\n") {
        all.push(client.read_u8().await.unwrap());
    }
    assert!(all.starts_with(b"HTTP/1.1 101"));
    client
}

/// Sockets with this port at this end that the kernel still has something to do with, but wait for the last segments.
#[cfg(target_os = "linux")]
fn sending(port: u16) -> usize {
    const LISTEN_AND_TIME_WAIT: [&str; 2] = ["0A", "06"];
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1].ends_with(&local) && !LISTEN_AND_TIME_WAIT.contains(&row[3])).count()
}

#[test]
fn one_that_left_http_is_no_slow_head_whoever_speaks_for_it() {
    alone(async {
        for server in [Server::Axum, Server::Tungstenite] {
            let scope = Scope::new();
            let sessions = scope.sessions("chats").build().unwrap();
            let carried = server.start_accepted(&scope, &sessions, Serves::Echoes).await;
            let mut client = connect(carried.address).await;
            tokio::time::sleep(HEADERS * 5).await;
            futures_util::SinkExt::send(&mut client, Message::text("still here")).await.unwrap();
            let echo = futures_util::StreamExt::next(&mut client).await.unwrap().unwrap();
            assert_eq!(echo, Message::text("still here"), "{server:?}");
            let seen = carried.accepts.snapshot();
            assert_eq!((seen.connections.upgraded, seen.upgraded), (1, 1), "{server:?}");
            client.close(None).await.unwrap();
            until("its end", || carried.accepts.snapshot().closed(ServerCloseReason::UpgradeEnded) == 1)
                .await;
            // One that never asks to is a slow head.
            let mut slow = TcpStream::connect(carried.address).await.unwrap();
            slow.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
            let read = tokio::time::timeout(PATIENCE, slow.read_u8()).await.unwrap();
            assert_eq!(read.unwrap_err().kind(), ErrorKind::UnexpectedEof, "{server:?}");
            carried.task.abort();
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn to_one_that_does_not_respond_the_kernel_sends_nothing_more() {
    alone(async {
        for server in [Server::Axum, Server::Tungstenite] {
            for serves in [Serves::Echoes, Serves::Pushes] {
                let scope = Scope::new();
                let sessions = lively(scope.sessions("chats"));
                let carried = server.start_accepted(&scope, &sessions, serves).await;
                let began = Instant::now();
                let mut client = silent(carried.address).await;
                let found = found(&sessions, began).await;
                let nothing = || sending(carried.address.port()) == 0;
                until("the kernel to be done with it", nothing).await;
                assert!(found.elapsed() < PROMISED, "{server:?} {serves:?}: {:?}", found.elapsed());
                until("the session to be gone", || sessions.active() == 0).await;
                let seen = carried.accepts.snapshot();
                assert_eq!(seen.closed(ServerCloseReason::Unresponsive), 1, "{server:?}: {:?}", seen.closed);
                assert_eq!(sessions.snapshot().ended(SessionEnd::Unresponsive), 1);
                // What is in its own kernel it can read, and then sees that it was cut.
                let error = loop {
                    if let Err(error) = client.read_u8().await {
                        break error;
                    }
                };
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                carried.task.abort();
            }
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn to_one_that_takes_nothing_for_too_long_the_kernel_sends_nothing_more() {
    const LIMIT: Duration = Duration::from_millis(300);
    alone(async {
        let scope = Scope::new();
        let sessions = scope.sessions("chats").build().unwrap();
        let accepts = scope.server("carries").build().unwrap();
        let mut listener = accepts.listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = listener.local_addr().unwrap();
        let (client, socket) = tokio::join!(silent(address), async {
            let (stream, _) = listener.accept().await.unwrap();
            let session = sessions.begin("drowns").unwrap();
            session.carried_by(&stream.connection());
            Socket::new(accept_async(stream).await.unwrap(), session)
        });
        let mut socket = socket.write_timeout(LIMIT);
        let error = loop {
            if let Err(error) = socket.send(Message::binary(vec![7; 1 << 20])).await {
                break error;
            }
        };
        assert!(matches!(error, SendError::TimedOut(LIMIT)), "{error}");
        assert_eq!(socket.finish().await, SessionEnd::Error);
        let finished = Instant::now();
        until("the kernel to be done with it", || sending(address.port()) == 0).await;
        assert!(finished.elapsed() < PROMISED, "{:?}", finished.elapsed());
        assert_eq!(accepts.snapshot().closed(ServerCloseReason::WriteTimeout), 1);
        drop(client);
    });
}

/// What its holder does after it was told keeps the kernel sending no longer.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_is_held_for_long_is_reset_all_the_same() {
    alone(async {
        let scope = Scope::new();
        let sessions = lively(scope.sessions("chats"));
        let accepts = scope.server("carries").build().unwrap();
        let listener = accepts.listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = listener.local_addr().unwrap();
        let begins = sessions.clone();
        let upgrade = move |upgrade: WebSocketUpgrade| async move {
            let session = begins.begin("slow to go").unwrap();
            upgrade.on_upgrade(async move |socket| {
                let mut socket = Socket::new(socket, session);
                while socket.recv().await.is_some() {}
                tokio::time::sleep(PATIENCE).await;
                socket.finish().await;
            })
        };
        let made = accepts.make_service(Router::new().route("/", get(upgrade)));
        let task = tokio::spawn(async move { axum::serve(listener, made).await.unwrap() });
        let began = Instant::now();
        let client = silent(address).await;
        let found = found(&sessions, began).await;
        until("the kernel to be done with it", || sending(address.port()) == 0).await;
        assert!(found.elapsed() < PROMISED, "{:?}", found.elapsed());
        assert_eq!(sessions.active(), 1, "it is still held");
        drop(client);
        task.abort();
    });
}

#[test]
fn a_session_of_another_end_says_nothing_of_the_connection_within_whose_request_it_began() {
    alone(async {
        let scope = Scope::new();
        let sessions = lively(scope.sessions("upstreams"));
        let accepts = scope.server("carries").build().unwrap();
        let listener = accepts.listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = listener.local_addr().unwrap();
        let begins = sessions.clone();
        let upgrade = move |upgrade: WebSocketUpgrade| async move {
            let upstream = begins.begin("an upstream that is gone").unwrap();
            upstream.ping_by(|| async { std::future::pending::<Result<(), std::io::Error>>().await });
            upgrade.on_upgrade(async move |mut socket| {
                let reason = upstream.ended().await;
                socket.send(reason.as_str().into()).await.unwrap();
            })
        };
        let made = accepts.make_service(Router::new().route("/", get(upgrade)));
        let task = tokio::spawn(async move { axum::serve(listener, made).await.unwrap() });
        let mut client = connect(address).await;
        let said = futures_util::StreamExt::next(&mut client).await.unwrap().unwrap();
        assert_eq!(said, Message::text("unresponsive"));
        task.abort();
    });
}

/// What was said before the end of a WebSocket is its client's, however slowly that reads.
#[cfg(target_os = "linux")]
#[test]
fn what_was_sent_before_an_end_in_order_is_read_to_its_end() {
    const SAID: usize = 100_000;
    alone(async {
        let scope = Scope::new();
        let sessions = scope.sessions("chats").build().unwrap();
        let accepts = scope.server("carries").write_timeout(HEADERS).build().unwrap();
        let tcp = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        tcp.set_send_buffer_size(1 << 20).unwrap();
        tcp.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        tcp.listen(8).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let mut listener = accepts.listen(TcpListener::from_std(tcp.into()).unwrap());
        let address = listener.local_addr().unwrap();
        let (mut client, socket) = tokio::join!(silent(address), async {
            let (stream, _) = listener.accept().await.unwrap();
            let session = sessions.begin("last words").unwrap();
            session.carried_by(&stream.connection());
            Socket::new(accept_async(stream).await.unwrap(), session)
        });
        let mut socket = socket.close_timeout(HEADERS);
        socket.send(Message::binary(vec![7; SAID])).await.unwrap();
        assert_eq!(socket.finish().await, SessionEnd::Completed);
        // Longer than the write timeout, with little room.
        let mut read = 0;
        for _ in 0..20 {
            let mut buf = [0; 1_000];
            read += client.read(&mut buf).await.unwrap();
            tokio::time::sleep(HEADERS / 2).await;
        }
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(read + rest.len() > SAID, "{read} {}", rest.len());
    });
}
