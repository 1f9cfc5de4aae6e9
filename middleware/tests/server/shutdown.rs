//! Servers end in order: no socket and no task is left.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use poolscope::shutdown::ShutdownLayer;
use poolscope::{Scope, ServerCloseReason};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tower::{Layer, ServiceExt};

use crate::support::{Api, Raw, established};

const LONG: Duration = Duration::from_secs(20);

async fn start(scope: &Scope, own: bool) -> Api {
    if own { Api::start_own(scope, |server| server).await } else { Api::start(scope, |server| server).await }
}

/// One that is idle, one that works, and one that has only begun to ask.
async fn three(api: &Api) -> [Raw; 3] {
    let [mut idle, mut busy, mut begun] = [api.connect().await, api.connect().await, api.connect().await];
    idle.get("/").await;
    idle.read_to("hello").await;
    busy.get("/soon").await;
    begun.send("GET / HTTP/1.1\r\n").await;
    api.until("all three", |seen| seen.accepted == 3 && seen.connections.active == 1).await;
    [idle, busy, begun]
}

#[tokio::test]
async fn what_is_under_way_ends_and_nothing_is_left() {
    for own in [false, true] {
        let tasks = Handle::current().metrics().num_alive_tasks();
        let scope = Scope::new();
        let api = start(&scope, own).await;
        let [mut idle, mut busy, mut begun] = three(&api).await;
        let began = Instant::now();
        let shutdown = scope.clone();
        let shutdown = tokio::spawn(async move { shutdown.shutdown(LONG).await });
        assert_eq!(idle.rest().await, b"", "an idle one ends at once");
        assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
        let answer = String::from_utf8(busy.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        begun.send("host: a\r\n\r\n").await;
        begun.rest().await;
        let report = shutdown.await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.connections, report.connections_cut, report.connections_left), (3, 0, 0));
        assert!(
            report.to_string().ends_with("of 3 connections of servers 0 were cut, 0 are left"),
            "{report}"
        );
        api.serving.await.unwrap();
        assert_eq!(api.server.snapshot().closed(ServerCloseReason::Shutdown), 3);
        assert_eq!(established(api.addr.port()), 0);
        TcpStream::connect(api.addr).await.unwrap_err();
        assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
    }
}

#[tokio::test]
async fn what_does_not_end_is_cut_at_the_deadline() {
    for own in [false, true] {
        let tasks = Handle::current().metrics().num_alive_tasks();
        let scope = Scope::new();
        let api = start(&scope, own).await;
        let mut slow = api.connect().await;
        slow.get("/slow").await;
        // Its body was not read, so that nobody reads from its socket.
        let mut unread = api.connect().await;
        unread.send("GET /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhal").await;
        let mut endless = api.connect().await;
        endless.get("/endless").await;
        api.until("three requests", |seen| seen.active_requests == 3).await;
        let report = scope.shutdown(Duration::from_millis(200)).await;
        assert_eq!(
            (report.connections, report.connections_cut, report.connections_left),
            (3, 3, 0),
            "{report}"
        );
        assert_eq!((report.began_with, report.served, report.served_cut, report.served_left), (0, 3, 3, 0));
        assert!(
            report.to_string().contains(
                ": of 0 requests of clients 0 ended, 0 were cut, 0 are left; of 3 requests of servers 0 ended, 3 were cut"
            ),
            "{report}"
        );
        assert!(!report.is_clean() && report.took < Duration::from_secs(2), "{report:?}");
        assert_eq!(slow.until_reset().await, b"");
        api.serving.await.unwrap();
        let seen = api.server.snapshot();
        assert_eq!((seen.closed(ServerCloseReason::ShutdownCut), seen.active_requests), (3, 0));
        assert_eq!(seen.results.iter().filter(|row| row.result.error_type.is_some()).count(), 1);
        assert_eq!(established(api.addr.port()), 0);
        assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
    }
}

#[tokio::test]
async fn what_servers_work_on_may_ask_others_until_it_has_ended() {
    let scope = Scope::new();
    let asks = tower::service_fn(|()| async { Ok::<_, Infallible>(http::Response::new(String::new())) });
    let asks = ShutdownLayer::new(&scope).layer(asks);
    let handler = async move || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        asks.oneshot(()).await.map(|_| "asked").map_err(|error| error.to_string())
    };
    let router = Router::new().route("/", get(handler));
    let server = scope.server("api").build().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let serving = tokio::spawn(server.serve(server.listen(tcp), router));
    let mut client = Raw(TcpStream::connect(addr).await.unwrap());
    client.get("/").await;
    while server.snapshot().active_requests == 0 {
        tokio::task::yield_now().await;
    }
    // The figures are there until the last telemetry is sent, whoever has let go of the server.
    drop(server);
    let report = scope.shutdown(LONG).await;
    assert!(report.is_clean(), "{report}");
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("asked"), "{answer}");
    serving.await.unwrap();
}

#[tokio::test]
async fn a_server_that_closes_alone_lets_its_requests_end() {
    let api = Api::start(&Scope::new(), |server| server).await;
    let [_idle, mut busy, begun] = three(&api).await;
    assert_eq!(api.server.close(), 3);
    assert!(busy.rest().await.starts_with(b"HTTP/1.1 200"));
    drop(begun);
    api.server.all_ended().await;
    api.serving.await.unwrap();
    assert!(api.server.snapshot().is_closed);
}

/// What a client has sent when it is told nothing yet is answered, and what it sends soon after its last answer too.
#[tokio::test]
async fn a_request_that_comes_in_time_is_answered_and_its_answer_is_the_last() {
    for own in [false, true] {
        let scope = Scope::new();
        let api = start(&scope, own).await;
        let [mut there, mut soon] = [api.connect().await, api.connect().await];
        for client in [&mut there, &mut soon] {
            client.get("/").await;
            client.read_to("hello").await;
        }
        // In the kernel, and not read: this task has the runtime for itself.
        there.get("/").await;
        assert_eq!(api.server.close(), 2);
        tokio::time::sleep(Duration::from_millis(20)).await;
        soon.get("/").await;
        for client in [&mut there, &mut soon] {
            let answer = String::from_utf8(client.rest().await).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer:?}");
        }
        api.serving.await.unwrap();
    }
}
