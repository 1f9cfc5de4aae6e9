//! The race of keep-alive: a request is sent on a connection that the server is closing. Nobody answers it, and nobody
//! knows whether it was served; so it is counted by its name.

use std::net::SocketAddr;

use poolscope::Scope;
use poolscope_semconv::value::{AcquireOutcome, CloseReason};
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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
    for _ in 0..3 {
        client.read(&url).await.unwrap();
        // The connection is back in the pool some moments after its body was read.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        client.read(&url).await.unwrap_err();
    }
    let closed = async || scope.snapshot().pools.remove(0);
    let pool = wait::until("all closes", closed, |pool| pool.closed_total() == 3).await;
    assert_eq!((pool.stale_reuse, pool.opened, pool.wasted), (3, 3, 0));
    assert_eq!((pool.outcome(AcquireOutcome::New), pool.outcome(AcquireOutcome::Reused)), (3, 3));
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
