//! Places of connections: who holds them against whom.

use std::time::{Duration, Instant};

use poolscope_dashboard::Config;
use poolscope_wire::path;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{PATIENCE, Running, until};

fn few(places: usize) -> impl FnOnce(&mut Config) {
    move |config| config.limits.max_connections = places
}

/// Hits of the bound on connections of the page.
async fn hits(server: &Running) -> u64 {
    let limits = server.status().await.limits;
    limits.iter().find(|limit| limit.name == "connections for the dashboard").unwrap().hits
}

#[tokio::test]
async fn hundreds_that_send_nothing_or_drip_are_in_nobodys_way() {
    let server = Running::with(few(32)).await;
    let mut loris = Vec::new();
    for n in 0..400 {
        let mut socket = TcpStream::connect(server.http).await.unwrap();
        if n % 2 == 0 {
            // Whoever was cut already can't write any more.
            let _ = socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ").await;
        }
        loris.push(socket);
        if n % 50 == 49 {
            let asked = Instant::now();
            let answer =
                server.client.get(format!("http://{}{}", server.http, path::STATUS)).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(asked.elapsed() < Duration::from_secs(2), "{n}: {:?}", asked.elapsed());
        }
    }
    assert!(hits(&server).await >= 300);
    drop(loris);
}

#[tokio::test]
async fn a_head_that_drips_is_cut_and_one_that_is_whole_is_answered() {
    let server = Running::with(|config| config.limits.header_timeout_s = 1).await;
    let began = Instant::now();
    let mut socket = TcpStream::connect(server.http).await.unwrap();
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\n".iter().chain(std::iter::repeat(&b'x')) {
            if socket.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, drip).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // Second requests drip no longer than first ones.
    let mut socket = TcpStream::connect(server.http).await.unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 1024];
    let read = socket.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    socket.write_all(b"GET /he").await.unwrap();
    let ended = async { while !matches!(socket.read(&mut answer).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    let losses = server.status().await.own.losses;
    assert!(
        losses.iter().any(|loss| loss.what.contains("did not arrive in time") && loss.count == 2),
        "{losses:?}"
    );
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_and_a_live_stream_stays() {
    let server = Running::with(|config| config.limits.idle_timeout_s = 1).await;
    let mut stream = server.get(path::STREAM).send().await.unwrap();
    let mut socket = TcpStream::connect(server.http).await.unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert!(stream.chunk().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_browser_that_reads_nothing_loses_its_place() {
    let server = Running::with(|config| config.limits.idle_timeout_s = 1).await;
    let mut stuck = TcpStream::connect(server.http).await.unwrap();
    stuck.write_all(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until("it is watched", async || server.status().await.streams == 1).await;
    // More than sockets hold, and nobody reads: what is new is told whole.
    let began = Instant::now();
    let mut pools = 0..;
    let mut told = async || {
        for _ in 0..4 {
            let names: Vec<_> =
                pools.by_ref().take(100).map(|n: u32| format!("{n}-{}", "x".repeat(400))).collect();
            send_pools(&server, &names).await;
        }
        let losses = server.status().await.own.losses;
        losses.iter().any(|loss| loss.what.contains("took nothing"))
    };
    until("it was cut", &mut told).await;
    assert!(began.elapsed() >= Duration::from_secs(4));
    until("it is gone", async || server.status().await.streams == 0).await;
}

async fn send_pools(server: &Running, names: &[String]) {
    let metric = |name: &String| {
        serde_json::json!({ "attributes": [
            { "key": "server.address", "value": { "stringValue": name } },
            { "key": "http.connection.state", "value": { "stringValue": "idle" } },
        ], "asInt": "1" })
    };
    let points: Vec<_> = names.iter().map(metric).collect();
    let body = serde_json::json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [{
        "name": "http.client.open_connections", "sum": { "aggregationTemporality": 2, "dataPoints": points },
    }] }] }] });
    let url = format!("http://{}/v1/metrics", server.otlp);
    server.client.post(url).json(&body).send().await.unwrap().error_for_status().unwrap();
}

#[tokio::test]
async fn two_hundred_browsers_watch_at_once_and_the_next_is_told_why_not() {
    let server = Running::with(|_| {}).await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        let stream = server.get(path::STREAM).send().await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        streams.push(stream);
    }
    for stream in &mut streams {
        let first = tokio::time::timeout(PATIENCE, stream.chunk()).await.unwrap().unwrap().unwrap();
        assert!(first.starts_with(b"data: "));
    }
    let refused = server.get(path::STREAM).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let status = server.status().await;
    assert_eq!((status.streams, status.own.browsers.len()), (200, 20));
    assert!(status.own.browsers.iter().all(|browser| browser.network == "this machine"));
    // Who leaves makes room.
    drop(streams);
    until("there is room", async || server.status().await.streams == 0).await;
    assert_eq!(server.get(path::STREAM).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn hundreds_of_senders_that_stop_in_the_middle_do_not_stop_the_others() {
    let server = Running::with(few(64)).await;
    let mut halves = Vec::new();
    for _ in 0..300 {
        let mut socket = TcpStream::connect(server.otlp).await.unwrap();
        let _ = socket.write_all(b"POST /v1/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: appl").await;
        let mut preface = TcpStream::connect(server.grpc).await.unwrap();
        let _ = preface.write_all(b"PRI * HTTP/2.0\r\n").await;
        halves.push((socket, preface));
    }
    let answer = server.post("/v1/metrics").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}
