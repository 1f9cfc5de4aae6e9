//! WebSockets of a client that are kept alive: a real server of tungstenite, which is killed, goes deaf and comes back.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use poolscope::Scope;
use poolscope::session::{SessionEnd, Sessions};
use poolscope::supervisor::{SupervisorReason, SupervisorState};
use poolscope::websocket::Socket;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

use super::{changes, until};

const SOON: Duration = Duration::from_millis(50);

type Client = Socket<WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>, Message>;

async fn listen(address: SocketAddr) -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(8).unwrap()
}

/// Gives everything back, or nothing: then it does not even answer pings.
async fn serve(listener: TcpListener, is_deaf: bool) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            use futures_util::{SinkExt, StreamExt};
            let mut socket = accept_async(stream).await.unwrap();
            if is_deaf {
                std::future::pending::<()>().await;
            }
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    break;
                }
            }
        });
    }
}

async fn end(server: JoinHandle<()>) {
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
}

async fn connect(to: SocketAddr, sessions: Sessions) -> Result<Client, Error> {
    let (stream, _) = connect_async(format!("ws://{to}/")).await?;
    Ok(Socket::new(stream, sessions.begin("prices").unwrap()))
}

async fn hear(heard: &mut UnboundedReceiver<Message>) -> String {
    tokio::time::timeout(super::LONG, heard.recv()).await.unwrap().unwrap().to_text().unwrap().to_owned()
}

#[tokio::test]
async fn a_websocket_is_a_session_each_time_and_found_again() {
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).await;
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, false));
    let scope = Scope::new();
    let sessions = scope.sessions("prices").liveness(SOON, SOON, 2).idle_timeout(None).build().unwrap();
    let (hears, mut heard) = mpsc::unbounded_channel();
    let of = sessions.clone();
    let line = scope
        .supervisor("prices")
        .backoff(Duration::from_millis(5), SOON)
        .start(
            move || connect(address, of.clone()),
            move |message: Message| std::future::ready(hears.send(message)),
        )
        .unwrap();
    line.send(Message::text("one")).await.unwrap();
    assert_eq!(hear(&mut heard).await, "one");

    end(server).await;
    until(&scope, "to miss it", |seen| seen.state == SupervisorState::Waiting).await;
    let server = tokio::spawn(serve(listen(address).await, true));
    // It connects, and nobody answers its pings.
    let seen = until(&scope, "to miss it", |seen| changes(seen, SupervisorReason::Unresponsive) > 0).await;
    assert_eq!(seen.last_error.as_deref(), Some("its session was told to end: unresponsive"));
    end(server).await;

    let server = tokio::spawn(serve(listen(address).await, false));
    line.send(Message::text("two")).await.unwrap();
    assert_eq!(hear(&mut heard).await, "two");
    assert_eq!(line.stop().await, SupervisorReason::Requested);
    let snapshot = sessions.snapshot();
    assert_eq!(snapshot.active, 0);
    // The server that was killed has not said goodbye; the last one was left in order.
    assert_eq!((snapshot.ended(SessionEnd::Error), snapshot.ended(SessionEnd::Completed)), (1, 1));
    assert!(snapshot.ended(SessionEnd::Unresponsive) >= 1);
    end(server).await;
}

#[tokio::test]
async fn a_server_that_closes_is_quoted() {
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).await;
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        // How it closes: with a reason, without one, and without a word.
        for code in [Some((1012, "restart")), Some((1000, "")), None] {
            let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
            if let Some((code, reason)) = code {
                socket.close(Some(CloseFrame { code: code.into(), reason: reason.into() })).await.unwrap();
                assert!(matches!(
                    futures_util::StreamExt::next(&mut socket).await,
                    Some(Ok(Message::Close(_)))
                ));
            }
        }
    });
    let scope = Scope::new();
    let sessions = scope.sessions("prices").build().unwrap();
    let of = sessions.clone();
    let line = scope
        .supervisor("prices")
        .backoff(Duration::from_millis(5), SOON)
        .start(move || connect(address, of.clone()), async |_: Message| {})
        .unwrap();
    let seen = until(&scope, "to be left three times", |seen| seen.attempt > 3).await;
    let lost = seen.history.iter().rev().filter(|change| change.from == SupervisorState::Connected);
    let lost: Vec<_> = lost.map(|change| (change.reason, change.error.as_deref())).collect();
    let expected = [
        (SupervisorReason::PeerClosed, Some("the other end closed with code 1012: restart")),
        (SupervisorReason::PeerClosed, None),
        (SupervisorReason::Failed, Some("the other end closed without a Close frame (1006)")),
    ];
    assert_eq!(lost, expected);
    server.await.unwrap();
    drop(line);
    let seen = sessions.snapshot();
    assert_eq!((seen.ended(SessionEnd::Completed), seen.ended(SessionEnd::Error)), (2, 1), "{seen:?}");
}
