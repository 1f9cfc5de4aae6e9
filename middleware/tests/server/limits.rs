//! How many connections there may be.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use poolscope::server::AtLimit;
use poolscope::{Event, RejectReason, Scope};
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Api, established};

#[tokio::test]
async fn a_connection_too_many_reads_why() {
    let scope = Scope::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    scope.listen(move |event: &Event| {
        if let Event::ServerRejecting(rejecting) = event {
            hears.lock().unwrap().push(rejecting.clone());
        }
    });
    let api = Api::start(&scope, |server| server.max_connections(2)).await;
    let mut served = [api.connect().await, api.connect().await];
    for client in &mut served {
        client.get("/").await;
        client.read_to("hello").await;
    }
    for _ in 0..20 {
        let mut refused = api.connect().await;
        // More than one head, so that there is something that nobody has read when it is closed.
        refused.get(&format!("/{}", "x".repeat(50_000))).await;
        let answer = String::from_utf8(refused.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
        assert!(
            answer.ends_with("api has as many connections as it may have, 2: try again later\n"),
            "{answer}"
        );
    }
    let seen = api.until("the refused to be gone", |_| established(api.addr.port()) == 2).await;
    assert_eq!((seen.rejected(RejectReason::MaxConnections), seen.accepted), (20, 22));
    let heard = heard.lock().unwrap().clone();
    assert_eq!((heard.len(), heard[0].rejected, heard[0].limit), (1, 1, 2));

    let error = reqwest::get(format!("http://{}/", api.addr)).await.unwrap();
    assert_eq!(error.status(), 503);
    drop(served);
    api.until("room", |seen| seen.present() == 0).await;
    assert_eq!(reqwest::get(format!("http://{}/", api.addr)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_too_many_over_http2_is_told_to_go_away() {
    let api = Api::start(&Scope::new(), |server| server.max_connections(1)).await;
    let _served = api.connect().await;
    api.until("the first", |seen| seen.present() == 1).await;
    let io = TokioIo::new(TcpStream::connect(api.addr).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("http://{}/", api.addr)).body(Empty::<Bytes>::new()).unwrap();
    let error = client.send_request(request).await.unwrap_err();
    assert!(!error.is_parse(), "{error:?}");
    api.until("the refused one to be gone", |_| established(api.addr.port()) == 1).await;
}

#[tokio::test]
async fn a_connection_too_many_waits_for_room() {
    let api = Api::start(&Scope::new(), |server| server.max_connections(1).at_limit(AtLimit::Wait)).await;
    let mut first = api.connect().await;
    first.get("/").await;
    first.read_to("hello").await;
    let mut second = api.connect().await;
    second.get("/").await;
    timeout(Duration::from_millis(100), second.read_to("hello")).await.unwrap_err();
    let seen = api.seen();
    assert_eq!((seen.accepted, seen.rejected(RejectReason::MaxConnections)), (1, 0));
    drop(first);
    second.read_to("hello").await;
    assert_eq!(api.seen().accepted, 2);
    // It still hears that it is to end while it waits.
    api.server.close();
    second.rest().await;
    timeout(Duration::from_secs(5), api.serving).await.unwrap().unwrap();
}
