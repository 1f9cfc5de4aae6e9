//! The race of keep-alive: a request is sent on a connection that the server is closing. Nobody answers it, and nobody
//! knows whether it was served; so it is counted by its name.

use std::net::SocketAddr;

use poolscope::Scope;
use poolscope_semconv::value::{AcquireOutcome, CloseReason};
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::upstream::{HangUp, Options, Reply, Upstream, answer};
use poolscope_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ROUNDS: u64 = 10;

/// A server that answers one request on each connection, and closes the connection when a second one comes: for the
/// client the same as one that closed it a moment earlier.
async fn closes_under_the_second() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                if read > 0 {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                    let _ = stream.read(&mut head).await;
                }
            });
        }
    });
    addr
}

async fn a_request_on_a_stale_connection_is_counted(kind: Kind) {
    let url = format!("http://{}/", closes_under_the_second().await);
    let scope = Scope::new();
    let client = Client::new(&scope, kind, Settings::default()).unwrap();
    for _ in 0..ROUNDS {
        client.read(&url).await.unwrap();
        // The connection is back in the pool some moments after its body was read.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        client.read(&url).await.unwrap_err();
    }
    let closed = async || scope.snapshot().pools.remove(0);
    let pool = wait::until("all closes", closed, |pool| pool.closed_total() == ROUNDS).await;
    assert_eq!((pool.opened, pool.wasted), (ROUNDS, 0));
    // A machine that is busy elsewhere may take longer than a round trip would.
    assert!((ROUNDS / 2..=ROUNDS).contains(&pool.stale_reuse), "{}", pool.stale_reuse);
    assert_eq!((pool.outcome(AcquireOutcome::New), pool.outcome(AcquireOutcome::Reused)), (ROUNDS, ROUNDS));
    let reasons: Vec<_> = pool.closed.iter().map(|(reason, ..)| *reason).collect();
    assert_eq!(reasons, [CloseReason::PeerClosedActive], "{:?}", pool.closed);
    assert_eq!((pool.in_flight(), pool.counts().open()), (0, 0));
}

#[tokio::test]
async fn hyper() {
    a_request_on_a_stale_connection_is_counted(Kind::HyperH1).await;
}

#[tokio::test]
async fn reqwest() {
    a_request_on_a_stale_connection_is_counted(Kind::ReqwestH1).await;
}

/// A server that takes a request and hangs up on it a while later has not closed before it came.
#[tokio::test]
async fn a_server_that_fails_is_not_stale() {
    let slow = |request: http::Request<hyper::body::Incoming>| async move {
        if request.uri().path() == "/fails" {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            return Reply::Hang(HangUp);
        }
        answer(http::StatusCode::OK, "ok")
    };
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    for kind in [Kind::HyperH1, Kind::ReqwestH1] {
        let scope = Scope::new();
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        client.read(&upstream.url("/")).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        client.read(&upstream.url("/fails")).await.unwrap_err();
        let pool = scope.snapshot().pools.remove(0);
        assert_eq!((pool.stale_reuse, pool.outcome(AcquireOutcome::Reused)), (0, 1), "{kind:?}");
    }
}

/// A server that hangs up on the first request of a connection is no stale one.
#[tokio::test]
async fn a_fresh_connection_is_not_stale() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let scope = Scope::new();
    let client = Client::new(&scope, Kind::HyperH1, Settings::default()).unwrap();
    client.read(&url).await.unwrap_err();
    assert_eq!(scope.snapshot().pools[0].stale_reuse, 0);
}
