//! A WebSocket server of axum whose clients are sessions: they end when nothing comes, and are asked whether they are there.
//!
//! `cargo run -p poolscope --features axum,axum-ws --example websocket_axum`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use poolscope::Scope;
use poolscope::session::{Session, Sessions};
use poolscope::websocket::Socket;
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

async fn upgrade(State(chats): State<Sessions>, upgrade: WebSocketUpgrade) -> Response {
    match chats.begin("room 7") {
        Ok(session) => upgrade.on_upgrade(async move |socket| {
            // axum spawns this; a handler that hangs is cut when its session is overdue, and at the deadline of a shutdown.
            if let Err(cut) = session.run(|session| echo(socket, session)).await {
                println!("server: {cut}");
            }
        }),
        // As many as there may be, or the server shuts down.
        Err(refused) => (StatusCode::SERVICE_UNAVAILABLE, refused.to_string()).into_response(),
    }
}

async fn echo(socket: WebSocket, session: Session) {
    // What belongs to the session ends with it.
    session.spawn("ticker", async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut socket = Socket::new(socket, session);
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    println!("server: the session ended as {}", socket.finish().await);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scope = Scope::new();
    let chats = scope
        .sessions("chat")
        .idle_timeout(Duration::from_millis(400))
        .max_sessions(1_000)
        // Asks after 100 ms of silence, and gives up after three pings of 100 ms.
        .liveness(Duration::from_millis(100), Duration::from_millis(100), 3)
        .build()?;

    // A session that begins within the request is carried by its connection: ends it as unresponsive, that is reset.
    let api = scope.server("api").build()?;
    let listener = api.listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let url = format!("ws://{}/chat", listener.local_addr()?);
    let router = api.make_service(Router::new().route("/chat", get(upgrade)).with_state(chats.clone()));
    let server = tokio::spawn(async { axum::serve(listener, router).await });

    let (mut client, _) = connect_async(url).await?;
    client.send(Message::text("hello")).await?;
    if let Some(answer) = client.next().await {
        println!("client: {}", answer?);
    }
    // Answers the pings, and says nothing until the server closes.
    while let Some(Ok(message)) = client.next().await {
        println!("client: {message:?}");
    }
    drop(client);

    chats.close();
    chats.all_ended().await;
    server.abort();
    let seen = chats.snapshot();
    println!("ended: {:?}\n{:?}\npings: {:?}", seen.ended, seen.traffic, seen.pings);
    for tasks in scope.snapshot().tasks {
        println!("tasks of {}: {} started, ended: {:?}", tasks.name, tasks.started, tasks.ended);
    }
    Ok(())
}
