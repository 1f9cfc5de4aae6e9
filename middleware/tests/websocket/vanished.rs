//! Ends that vanish without a word are found in time, and leave nothing behind.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use poolscope::session::{SessionEnd, Sessions, SessionsBuilder};
use poolscope::websocket::{SendError, Socket};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use super::proxy::Proxy;
use super::{PATIENCE, Server, Serves, alone, connect, sessions, until};

pub(super) const INTERVAL: Duration = Duration::from_millis(200);
pub(super) const TIMEOUT: Duration = Duration::from_millis(150);
pub(super) const FAILURES: u32 = 3;
pub(super) const PROMISED: Duration = Duration::from_millis(250);

pub(super) fn lively(builder: SessionsBuilder) -> Sessions {
    builder.idle_timeout(None).liveness(INTERVAL, TIMEOUT, FAILURES).build().unwrap()
}

/// Tasks of the runtime, and open files of the process.
pub(super) fn held() -> (usize, usize) {
    (Handle::current().metrics().num_alive_tasks(), open_files())
}

#[cfg(target_os = "linux")]
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> usize {
    0
}

/// When the one session of a registry is told that the other end is gone.
pub(super) async fn found(sessions: &Sessions, vanished: Instant) -> Instant {
    let asked = Instant::now();
    loop {
        let seen = sessions.snapshot();
        let told = seen.sessions.first().and_then(|row| row.ending);
        if told == Some(SessionEnd::Unresponsive) || seen.ended(SessionEnd::Unresponsive) == 1 {
            let now = Instant::now();
            let took = now - vanished;
            // The last answer came at most an interval before it vanished, and a ping may have been under way.
            let latest = INTERVAL + FAILURES * TIMEOUT + PROMISED;
            assert!((TIMEOUT * (FAILURES - 1)..latest).contains(&took), "found after {took:?}");
            return now;
        }
        assert!(asked.elapsed() < PATIENCE, "nobody found that it is gone");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Nothing is sent any more to the one that is gone, soon after it was found, and the session is over.
async fn silence(proxy: &Proxy, sessions: &Sessions, found: Instant) {
    until("the session to be gone", || sessions.active() == 0).await;
    assert!(found.elapsed() < PROMISED, "it took {:?}", found.elapsed());
    tokio::time::sleep(2 * PROMISED).await;
    let last = proxy.last_arrival().expect("something was sent until it was found");
    let late = last.saturating_duration_since(found);
    assert!(late < PROMISED, "something was sent {late:?} after it was found");
    let seen = sessions.snapshot();
    let ended: u64 = seen.ended.iter().map(|(_, count)| count).sum();
    assert_eq!((seen.started, ended, seen.ended(SessionEnd::Unresponsive), seen.overdue), (1, 1, 1, 0));
    assert!(seen.pings.iter().all(|(_, count)| *count >= 1), "{:?}", seen.pings);
}

pub(super) async fn back(before: (usize, usize)) {
    until("tasks and open files to be as before", || held() == before).await;
}

#[test]
fn a_client_that_vanishes_is_found_by_its_server() {
    alone(async {
        for server in [Server::Axum, Server::Tungstenite] {
            let before = held();
            let served = lively(sessions("served"));
            let (address, task) = server.start(&served, Serves::Pushes).await;
            let proxy = Proxy::to(address).await;
            let mut client = connect(proxy.address).await;
            let reads = tokio::spawn(async move {
                // Answers pings by reading.
                while let Some(Ok(_)) = futures_util::StreamExt::next(&mut client).await {}
            });
            until("a ping to be answered", || served.snapshot().ping_time.count() > 0).await;
            assert_eq!(served.active(), 1, "who answers stays");

            let vanished = proxy.go_silent();
            let found = found(&served, vanished).await;
            silence(&proxy, &served, found).await;
            proxy.end().await;
            task.abort();
            reads.await.unwrap();
            drop((task, served));
            back(before).await;
        }
    });
}

#[test]
fn a_server_that_vanishes_is_found_by_its_client() {
    alone(async {
        for server in [Server::Axum, Server::Tungstenite] {
            let before = held();
            let (served, called) = (sessions("served").build().unwrap(), lively(sessions("called")));
            let (address, task) = server.start(&served, Serves::Echoes).await;
            let proxy = Proxy::to(address).await;
            let mut client = Socket::new(connect(proxy.address).await, called.begin("client").unwrap());
            // Something that belongs to the session, and ends with it.
            client.session().spawn("ticker", std::future::pending::<()>());
            let reads = tokio::spawn(async move {
                client.send(Message::text("hello")).await.unwrap();
                while client.recv().await.is_some() {}
                client.finish().await
            });
            until("a ping to be answered", || called.snapshot().ping_time.count() > 0).await;
            let vanished = proxy.go_silent();
            let found = found(&called, vanished).await;
            silence(&proxy, &called, found).await;
            assert_eq!(reads.await.unwrap(), SessionEnd::Unresponsive);
            proxy.end().await;
            until("the server's session to end", || served.active() == 0).await;
            task.abort();
            drop((task, served, called));
            back(before).await;
        }
    });
}

/// A write that waits for the one that is gone hides nothing.
#[test]
fn a_client_that_vanishes_while_much_is_sent_to_it_is_found_too() {
    alone(async {
        let served = lively(sessions("served"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepts = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
        let (accepted, client) = tokio::join!(accepts, connect(address));
        let mut socket = Socket::new(accepted, served.begin("full").unwrap());
        // The client is there, and never reads.
        let began = Instant::now();
        let error = loop {
            if let Err(error) = socket.send(Message::binary(vec![7; 1 << 20])).await {
                break error;
            }
        };
        assert!(matches!(error, SendError::Ended(SessionEnd::Unresponsive)), "{error}");
        assert!(began.elapsed() < INTERVAL + FAILURES * TIMEOUT + PROMISED, "{:?}", began.elapsed());
        let finishes = Instant::now();
        assert_eq!(socket.finish().await, SessionEnd::Unresponsive);
        assert!(finishes.elapsed() < PROMISED, "{:?}", finishes.elapsed());
        assert_eq!(served.active(), 0);
        drop(client);
    });
}
