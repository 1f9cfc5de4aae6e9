//! The demo's telemetry through the Collector to dashboard, Prometheus and Jaeger: all tell the same.

use std::collections::BTreeMap;
use std::time::Duration;

use poolscope::otlp::{Otlp, Protocol, Telemetry};
use poolscope::otlp_sdk::{OtlpSdk, SdkTelemetry};
use poolscope::{Scope, ScopeSnapshot};
use poolscope_semconv::{attr, metric, span};
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::demo::{Demo, Options, Pace};
use poolscope_tests::stack::{Behind, Collector, Jaeger, Prometheus, Sample, Trace, file};
use poolscope_tests::wait;
use poolscope_wire::{Event, PoolSummary, path};

/// How the demo's telemetry leaves the process.
#[derive(Clone, Copy)]
enum Door {
    /// Our own exporter.
    Ours(Protocol),
    /// The SDK's pipeline, over gRPC.
    Sdk,
}

/// The same, while it runs.
enum Export {
    Ours(Telemetry),
    Sdk(SdkTelemetry),
}

impl Door {
    fn open(self, scope: &Scope, collector: &Collector) -> Export {
        let interval = Duration::from_secs(1);
        let protocol = match self {
            Self::Ours(protocol) => protocol,
            Self::Sdk => {
                let export = OtlpSdk::new(scope).service_name("shop").metrics_interval(interval);
                return Export::Sdk(export.endpoint(format!("http://{}", collector.grpc())).start().unwrap());
            }
        };
        let endpoint = match protocol {
            Protocol::Grpc => collector.grpc(),
            _ => collector.http(),
        };
        let compressed = |name: &str| (name == "OTEL_EXPORTER_OTLP_COMPRESSION").then(|| "gzip".to_owned());
        let export = Otlp::new(scope)
            .environment(compressed)
            .service_name("shop")
            .endpoint(format!("http://{endpoint}"))
            .protocol(protocol)
            .metrics_interval(interval);
        Export::Ours(export.start().unwrap())
    }
}

impl Export {
    fn flush(&self) {
        match self {
            Self::Ours(telemetry) => telemetry.flush(),
            Self::Sdk(telemetry) => telemetry.flush().unwrap(),
        }
    }
}

/// Everything, with the demo in front of it.
struct World {
    scope: Scope,
    demo: Demo,
    telemetry: Export,
    collector: Collector,
    prometheus: Prometheus,
    jaeger: Jaeger,
    dashboard: Dashboard,
}

impl World {
    async fn start(door: Door) -> Self {
        let dashboard = Dashboard::start().await.unwrap();
        let jaeger = Jaeger::start().await.unwrap();
        let behind = Behind { dashboard: Some(dashboard.otlp_grpc()), jaeger: Some(jaeger.otlp()) };
        let config = file("collector-config/collector/gateway.yaml");
        let collector = Collector::start(&config, behind, &[]).await.unwrap();
        let prometheus = Prometheus::start(&collector).await.unwrap();

        let scope = Scope::new();
        let telemetry = door.open(&scope, &collector);
        let pace = Pace { well: Duration::from_secs(3), sick: Duration::from_secs(4) };
        let demo = Demo::start(&scope, Options { pace, workers: 4, ..Options::default() }).await.unwrap();
        Self { scope, demo, telemetry, collector, prometheus, jaeger, dashboard }
    }

    /// Lets the demo come to rest and everything that it has told arrive.
    async fn rest(&mut self) -> ScopeSnapshot {
        self.demo.stop_calls().await;
        let at_rest = |snapshot: &ScopeSnapshot| {
            snapshot.pools.iter().all(|pool| pool.pending() == 0 && pool.in_flight() == 0)
        };
        let snapshot = wait::until("the demo to rest", async || self.scope.snapshot(), at_rest).await;
        let total = acquired(&snapshot);
        self.telemetry.flush();
        let name = metric::CONNECTION_ACQUIRES.name.replace('.', "_");
        let query = format!("sum({name}_total)");
        let sum = async || self.prometheus.query(&query).await.unwrap().first().map(|sample| sample.value);
        wait::until("Prometheus to have every acquire", sum, |sum| *sum == Some(total as f64)).await;
        snapshot
    }
}

fn acquired(snapshot: &ScopeSnapshot) -> u64 {
    snapshot.pools.iter().flat_map(|pool| &pool.acquires).map(|(_, count)| count).sum()
}

/// The whole path of all three signals.
async fn everybody_tells_the_same(door: Door) {
    let mut world = World::start(door).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let snapshot = world.rest().await;
    assert_eq!(snapshot.pools.len(), 7);
    assert!(acquired(&snapshot) > 500, "the demo did little: {}", acquired(&snapshot));

    prometheus_agrees(&world.prometheus, &snapshot).await;
    dashboard_agrees(&world, &snapshot).await;
    jaeger_links_requests_to_their_connection(&world.jaeger).await;
    let log = world.collector.log();
    assert!(!log.contains("error"), "the Collector complains: {log}");
}

/// Each figure of each pool, by its labels.
async fn prometheus_agrees(prometheus: &Prometheus, snapshot: &ScopeSnapshot) {
    let by_pool = async |name: &str, more: &str| -> BTreeMap<Vec<String>, f64> {
        let samples = prometheus.query(name).await.unwrap();
        let key = |sample: &Sample| {
            [attr::CLIENT_NAME, attr::SERVER_ADDRESS, attr::SERVER_PORT, more]
                .map(|key| sample.label(&key.replace('.', "_")).to_owned())
                .to_vec()
        };
        samples.iter().map(|sample| (key(sample), sample.value)).collect()
    };
    let acquires = by_pool("poolscope_connection_acquires_total", attr::ACQUIRE_OUTCOME).await;
    let opened = by_pool("poolscope_connection_opened_total", "").await;
    let waits = by_pool("poolscope_connection_wait_time_seconds_count", "").await;
    let states = by_pool("http_client_open_connections", attr::HTTP_CONNECTION_STATE).await;
    for pool in &snapshot.pools {
        let key =
            |more: &str| vec![pool.client.clone(), pool.host.clone(), pool.port.to_string(), more.to_owned()];
        for (outcome, count) in &pool.acquires {
            assert_eq!(acquires.get(&key(outcome.as_str())), Some(&(*count as f64)), "{outcome:?} {pool:?}");
        }
        assert_eq!(opened.get(&key("")), Some(&(pool.opened as f64)), "{pool:?}");
        assert_eq!(waits.get(&key("")), Some(&(pool.acquired as f64)), "{pool:?}");
        for state in ["idle", "active"] {
            assert!(states.contains_key(&key(state)), "{state} {states:?}");
        }
    }
    let named = prometheus.query("poolscope_connection_opened_total").await.unwrap();
    assert!(named.iter().all(|sample| sample.label("service_name") == "shop"), "{named:?}");
}

async fn dashboard_agrees(world: &World, snapshot: &ScopeSnapshot) {
    let opened = |pools: &[PoolSummary]| pools.iter().filter_map(|pool| pool.opened_total).sum::<u64>();
    let expected: u64 = snapshot.pools.iter().map(|pool| pool.opened).sum();
    let pools: Vec<PoolSummary> = wait::until(
        "the dashboard to have every connection",
        async || world.dashboard.get::<Vec<PoolSummary>>(path::POOLS).await,
        |pools| opened(pools) == expected,
    )
    .await;
    assert_eq!(pools.len(), snapshot.pools.len());
    let events: Vec<Event> = world.dashboard.get(path::EVENTS).await;
    assert!(!events.is_empty(), "no event came through the Collector");
}

/// .NET's model: a request links to the set-up of the connection that served it, which is a trace of its own.
async fn jaeger_links_requests_to_their_connection(jaeger: &Jaeger) {
    let traces = wait::until(
        "traces in Jaeger",
        async || jaeger.traces("shop", "GET", 200).await.unwrap(),
        |traces| traces.len() > 50,
    )
    .await;
    let (mut linked, mut reused) = (0, 0);
    for request in traces.iter().flat_map(|trace| &trace.spans).filter(|span| span.operation_name == "GET") {
        assert!(request.tag(attr::SERVER_ADDRESS).is_some(), "{request:?}");
        let Some(link) = request.references.iter().find(|reference| reference.kind == "FOLLOWS_FROM") else {
            continue;
        };
        let setup: Option<Trace> = jaeger.trace(&link.trace).await.unwrap();
        let setup = setup.unwrap_or_else(|| panic!("{request:?} links to a trace that Jaeger has not got"));
        let root = setup.spans.iter().find(|span| span.id == link.span).unwrap();
        assert!(root.operation_name.starts_with(span::CONNECTION_SETUP), "{root:?}");
        assert!(root.references.iter().all(|reference| reference.kind != "CHILD_OF"), "{root:?}");
        let phases: Vec<_> = setup
            .spans
            .iter()
            .filter(|phase| phase.references.iter().any(|parent| parent.span == root.id))
            .map(|phase| phase.operation_name.as_str())
            .collect();
        assert!(phases.iter().any(|name| name.starts_with(span::SOCKET_CONNECT)), "{phases:?}");
        linked += 1;
        reused += usize::from(request.tag(attr::ACQUIRE_OUTCOME).as_deref() == Some("reused"));
        if linked == 40 {
            break;
        }
    }
    assert!(linked >= 20 && reused > 0, "{linked} linked, {reused} of them reused, of {}", traces.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector, Prometheus and Jaeger"]
async fn everybody_tells_the_same_over_grpc() {
    everybody_tells_the_same(Door::Ours(Protocol::Grpc)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector, Prometheus and Jaeger"]
async fn everybody_tells_the_same_over_http() {
    everybody_tells_the_same(Door::Ours(Protocol::HttpProtobuf)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector, Prometheus and Jaeger"]
async fn everybody_tells_the_same_by_the_sdk() {
    everybody_tells_the_same(Door::Sdk).await;
}
