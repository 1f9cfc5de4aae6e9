//! Each reason for which a connection is closed, provoked by a real client, under axum's loop and under our own.

use std::time::{Duration, Instant};

use poolscope::server::ServerBuilder;
use poolscope::{Scope, ServerCloseReason, ServerSnapshot};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Api, PATIENCE, Raw, established};
#[cfg(target_os = "linux")]
use crate::support::{BUFFERED, narrow};

const SOON: Duration = Duration::from_millis(150);

/// Runs a client against both loops.
async fn both(
    reason: ServerCloseReason,
    options: impl Fn(ServerBuilder) -> ServerBuilder,
    client: impl AsyncFn(&Api, Raw),
) -> [ServerSnapshot; 2] {
    let scopes = [Scope::new(), Scope::new()];
    let apis = [Api::start(&scopes[0], &options).await, Api::start_own(&scopes[1], &options).await];
    let mut seen = Vec::new();
    for api in apis {
        let connection = api.connect().await;
        client(&api, connection).await;
        let closed = api.closed(reason).await;
        assert_eq!((closed.present(), closed.active_requests), (0, 0));
        assert_eq!(established(api.addr.port()), 0);
        seen.push(closed);
    }
    seen.try_into().unwrap()
}

fn as_is(server: ServerBuilder) -> ServerBuilder {
    server
}

#[tokio::test]
async fn a_client_that_closes_after_its_answer() {
    both(ServerCloseReason::ClientClosed, as_is, async |_, mut client| {
        client.get("/").await;
        client.read_to("hello").await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_closes_before_its_answer() {
    let seen = both(ServerCloseReason::ClientClosedActive, as_is, async |api, mut client| {
        client.get("/slow").await;
        api.until("the request", |seen| seen.active_requests == 1).await;
    });
    for seen in seen.await {
        assert_eq!(seen.disconnected[0].1, 1);
        assert_eq!(seen.results[0].result.error_type.unwrap().as_str(), "client_disconnected");
    }
}

#[tokio::test]
async fn a_client_that_closes_within_its_answer() {
    let seen = both(ServerCloseReason::ClientReset, as_is, async |_, mut client| {
        client.get("/endless").await;
        client.read_to("\r\n\r\n").await;
    });
    for seen in seen.await {
        assert_eq!((seen.disconnected[0].1, seen.disconnected[1].1), (0, 1));
        assert_eq!(seen.results[0].result.status, Some(200));
    }
}

#[tokio::test]
async fn a_client_that_closes_within_an_answer_that_was_handed_out_whole() {
    let seen = both(ServerCloseReason::ClientReset, as_is, async |api, mut client| {
        client.get("/large").await;
        client.read_to("\r\n\r\n").await;
        // Its body is one piece, which hyper has by now, and the kernel does not.
        api.until("the answer", |seen| seen.bytes[0].1 > 1_000_000).await;
        assert_eq!(api.seen().active_requests, 1);
    });
    for seen in seen.await {
        assert_eq!((seen.disconnected[0].1, seen.disconnected[1].1), (0, 1));
    }
}

#[tokio::test]
async fn a_client_that_closes_when_it_has_everything() {
    let seen = both(ServerCloseReason::ClientClosed, as_is, async |api, mut client| {
        for path in ["/large", "/empty", "/"] {
            client.get(path).await;
            let head = client.read_to("\r\n\r\n").await;
            let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
            let mut left = length.parse::<usize>().unwrap() + head.find("\r\n\r\n").unwrap() + 4 - head.len();
            let mut buf = vec![0; 1 << 20];
            while left > 0 {
                let most = left.min(buf.len());
                left -= tokio::io::AsyncReadExt::read(&mut client.0, &mut buf[..most]).await.unwrap();
            }
            api.until("its end", |seen| seen.active_requests == 0).await;
        }
    });
    for seen in seen.await {
        assert_eq!((seen.disconnected[0].1, seen.disconnected[1].1, seen.requests), (0, 0, 3));
    }
}

#[tokio::test]
async fn a_client_that_resets() {
    both(ServerCloseReason::ClientReset, as_is, async |_, mut client| {
        client.get("/").await;
        client.read_to("hello").await;
        socket2::SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_client_that_wants_no_more() {
    both(ServerCloseReason::ConnectionClose, as_is, async |_, mut client| {
        client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(client.rest().await.ends_with(b"hello"));
    })
    .await;
    both(ServerCloseReason::ConnectionClose, as_is, async |_, mut client| {
        client.send("GET / HTTP/1.0\r\n\r\n").await;
        assert!(client.rest().await.ends_with(b"hello"));
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_idle_for_too_long() {
    let options = |server: ServerBuilder| server.idle_timeout(SOON);
    both(ServerCloseReason::IdleTimeout, options, async |_, mut client| {
        client.get("/soon").await;
        client.read_to("\r\n\r\n").await;
        let idle = Instant::now();
        assert_eq!(client.rest().await, b"");
        assert!((SOON..SOON + Duration::from_millis(150)).contains(&idle.elapsed()), "{:?}", idle.elapsed());
    })
    .await;
    both(ServerCloseReason::IdleTimeout, options, async |_, mut client| {
        assert_eq!(client.rest().await, b"", "one that never asked");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_too_old() {
    let options = |server: ServerBuilder| server.max_age(SOON);
    both(ServerCloseReason::MaxAge, options, async |_, mut client| {
        let asked = Instant::now();
        assert_eq!(client.rest().await, b"");
        assert!(asked.elapsed() >= SOON * 9 / 10);
    })
    .await;
    both(ServerCloseReason::MaxAge, options, async |_, mut client| {
        client.get("/soon").await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    })
    .await;
    let options = |server: ServerBuilder| server.max_age(SOON).drain_timeout(SOON);
    both(ServerCloseReason::MaxAge, options, async |_, mut client| {
        client.get("/slow").await;
        assert_eq!(client.until_reset().await, b"", "it was cut");
    })
    .await;
}

#[tokio::test]
async fn a_head_that_never_ends() {
    let options = |server: ServerBuilder| server.headers_timeout(SOON);
    both(ServerCloseReason::HeadersTimeout, options, async |_, mut client| {
        let began = Instant::now();
        client.send("GET / HTTP/1.1\r\n").await;
        // A byte now and then helps nothing.
        while tokio::io::AsyncWriteExt::write_all(&mut client.0, b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(began.elapsed() < PATIENCE);
        }
        assert!(began.elapsed() >= SOON);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_stands_still() {
    let options = |server: ServerBuilder| server.read_timeout(SOON);
    both(ServerCloseReason::ReadTimeout, options, async |_, mut client| {
        client.send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhal").await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert_eq!(answer.matches("connection: close").count(), 1, "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read() {
    let options = |server: ServerBuilder| server.write_timeout(SOON);
    let seen = both(ServerCloseReason::WriteTimeout, options, async |api, mut client| {
        client.get("/endless").await;
        api.until("the end", |seen| seen.accepted == 1 && seen.present() == 0).await;
        drop(client);
    });
    for seen in seen.await {
        assert_eq!(seen.disconnected[1].1, 0, "the program ended it");
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_served() {
    let api = Api::start(&Scope::new(), |server| server.write_timeout(SOON)).await;
    let mut client = api.connect().await;
    client.get("/endless").await;
    for _ in 0..10 {
        let mut read = vec![0; 3_000_000];
        tokio::io::AsyncReadExt::read_exact(&mut client.0, &mut read).await.unwrap();
        tokio::time::sleep(SOON / 2).await;
    }
    assert_eq!(api.seen().connections.active, 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_reads_less_than_the_kernel_waits_for_is_served() {
    // A third of the send buffer is more than this client reads within the write timeout, and only then the kernel takes more.
    const PIECE: usize = 80_000;
    let server = Scope::new().server("api").write_timeout(Duration::from_millis(500)).build().unwrap();
    let api = Api::start_buffered(server);
    let client = tokio::net::TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(16_384).unwrap();
    let mut client = Raw(client.connect(api.addr).await.unwrap());
    client.get("/endless").await;
    for _ in 0..30 {
        tokio::io::AsyncReadExt::read_exact(&mut client.0, &mut [0; PIECE]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(api.seen().connections.active, 1);
    // Now it reads nothing any more.
    let seen = api.closed(ServerCloseReason::WriteTimeout).await;
    assert_eq!(seen.disconnected[1].1, 0);
}

/// Reads for so long, some 10 kB a second; gives how many bytes, or nothing if the server has cut it.
#[cfg(target_os = "linux")]
async fn reads_slowly(client: &mut Raw, time: Duration) -> Option<usize> {
    let (begin, mut all) = (Instant::now(), 0);
    while begin.elapsed() < time {
        let mut buf = [0; 1_000];
        match tokio::io::AsyncReadExt::read(&mut client.0, &mut buf).await {
            Ok(0) => break,
            Ok(read) => all += read,
            Err(_) => return None,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Some(all)
}

/// It never takes a whole segment of those that the kernel has ready, and never so much that the kernel wants more.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_with_little_room_that_reads_slowly_is_served() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let api = Api::start_buffered(Scope::new().server("api").write_timeout(TIMEOUT).build().unwrap());
    let (mut endless, mut whole) = (narrow(api.addr).await, narrow(api.addr).await);
    endless.get("/endless").await;
    whole.get("/buffered").await;
    let time = TIMEOUT * 6;
    let reads = tokio::join!(reads_slowly(&mut endless, time), reads_slowly(&mut whole, time));
    assert!(reads.0.is_some_and(|read| read > 10_000), "{reads:?}");
    assert!(reads.1.is_some_and(|read| read > 10_000), "{reads:?}");
    let seen = api.seen();
    assert_eq!((seen.connections.active, seen.connections.idle), (1, 1), "of one, the kernel has taken all");
    // Now they read nothing any more.
    let stopped = Instant::now();
    api.until("both to be cut", |seen| seen.closed(ServerCloseReason::WriteTimeout) == 2).await;
    let took = stopped.elapsed();
    assert!((TIMEOUT / 2..TIMEOUT * 2).contains(&took), "{took:?}");
}

/// What the kernel has when the server closes is the client's, however slowly it reads.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_last_answer_is_read_to_its_end() {
    let api = Api::start_buffered(Scope::new().server("api").write_timeout(SOON).build().unwrap());
    let mut client = narrow(api.addr).await;
    client.send("GET /buffered HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    api.closed(ServerCloseReason::ConnectionClose).await;
    let early = reads_slowly(&mut client, SOON * 10).await.expect("it is not cut");
    let rest = client.rest().await;
    assert!(early < BUFFERED / 2 && early + rest.len() > BUFFERED, "{early} {}", rest.len());
}

#[tokio::test]
async fn what_is_no_http() {
    both(ServerCloseReason::ProtocolError, as_is, async |_, mut client| {
        client.send("NONSENSE\r\n\r\n").await;
        assert!(client.rest().await.starts_with(b"HTTP/1.1 400"));
    })
    .await;
    both(ServerCloseReason::ProtocolError, as_is, async |_, mut client| {
        client.get("/empty").await;
        client.read_to("\r\n\r\n").await;
        client.send("GET / HTTP/9.9\r\n\r\n").await;
        client.rest().await;
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_panics() {
    let seen = both(ServerCloseReason::Panicked, as_is, async |_, mut client| {
        client.get("/panic").await;
        let mut nothing = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut client.0, &mut nothing).await;
        assert!(nothing.is_empty());
    });
    for seen in seen.await {
        let row = &seen.results[0];
        assert_eq!(
            (row.route.as_deref(), row.result.error_type.unwrap().as_str()),
            (Some("/panic"), "panic")
        );
    }
}

#[tokio::test]
async fn one_that_is_dropped_and_one_whose_runtime_ends() {
    let scope = Scope::new();
    let server = scope.server("dropped").build().unwrap();
    let mut listener = server.listen(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (io, _) = listener.accept().await.unwrap();
    assert_eq!((server.snapshot().connections.idle, io.connection().id()), (1, 1));
    drop(io);
    assert_eq!(server.snapshot().closed(ServerCloseReason::Dropped), 1);

    let (server, client) = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = Api::start(&scope, as_is).await;
            let mut client = api.connect().await;
            client.get("/slow").await;
            api.until("the request", |seen| seen.active_requests == 1).await;
            (api.server, client)
        })
    })
    .await
    .unwrap();
    let seen = server.snapshot();
    assert_eq!((seen.present(), seen.active_requests), (0, 0));
    assert_eq!((seen.closed(ServerCloseReason::Dropped), seen.disconnected[0].1), (1, 0));
    assert_eq!(seen.results[0].result.error_type.unwrap().as_str(), "canceled");
    drop(client);
}
