//! Connections are replaced by age, after errors, timeouts and failing answers, and on demand; and no request fails for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use poolscope::hygiene::{Hygiene, HygieneBuilder};
use poolscope::timeout::TimeoutLayer;
use poolscope::{ConnectionCounts, Event, PoolSnapshot, Protocol, Scope};
use poolscope_semconv::value::{Certainty, CloseReason};
use poolscope_tests::client::{Client, Kind, NAME, Settings};
use poolscope_tests::sampler::Sampler;
use poolscope_tests::tls::Alpn;
use poolscope_tests::upstream::{HangUp, Options, Reply, Upstream, answer};
use poolscope_tests::wait::PATIENCE;
use poolscope_tests::{kernel, wait};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

/// Makes tests of a scenario for each client of hyper: in a runtime of one thread, and in one of several.
macro_rules! for_hyper {
    ($scenario:ident: $($client:ident $kind:ident),+) => {
        mod $scenario {
            $(mod $client {
                use poolscope_tests::client::Kind;

                #[tokio::test]
                async fn one_thread() {
                    super::super::$scenario(Kind::$kind).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
                async fn threads() {
                    super::super::$scenario(Kind::$kind).await;
                }
            })+
        }
    };
    ($scenario:ident) => {
        for_hyper!($scenario: h1 HyperH1, tls_h1 HyperTlsH1, h2 HyperH2, tls_h2 HyperTlsH2);
    };
}

/// A connection is back in its pool some moments after its answer was read.
const BACK_IN_POOL: Duration = Duration::from_millis(20);

/// A client whose connections are replaced, and its server.
struct World {
    scope: Scope,
    client: Client,
    server: Upstream,
    sampler: Sampler,
}

impl World {
    async fn new<F>(
        kind: Kind,
        hygiene: HygieneBuilder,
        handler: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let options = Options { tls: kind.is_tls().then_some(Alpn::Both), ..Options::default() };
        let server = Upstream::start(options, handler).await.unwrap();
        let scope = Scope::builder().max_listed_connections(1_000).build();
        let _ = scope.client(NAME).hygiene(&hygiene.build().unwrap());
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        let sampler = Sampler::start(&scope, &[server.addr()]);
        Self { scope, client, server, sampler }
    }

    fn pool(&self) -> PoolSnapshot {
        self.scope.snapshot().pools.remove(0)
    }

    async fn read(&self) -> Bytes {
        self.client.read(&self.server.url("/")).await.unwrap()
    }

    /// Reads an answer on each of so many connections of HTTP/1, or on the one of HTTP/2.
    async fn read_at_once(&self, count: usize) {
        // One alone, so that negotiation leaves no other connection of HTTP/2.
        self.read().await;
        let url = self.server.url("/slow");
        let requests = (0..count).map(|_| (self.client.clone(), url.clone()));
        let mut all: JoinSet<_> =
            requests.map(|(client, url)| async move { client.read(&url).await.unwrap() }).collect();
        while let Some(read) = all.join_next().await {
            read.unwrap();
        }
        tokio::time::sleep(BACK_IN_POOL).await;
    }

    async fn until(&self, what: &str, holds: impl Fn(&PoolSnapshot) -> bool) -> PoolSnapshot {
        wait::until(what, async || self.pool(), holds).await
    }

    /// Waits until the books, the server and the kernel have the same connections open, and checks the sums.
    async fn settled(&self) -> PoolSnapshot {
        let held = |addr: SocketAddr| kernel::held_to(addr).unwrap().len() as u64;
        let ask = async || (self.pool(), self.server.counts().open(), held(self.server.addr()));
        let (pool, ..) = wait::until("books, server and kernel that agree", ask, |(pool, server, kernel)| {
            let open = pool.counts().open();
            pool.pending() + pool.in_flight() + pool.counts().active + pool.connecting == 0
                && (open, open) == (*server, *kernel)
        })
        .await;
        // A connect that was given up is none of the pool's.
        let abandoned = pool.connect_abandoned;
        assert!(
            (pool.opened..=pool.opened + abandoned).contains(&self.server.counts().accepted()),
            "{pool:?}"
        );
        assert_eq!(pool.opened - pool.closed_total(), pool.counts().open());
        let outcomes: u64 = pool.acquires.iter().map(|(_, count)| count).sum();
        assert_eq!((outcomes, pool.acquired), (pool.acquires_started, pool.released));
        assert_eq!(pool.streams, 0);
        pool
    }

    /// Drops the client, and waits until nothing is left of it.
    async fn end(self) -> PoolSnapshot {
        self.settled().await;
        let Self { scope, client, server, sampler } = self;
        drop(client);
        let ask = async || scope.snapshot().pools.remove(0);
        let pool = wait::until("nothing to be open", ask, |pool| {
            pool.counts() == ConnectionCounts::default() && server.counts().open() == 0
        })
        .await;
        let findings = sampler.finish().unwrap();
        assert_eq!(findings.disagreements, [], "books and kernel");
        pool
    }
}

/// Open connections that have served a request, or speak HTTP/1.
fn used(pool: &PoolSnapshot) -> usize {
    pool.open.iter().filter(|row| row.requests > 0 || row.protocol == Protocol::Http1).count()
}

fn closes(pool: &PoolSnapshot) -> BTreeMap<CloseReason, u64> {
    let mut closes = BTreeMap::new();
    for (reason, certainty, count) in &pool.closed {
        let is_ours = matches!(
            reason,
            CloseReason::MaxAge | CloseReason::Poisoned | CloseReason::Evicted | CloseReason::Requested
        );
        assert!(!is_ours || *certainty == Certainty::Known, "{reason:?} {certainty:?}");
        *closes.entry(*reason).or_default() += count;
    }
    closes
}

/// Answers with what it was sent; after a moment where the path says so.
async fn echo(request: Request<Incoming>) -> Reply {
    let is_slow = request.uri().path() == "/slow";
    let body = request.into_body().collect().await.unwrap().to_bytes();
    if is_slow {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    answer(StatusCode::OK, body)
}

/// A server that keeps some answers back for as long as it is told to.
fn holding(
    hold: &Arc<AtomicBool>,
) -> impl Fn(Request<Incoming>) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Clone + use<> {
    let hold = Arc::clone(hold);
    move |request| {
        let hold = Arc::clone(&hold);
        Box::pin(async move {
            while request.uri().path() == "/held" && hold.load(SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            echo(request).await
        })
    }
}

/// A server that has been told which of its answers are failures.
fn failing(
    fails: &Arc<AtomicBool>,
) -> impl Fn(Request<Incoming>) -> std::future::Ready<Reply> + Clone + use<> {
    let fails = Arc::clone(fails);
    move |_| {
        let status = if fails.load(SeqCst) { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        std::future::ready(answer(status, "hello"))
    }
}

const WORKERS: u64 = 16;

/// How long a scenario of many requests goes on.
const LOAD: Duration = Duration::from_millis(1500);

/// Many requests of several kinds while their connections live for some milliseconds: none fails, and the server has
/// each of them once.
async fn no_request_fails_while_connections_are_replaced(kind: Kind) {
    // Over TLS, it is the end of HTTP/2's one connection that costs: all who wait connect, to learn what is spoken.
    let is_costly = kind.is_http2() && kind.is_tls();
    let age = Duration::from_millis(if is_costly { 40 } else { 8 });
    let world = World::new(kind, Hygiene::builder().max_age(age).max_age_jitter(0.7), echo).await;
    let end = Instant::now() + LOAD;
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (client, server, scope) = (world.client.clone(), world.server.url(""), world.scope.clone());
        workers.spawn(async move {
            let mut sent = 0;
            while Instant::now() < end {
                let path = if sent % 8 == worker % 8 { "slow" } else { "quick" };
                // More than one buffer for some, nothing for others.
                let body = Bytes::from(vec![b'x'; ((worker * 31 + sent) % 5 * 8_000) as usize]);
                let request = Request::post(format!("{server}/{path}")).body(body.clone()).unwrap();
                let exchange = async { client.send(request).await?.into_body().collect().await };
                let Ok(read) = tokio::time::timeout(PATIENCE, exchange).await else {
                    panic!("{sent}: no answer; {:?}", scope.snapshot().pools[0].open);
                };
                let read = read.unwrap_or_else(|error| panic!("{sent}: {error:?}"));
                assert!(read.to_bytes() == body, "another answer");
                sent += 1;
                if sent % 16 == 0 {
                    tokio::time::sleep(Duration::from_millis(worker)).await;
                }
            }
            sent
        });
    }
    let mut sent = 0;
    while let Some(worker) = workers.join_next().await {
        sent += worker.unwrap();
    }
    assert_eq!(world.server.counts().requests(), sent, "each request came once");
    world.until("the last ones to close", |pool| used(pool) == 0).await;
    let pool = world.end().await;
    assert_eq!(pool.acquired, sent);
    let closes = closes(&pool);
    let replaced = closes.get(&CloseReason::MaxAge).copied().unwrap_or(0);
    // How many depends on how busy the machine is elsewhere.
    assert!(replaced > 3, "{sent} requests, {closes:?}");
    // A connect that another one makes needless may end at once.
    let others = closes.keys().all(|reason| {
        use CloseReason::{ClientClosed, ClientDropped, MaxAge, Redundant};
        matches!(reason, MaxAge | Redundant | ClientClosed | ClientDropped)
    });
    assert!(others, "{closes:?}");
    assert!(is_costly || replaced * 10 >= pool.closed_total() * 9, "{closes:?}");
}
for_hyper!(no_request_fails_while_connections_are_replaced);

/// Requests that are given up midway, while connections are replaced under them: nothing stays in the books.
async fn nothing_is_left_of_requests_that_are_given_up(kind: Kind) {
    let age = Duration::from_millis(8);
    let world = World::new(kind, Hygiene::builder().max_age(age).max_age_jitter(0.7), echo).await;
    let end = Instant::now() + LOAD / 2;
    let given_up = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (client, url, given_up) =
            (world.client.clone(), world.server.url("/slow"), Arc::clone(&given_up));
        workers.spawn(async move {
            for round in 0.. {
                if Instant::now() >= end {
                    break;
                }
                let patience = Duration::from_millis((worker * 7 + round * 3) % 30);
                // hyper-util fails those who wait for a connect whose own request is given up.
                let read = tokio::time::timeout(patience, client.read(&url)).await;
                given_up.fetch_add(u64::from(read.is_err()), SeqCst);
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    assert!(given_up.load(SeqCst) > 20);
    world.until("the last ones to close", |pool| used(pool) == 0).await;
    world.end().await;
}
for_hyper!(nothing_is_left_of_requests_that_are_given_up);

/// A pool without traffic loses its connections soon after their age, each at another time.
async fn idle_connections_close_soon_after_their_age(kind: Kind) {
    let age = Duration::from_millis(400);
    let world = World::new(kind, Hygiene::builder().max_age(age).max_age_jitter(0.5), echo).await;
    let lives = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&lives);
    world.scope.listen(move |event: &Event| {
        if let Event::ConnectionClosed(closed) = event {
            told.lock().unwrap().push(closed.lifetime);
        }
    });
    world.read_at_once(8).await;
    let pool = world.until("all to close", |pool| pool.counts().open() == 0).await;
    let mut lives = lives.lock().unwrap().clone();
    lives.sort();
    let (first, last) = (lives[0], lives[lives.len() - 1]);
    assert!(first >= age / 2, "{lives:?}");
    // A machine that is busy elsewhere may need its time.
    assert!(last < age + Duration::from_millis(600), "{lives:?}");
    if !kind.is_http2() {
        assert!(lives.len() >= 8 && last - first > Duration::from_millis(20), "all at once: {lives:?}");
    }
    assert_eq!(closes(&pool), BTreeMap::from([(CloseReason::MaxAge, pool.opened)]));
    world.end().await;
}
for_hyper!(idle_connections_close_soon_after_their_age);

/// What is idle closes on demand, and what is in use does not.
async fn idle_connections_close_on_demand(kind: Kind) {
    let hold = Arc::new(AtomicBool::new(false));
    let world = World::new(kind, Hygiene::builder(), holding(&hold)).await;
    let client = world.scope.client(NAME);
    assert_eq!(client.close_idle(), 0);
    world.read_at_once(4).await;
    world.settled().await;
    let pool = world.pool();
    let open = pool.counts().open();
    assert_eq!(client.close_idle() as u64, open);
    let asked = Instant::now();
    world.until("the idle ones to close", |pool| pool.counts().open() == 0).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    // Of connects that lost their race, the client may have closed one before.
    assert_eq!(closes(&world.settled().await).get(&CloseReason::Requested), Some(&open));

    let (other, url) = (world.client.clone(), world.server.url("/held"));
    hold.store(true, SeqCst);
    let busy = tokio::spawn(async move { other.read(&url).await.unwrap() });
    world.until("a request", |pool| pool.in_flight() == 1 && pool.connecting == 0).await;
    // Beside the busy one there may be one that lost its race.
    let idle = world.pool().counts().idle;
    assert_eq!(client.close_idle() as u64, idle);
    hold.store(false, SeqCst);
    busy.await.unwrap();
    let opened = world.pool().opened;
    // hyper has it back in its pool a moment after its caller has the end of the body.
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.read().await;
    assert_eq!(world.pool().opened, opened, "the busy one is used again");
    world.end().await;
}
for_hyper!(idle_connections_close_on_demand);

/// A connection whose server answers with an error of its own serves no other request.
async fn a_failing_server_loses_its_connection(kind: Kind) {
    let fails = Arc::new(AtomicBool::new(false));
    let world = World::new(kind, Hygiene::builder().evict_on_5xx(true), failing(&fails)).await;
    for _ in 0..3 {
        world.read().await;
        tokio::time::sleep(BACK_IN_POOL).await;
    }
    assert_eq!(world.pool().opened, 1);
    for evicted in 1..=3 {
        fails.store(true, SeqCst);
        world.read().await;
        fails.store(false, SeqCst);
        world.until("it to close", |pool| pool.counts().open() == 0).await;
        world.read().await;
        tokio::time::sleep(BACK_IN_POOL).await;
        let pool = world.settled().await;
        assert_eq!(closes(&pool), BTreeMap::from([(CloseReason::Evicted, evicted)]));
    }
    world.end().await;
}
for_hyper!(a_failing_server_loses_its_connection);

/// A long answer on a connection that is too old: it drains, and its row says so, while others take new connections.
async fn a_connection_in_use_drains(kind: Kind) {
    let hold = Arc::new(AtomicBool::new(true));
    let hygiene = Hygiene::builder().max_age(Duration::from_millis(100)).max_age_jitter(0.0);
    let world = World::new(kind, hygiene, holding(&hold)).await;
    // The second request on a connection shows it to us, where that is needed.
    world.read().await;
    let (other, url) = (world.client.clone(), world.server.url("/held"));
    let busy = tokio::spawn(async move { other.read(&url).await.unwrap() });
    let draining = |pool: &PoolSnapshot| {
        pool.open.iter().any(|row| row.draining == Some(CloseReason::MaxAge) && row.in_flight == 1)
    };
    world.until("it to drain", draining).await;
    // The pool is told within a moment.
    tokio::time::sleep(BACK_IN_POOL * 5).await;
    for _ in 0..5 {
        world.read().await;
    }
    let pool = world.pool();
    assert!(draining(&pool) && pool.opened >= 2, "{pool:?}");
    hold.store(false, SeqCst);
    busy.await.unwrap();
    world.until("all to close", |pool| pool.counts().open() == 0).await;
    let pool = world.end().await;
    assert_eq!(closes(&pool), BTreeMap::from([(CloseReason::MaxAge, pool.opened)]));
}
for_hyper!(a_connection_in_use_drains);

/// An HTTP/2 connection whose peer has stopped answering takes so many requests with it, and no more.
async fn a_dead_http2_connection_is_left_after_some_timeouts(kind: Kind) {
    let seen = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seen);
    let world = World::new(kind, Hygiene::builder().poison_after_timeouts(3), move |_: Request<Incoming>| {
        let count = counted.fetch_add(1, SeqCst);
        async move {
            // The first answers, then nothing for three requests.
            if (2..5).contains(&count) {
                std::future::pending::<()>().await;
            }
            answer(StatusCode::OK, "hello")
        }
    })
    .await;
    let client = world.client.clone();
    let limited = TimeoutLayer::new(&world.scope, "attempt", Duration::from_millis(700)).unwrap().layer(
        service_fn(move |request: Request<Bytes>| {
            let client = client.clone();
            async move { client.send(request).await }
        }),
    );
    let send = async || {
        let request = Request::get(world.server.url("/")).body(Bytes::new()).unwrap();
        let response = limited.clone().oneshot(request).await;
        match response {
            Ok(response) => response.into_body().collect().await.is_ok(),
            Err(_) => false,
        }
    };
    let mut served = Vec::new();
    for _ in 0..5 {
        served.push(send().await);
    }
    assert_eq!(served, [true, true, false, false, false]);
    // The pool is told within a moment.
    tokio::time::sleep(BACK_IN_POOL * 5).await;
    assert!(send().await);
    world.until("the dead one to close", |pool| (pool.opened, pool.counts().open()) == (2, 1)).await;
    let pool = world.settled().await;
    assert_eq!(closes(&pool), BTreeMap::from([(CloseReason::Poisoned, 1)]));
    drop(limited);
    world.end().await;
}
for_hyper!(a_dead_http2_connection_is_left_after_some_timeouts: h2 HyperH2, tls_h2 HyperTlsH2);

/// An HTTP/2 connection whose peer has reset a stream serves what it has, and no other request.
async fn a_reset_stream_takes_its_connection_out_of_use(kind: Kind) {
    let hold = Arc::new(AtomicBool::new(true));
    let held = holding(&hold);
    let world =
        World::new(kind, Hygiene::builder().poison_on_errors(true), move |request: Request<Incoming>| {
            let held = held.clone();
            async move { if request.uri().path() == "/fails" { Reply::Hang(HangUp) } else { held(request).await } }
        })
        .await;
    world.read().await;
    let (other, url) = (world.client.clone(), world.server.url("/held"));
    let busy = tokio::spawn(async move { other.read(&url).await.unwrap() });
    world.until("a request", |pool| pool.in_flight() == 1).await;
    world.client.read(&world.server.url("/fails")).await.unwrap_err();
    let draining = |pool: &PoolSnapshot| pool.open[0].draining == Some(CloseReason::Poisoned);
    world.until("it to drain", |pool| draining(pool) && pool.in_flight() == 1).await;
    // The pool is told within a moment.
    wait::until(
        "a new connection",
        async || (world.read().await, world.pool().opened),
        |(_, opened)| *opened == 2,
    )
    .await;
    hold.store(false, SeqCst);
    busy.await.unwrap();
    world.until("it to close", |pool| pool.counts().open() == 1).await;
    let pool = world.settled().await;
    assert_eq!(closes(&pool), BTreeMap::from([(CloseReason::Poisoned, 1)]));
    world.end().await;
}
for_hyper!(a_reset_stream_takes_its_connection_out_of_use: h2 HyperH2, tls_h2 HyperTlsH2);

/// Old connections of reqwest's HTTP/1 pools end by requests that ask for it, one for each in a while, and none fails.
async fn requests_of_reqwest_ask_for_the_end(kind: Kind) {
    let age = Duration::from_millis(150);
    let world = World::new(kind, Hygiene::builder().max_age(age), echo).await;
    let end = Instant::now() + LOAD;
    let mut sent = 0;
    while Instant::now() < end {
        world.read().await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let pool = world.settled().await;
    assert_eq!(world.server.counts().requests(), sent);
    let replaced = closes(&pool)[&CloseReason::MaxAge];
    // Each lives for its age and, until the next request may ask, for a tenth of a second more.
    assert!((4..=LOAD.div_duration_f64(age * 9 / 10) as u64 + 1).contains(&replaced), "{:?}", pool.closed);
    assert_eq!(replaced, pool.closed_total(), "{:?}", pool.closed);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn requests_of_reqwest_ask_for_the_end_of_old_connections() {
    requests_of_reqwest_ask_for_the_end(Kind::ReqwestH1).await;
}

/// Where only failing answers replace connections, no close is said to be for an age.
#[tokio::test]
async fn a_failing_server_loses_its_connection_to_reqwest_too() {
    let fails = Arc::new(AtomicBool::new(true));
    let world = World::new(Kind::ReqwestH1, Hygiene::builder().evict_on_5xx(true), failing(&fails)).await;
    world.read().await;
    fails.store(false, SeqCst);
    let read = async || {
        world.read().await;
        world.pool()
    };
    wait::until("a request to ask for the end", read, |pool| pool.closed_total() > 0).await;
    assert_eq!(closes(&world.settled().await), BTreeMap::from([(CloseReason::Evicted, 1)]));
    world.end().await;
}

/// Clients without the option do nothing of all this.
#[tokio::test]
async fn without_the_option_nothing_is_closed() {
    let server = Upstream::start(Options::default(), echo).await.unwrap();
    let scope = Scope::new();
    let client = Client::new(&scope, Kind::HyperH1, Settings::default()).unwrap();
    client.read(&server.url("/")).await.unwrap();
    tokio::time::sleep(BACK_IN_POOL).await;
    assert_eq!(scope.client(NAME).close_idle(), 0);
    client.read(&server.url("/")).await.unwrap();
    assert_eq!(server.counts().accepted(), 1);
}
