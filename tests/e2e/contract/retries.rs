//! Calls that are tried again in vain, and requests on connections that their server is closing.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use poolscope::Scope;
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::upstream::{Options, Upstream, answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

use super::{World, hyper_client, nobody};

/// A connection that was idle for less is not taken for a stale one.
const IDLE: Duration = Duration::from_millis(110);

/// On a busy machine a request may fail too late to be sure of what it met.
const MAX_ROUNDS: usize = 50;

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    tokio::join!(in_vain(&scope), stale(&scope));
    world.end(telemetry).await;
}

async fn in_vain(scope: &Scope) {
    let handler = |_| async { answer(StatusCode::SERVICE_UNAVAILABLE, "") };
    let upstream = Upstream::start(Options::default(), handler).await.unwrap();
    let policy = RetryPolicy::builder(scope, "in vain").max_attempts(2).base_delay(Duration::from_millis(1));
    let client = RetryLayer::new(policy.build().unwrap()).layer(hyper_client(&scope.client("retries")));
    for url in [upstream.url("/"), format!("http://{}/", nobody().await)] {
        let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
        let ended = client.clone().oneshot(request).await;
        assert!(ended.is_err() || ended.is_ok_and(|response| response.status().is_server_error()));
    }
}

/// Takes the second request of a connection and closes it, which for the client is the same as to have closed it before.
async fn stale(scope: &Scope) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let client = Client::new(scope, Kind::HyperH1, Settings::default()).unwrap();
    let is_seen = || scope.snapshot().pools.iter().any(|pool| pool.stale_reuse > 0);
    for _ in 0..MAX_ROUNDS {
        client.read(&url).await.unwrap();
        tokio::time::sleep(IDLE).await;
        client.read(&url).await.unwrap_err();
        if is_seen() {
            return;
        }
    }
    panic!("no request met a connection that was closed");
}
