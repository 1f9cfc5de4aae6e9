//! The race of keep-alive: a request is sent on a connection that the server is closing. Nobody answers it, and nobody
//! knows whether it was served; so it is counted by its name.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use poolscope::{PoolSnapshot, Scope};
use poolscope_semconv::value::{AcquireOutcome, CloseReason};
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::tls::Alpn;
use poolscope_tests::upstream::{HangUp, Options, Reply, Upstream, answer};
use poolscope_tests::wait;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const ROUNDS: u64 = 10;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that takes longer to fail counts as taken by the server, which then failed; a machine that is busy elsewhere
/// may make it so. It is neither right nor wrong to count those.
const LIMIT: Duration = Duration::from_millis(10);

/// A connection is back in the pool some moments after its body was read.
const BACK_IN_POOL: Duration = Duration::from_millis(20);

/// As long as a server keeps an idle connection at least.
const IDLE: Duration = Duration::from_millis(110);

/// How the server ends a connection that has served one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Race {
    /// When the next request is there: for the client the same as one that closed a moment earlier.
    Next,
    NextReset,
    /// While the next request is about to be written: both cross on their way.
    Crossing,
    CrossingReset,
}

impl Race {
    const ALL: [Self; 4] = [Self::Next, Self::NextReset, Self::Crossing, Self::CrossingReset];

    fn is_crossing(self) -> bool {
        matches!(self, Self::Crossing | Self::CrossingReset)
    }

    fn reason(self) -> CloseReason {
        match self {
            Self::Next | Self::Crossing => CloseReason::PeerClosedActive,
            Self::NextReset | Self::CrossingReset => CloseReason::Reset,
        }
    }

    /// Called before a connection is dropped.
    fn close(self, stream: impl AsFd) {
        if matches!(self, Self::NextReset | Self::CrossingReset) {
            set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
        }
    }
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

struct Racer {
    addr: SocketAddr,
    close: Sender<()>,
    closed: Receiver<()>,
}

impl Racer {
    fn start(race: Race) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let ((close, told), (tell, closed)) = (channel(), channel());
        if race.is_crossing() {
            // In a thread of its own, so that it closes while the client's stands still.
            thread::spawn(move || {
                while let Ok((mut stream, _)) = listener.accept() {
                    assert!(stream.read(&mut [0; 4096]).unwrap() > 0, "a connection without a request");
                    stream.write_all(ANSWER).unwrap();
                    if told.recv().is_err() {
                        return;
                    }
                    race.close(&stream);
                    drop(stream);
                    let _ = tell.send(());
                }
            });
        } else {
            // In the client's thread, so that on a machine that is busy elsewhere they don't wait for each other.
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0, "a connection without a request");
                    stream.write_all(ANSWER).await.unwrap();
                    let _ = stream.read(&mut [0; 4096]).await;
                    race.close(&stream);
                }
            });
        }
        Self { addr, close, closed }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    /// Closes the open connection, and waits for that without letting anybody else on this thread know.
    fn close(&self) {
        self.close.send(()).unwrap();
        self.closed.recv().unwrap();
    }
}

async fn all_closed(scope: &Scope) -> PoolSnapshot {
    let pool = async || scope.snapshot().pools.remove(0);
    wait::until("all closes", pool, |pool| pool.counts().open() == 0 && pool.in_flight() == 0).await
}

/// Loses a request, and tells whether it failed soon enough to be judged. If so, it must have been counted.
async fn lose(scope: &Scope, client: &Client, url: &str, body: Bytes) -> bool {
    let stale = || scope.snapshot().pools[0].stale_reuse;
    let (before, began) = (stale(), Instant::now());
    client.send(Request::post(url).body(body).unwrap()).await.unwrap_err();
    let is_judged = began.elapsed() < LIMIT;
    assert!(!is_judged || stale() == before + 1, "not counted after {:?}", began.elapsed());
    is_judged
}

async fn every_race_is_counted(kind: Kind) {
    for race in Race::ALL {
        let server = Racer::start(race);
        let scope = Scope::new();
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let (mut rounds, mut judged) = (0, 0);
        while judged < ROUNDS {
            assert!(rounds < 5 * ROUNDS, "{judged} of {rounds} requests failed within {LIMIT:?}");
            client.read(&server.url()).await.unwrap();
            tokio::time::sleep(IDLE).await;
            if race.is_crossing() {
                server.close();
            }
            // A request with a body fails in the middle of being written.
            let body = if rounds % 2 == 0 { Bytes::new() } else { Bytes::from(vec![b'x'; 64 << 10]) };
            judged += u64::from(lose(&scope, &client, &server.url(), body).await);
            rounds += 1;
        }
        let pool = all_closed(&scope).await;
        assert!((judged..=rounds).contains(&pool.stale_reuse), "{race:?}: {}", pool.stale_reuse);
        assert_eq!((pool.opened, pool.wasted), (rounds, 0), "{race:?}");
        let outcomes = [AcquireOutcome::New, AcquireOutcome::Reused].map(|outcome| pool.outcome(outcome));
        assert_eq!(outcomes, [rounds, rounds], "{race:?}");
        let reasons: Vec<_> = pool.closed.iter().map(|(reason, ..)| *reason).collect();
        // A server that hangs up with a part of the request unread resets the connection by that.
        let rude = [CloseReason::PeerClosedActive, CloseReason::Reset];
        assert!(reasons == [race.reason()] || reasons == rude, "{race:?}: {:?}", pool.closed);
    }
}

#[tokio::test]
async fn hyper() {
    every_race_is_counted(Kind::HyperH1).await;
}

#[tokio::test]
async fn reqwest() {
    every_race_is_counted(Kind::ReqwestH1).await;
}

/// With more threads it is open who is first: hyper may see the close before it has written the request, and then tries
/// another connection. Only what the caller is told has failed counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_tried_again_is_not_counted() {
    for (kind, race) in [Kind::HyperH1, Kind::ReqwestH1]
        .into_iter()
        .flat_map(|kind| [Race::Crossing, Race::CrossingReset].map(|race| (kind, race)))
    {
        let server = Racer::start(race);
        let scope = Scope::new();
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let (mut failed, mut late) = (0, 0);
        for _ in 0..4 * ROUNDS {
            let read = async || timeout(PATIENCE, client.read(&server.url())).await.expect("it never ends");
            read().await.unwrap();
            tokio::time::sleep(IDLE).await;
            server.close();
            let began = Instant::now();
            match read().await {
                Err(_) if began.elapsed() < LIMIT => failed += 1,
                Err(_) => late += 1,
                Ok(_) => {
                    // It was served by a connection of its own, which the next round must not find.
                    server.close();
                    tokio::time::sleep(BACK_IN_POOL).await;
                }
            }
        }
        let pool = all_closed(&scope).await;
        // Whatever was tried again is one request, and no redirect.
        assert_eq!(pool.acquires_started, 8 * ROUNDS, "{kind:?} {race:?}");
        assert!((failed..=failed + late).contains(&pool.stale_reuse), "{kind:?} {race:?}: {failed} {late}");
    }
}

/// A server that takes a request and hangs up on it a while later has not closed before it came, nor has one that hangs up
/// on a request right after another.
#[tokio::test]
async fn a_server_that_fails_is_not_stale() {
    let slow = |request: Request<Incoming>| async move {
        match request.uri().path() {
            "/fails" => tokio::time::sleep(Duration::from_millis(50)).await,
            "/hangs-up" => {}
            _ => return answer(StatusCode::OK, "ok"),
        }
        Reply::Hang(HangUp)
    };
    for kind in [
        Kind::HyperH1,
        Kind::HyperTlsH1,
        Kind::ReqwestH1,
        #[cfg(feature = "https")]
        Kind::ReqwestTlsH1,
    ] {
        let options = Options { tls: kind.is_tls().then_some(Alpn::Http1), ..Options::default() };
        let upstream = Upstream::start(options, slow).await.unwrap();
        let scope = Scope::new();
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        client.read(&upstream.url("/")).await.unwrap();
        tokio::time::sleep(IDLE).await;
        assert!(!lose(&scope, &client, &upstream.url("/fails"), Bytes::new()).await);
        let pool = scope.snapshot().pools.remove(0);
        assert_eq!((pool.stale_reuse, pool.outcome(AcquireOutcome::Reused)), (0, 1), "{kind:?}");
        // At once, but no server would have ended keep-alive so soon.
        client.read(&upstream.url("/")).await.unwrap();
        tokio::time::sleep(BACK_IN_POOL).await;
        client.read(&upstream.url("/hangs-up")).await.unwrap_err();
        assert_eq!(scope.snapshot().pools[0].stale_reuse, 0, "{kind:?}");
    }
}

/// A server that hangs up on the first request of a connection is no stale one.
#[tokio::test]
async fn a_fresh_connection_is_not_stale() {
    let hang_up = |_| async { Reply::Hang(HangUp) };
    let upstream = Upstream::start(Options::default(), hang_up).await.unwrap();
    for kind in [Kind::HyperH1, Kind::ReqwestH1] {
        let scope = Scope::new();
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        client.read(&upstream.url("/")).await.unwrap_err();
        assert_eq!(scope.snapshot().pools[0].stale_reuse, 0, "{kind:?}");
    }
}
