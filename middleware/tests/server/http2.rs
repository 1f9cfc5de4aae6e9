//! HTTP/2: streams of one connection, its end by GOAWAY, and what its client does to single streams.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use poolscope::server::ServerBuilder;
use poolscope::{DisconnectPhase, Scope, ServerCloseReason};
use poolscope_semconv::value::ErrorType;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{Api, PATIENCE, established};

const SOON: Duration = Duration::from_millis(150);

/// A client, and the task that drives its connection.
struct Client {
    send: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<hyper::Result<()>>,
    authority: String,
}

impl Client {
    async fn connect(api: &Api) -> Self {
        let io = TokioIo::new(TcpStream::connect(api.addr).await.unwrap());
        let (send, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        Self { send, driver: tokio::spawn(connection), authority: api.addr.to_string() }
    }

    /// Has room for little: the server sends as fast as the client reads.
    async fn narrow(api: &Api) -> Self {
        let io = TokioIo::new(TcpStream::connect(api.addr).await.unwrap());
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(65_535);
        let (send, connection) = builder.handshake(io).await.unwrap();
        Self { send, driver: tokio::spawn(connection), authority: api.addr.to_string() }
    }

    fn get(
        &mut self,
        path: &str,
    ) -> impl Future<Output = hyper::Result<http::Response<hyper::body::Incoming>>> + use<> {
        let uri = format!("http://{}{path}", self.authority);
        self.send.send_request(Request::get(uri).body(Empty::new()).unwrap())
    }

    /// Its connection ends in order, as the server wants.
    async fn ends(self) {
        timeout(PATIENCE, self.driver).await.expect("an end").unwrap().unwrap();
    }
}

/// Under both loops.
async fn both(
    options: impl Fn(ServerBuilder) -> ServerBuilder,
    client: impl AsyncFn(&Api, Client),
) -> [poolscope::ServerSnapshot; 2] {
    let mut seen = Vec::new();
    for own in [false, true] {
        let scope = Scope::new();
        let api =
            if own { Api::start_own(&scope, &options).await } else { Api::start(&scope, &options).await };
        let connected = Client::connect(&api).await;
        client(&api, connected).await;
        seen.push(api.until("the end", |seen| seen.accepted == 1 && seen.present() == 0).await);
        assert_eq!((seen.last().unwrap().active_requests, established(api.addr.port())), (0, 0));
    }
    seen.try_into().unwrap()
}

fn as_is(server: ServerBuilder) -> ServerBuilder {
    server
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let seen = both(as_is, async |api, mut client| {
        let soon: Vec<_> = (0..10).map(|_| client.get("/soon")).collect();
        let soon: Vec<_> = soon.into_iter().map(tokio::spawn).collect();
        let seen = api.until("all requests", |seen| seen.active_requests == 10).await;
        assert_eq!((seen.connections.active, seen.open[0].active_requests), (1, 10));
        for answer in soon {
            answer.await.unwrap().unwrap().into_body().collect().await.unwrap();
        }
        api.until("the connection to be idle", |seen| seen.connections.idle == 1).await;
    });
    for seen in seen.await {
        assert_eq!(seen.closed(ServerCloseReason::ClientClosed), 1, "{:?}", seen.closed);
        let row = &seen.results[0];
        assert_eq!((row.result.protocol, row.result.duration.count()), (Some("2"), 10));
        assert_eq!(seen.per_connection.sum as u64, 10);
    }
}

#[tokio::test]
async fn an_old_connection_is_told_to_go_and_its_requests_end() {
    let seen = both(
        |server| server.max_age(SOON),
        async |_, mut client| {
            let began = Instant::now();
            let first = client.get("/soon").await.unwrap();
            assert_eq!(first.status(), StatusCode::OK);
            drop(first);
            client.ends().await;
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        },
    );
    for seen in seen.await {
        assert_eq!(seen.closed(ServerCloseReason::MaxAge), 1, "{:?}", seen.closed);
        assert_eq!(seen.results[0].result.status, Some(200));
    }
}

#[tokio::test]
async fn an_old_connection_in_use_takes_no_more_requests() {
    both(
        |server| server.max_age(SOON),
        async |_, mut client| {
            let slow = tokio::spawn(client.get("/soon"));
            tokio::time::sleep(SOON + Duration::from_millis(100)).await;
            // It has read the GOAWAY, while its first request is still under way.
            client.get("/").await.unwrap_err();
            assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
            client.ends().await;
        },
    )
    .await;
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go() {
    let seen = both(
        |server| server.idle_timeout(SOON),
        async |_, mut client| {
            client.get("/").await.unwrap().into_body().collect().await.unwrap();
            client.ends().await;
        },
    );
    for seen in seen.await {
        assert_eq!(seen.closed(ServerCloseReason::IdleTimeout), 1, "{:?}", seen.closed);
    }
}

#[tokio::test]
async fn a_client_that_resets_a_stream_leaves_the_others_alone() {
    let seen = both(as_is, async |api, mut client| {
        let mut responding = client.get("/endless").await.unwrap().into_body();
        responding.frame().await.unwrap().unwrap();
        // That one stream is answered says nothing of another.
        let waiting = client.get("/slow");
        timeout(SOON, waiting).await.unwrap_err();
        let seen = api.until("the reset", |seen| seen.disconnected(DisconnectPhase::Waiting) == 1).await;
        assert_eq!((seen.active_requests, seen.disconnected(DisconnectPhase::Responding)), (1, 0));
        drop(responding);
        let seen = api.until("the reset", |seen| seen.disconnected(DisconnectPhase::Responding) == 1).await;
        assert_eq!((seen.connections.idle, seen.active_requests), (1, 0));
        assert_eq!(client.get("/").await.unwrap().status(), StatusCode::OK);
    });
    for seen in seen.await {
        assert_eq!((seen.requests, seen.closed(ServerCloseReason::ClientClosed)), (3, 1));
    }
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_request_only() {
    let seen = both(as_is, async |_, mut client| {
        client.get("/panic").await.unwrap_err();
        assert_eq!(client.get("/").await.unwrap().status(), StatusCode::OK);
    });
    for seen in seen.await {
        let panicked = seen.results.iter().filter_map(|row| row.result.error_type);
        assert_eq!(panicked.collect::<Vec<_>>(), [ErrorType::Panic]);
        assert_eq!(seen.disconnected(DisconnectPhase::Waiting), 0);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_stream_is_cut() {
    let seen = both(
        |server| server.write_timeout(SOON),
        async |api, mut client| {
            let unread = client.get("/endless").await.unwrap();
            api.until("the end", |seen| seen.present() == 0).await;
            drop(unread);
        },
    );
    for seen in seen.await {
        assert_eq!(seen.closed(ServerCloseReason::WriteTimeout), 1, "{:?}", seen.closed);
    }
}

#[tokio::test]
async fn a_client_that_reads_a_large_part_slowly_is_served() {
    let api = Api::start_own(&Scope::new(), |server| server.write_timeout(SOON * 2)).await;
    let mut client = Client::narrow(&api).await;
    let mut body = client.get("/huge-parts").await.unwrap().into_body();
    let began = Instant::now();
    while began.elapsed() < SOON * 8 {
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(api.seen().connections.active, 1);
    // Now it reads nothing any more, and says that it is there.
    let seen = api.until("the end", |seen| seen.present() == 0).await;
    assert_eq!(seen.closed(ServerCloseReason::WriteTimeout), 1, "{:?}", seen.closed);
}

#[tokio::test]
async fn a_shutdown_lets_streams_end_and_cuts_the_rest() {
    for own in [false, true] {
        let scope = Scope::new();
        let api = if own { Api::start_own(&scope, as_is).await } else { Api::start(&scope, as_is).await };
        let [mut ends, mut stays] = [Client::connect(&api).await, Client::connect(&api).await];
        let (soon, slow) = (tokio::spawn(ends.get("/soon")), tokio::spawn(stays.get("/slow")));
        api.until("both", |seen| seen.active_requests == 2).await;
        let report = scope.shutdown(Duration::from_millis(600)).await;
        assert_eq!((report.connections, report.connections_cut, report.connections_left), (2, 1, 0));
        assert_eq!(soon.await.unwrap().unwrap().status(), StatusCode::OK);
        slow.await.unwrap().unwrap_err();
        ends.ends().await;
        let seen = api.server.snapshot();
        let closed = [ServerCloseReason::Shutdown, ServerCloseReason::ShutdownCut].map(|of| seen.closed(of));
        assert_eq!((closed, seen.active_requests), ([1, 1], 0));
        api.serving.await.unwrap();
        assert_eq!(established(api.addr.port()), 0);
    }
}

/// hyper has taken the whole body of the answer long before its client has.
#[tokio::test]
async fn an_answer_that_was_handed_out_whole_is_sent_beyond_the_idle_timeout() {
    for own in [false, true] {
        let options = |server: ServerBuilder| server.idle_timeout(SOON).drain_timeout(SOON);
        let scope = Scope::new();
        let api = if own { Api::start_own(&scope, options).await } else { Api::start(&scope, options).await };
        let mut client = Client::narrow(&api).await;
        let mut body = client.get("/buffered").await.unwrap().into_body();
        let (began, mut read) = (Instant::now(), 0);
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().into_data().unwrap().len();
            tokio::time::sleep(SOON / 2).await;
        }
        assert_eq!(read, crate::support::BUFFERED);
        assert!(began.elapsed() > SOON * 5, "{:?}", began.elapsed());
        assert_eq!(api.seen().results.len(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_leaves_http_does_not_free_the_others() {
    let server = Scope::new().server("api").write_timeout(SOON).idle_timeout(SOON).build().unwrap();
    let tcp = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let routes = crate::support::router().fallback(|| async { "whatever" });
    let serving = tokio::spawn(server.serve(server.listen(tcp), routes));
    let api = Api { server, addr, serving };
    let mut client = Client::narrow(&api).await;
    let connect = Request::connect("elsewhere:1").body(Empty::new()).unwrap();
    let tunnel = client.send.send_request(connect).await.unwrap();
    assert_eq!(tunnel.status(), StatusCode::OK);
    // It is let be, as it is over HTTP/1.
    tokio::time::sleep(SOON * 4).await;
    assert_eq!(api.seen().connections.upgraded, 1);
    let unread = client.get("/endless").await.unwrap();
    let seen = api.until("the end", |seen| seen.present() == 0).await;
    assert_eq!(seen.closed(ServerCloseReason::WriteTimeout), 1, "{:?}", seen.closed);
    drop((tunnel, unread));
}
