//! What is counted, against what clients and the kernel know.

use poolscope::{Scope, ServerCloseReason};

use crate::support::{Api, established};

#[tokio::test]
async fn connections_and_requests_are_what_clients_and_the_kernel_say() {
    let api = Api::start(&Scope::new(), |server| server).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(api.connect().await);
    }
    for client in &mut clients[..3] {
        for _ in 0..4 {
            client.get("/orders/7").await;
            assert!(client.read_to("\r\n\r\n7").await.starts_with("HTTP/1.1 200"));
        }
    }
    clients[0].get("/slow").await;
    let seen = api.until("the slow request", |seen| seen.connections.active == 1).await;
    let counts = (seen.accepted, seen.connections.idle, seen.connections.active, seen.connections.upgraded);
    assert_eq!(counts, (5, 4, 1, 0));
    assert_eq!((seen.requests, seen.active_requests), (13, 1));
    assert_eq!(seen.active_by_method, [("GET", 1)]);
    assert_eq!(established(api.addr.port()), 5);
    let row = &seen.results[0];
    assert_eq!(row.route.as_deref(), Some("/orders/{id}"));
    let result = &row.result;
    assert_eq!((result.method, result.status, result.protocol), ("GET", Some(200), Some("1.1")));
    assert_eq!(result.duration.count(), 12);

    // One that never asked for anything, and one in the middle of a request.
    drop(clients.remove(4));
    drop(clients.remove(0));
    let seen = api.until("two closes", |seen| seen.connections.open() == 3).await;
    assert_eq!(seen.closed(ServerCloseReason::ClientClosed), 1);
    assert_eq!(seen.closed(ServerCloseReason::ClientClosedActive), 1);
    assert_eq!(established(api.addr.port()), 3);
    assert_eq!(seen.per_connection.sum as u64, 5);
    drop(clients);
    let seen = api.until("all to be closed", |seen| seen.present() == 0).await;
    assert_eq!((seen.requests, seen.active_requests, seen.duration.count()), (13, 0, 5));
    let asked: u64 = 12 * "GET /orders/7 HTTP/1.1\r\nhost: api.example\r\n\r\n".len() as u64;
    let slow = "GET /slow HTTP/1.1\r\nhost: api.example\r\n\r\n".len() as u64;
    assert_eq!(seen.bytes[1].1, asked + slow);
}

#[tokio::test]
async fn requests_in_flight_are_counted_by_method_and_not_forgotten() {
    let api = Api::start(&Scope::new(), |server| server).await;
    assert!(api.seen().active_by_method.is_empty());
    let (mut gets, mut posts, mut brews) = (api.connect().await, api.connect().await, api.connect().await);
    gets.get("/slow").await;
    brews.send("BREW /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab").await;
    posts.send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab").await;
    // What axum does not know is answered at once.
    let seen = api.until("the body", |seen| seen.active_requests == 2 && seen.requests == 3).await;
    assert_eq!(seen.active_by_method, [("GET", 1), ("POST", 1), ("_OTHER", 0)]);
    drop((gets, posts));
    let seen = api.until("the end of both", |seen| seen.active_requests == 0).await;
    assert_eq!(seen.active_by_method, [("GET", 0), ("POST", 0), ("_OTHER", 0)]);
}
