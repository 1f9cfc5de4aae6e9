//! Redirects, which reqwest follows by itself: each hop is counted at the pool whose server has served it.

use std::sync::{Arc, OnceLock};

use http::{Request, StatusCode};
use hyper::body::Incoming;
use poolscope::reqwest::{ConnectLayer, RequestLayer, redirects};
use poolscope::{PoolSnapshot, Scope};
use poolscope_semconv::value::AcquireOutcome;
use poolscope_tests::client::{NAME, Settings};
use poolscope_tests::upstream::{Reply, Upstream, answer, answer_with};
use poolscope_tests::wait;
use reqwest::redirect::Policy;
use tokio::runtime::{Handle, RuntimeFlavor};
use tower::{Layer, Service};

use super::reasons::Why;
use super::world::{BACK_IN_POOL, check_quiet};
use super::{Kind, World, for_clients, options};

for_clients!(to_another_pool: reqwest_http1, reqwest_http2);
for_clients!(within_one_pool: reqwest_http1, reqwest_http2);
for_clients!(through_a_third_pool: reqwest_http1, reqwest_http2);
for_clients!(many_at_a_time: reqwest_http1, reqwest_http2);
for_clients!(in_a_circle: reqwest_http1, reqwest_http2);
for_clients!(to_nobody: reqwest_http1, reqwest_http2);
for_clients!(given_up_on_the_way: reqwest_http1, reqwest_http2);

/// Where the servers of a test send their clients: from `/to/0/1/2` at any of them to `/to/1/2` at the server 0. What is
/// asked for last is there, or never comes (`/never`).
#[derive(Clone, Default)]
struct Ring(Arc<OnceLock<Vec<String>>>);

impl Ring {
    async fn start(kind: Kind, count: usize) -> Vec<Upstream> {
        let ring = Self::default();
        let mut servers = Vec::new();
        for _ in 0..count {
            let ring = ring.clone();
            let serve = move |request| ring.clone().serve(request);
            servers.push(Upstream::start(options(kind), serve).await.unwrap());
        }
        ring.0.set(servers.iter().map(|server| server.url("")).collect()).unwrap();
        servers
    }

    async fn serve(self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path();
        let urls = self.0.get().unwrap();
        if let Some(rest) = path.strip_prefix("/to/") {
            let (server, rest) = rest.split_once('/').unwrap_or((rest, ""));
            let rest =
                if rest.is_empty() || rest == "never" { rest.to_owned() } else { format!("to/{rest}") };
            let location = match server.parse::<usize>() {
                Ok(server) => format!("{}/{rest}", urls[server]),
                Err(_) => "http://127.0.0.1:1/".to_owned(),
            };
            return answer_with(StatusCode::FOUND, "", "location", &location);
        }
        match path {
            "/circle" => return answer_with(StatusCode::FOUND, "", "location", "/circle"),
            "/never" => std::future::pending().await,
            _ => {}
        }
        answer(StatusCode::OK, "hello")
    }
}

/// On several threads, where a hop may be answered before its poll has ended, the policy tells of redirects.
fn world(kind: Kind, servers: &[Upstream]) -> World {
    let settings = Settings { redirects_told: redirects_told(), ..Settings::default() };
    let mut world = World::new(kind, settings, servers.iter().map(Into::into));
    // Which of several free connections has answered a hop, nothing tells for sure.
    world.compares_totals();
    world
}

fn redirects_told() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
}

fn pool_of(scope: &Scope, server: &Upstream) -> PoolSnapshot {
    scope.snapshot().pool(NAME, "127.0.0.1", server.addr().port()).unwrap().clone()
}

/// Each pool has counted as many requests as its server: asked for, answered, and on its connections.
async fn agree(world: &World, servers: &[Upstream]) {
    world.settled().await;
    for server in servers {
        let pool = pool_of(&world.scope, server);
        let requests = server.counts().requests();
        assert_eq!(counted(&pool), [requests; 3], "{:?}: {pool:#?}", world.kind);
    }
}

/// The requests of a pool: asked for, answered, and on its connections.
fn counted(pool: &PoolSnapshot) -> [u64; 3] {
    let on_open: u64 = pool.open.iter().map(|connection| connection.requests).sum();
    [pool.acquires_started, pool.acquired, on_open + pool.requests.sum as u64]
}

async fn to_another_pool(kind: Kind) {
    let servers = Ring::start(kind, 2).await;
    let world = world(kind, &servers);
    for _ in 0..5 {
        world.read(&servers[0].url("/to/1")).await;
    }
    agree(&world, &servers).await;
    for server in &servers {
        assert_eq!((server.counts().accepted(), server.counts().requests()), (1, 5));
        let pool = pool_of(&world.scope, server);
        let outcomes = [AcquireOutcome::New, AcquireOutcome::Reused].map(|outcome| pool.outcome(outcome));
        assert_eq!(outcomes, [1, 4]);
    }
    world.end(&[]).await;
}

async fn within_one_pool(kind: Kind) {
    let servers = Ring::start(kind, 1).await;
    let world = world(kind, &servers);
    for _ in 0..5 {
        world.read(&servers[0].url("/to/0")).await;
    }
    world.read(&servers[0].url("/")).await;
    assert_eq!(servers[0].counts().requests(), 11);
    agree(&world, &servers).await;
    end_of_one_pool(world).await;
}

/// On several threads hyper-util drops a connection that comes back just as the hop that waits for one gets another.
async fn end_of_one_pool(world: World) {
    let dropped = if redirects_told() { world.pool().closed_total() } else { 0 };
    world.end(&[(Why::Wasted, dropped)]).await;
}

async fn through_a_third_pool(kind: Kind) {
    let servers = Ring::start(kind, 3).await;
    let world = world(kind, &servers);
    for _ in 0..5 {
        world.read(&servers[0].url("/to/1/2")).await;
        // The kernel tells when something came over a connection in steps of some milliseconds.
        tokio::time::sleep(BACK_IN_POOL).await;
    }
    assert!(servers.iter().all(|server| server.counts().requests() == 5));
    if redirects_told() {
        agree(&world, &servers).await;
    } else {
        // Where nobody tells of the hop in the middle, the kernel's word for its pool may be too coarse, but the first one,
        // which connects.
        world.settled().await;
        let [first, middle, last] = [0, 1, 2].map(|server| counted(&pool_of(&world.scope, &servers[server])));
        for ((first, middle), last) in first.into_iter().zip(middle).zip(last) {
            assert!(first >= 5 && (1..=5).contains(&middle) && last >= 5, "{first} {middle} {last}");
            assert_eq!(first + middle + last, 15);
        }
    }
    world.end(&[]).await;
}

async fn many_at_a_time(kind: Kind) {
    const CALLS: u64 = 20;
    let servers = Ring::start(kind, 2).await;
    let world = world(kind, &servers);
    for _ in 0..3 {
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let (client, url) = (world.client.clone(), servers[0].url("/to/1"));
                tokio::spawn(async move { client.read(&url).await.unwrap() })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        tokio::time::sleep(BACK_IN_POOL).await;
    }
    assert!(servers.iter().all(|server| server.counts().requests() == 3 * CALLS));
    agree(&world, &servers).await;
}

/// reqwest gives up after ten redirects.
async fn in_a_circle(kind: Kind) {
    let servers = Ring::start(kind, 1).await;
    let world = world(kind, &servers);
    world.client.read(&servers[0].url("/circle")).await.unwrap_err();
    assert_eq!(servers[0].counts().requests(), 11);
    agree(&world, &servers).await;
    // That is no fault of the connection.
    end_of_one_pool(world).await;
}

async fn to_nobody(kind: Kind) {
    let servers = Ring::start(kind, 1).await;
    let world = world(kind, &servers);
    for _ in 0..3 {
        world.client.read(&servers[0].url("/to/nobody")).await.unwrap_err();
        tokio::time::sleep(BACK_IN_POOL).await;
    }
    agree(&world, &servers).await;
    let nobody = world.scope.snapshot().pool(NAME, "127.0.0.1", 1).unwrap().clone();
    assert_eq!((nobody.acquires_started, nobody.outcome(AcquireOutcome::Failed)), (3, 3));
}

async fn given_up_on_the_way(kind: Kind) {
    let servers = Ring::start(kind, 2).await;
    let mut world = world(kind, &servers);
    world.gives_up(1);
    let (client, url) = (world.client.clone(), servers[0].url("/to/1/never"));
    let never = tokio::spawn(async move { client.read(&url).await });
    let asked = async || servers[1].counts().requests();
    wait::until("a request at the target", asked, |requests| *requests == 1).await;
    never.abort();
    assert!(never.await.unwrap_err().is_cancelled());
    world.settled().await;
    for server in &servers {
        let pool = pool_of(&world.scope, server);
        assert_eq!((pool.acquired, pool.released, server.counts().requests()), (1, 1, 1));
    }
}

/// A client whose policy tells: every status, and each hop while it is under way.
#[tokio::test]
async fn a_policy_tells_what_does_not_show() {
    let servers = Ring::start(Kind::ReqwestH1, 2).await;
    let scope = Scope::new();
    let observed = scope.client(NAME);
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirects(Policy::default()))
        .connector_layer(ConnectLayer::new(&observed))
        .build()
        .unwrap();
    let service = RequestLayer::new(&observed).layer(client);
    let get = |path: &str| {
        let url = servers[0].url(path).parse().unwrap();
        service.clone().call(reqwest::Request::new(reqwest::Method::GET, url))
    };
    for path in ["/to/1", "/to/0/1", "/to/1"] {
        assert_eq!(get(path).await.unwrap().text().await.unwrap(), "hello");
        tokio::time::sleep(BACK_IN_POOL).await;
    }
    for (server, statuses) in servers.iter().zip([&[(302, 4)][..], &[(200, 3)]]) {
        let pool = pool_of(&scope, server);
        check_quiet(&pool);
        let told: Vec<_> =
            pool.results.iter().map(|row| (row.status.unwrap(), row.duration.count())).collect();
        assert_eq!(told, statuses);
    }

    let never = tokio::spawn(get("/to/1/never"));
    let target = async || pool_of(&scope, &servers[1]);
    wait::until("a request at the target", target, |pool| pool.in_flight() == 1).await;
    assert_eq!(pool_of(&scope, &servers[0]).in_flight(), 0);
    never.abort();
    let pool = wait::until("no request", target, |pool| pool.in_flight() == 0).await;
    assert_eq!(pool.acquires_started, servers[1].counts().requests());

    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirects(Policy::none()))
        .connector_layer(ConnectLayer::new(&observed))
        .build()
        .unwrap();
    let request = reqwest::Request::new(reqwest::Method::GET, servers[0].url("/to/1").parse().unwrap());
    let response = RequestLayer::new(&observed).layer(client).call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    drop(response);
    let pool = pool_of(&scope, &servers[0]);
    assert_eq!((pool.acquires_started, pool.in_flight()), (servers[0].counts().requests(), 0));
}
