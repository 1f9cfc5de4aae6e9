//! `tokio-tungstenite` on both sides, each with sessions of its own. The client says goodbye, and the server is shut down while
//! another one is there.
//!
//! `cargo run -p poolscope --features server,tungstenite --example websocket_tungstenite`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use poolscope::server::{ServerIo, ServerListener};
use poolscope::session::{Session, Sessions};
use poolscope::websocket::Socket;
use poolscope::{Scope, SessionsSnapshot};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

async fn serve(mut listener: ServerListener<TcpListener>, chats: Sessions) {
    while let Some((stream, peer)) = listener.accept().await {
        // No room: the connection is closed.
        let Ok(session) = chats.begin(&peer.to_string()) else { continue };
        // A client that answers no ping has its connection reset.
        session.carried_by(&stream.connection());
        // A handler that hangs is cut when its session is overdue, and at the deadline of a shutdown.
        tokio::spawn(session.run(|session| echo(stream, session)));
    }
}

async fn echo(stream: ServerIo<TcpStream>, session: Session) {
    let socket = match accept_async(stream).await {
        Ok(socket) => socket,
        Err(error) => {
            session.fail(error);
            return;
        }
    };
    let mut socket = Socket::new(socket, session);
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    println!("server: a session ended as {}", socket.finish().await);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scope = Scope::new();
    let served = scope.sessions("served").build()?;
    let liveness = Duration::from_secs(10);
    let called = scope.sessions("called").idle_timeout(None).liveness(liveness, liveness, 3).build()?;

    let accepts = scope.server("chat").max_connections(1_000).build()?;
    let listener = accepts.listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let url = format!("ws://{}/", listener.local_addr()?);
    let server = tokio::spawn(serve(listener, served.clone()));

    let (stream, _) = connect_async(&url).await?;
    let mut polite = Socket::new(stream, called.begin("polite")?);
    polite.send(Message::text("hello")).await?;
    println!("client: {:?}", polite.recv().await);
    println!("client: its session ended as {}", polite.finish().await);

    let (stream, _) = connect_async(&url).await?;
    let mut stays = Socket::new(stream, called.begin("stays")?);
    stays.send(Message::binary(vec![0; 1024])).await?;
    stays.recv().await;
    // The server goes; the client is told by a Close frame.
    served.close();
    assert!(stays.recv().await.is_none());
    println!("client: its session ended as {}", stays.finish().await);
    served.all_ended().await;
    // Accepts no more, which ends the loop.
    accepts.close();
    server.await?;
    for sessions in scope.snapshot().sessions {
        show(&sessions);
    }
    Ok(())
}

fn show(sessions: &SessionsSnapshot) {
    println!("{}: {} began, {} are there", sessions.name, sessions.started, sessions.active);
    println!("  {:?}", sessions.traffic);
    for (reason, count) in sessions.ended.iter().filter(|(_, count)| *count > 0) {
        println!("  ended as {reason}: {count}");
    }
}
