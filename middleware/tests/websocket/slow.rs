//! Ends that are slow and alive stay, and those that vanish in the middle of something are found.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use poolscope::session::SessionEnd;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::proxy::{PIECE, Proxy};
use super::vanished::{FAILURES, INTERVAL, PROMISED, TIMEOUT, found, lively};
use super::{Client, PATIENCE, Server, Serves, alone, connect, sessions, until};

const PAUSE: Duration = Duration::from_millis(20);

/// Much longer under way than who says nothing has.
const PIECES: usize = 60;

/// Keeps little of what it has sent: what is not taken waits at the socket.
fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(PIECE as u32).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    socket.listen(8).unwrap()
}

/// Bytes of the next message, unless the server closes.
async fn said(client: &mut Client) -> Option<usize> {
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return Some(bytes.len()),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

#[test]
fn a_client_that_sends_or_takes_a_long_message_slowly_stays() {
    let stays = async |server: Server| {
        let served = lively(sessions("served"));
        let (address, task) = server.serve(listen(), &served, Serves::Echoes);
        let proxy = Proxy::slowly_to(address, PAUSE).await;
        let mut client = connect(proxy.address).await;
        let began = Instant::now();
        client.send(Message::binary(vec![7; PIECES * PIECE])).await.unwrap();
        assert_eq!(said(&mut client).await, Some(PIECES * PIECE), "{server:?}");
        let took = began.elapsed();
        assert!(took > 2 * PIECES as u32 * PAUSE, "{took:?}");
        // It answers pings, as before.
        let lives = timeout(INTERVAL + TIMEOUT * FAILURES + PROMISED, said(&mut client)).await;
        assert!(lives.is_err(), "{server:?}: {lives:?}");
        client.close(None).await.unwrap();
        until("the session to end", || served.active() == 0).await;
        let seen = served.snapshot();
        assert_eq!(seen.ended(SessionEnd::Completed), 1, "{server:?}: {seen:?}");
        proxy.end().await;
        task.abort();
    };
    alone(async {
        tokio::join!(stays(Server::Axum), stays(Server::Tungstenite));
    });
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_a_long_message_is_found() {
    let is_found = async |server: Server| {
        let served = lively(sessions("served"));
        let (address, task) = server.serve(listen(), &served, Serves::Echoes);
        let proxy = Proxy::slowly_to(address, PAUSE).await;
        let mut client = connect(proxy.address).await;
        client.send(Message::binary(vec![7; PIECES * PIECE])).await.unwrap();
        tokio::time::sleep(PIECES as u32 / 2 * PAUSE).await;
        let seen = served.snapshot();
        assert_eq!((seen.active, seen.traffic.messages_received), (1, 0), "it is under way");
        found(&served, proxy.go_silent()).await;
        proxy.end().await;
        task.abort();
    };
    alone(async {
        tokio::join!(is_found(Server::Axum), is_found(Server::Tungstenite));
    });
}

#[test]
fn a_client_that_asks_all_the_time_and_reads_no_answer_is_given_up() {
    let is_given_up = async |server: Server| {
        let served = lively(sessions("served"));
        let (address, task) = server.serve(listen(), &served, Serves::Echoes);
        let mut client = connect(address).await;
        until("the session to begin", || served.active() == 1).await;
        let began = Instant::now();
        while served.active() == 1 {
            assert!(began.elapsed() < PATIENCE, "{server:?} takes all pings: its answers pile up");
            // Until it takes no more, or has closed.
            let _ = timeout(PAUSE, client.send(Message::Ping(vec![7; 125].into()))).await;
        }
        let seen = served.snapshot();
        assert_eq!(seen.ended(SessionEnd::Completed), 0, "{server:?}: {seen:?}");
        task.abort();
    };
    alone(async {
        tokio::join!(is_given_up(Server::Axum), is_given_up(Server::Tungstenite));
    });
}
