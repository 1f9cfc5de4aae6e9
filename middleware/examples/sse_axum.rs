//! Streams of events whose readers are sessions: an end of the server's own, a reader that leaves, and one that vanishes.
//!
//! `cargo run -p poolscope --features axum,session,shutdown --example sse_axum`
//!
//! A reader answers no pings. One that is gone is found by the kernel: by what is sent to it (`write_timeout`), and where there is
//! nothing to send by asking (`keepalive`). Both end the body, and with it the session.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::convert::Infallible;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use poolscope::Scope;
use poolscope::server::RouteLayer;
use poolscope::session::{Session, Sessions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// From one event to the next.
const TICK: Duration = Duration::from_millis(100);

async fn events(State(readers): State<Sessions>) -> Response {
    let session = match readers.begin("reader") {
        Ok(session) => session,
        // As many as there may be, or the server shuts down.
        Err(refused) => return (StatusCode::SERVICE_UNAVAILABLE, refused.to_string()).into_response(),
    };
    // The body ends when its writer does, and the writer is told when the body is dropped.
    let (events, body) = mpsc::channel(1);
    tokio::spawn(tell(session, events));
    let body = Body::from_stream(ReceiverStream::new(body).map(Ok::<Bytes, Infallible>));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn tell(session: Session, events: mpsc::Sender<Bytes>) {
    for number in 0_u64.. {
        let event = Bytes::from(format!("id: {number}\ndata: tick\n\n"));
        let size = event.len();
        tokio::select! {
            _ = session.ended() => break,
            sent = events.send(event) => match sent {
                Ok(()) => {
                    session.sent(size);
                    session.touch();
                }
                // The reader is gone.
                Err(_) => break,
            },
        }
        tokio::select! {
            _ = session.ended() => break,
            () = events.closed() => break,
            () = tokio::time::sleep(TICK) => {}
        }
    }
    println!("server: a reader's session ended as {}", session.complete());
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scope = Scope::new();
    let readers = scope
        .sessions("readers")
        .max_sessions(1_000)
        // No event was taken for so long.
        .idle_timeout(Duration::from_secs(30))
        .max_duration(Duration::from_secs(60 * 60))
        .build()?;
    let server = scope
        .server("events")
        .write_timeout(Duration::from_secs(10))
        .keepalive(Duration::from_secs(15))
        .build()?;
    let router = Router::new().route("/events", get(events)).layer(RouteLayer).with_state(readers.clone());
    let listener = server.listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let addr = listener.local_addr()?;
    let serve = axum::serve(listener, server.make_service(router));
    let serving = tokio::spawn(serve.with_graceful_shutdown(server.shutting_down()).into_future());

    let mut leaves = read(addr, 3).await?;
    leaves.shutdown().await?;
    drop(leaves);
    let _stays = read(addr, 2).await?;
    while readers.active() > 1 {
        tokio::time::sleep(TICK).await;
    }

    let report = scope.shutdown(Duration::from_secs(5)).await;
    serving.await??;
    println!("{report}");
    let seen = readers.snapshot();
    println!("{} sessions, ended: {:?}", seen.started, seen.ended);
    Ok(())
}

/// Reads so many events.
async fn read(addr: SocketAddr, events: usize) -> std::io::Result<TcpStream> {
    let mut client = TcpStream::connect(addr).await?;
    client.write_all(format!("GET /events HTTP/1.1\r\nhost: {addr}\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    while text.matches("data: ").count() < events {
        let mut part = [0; 1_024];
        let read = client.read(&mut part).await?;
        text.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    println!("client: read {events} events");
    Ok(client)
}
