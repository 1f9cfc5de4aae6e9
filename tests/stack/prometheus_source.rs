//! The dashboard with Prometheus as its source shows what it shows when it is told by OTLP.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poolscope::Scope;
use poolscope::otlp::{Otlp, Protocol, Telemetry};
use poolscope_dashboard::{Config, DataSource, Prometheus as Source, Server};
use poolscope_tests::demo::{Demo, Options, Pace};
use poolscope_tests::stack::{Behind, Collector, Prometheus, file};
use poolscope_tests::tls::{self, Alpn};
use poolscope_tests::wait;
use poolscope_wire::{Breaker, PoolDetail, PoolSummary, PrometheusStatus, Protection, Status, path};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const TENANT: &str = "team-a";

/// A dashboard in this process.
struct Dashboard {
    http: SocketAddr,
    otlp: SocketAddr,
    client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

impl Dashboard {
    async fn start(prometheus: Source) -> Self {
        Self::start_with(prometheus, Config::default().retention_s).await
    }

    async fn start_with(prometheus: Source, retention_s: u64) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = Config {
            http_addr: any,
            otlp_grpc_addr: any,
            otlp_http_addr: any,
            prometheus,
            retention_s,
            ..Config::default()
        };
        let server = Server::bind(config).await.unwrap();
        let (http, otlp) = (server.http_addr(), server.otlp_grpc_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { http, otlp, client: reqwest::Client::new(), _stop: stop }
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let response = self.client.get(format!("http://{}{path}", self.http)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    async fn source(&self) -> PrometheusStatus {
        self.get::<Status>(path::STATUS).await.prometheus.unwrap()
    }

    async fn details(&self) -> Vec<PoolDetail> {
        let mut details = Vec::new();
        for pool in self.get::<Vec<PoolSummary>>(path::POOLS).await {
            details.push(self.get(&format!("{}/{}", path::POOLS, pool.id)).await);
        }
        details
    }

    /// The figures of each pool, breaker and whatever else protects, by id, that do not move while nothing is called.
    async fn figures(&self) -> BTreeMap<String, Json> {
        let pools = self.details().await.into_iter().map(|pool| (pool.summary.id.clone(), figures(&pool)));
        let breakers = self.get::<Vec<Breaker>>(path::BREAKERS).await.into_iter().map(|one| {
            let totals = [one.succeeded_total, one.failed_total, one.rejected_total];
            let told =
                json!([one.service, one.instance, one.name, one.state, totals, one.failure_ratio_limit]);
            (one.id, told)
        });
        let protection = self.get::<Vec<Protection>>(path::PROTECTION).await;
        let protection = protection.into_iter().map(|one| (one.id, json!([one.service, one.name])));
        pools.chain(breakers).chain(protection).collect()
    }
}

fn figures(pool: &PoolDetail) -> Json {
    let summary = &pool.summary;
    let now = summary.now;
    let sorted = |all: Json| {
        let mut all: Vec<String> = all.as_array().unwrap().iter().map(Json::to_string).collect();
        all.sort_unstable();
        all
    };
    let mut connections = json!(pool.connections);
    // Asked of the kernel again and again.
    connections.as_object_mut().unwrap().retain(|key, _| !matches!(&**key, "rtt_s" | "retransmits"));
    json!({
        "pool": [summary.service, summary.instance, summary.client, summary.scheme, summary.address],
        "protocols": summary.protocols,
        "observation": summary.observation,
        "now": [now.idle, now.active, now.upgraded, now.connecting, now.pending, now.in_flight, now.leaked],
        "limit": now.limit.map(|limit| [limit.max, limit.in_use, limit.queued]),
        "totals": [summary.requests_total, summary.opened_total, summary.closed_total, summary.failed_total],
        "acquires": sorted(json!(pool.acquires)),
        "closes": sorted(json!(pool.closes)),
        "results": sorted(json!(pool.results)),
        "failures": sorted(json!(pool.failures)),
        "connections": connections,
        "bytes": [pool.bytes_sent, pool.bytes_received],
    })
}

/// What the gate lets through.
#[derive(Debug, Clone, Default)]
struct Rule {
    token: String,
    /// Nobody gets anything.
    shut: bool,
}

/// Stands before Prometheus as an operator's proxy would: TLS, a token, a tenant.
struct Gate {
    addr: SocketAddr,
    rule: Arc<Mutex<Rule>>,
}

impl Gate {
    async fn start(prometheus: SocketAddr, token: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let rule = Arc::new(Mutex::new(Rule { token: token.to_owned(), shut: false }));
        let acceptor = tokio_rustls::TlsAcceptor::from(tls::server(Alpn::Http1).unwrap());
        let (asked, client) = (rule.clone(), reqwest::Client::new());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, rule, client) = (acceptor.clone(), asked.clone(), client.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let service = service_fn(move |request| {
                        let rule = rule.lock().unwrap().clone();
                        pass(request, rule, client.clone(), prometheus)
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { addr, rule }
    }

    fn set(&self, change: impl FnOnce(&mut Rule)) {
        change(&mut self.rule.lock().unwrap());
    }
}

async fn pass(
    request: Request<Incoming>,
    rule: Rule,
    client: reqwest::Client,
    prometheus: SocketAddr,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = |status, body: Bytes| Ok(Response::builder().status(status).body(Full::from(body)).unwrap());
    let is = |name: &str, value: &str| request.headers().get(name).is_some_and(|given| given == value);
    if rule.shut {
        return answer(StatusCode::BAD_GATEWAY, Bytes::from_static(b"<html>bad gateway</html>"));
    }
    if !is("authorization", &format!("Bearer {}", rule.token)) {
        return answer(StatusCode::UNAUTHORIZED, Bytes::new());
    }
    if !is("x-scope-orgid", TENANT) {
        return answer(StatusCode::FORBIDDEN, Bytes::new());
    }
    let (head, body) = request.into_parts();
    let url = format!("http://{prometheus}{}", head.uri.path());
    let sent = client.post(url).header("content-type", head.headers["content-type"].clone());
    let answered = sent.body(body.collect().await.unwrap().to_bytes()).send().await.unwrap();
    answer(answered.status(), answered.bytes().await.unwrap())
}

/// Demo, Collector, Prometheus, and a dashboard that is told by OTLP.
struct World {
    demo: Demo,
    telemetry: Telemetry,
    scope: Scope,
    prometheus: Prometheus,
    told: Dashboard,
    _collector: Collector,
}

impl World {
    async fn start() -> Self {
        let told = Dashboard::start(Source::default()).await;
        let behind = Behind { dashboard: Some(told.otlp), jaeger: None };
        let config = file("collector-config/collector/gateway.yaml");
        let collector = Collector::start(&config, behind, &[]).await.unwrap();
        let prometheus = Prometheus::start(&collector).await.unwrap();
        let scope = Scope::new();
        let telemetry = Otlp::new(&scope)
            .environment(|_: &str| None)
            .service_name("shop")
            .endpoint(format!("http://{}", collector.grpc()))
            .protocol(Protocol::Grpc)
            .metrics_interval(Duration::from_secs(1))
            .start()
            .unwrap();
        let pace = Pace { well: Duration::from_secs(3), sick: Duration::from_secs(4) };
        let demo = Demo::start(&scope, Options { pace, workers: 4, ..Options::default() }).await.unwrap();
        Self { demo, telemetry, scope, prometheus, told, _collector: collector }
    }

    /// Time of the oldest sample that Prometheus has: it begins to scrape some seconds after its start.
    async fn first_ms(&self) -> u64 {
        let query = [("query", "poolscope_connection_opened_total[10m]")];
        let data = self.prometheus.get("query", &query).await.unwrap();
        let series = data["result"].as_array().unwrap();
        let seconds = series.iter().map(|one| one["values"][0][0].as_f64().unwrap());
        (seconds.fold(f64::INFINITY, f64::min) * 1e3) as u64
    }

    async fn rest(&mut self) {
        self.demo.stop_calls().await;
        let snapshot = async || self.scope.snapshot();
        wait::until("the demo to rest", snapshot, |snapshot| {
            snapshot.pools.iter().all(|pool| pool.pending() == 0 && pool.in_flight() == 0)
        })
        .await;
        self.telemetry.flush();
    }
}

/// Waits until both dashboards show the same figures, and gives them.
async fn same(told: &Dashboard, asking: &Dashboard) -> BTreeMap<String, Json> {
    let differing = async || {
        let (told, asked) = (told.figures().await, asking.figures().await);
        let keys: Vec<_> =
            told.keys().chain(asked.keys()).filter(|id| told.get(*id) != asked.get(*id)).collect();
        let differing: Vec<_> =
            keys.iter().map(|id| (told.get(*id).cloned(), asked.get(*id).cloned())).collect();
        (differing, told)
    };
    wait::until("both dashboards to show the same", differing, |(differing, _)| differing.is_empty()).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector and Prometheus: cargo xtask test --suite stack"]
async fn a_dashboard_that_asks_prometheus_shows_what_one_shows_that_is_told() {
    let mut world = World::start().await;
    let gate = Gate::start(world.prometheus.addr(), "one").await;
    let files = Files::new();
    files.write("ca.pem", &tls::pem().0);
    files.write("token", "one\n");
    let source = Source {
        source: DataSource::Prometheus,
        prometheus_url: Some(format!("https://127.0.0.1:{}", gate.addr.port()).parse().unwrap()),
        prometheus_interval_s: 1,
        prometheus_token_file: Some(files.path("token")),
        prometheus_header: vec![format!("X-Scope-OrgID: {TENANT}").parse().unwrap()],
        prometheus_ca: Some(files.path("ca.pem")),
        ..Source::default()
    };
    let asking = Dashboard::start(source.clone()).await;
    let source_of = async || asking.source().await;
    // While all of it is under way, the picture follows: no pool is silent, and rates are there.
    let busy = async || asking.get::<Vec<PoolSummary>>(path::POOLS).await;
    let are_busy = |pools: &Vec<PoolSummary>| {
        pools.len() == 7 && pools.iter().any(|pool| pool.now.requests_per_s.is_some_and(|rate| rate > 1.0))
    };
    let pools = wait::until("the pools from Prometheus", busy, are_busy).await;
    assert!(pools.iter().all(|pool| !pool.stale), "{pools:?}");
    tokio::time::sleep(Duration::from_secs(8)).await;

    // A token that is not taken any more is told, with what to do; the new one is read from its file.
    gate.set(|rule| rule.token = "two".to_owned());
    let refused = wait::until("the refusal to be told", source_of, |source| source.problem.is_some()).await;
    assert!(refused.problem.unwrap().contains("--prometheus-token-file"));
    files.write("token", "two");
    wait::until("the new token to be read", source_of, |source| source.problem.is_none()).await;

    world.rest().await;
    let figures = same(&world.told, &asking).await;
    assert!(figures.len() > 10, "{figures:?}");

    // Away: it is told, and the picture is old; back: it is as before, and nothing is counted twice.
    gate.set(|rule| rule.shut = true);
    let away = wait::until("the outage to be told", source_of, |source| source.problem.is_some()).await;
    assert!(away.problem.unwrap().contains("not well") && away.problem_since_ms.is_some());
    wait::until("old pictures to be marked", busy, |pools| pools.iter().all(|pool| pool.stale)).await;
    gate.set(|rule| rule.shut = false);
    wait::until("the end of the outage", source_of, |source| source.problem.is_none()).await;
    wait::until("new pictures", busy, |pools| pools.iter().all(|pool| !pool.stale)).await;
    same(&world.told, &asking).await;

    // Whoever starts now knows the same, and what was before.
    let late = Dashboard::start(source.clone()).await;
    same(&world.told, &late).await;
    let first_ms = world.first_ms().await;
    let (told, asked) = (world.told.details().await, late.details().await);
    let begin_ms = |pools: &[PoolDetail]| pools.iter().map(|pool| pool.points[0].at_ms).min().unwrap();
    assert!(begin_ms(&asked) < first_ms + 3_000, "{} ms late", begin_ms(&asked) - first_ms);
    let peaks = |pools: &[PoolDetail]| -> f32 {
        let peak = |pool: &PoolDetail| {
            pool.points.iter().filter_map(|point| point.requests_per_s).fold(0.0, f32::max)
        };
        pools.iter().map(peak).sum()
    };
    assert!(peaks(&asked) > peaks(&told) / 3.0, "{} {}", peaks(&asked), peaks(&told));

    // Whoever keeps next to nothing asks for what is older when somebody looks.
    let short = Dashboard::start_with(source, 5).await;
    let pools = async || short.get::<Vec<PoolSummary>>(path::POOLS).await;
    let pools = wait::until("the pools", pools, |pools| pools.len() == 7).await;
    let path = format!("{}/{}?from_ms={}", path::POOLS, pools[0].id, first_ms - 60_000);
    let detail: PoolDetail = short.get(&path).await;
    let known = asked.iter().find(|pool| pool.summary.id == pools[0].id).unwrap().points[0].at_ms;
    let begin_ms = detail.points[0].at_ms;
    assert!(begin_ms < known + 3_000, "{} ms late", begin_ms - known);
    let source = late.source().await;
    assert!(source.series > 500 && source.notices.is_empty(), "{source:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector and Prometheus: cargo xtask test --suite stack"]
async fn metrics_that_are_sent_to_it_nevertheless_are_refused_with_a_sentence() {
    let source = Source {
        source: DataSource::Prometheus,
        prometheus_url: Some("http://127.0.0.1:9".parse().unwrap()),
        ..Source::default()
    };
    let dashboard = Dashboard::start(source).await;
    let behind = Behind { dashboard: Some(dashboard.otlp), jaeger: None };
    let config = file("collector-config/collector/gateway.yaml");
    let collector = Collector::start(&config, behind, &[]).await.unwrap();
    let scope = Scope::new();
    let export = Otlp::new(&scope).environment(|_: &str| None).service_name("shop");
    let telemetry = export.endpoint(format!("http://{}", collector.grpc())).start().unwrap();
    let pace = Pace { well: Duration::from_secs(3), sick: Duration::from_secs(4) };
    let demo = Demo::start(&scope, Options { pace, workers: 2, ..Options::default() }).await.unwrap();
    let log = async || {
        telemetry.flush();
        collector.log()
    };
    wait::until("the Collector to be told", log, |log| log.contains("asks Prometheus for metrics")).await;
    assert!(dashboard.get::<Vec<PoolSummary>>(path::POOLS).await.is_empty());
    drop(demo);
}

/// A folder that goes with the test.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("poolscope-source-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
