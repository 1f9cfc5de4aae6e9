//! Handlers that listen to nobody: a shutdown cuts them, and leaves no session, no task and no socket behind.

use std::future::pending;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use futures_util::StreamExt;
use poolscope::Scope;
use poolscope::session::{SessionEnd, Sessions};
use poolscope::websocket::Socket;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::vanished::{back, held};
use super::{PATIENCE, alone, connect, until};

const CLIENTS: usize = 20;

/// A handler that waits for what never comes, in a task that axum spawns.
fn deaf(sessions: &Sessions) -> Router {
    let sessions = sessions.clone();
    let upgrade = move |upgrade: WebSocketUpgrade| async move {
        let session = sessions.begin("deaf").unwrap();
        upgrade.on_upgrade(async move |socket: WebSocket| {
            let cut = session.run(|session| async move {
                let _socket: Socket<_, Message> = Socket::new(socket, session);
                pending::<()>().await;
            });
            assert_eq!(cut.await.unwrap_err().reason, SessionEnd::Shutdown);
        })
    };
    Router::new().route("/", get(upgrade))
}

#[test]
fn a_shutdown_cuts_handlers_that_listen_to_nobody_and_their_sockets_are_gone() {
    for is_observed in [false, true] {
        alone(async {
            let before = held();
            let scope = Scope::new();
            let sessions = scope.sessions("deaf").build().unwrap();
            let server = scope.server("api").build().unwrap();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let router = deaf(&sessions);
            let serving = if is_observed {
                let make = server.make_service(router);
                tokio::spawn(axum::serve(server.listen(listener), make).into_future())
            } else {
                tokio::spawn(axum::serve(listener, router).into_future())
            };
            let mut clients = Vec::new();
            for _ in 0..CLIENTS {
                clients.push(connect(address).await);
            }
            until("all sessions", || sessions.active() == CLIENTS).await;

            let report = scope.shutdown(Duration::from_millis(200)).await;
            let counts = (report.sessions, report.sessions_cut, report.sessions_left);
            assert_eq!(counts, (CLIENTS as u64, CLIENTS as u64, 0), "{report}");
            assert_eq!(report.connections_left, 0, "{report}");
            assert_eq!(sessions.snapshot().ended(SessionEnd::Shutdown), CLIENTS as u64);
            for mut client in clients {
                let end = timeout(PATIENCE, client.next()).await.expect("the socket is still open");
                assert!(end.is_none_or(|message| message.is_err()), "nobody said goodbye");
            }
            serving.abort();
            drop((serving.await, server, sessions, scope));
            back(before).await;
        });
    }
}
