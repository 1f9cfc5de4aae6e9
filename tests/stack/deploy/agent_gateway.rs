//! Agent and gateway as real programs: the demo's telemetry on its whole way, with a vendor at its end, and what the gateway
//! keeps back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poolscope::Scope;
use poolscope::otlp::Otlp;
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::demo::{Demo, Options, Pace};
use poolscope_tests::stack::{Behind, Collector, Jaeger, Prometheus, file, free_addrs};
use poolscope_tests::wait;
use poolscope_wire::{Event, PoolSummary, path};
use serde_json::{Value, json};

use super::compose::health_path;
use super::{AGENT, GATEWAY, VENDOR};

const KEY: &str = "a-key-of-the-vendor";

/// A receiver of OTLP over HTTP that wants a key, and notes which signals came with it.
struct Vendor {
    addr: SocketAddr,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

impl Vendor {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<BTreeSet<String>>>::default());
        let note = seen.clone();
        let app = axum::Router::new().fallback(move |request: axum::extract::Request| async move {
            if request.headers().get("api-key").is_none_or(|key| key != KEY) {
                return http::StatusCode::UNAUTHORIZED;
            }
            note.lock().unwrap().insert(request.uri().path().to_owned());
            http::StatusCode::OK
        });
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { addr, seen }
    }
}

/// Everything behind an agent.
struct World {
    agent: Collector,
    gateway: Collector,
    jaeger: Jaeger,
    prometheus: Prometheus,
    vendor: Vendor,
    dashboard: Dashboard,
}

impl World {
    async fn start() -> Self {
        let dashboard = Dashboard::start().await.unwrap();
        let vendor = Vendor::start().await;
        let jaeger = Jaeger::start().await.unwrap();
        let behind = Behind { dashboard: Some(dashboard.otlp_grpc()), jaeger: Some(jaeger.otlp()) };
        let (config, more): (PathBuf, PathBuf) = (file(GATEWAY), file(VENDOR));
        let settings = [
            ("VENDOR_OTLP_URL", format!("http://{}", vendor.addr)),
            ("VENDOR_API_KEY", KEY.to_owned()),
            ("SPAN_METRICS_INTERVAL", "1s".to_owned()),
        ];
        let gateway = Collector::start_with(&[&config, &more], behind, &settings).await.unwrap();
        let place = [
            ("GATEWAY_OTLP_GRPC", gateway.grpc().to_string()),
            ("K8S_POD_NAME", "shop-1".to_owned()),
            ("DEPLOYMENT_ENVIRONMENT", "test".to_owned()),
        ];
        let agent = Collector::start(&file(AGENT), Behind::default(), &place).await.unwrap();
        let prometheus = Prometheus::start(&gateway).await.unwrap();
        Self { agent, gateway, jaeger, prometheus, vendor, dashboard }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector, Prometheus and Jaeger"]
async fn three_signals_pass_agent_and_gateway() {
    let world = World::start().await;
    let scope = Scope::new();
    let telemetry = Otlp::new(&scope)
        .environment(|_| None)
        .service_name("shop")
        .resource_attribute("process.pid", "4711")
        .endpoint(format!("http://{}", world.agent.grpc()))
        .metrics_interval(Duration::from_secs(1))
        .start()
        .unwrap();
    let pace = Pace { well: Duration::from_secs(2), sick: Duration::from_secs(3) };
    let demo = Demo::start(&scope, Options { pace, workers: 2, ..Options::default() }).await.unwrap();

    wait::until(
        "all pools on the dashboard",
        async || world.dashboard.get::<Vec<PoolSummary>>(path::POOLS).await,
        |pools| pools.len() == 7,
    )
    .await;
    wait::until(
        "events on the dashboard",
        async || world.dashboard.get::<Vec<Event>>(path::EVENTS).await,
        |events| !events.is_empty(),
    )
    .await;
    wait::until(
        "traces in Jaeger",
        async || world.jaeger.traces("shop", "GET", 20).await.unwrap(),
        |traces| traces.len() == 20,
    )
    .await;
    let signals = ["/v1/logs", "/v1/metrics", "/v1/traces"].map(str::to_owned);
    let seen = async || world.vendor.seen.lock().unwrap().clone();
    wait::until("the vendor to have all signals", seen, |seen| seen.iter().eq(&signals)).await;

    metrics_are_labelled(&world.prometheus).await;
    for (what, addr, service) in [
        ("gateway", world.gateway.health(), "collector"),
        ("agent", world.agent.health(), "collector"),
        ("Jaeger", world.jaeger.health(), "jaeger"),
        ("Prometheus", world.prometheus.addr(), "prometheus"),
    ] {
        let url = format!("http://{addr}{}", health_path(service));
        assert_eq!(reqwest::get(url).await.unwrap().status(), 200, "{what}");
    }
    for (what, log) in [("gateway", world.gateway.log()), ("agent", world.agent.log())] {
        for word in ["deprecat", "unset environment variable", "\terror\t"] {
            assert!(!log.contains(word), "{what}: {log}");
        }
    }
    drop(demo);
    telemetry.shutdown();
}

/// What the agent knows and the labels that may be, on our metrics and on those of spans; and the way back to a trace.
async fn metrics_are_labelled(prometheus: &Prometheus) {
    for name in ["poolscope_connection_opened_total", "traces_span_metrics_calls_total"] {
        let query = format!("{name}{{k8s_pod_name=\"shop-1\"}}");
        let samples = async || prometheus.query(&query).await.unwrap();
        let samples = wait::until(&query, samples, |samples| !samples.is_empty()).await;
        for sample in &samples {
            assert_eq!(sample.label("service_name"), "shop", "{sample:?}");
            assert_eq!(sample.label("deployment_environment_name"), "test", "{sample:?}");
            assert!(!sample.label("service_instance_id").is_empty(), "{sample:?}");
            for label in sample.labels.keys() {
                assert!(!label.starts_with("process_") && !label.starts_with("telemetry_"), "{sample:?}");
            }
        }
    }
    let query = "traces_span_metrics_duration_seconds_bucket{service_name=\"shop\"}";
    let ask = [("query", query), ("start", "0"), ("end", "9999999999")];
    let exemplars = async || prometheus.get("query_exemplars", &ask).await.unwrap();
    let trace = |all: &Value| all[0]["exemplars"][0]["labels"]["trace_id"].as_str().map(str::len);
    wait::until("exemplars in Prometheus", exemplars, |all| trace(all) == Some(32)).await;
}

fn span(number: u8, name: &str, attributes: &[(&str, &str)]) -> Value {
    let attributes: Vec<_> =
        attributes.iter().map(|(key, value)| json!({"key": key, "value": {"stringValue": value}})).collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    json!({
        "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": name, "kind": 3,
        "startTimeUnixNano": now.to_string(), "endTimeUnixNano": (now + 1_000_000).to_string(),
        "attributes": attributes,
    })
}

fn request(spans: &[Value]) -> Value {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "other"}}]});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]})
}

async fn send(collector: &Collector, spans: &[Value]) {
    let url = format!("http://{}/v1/traces", collector.http());
    let answer = reqwest::Client::new().post(url).json(&request(spans)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector and Jaeger"]
async fn the_agent_keeps_what_the_gateway_can_not_take_yet() {
    let [later] = free_addrs().unwrap();
    let there = [("GATEWAY_OTLP_GRPC", later.to_string())];
    let agent = Collector::start(&file(AGENT), Behind::default(), &there).await.unwrap();
    send(&agent, &[span(1, "early", &[])]).await;
    wait::until("the agent to have tried", async || agent.log(), |log| log.contains("Will retry")).await;

    let jaeger = Jaeger::start().await.unwrap();
    let behind = Behind { dashboard: None, jaeger: Some(jaeger.otlp()) };
    let here = [("OTLP_GRPC_LISTEN", later.to_string())];
    let _gateway = Collector::start(&file(GATEWAY), behind, &here).await.unwrap();
    let ask = async || jaeger.traces("other", "early", 10).await.unwrap();
    wait::until("the early span", ask, |traces| traces.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector and Jaeger"]
async fn the_gateway_keeps_secrets_and_probes_back() {
    let jaeger = Jaeger::start().await.unwrap();
    let behind = Behind { dashboard: None, jaeger: Some(jaeger.otlp()) };
    let gateway = Collector::start(&file(GATEWAY), behind, &[]).await.unwrap();
    let spans = [
        span(1, "probe", &[("url.path", "/healthz")]),
        span(2, "probe", &[("url.full", "http://10.0.0.1:8080/readyz?verbose")]),
        span(
            3,
            "secret",
            &[
                ("url.full", "https://me:pw@shop.example/pay?a=1&sig=abc&Token=t%20x&b=2#f"),
                ("url.query", "api_key=k&page=3"),
                ("http.request.header.Authorization", "Bearer x"),
                ("http.request.header.accept", "text/html"),
            ],
        ),
        span(4, "plain", &[("url.full", "http://shop.example/healthz/report?q=a@b")]),
    ];
    send(&gateway, &spans).await;

    let mut seen = BTreeMap::new();
    for name in ["secret", "plain"] {
        let ask = async || jaeger.traces("other", name, 10).await.unwrap();
        let mut traces = wait::until(name, ask, |traces| !traces.is_empty()).await;
        seen.insert(name, traces.remove(0).spans.remove(0));
    }
    // All of them came in one request, so what is not there by now was dropped.
    assert!(jaeger.traces("other", "probe", 10).await.unwrap().is_empty());
    let secret = &seen["secret"];
    assert_eq!(
        secret.tag("url.full").unwrap(),
        "https://REDACTED@shop.example/pay?a=1&sig=REDACTED&Token=REDACTED&b=2#f"
    );
    assert_eq!(secret.tag("url.query").unwrap(), "api_key=REDACTED&page=3");
    assert_eq!(secret.tag("http.request.header.Authorization"), None);
    assert_eq!(secret.tag("http.request.header.accept").unwrap(), "text/html");
    assert_eq!(seen["plain"].tag("url.full").unwrap(), "http://shop.example/healthz/report?q=a@b");
}
