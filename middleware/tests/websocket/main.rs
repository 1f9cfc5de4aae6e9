//! WebSockets over real sockets: axum and `tokio-tungstenite`, servers and clients, and ends that vanish without a word.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod carried;
mod cut;
mod proxy;
mod slow;
mod traces;
mod vanished;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::{self, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use poolscope::session::{Session, SessionEnd, Sessions, SessionsBuilder};
use poolscope::websocket::{SendError, Socket};
use poolscope::{Event, Scope};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test in a runtime while no other one has any: open files are those of the process, and a runtime has some too.
fn alone(test: impl Future<Output = ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// Which crate serves.
#[derive(Debug, Clone, Copy)]
enum Server {
    Axum,
    Tungstenite,
}

/// What a server does with each socket.
#[derive(Debug, Clone, Copy)]
enum Serves {
    Echoes,
    /// Sends something all the time, and takes what comes.
    Pushes,
}

impl Server {
    /// Serves sessions; ends when it is aborted.
    async fn start(self, sessions: &Sessions, serves: Serves) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        self.serve(listener, sessions, serves)
    }

    fn serve(
        self,
        listener: TcpListener,
        sessions: &Sessions,
        serves: Serves,
    ) -> (SocketAddr, JoinHandle<()>) {
        let address = listener.local_addr().unwrap();
        let sessions = sessions.clone();
        let server = match self {
            Self::Axum => tokio::spawn(async move {
                let upgrade = move |upgrade: WebSocketUpgrade| async move {
                    let Ok(session) = sessions.begin("axum") else {
                        return StatusCode::SERVICE_UNAVAILABLE.into_response();
                    };
                    let data = || ws::Message::text("tick");
                    let serve = async move |socket: WebSocket| {
                        serve(Socket::new(socket, session), serves, data).await;
                    };
                    upgrade.on_upgrade(serve)
                };
                axum::serve(listener, Router::new().route("/", get(upgrade))).await.unwrap();
            }),
            Self::Tungstenite => tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let Ok(session) = sessions.begin("tungstenite") else { continue };
                    tokio::spawn(async move {
                        let socket = accept_async(stream).await.unwrap();
                        serve(Socket::new(socket, session), serves, || Message::text("tick")).await;
                    });
                }
            }),
        };
        (address, server)
    }
}

/// Serves one socket to its end.
async fn serve<S, M>(mut socket: Socket<S, M>, serves: Serves, data: impl Fn() -> M)
where
    S: futures_util::Stream<Item = Result<M, <S as futures_util::Sink<M>>::Error>>
        + futures_util::Sink<M, Error: std::fmt::Display>
        + Unpin,
    M: poolscope::websocket::Frame,
{
    loop {
        let sent = match serves {
            Serves::Echoes => match socket.recv().await {
                Some(message) => socket.send(message).await,
                None => break,
            },
            Serves::Pushes => tokio::select! {
                received = socket.recv() => match received {
                    Some(_) => Ok(()),
                    None => break,
                },
                () = tokio::time::sleep(Duration::from_millis(5)) => socket.send(data()).await,
            },
        };
        if sent.is_err() {
            break;
        }
    }
    socket.finish().await;
}

async fn connect(address: SocketAddr) -> Client {
    connect_async(format!("ws://{address}/")).await.unwrap().0
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let asked = Instant::now();
    while !holds() {
        assert!(asked.elapsed() < PATIENCE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn sessions(name: &str) -> SessionsBuilder {
    Scope::new().sessions(name)
}

#[test]
fn both_ends_count_the_same_messages_and_end_as_completed() {
    alone(async {
        for server in [Server::Axum, Server::Tungstenite] {
            let (served, called) = (sessions("served").build().unwrap(), sessions("called").build().unwrap());
            let (address, task) = server.start(&served, Serves::Echoes).await;
            let mut client = Socket::new(connect(address).await, called.begin("client").unwrap());
            for text in ["a", "bcd"] {
                client.send(Message::text(text)).await.unwrap();
                assert_eq!(client.recv().await.unwrap(), Message::text(text));
            }
            // A ping of its own is answered by the crates, and is no message.
            client.send(Message::Ping(Default::default())).await.unwrap();
            assert_eq!(client.finish().await, SessionEnd::Completed, "{server:?}");
            until("the server's session to end", || served.active() == 0).await;
            let (seen, own) = (served.snapshot(), called.snapshot());
            for seen in [&seen, &own] {
                assert_eq!(
                    (seen.traffic.messages_sent, seen.traffic.messages_received),
                    (2, 2),
                    "{server:?}"
                );
                assert_eq!((seen.traffic.bytes_sent, seen.traffic.bytes_received), (4, 4), "{server:?}");
                assert_eq!((seen.traffic.errors, seen.ended(SessionEnd::Completed)), (0, 1), "{server:?}");
            }
            task.abort();
        }
    });
}

#[test]
fn the_close_frame_says_why_a_session_ends() {
    alone(async {
        for server in [Server::Axum, Server::Tungstenite] {
            let served = sessions("served").idle_timeout(Duration::from_millis(200)).build().unwrap();
            let (address, task) = server.start(&served, Serves::Echoes).await;
            let mut client = connect(address).await;
            let Some(Ok(Message::Close(Some(frame)))) = client.next().await else { panic!("no Close frame") };
            assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "idle_timeout"), "{server:?}");
            // The transport goes too.
            assert!(client.next().await.is_none());
            until("the session to be gone", || served.snapshot().ended(SessionEnd::IdleTimeout) == 1).await;

            let mut client = connect(address).await;
            client.send(Message::text("a")).await.unwrap();
            client.next().await.unwrap().unwrap();
            assert_eq!(served.close(), 1);
            let Some(Ok(Message::Close(Some(frame)))) = client.next().await else { panic!("no Close frame") };
            assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "shutdown"), "{server:?}");
            served.all_ended().await;
            task.abort();
        }
    });
}

#[test]
fn a_client_that_is_torn_away_is_an_error_or_an_end_and_never_stays() {
    alone(async {
        for server in [Server::Axum, Server::Tungstenite] {
            let (scope, errors) = (Scope::new(), Arc::<Mutex<Vec<_>>>::default());
            let told = Arc::clone(&errors);
            scope.listen(move |event: &Event| {
                if let Event::SessionEnded(end) = event {
                    told.lock().unwrap().push(end.error.clone());
                }
            });
            let served = scope.sessions("served").build().unwrap();
            let (address, task) = server.start(&served, Serves::Echoes).await;
            let mut client = connect(address).await;
            client.send(Message::text("a")).await.unwrap();
            client.next().await.unwrap().unwrap();
            // Without a Close frame.
            drop(client);
            until("the session to end", || served.active() == 0).await;
            let seen = served.snapshot();
            assert_eq!((seen.ended(SessionEnd::Error), seen.traffic.errors), (1, 1), "{server:?}: {seen:?}");
            let said = "the other end closed without a Close frame (1006)";
            assert_eq!(*errors.lock().unwrap(), [Some(said.to_owned())], "{server:?}");
            task.abort();
        }
    });
}

#[test]
fn there_is_room_for_as_many_as_may_be() {
    alone(async {
        let served = sessions("served").max_sessions(1).build().unwrap();
        let (address, task) = Server::Axum.start(&served, Serves::Echoes).await;
        let first = connect(address).await;
        let refused = connect_async(format!("ws://{address}/")).await.unwrap_err();
        let tungstenite::Error::Http(response) = refused else { panic!("{refused:?}") };
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(first);
        until("the session to end", || served.active() == 0).await;
        connect(address).await;
        task.abort();
    });
}

#[test]
fn a_client_that_does_not_read_holds_nobody() {
    alone(async {
        let within = Duration::from_millis(300);
        let served = sessions("served").build().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepts = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
        let (accepted, client) = tokio::join!(accepts, connect(address));
        let session = served.begin("full").unwrap();
        let mut socket = Socket::new(accepted, session).write_timeout(within);
        let flood = Message::binary(vec![7; 1 << 20]);
        let (error, took) = loop {
            let began = Instant::now();
            if let Err(error) = socket.send(flood.clone()).await {
                break (error, began.elapsed());
            }
        };
        assert!(matches!(error, SendError::TimedOut(limit) if limit == within), "{error}");
        assert!((within..within + Duration::from_millis(250)).contains(&took), "{took:?}");
        assert!(matches!(socket.send(flood.clone()).await, Err(SendError::Closed)));
        assert!(socket.recv().await.is_none());
        let began = Instant::now();
        assert_eq!(socket.finish().await, SessionEnd::Error);
        assert!(began.elapsed() < Duration::from_millis(250), "there is nothing to wait for");

        // The same where the session is told to end while the write waits.
        let accepts = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
        let (accepted, other) = tokio::join!(accepts, connect(address));
        let session: Session = served.begin("told").unwrap();
        let mut socket = Socket::new(accepted, session).close_timeout(within);
        let writes = tokio::spawn(async move {
            loop {
                if let Err(error) = socket.send(flood.clone()).await {
                    break (error, Arc::new(socket));
                }
            }
        });
        tokio::time::sleep(within).await;
        let told = Instant::now();
        served.close();
        let (error, _socket) = writes.await.unwrap();
        assert!(matches!(error, SendError::Ended(SessionEnd::Shutdown)), "{error}");
        assert!(told.elapsed() < Duration::from_millis(250), "{:?}", told.elapsed());
        drop((client, other));
    });
}
