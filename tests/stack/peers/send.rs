//! The SDKs of Python, JavaScript and Go send to the dashboard, and their pools are there with the right figures.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::wait;
use poolscope_wire::{Event, Lack, PoolDetail, PoolKind, PoolSummary, Service, Status, path};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::Language;

/// A sender that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests that a peer makes with its instrumented client.
const FETCHED: u64 = 6;

/// A dashboard, and a server that the instrumented clients ask.
struct World {
    dashboard: Dashboard,
    target: SocketAddr,
}

impl World {
    async fn start() -> Self {
        Self { dashboard: Dashboard::start().await.unwrap(), target: target().await }
    }

    /// Lets a peer send, to its end.
    async fn send(&self, language: Language, protocol: &str, env: &[(&str, &str)]) {
        let dashboard = &self.dashboard;
        let endpoint = if protocol == "grpc" { dashboard.otlp_grpc() } else { dashboard.otlp_http() };
        let target = format!("http://{}/", self.target);
        let mut command = Command::from(language.command().unwrap());
        command.args(["send", protocol, &endpoint.to_string(), &target]).envs(env.iter().copied());
        // The conventions of today, where an instrumentation still has those of before.
        command.env("OTEL_SEMCONV_STABILITY_OPT_IN", "http").kill_on_drop(true).stdin(Stdio::null());
        let output: Output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{language:?} over {protocol}: {}: {said}", output.status);
        // SDKs tell of what was not taken by a line, and go on.
        assert!(!said.to_lowercase().contains("partial"), "{language:?} over {protocol}: {said}");
    }

    /// The pool of a peer that has a name, or leads to an address.
    async fn pool(&self, peer: &str, protocol: &str, name: &str) -> PoolSummary {
        let pools: Vec<PoolSummary> = self.dashboard.get(path::POOLS).await;
        let is_it = |pool: &&PoolSummary| {
            (&*pool.service, &*pool.instance) == (peer, protocol)
                && (pool.client == name || (pool.client.is_empty() && pool.address == name))
        };
        let found: Vec<_> = pools.iter().filter(is_it).collect();
        let [pool] = found[..] else { panic!("{} pools are {name} of {peer}: {pools:#?}", found.len()) };
        pool.clone()
    }
}

/// A server that answers every request on connections that stay.
async fn target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    }
                }
            });
        }
    });
    addr
}

/// What every peer records in the same way, by the API of its SDK.
async fn recorded_pools_are_there(world: &World, peer: &str, protocol: &str) {
    let http = world.pool(peer, protocol, "pay.example").await;
    let now = http.now;
    assert_eq!((&*http.scheme, http.port, http.kind), ("https", 443, PoolKind::Http), "{http:?}");
    assert_eq!((now.active, now.idle, now.in_flight), (Some(2), Some(3), Some(2)), "{http:?}");
    assert_eq!((http.requests_total, http.closed_total), (Some(20), Some(2)), "{http:?}");
    let detail: PoolDetail = world.dashboard.get(&format!("{}/{}", path::POOLS, http.id)).await;
    // The last report, at the end of the sender, tells of nothing new.
    let worked = detail.points.iter().find(|point| point.duration_p50_s.is_some()).unwrap();
    let (wait, duration) = (http.wait_p50_s.unwrap(), worked.duration_p50_s.unwrap());
    assert!((0.005..=0.01).contains(&wait), "waits of 8 ms: {wait}");
    assert!((0.01..=0.05).contains(&duration), "requests of 20 ms: {duration}");
    assert!((0.1..=0.5).contains(&worked.duration_p99_s.unwrap()), "one in five takes 300 ms: {worked:?}");
    // What it does not tell is not known.
    assert_eq!((now.pending, http.opened_total, http.failed_total, http.reuse), (None, None, None, None));
    assert!(http.lacks.contains(&Lack::Waiting) && http.lacks.contains(&Lack::Reuse), "{:?}", http.lacks);
    assert!(!http.lacks.contains(&Lack::Connections), "{:?}", http.lacks);
    let results: Vec<_> = detail.results.iter().map(|one| (&*one.reason, one.count)).collect();
    assert_eq!(results, [("200", 16), ("503", 4)]);

    let database = world.pool(peer, protocol, "orders").await;
    let now = database.now;
    assert_eq!((database.kind, &*database.protocols[0]), (PoolKind::Database, "postgresql"));
    assert_eq!((now.active, now.idle, now.pending), (Some(4), Some(1), Some(2)), "{database:?}");
    assert_eq!((now.max_open, now.idle_max, now.idle_min), (Some(10), Some(5), Some(1)), "{database:?}");
    assert_eq!((database.requests_total, database.opened_total), (Some(10), Some(10)), "{database:?}");
    assert!((0.05..=0.1).contains(&database.wait_p50_s.unwrap()), "waits of 70 ms: {database:?}");
    let detail: PoolDetail = world.dashboard.get(&format!("{}/{}", path::POOLS, database.id)).await;
    let used = detail.points.iter().find_map(|point| point.use_p50_s).unwrap();
    assert!((0.1..=0.5).contains(&used), "uses of 200 ms: {used}");
    assert_eq!(detail.connections.timeouts, Some(6));
    assert!((0.01..=0.05).contains(&detail.connections.create_s.unwrap().p50), "{:?}", detail.connections);
    let sentence = &database.health.sentence;
    assert!(sentence.contains("got no connection in time"), "{sentence}");
}

/// The pool of the client that was instrumented, and not told of by hand.
async fn the_instrumented_client_is_a_pool(world: &World, peer: &str, protocol: &str) {
    let pool = world.pool(peer, protocol, "127.0.0.1").await;
    assert_eq!(pool.port, world.target.port(), "{pool:?}");
    // Python's leaves the scheme out, which is optional.
    assert!(["http", ""].contains(&&*pool.scheme), "{pool:?}");
    assert_eq!(pool.requests_total, Some(FETCHED), "{pool:?}");
    assert!(pool.lacks.contains(&Lack::Connections), "{:?}", pool.lacks);
    assert_eq!((pool.now.active, pool.now.idle, pool.now.errors_per_s), (None, None, Some(0.0)));
    assert!(pool.health.sentence.contains("connections are not told"), "{}", pool.health.sentence);
}

/// That everything was taken: nothing of three signals was rejected.
async fn nothing_was_rejected(world: &World, peer: &str, protocols: &[&str]) {
    let status: Status = world.dashboard.get(path::STATUS).await;
    let received = status.received;
    assert_eq!((received.rejected_items, received.refused_requests), (0, 0), "{received:?}");
    // Two records by hand, and the spans of the instrumented client beside two by hand.
    let runs = protocols.len() as u64;
    assert_eq!(received.log_records, 2 * runs, "{received:?}");
    assert!(received.spans >= (2 + FETCHED) * runs && received.metric_points > 0, "{received:?}");
    let services: Vec<Service> = world.dashboard.get(path::SERVICES).await;
    let [service] = &services[..] else { panic!("{services:?}") };
    assert_eq!(service.name, peer);
    let instances: Vec<_> = service.instances.iter().map(|one| &*one.id).collect();
    assert_eq!(instances, protocols);
    let happened = async || {
        let events: Vec<Event> = world.dashboard.get(path::EVENTS).await;
        events.iter().filter(|event| event.kind == "peer.happened").count()
    };
    wait::until("the events", happened, |count| *count == 2 * protocols.len()).await;
}

/// The same over each protocol, each with another of the choices that a user has.
pub(super) async fn all_are_understood(language: Language, runs: &[(&str, &[(&str, &str)])]) {
    let world = World::start().await;
    let peer = format!("peer-{}", language.name());
    let mut protocols = Vec::new();
    for (protocol, env) in runs {
        world.send(language, protocol, env).await;
        recorded_pools_are_there(&world, &peer, protocol).await;
        the_instrumented_client_is_a_pool(&world, &peer, protocol).await;
        protocols.push(*protocol);
    }
    nothing_was_rejected(&world, &peer, &protocols).await;
    if language == Language::Python {
        // An instrumentation of a real pool, with the names of before.
        let stock = world.pool(&peer, "grpc", "stock").await;
        assert_eq!((stock.now.active, stock.now.idle), (Some(2), Some(1)), "{stock:?}");
        assert_eq!((stock.now.pending, stock.requests_total), (None, None), "{stock:?}");
    }
}

pub(super) const DELTA: (&str, &str) = ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
pub(super) const EXPONENTIAL: (&str, &str) =
    ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram");
pub(super) const GZIP: (&str, &str) = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
