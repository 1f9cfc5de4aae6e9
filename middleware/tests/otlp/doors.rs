//! Both ways out, our exporter and the bridge into a `MeterProvider`, tell the same numbers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, dns::GaiResolver};
use hyper_util::rt::TokioExecutor;
use opentelemetry_otlp::{MetricExporter, WithExportConfig};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    HistogramDataPoint, Metric, NumberDataPoint, metric::Data, number_data_point::Value as Number,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use poolscope::health::HealthProbe;
use poolscope::hyper::{ConnectLayer, RequestLayer};
use poolscope::limit::LimitLayer;
use poolscope::queue::DropPolicy;
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope::server::{RouteLayer, Server};
use poolscope::session::{DEFAULT_SWEEP_INTERVAL, Sessions};
use poolscope::supervisor::{Link, Received, Supervised, SupervisorState};
use poolscope::timeout::TimeoutLayer;
use poolscope::{HealthState, PhaseLayer, Scope, meter};
use poolscope_semconv::metric::{self, MetricDef, MetricKind};
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME, attr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::export;
use crate::receiver::{Manner, Receiver, any_port};
use crate::traffic::{Asked, free_addr, wait_for};

/// Nobody exports but when asked to.
const NEVER: Duration = Duration::from_secs(3600);

const SOON: Duration = Duration::from_millis(1);

/// What all points of a metric have in common: name, unit, description, how they add up.
type Stream = (String, String, String, &'static str);

/// One point.
#[derive(Debug, Clone, PartialEq)]
enum Point {
    Integer(i64),
    Float(f64),
    Histogram { bounds: Vec<f64>, buckets: Vec<u64>, count: u64, sum: f64 },
}

impl Point {
    fn is_empty_histogram(&self) -> bool {
        matches!(self, Self::Histogram { count: 0, .. })
    }

    /// The same, but for what adding in another order makes of a sum.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Histogram { bounds, buckets, count, sum },
                Self::Histogram { bounds: bounds2, buckets: buckets2, count: count2, sum: sum2 },
            ) => {
                (bounds, buckets, count) == (bounds2, buckets2, count2)
                    && (sum - sum2).abs() <= 1e-12 * *count as f64 * sum.abs().max(1.0)
            }
            _ => self == other,
        }
    }
}

type Attributes = BTreeMap<String, String>;

type Series = BTreeMap<(Stream, Attributes), Point>;

fn attributes(pairs: &[KeyValue]) -> Attributes {
    let text = |value: &Value| match value {
        Value::StringValue(text) => format!("{text:?}"),
        Value::IntValue(integer) => integer.to_string(),
        other => format!("{other:?}"),
    };
    let value = |pair: &KeyValue| text(pair.value.as_ref().unwrap().value.as_ref().unwrap());
    let map: BTreeMap<_, _> = pairs.iter().map(|pair| (pair.key.clone(), value(pair))).collect();
    assert_eq!(map.len(), pairs.len(), "no key twice");
    map
}

fn number(point: &NumberDataPoint) -> (Attributes, Point) {
    let value = match point.value.unwrap() {
        Number::AsInt(value) => Point::Integer(value),
        Number::AsDouble(value) => Point::Float(value),
    };
    (attributes(&point.attributes), value)
}

fn histogram(point: &HistogramDataPoint) -> (Attributes, Point) {
    let value = Point::Histogram {
        bounds: point.explicit_bounds.clone(),
        buckets: point.bucket_counts.clone(),
        count: point.count,
        sum: point.sum.unwrap(),
    };
    (attributes(&point.attributes), value)
}

fn points(metric: &Metric) -> (&'static str, Vec<(Attributes, Point)>) {
    const CUMULATIVE: i32 = 2;
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => {
            assert_eq!(sum.aggregation_temporality, CUMULATIVE, "{}", metric.name);
            let kind = if sum.is_monotonic { "counter" } else { "up-down counter" };
            (kind, sum.data_points.iter().map(number).collect())
        }
        Data::Gauge(gauge) => ("gauge", gauge.data_points.iter().map(number).collect()),
        Data::Histogram(data) => {
            assert_eq!(data.aggregation_temporality, CUMULATIVE, "{}", metric.name);
            ("histogram", data.data_points.iter().map(histogram).collect())
        }
        other => panic!("{} is {other:?}", metric.name),
    }
}

/// All series of an export, of which each has one point.
fn series(request: &ExportMetricsServiceRequest) -> Series {
    let mut all = Series::new();
    for metrics in request.resource_metrics.iter().flat_map(|metrics| &metrics.scope_metrics) {
        let scope = metrics.scope.as_ref().unwrap();
        assert_eq!((scope.name.as_str(), metrics.schema_url.as_str()), (SCOPE_NAME, SCHEMA_URL));
        assert!(!scope.version.is_empty());
        for metric in &metrics.metrics {
            let (kind, points) = points(metric);
            let stream = (metric.name.clone(), metric.unit.clone(), metric.description.clone(), kind);
            for (attributes, point) in points {
                assert!(
                    all.insert((stream.clone(), attributes), point).is_none(),
                    "{stream:?} has a series twice"
                );
            }
        }
    }
    all
}

/// Panics unless both have the same series with the same values, but for what a bridge can't tell.
fn compare(own: &Series, bridge: &Series) {
    for (key, point) in own {
        let ((name, ..), attributes) = key;
        if *name == metric::TELEMETRY_DROPPED.name || point.is_empty_histogram() {
            assert!(!bridge.contains_key(key), "{name} {attributes:?} should not be told");
            continue;
        }
        let Some(other) = bridge.get(key) else { panic!("{key:?} is missing in the bridge") };
        match (point, other) {
            // It grows while both are asked.
            (Point::Float(age), Point::Float(later)) if *name == metric::HEALTH_PROBE_AGE.name => {
                assert!((0.0..60.0).contains(&(later - age)), "{age} and {later}");
            }
            _ => assert!(point.is_like(other), "{key:?}: {point:?} and {other:?}"),
        }
    }
    for key in bridge.keys() {
        assert!(own.contains_key(key), "{key:?} is missing in our export");
    }
}

/// The last export of a service.
fn last(receiver: &Receiver, service: &str) -> Series {
    let received = receiver.received();
    let named = |request: &&ExportMetricsServiceRequest| {
        let resource = request.resource_metrics[0].resource.as_ref().unwrap();
        attributes(&resource.attributes)[attr::SERVICE_NAME] == format!("{service:?}")
    };
    series(received.metrics.iter().map(|(_, request)| request).rfind(named).expect("an export arrived"))
}

/// A session that has answered a ping, had a task, and was told to end. Without a deadline that could come, the sweep comes to rest after it.
async fn session(scope: &Scope) -> Sessions {
    let sessions = scope.sessions("chat").idle_timeout(None).liveness(SOON, NEVER, 1).build().unwrap();
    let session = sessions.begin("room").unwrap();
    session.ping_due().await;
    session.pong();
    session.spawn("task", async {}).await.unwrap();
    sessions.close();
    session.ended().await;
    drop(session);
    let mut swept = u64::MAX;
    while std::mem::replace(&mut swept, sessions.snapshot().sweeps.count()) != swept {
        tokio::time::sleep(5 * DEFAULT_SWEEP_INTERVAL).await;
    }
    sessions
}

/// A server that has served a request and refused a connection.
async fn server(scope: &Scope) -> Server {
    let server = scope.server("api").max_connections(1).build().unwrap();
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = Router::new().route("/", axum::routing::get(|| async { "hello" })).layer(RouteLayer);
    let serving = tokio::spawn(server.serve(server.listen(listener), app));
    let ask = async || {
        let mut client = tokio::net::TcpStream::connect(addr).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: api\r\n\r\n").await.unwrap();
        client.read_exact(&mut [0; 12]).await.unwrap();
        client
    };
    let first = ask().await;
    ask().await;
    drop(first);
    wait_for("the connection to close", || server.snapshot().present() == 0).await;
    server.close();
    serving.await.unwrap();
    server
}

/// Requests that are answered, refused, tried again, made to wait and lost, over HTTP/1, and a probe.
async fn busy(scope: &Scope) -> HealthProbe {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let asked = std::sync::Arc::new(AtomicU64::new(0));
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        "slow"
    };
    let flaky = move || {
        let is_first = asked.fetch_add(1, Relaxed) == 0;
        async move { if is_first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK } }
    };
    let app =
        Router::new().route("/slow", axum::routing::get(slow)).route("/flaky", axum::routing::get(flaky));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let client = scope.client("payments");
    let resolver = PhaseLayer::dns().layer(GaiResolver::new());
    let connector = ConnectLayer::new(&client).layer(HttpConnector::new_with_resolver(resolver));
    let inner = RequestLayer::new(&client).layer(Client::builder(TokioExecutor::new()).build(connector));
    let policy =
        RetryPolicy::builder(scope, "payments").base_delay(Duration::from_millis(1)).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(scope, "call", Duration::from_secs(20)).unwrap())
        .layer(RetryLayer::new(policy))
        .layer(LimitLayer::builder(&client).per_destination(2).total(100).build().unwrap())
        .service(inner.clone());
    let get = |url: String| http::Request::get(url).body(Empty::<Bytes>::new()).unwrap();
    let mut requests = JoinSet::new();
    for _ in 0..6 {
        requests.spawn(service.clone().oneshot(get(format!("http://{addr}/slow"))));
    }
    while let Some(answer) = requests.join_next().await {
        answer.unwrap().unwrap().into_body().collect().await.unwrap();
    }
    let named = format!("localhost:{}", addr.port());
    for (host, path) in [(addr.to_string(), "flaky"), (addr.to_string(), "nowhere"), (named, "flaky")] {
        let answer = service.clone().oneshot(get(format!("http://{host}/{path}"))).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    let nobody = get(format!("http://{}/", free_addr()));
    service.clone().oneshot(nobody).await.unwrap_err();

    let probe = HealthProbe::builder(scope, format!("http://{addr}/flaky")).interval(NEVER);
    let probe = probe.spawn(inner).unwrap();
    wait_for("a probe", || probe.state() == HealthState::Healthy).await;
    drop(service);
    server.abort();
    wait_for("the connections to close", || {
        scope.snapshot().pools.iter().all(|pool| pool.counts().open() == 0)
    })
    .await;
    probe
}

/// A connection that is kept alive: the first of them ends at once.
#[derive(Debug)]
struct Line(bool);

impl Link for Line {
    type Incoming = Infallible;
    type Outgoing = ();
    type Error = Infallible;

    async fn recv(&mut self) -> Option<Result<Received<Infallible>, Infallible>> {
        if self.0 { None } else { std::future::pending().await }
    }

    async fn send(&mut self, (): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

/// One that was lost, and is there again.
async fn supervised(scope: &Scope) -> Supervised<()> {
    let mut is_first = true;
    let connect = move || {
        let line = Line(std::mem::take(&mut is_first));
        std::future::ready(Ok::<_, Infallible>(line))
    };
    let supervisor = scope.supervisor("prices").backoff(Duration::from_millis(1), Duration::from_millis(1));
    let line = supervisor.start(connect, async |_: Infallible| {}).unwrap();
    let is_back = || {
        let seen = line.snapshot();
        seen.connects == 2 && seen.state == SupervisorState::Connected
    };
    wait_for("the second connection", is_back).await;
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_tell_the_same_in_both_directions() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    scope.show_breakers(Asked::default());
    let memory = InMemoryMetricExporter::default();
    let otlp = MetricExporter::builder().with_tonic().with_endpoint(receiver.url()).build().unwrap();
    let provider = SdkMeterProvider::builder()
        .with_resource(Resource::builder().with_service_name("bridged").build())
        .with_reader(PeriodicReader::builder(memory.clone()).with_interval(NEVER).build())
        .with_reader(PeriodicReader::builder(otlp).with_interval(NEVER).build())
        .build();
    let bridge = meter::register(&scope, &provider).unwrap();
    let telemetry = export(&scope, &receiver.url()).metrics_interval(NEVER).start().unwrap();

    let mut kept = Vec::new();
    // Once more after a first export, since what is cumulative must stay so.
    for round in 0..2 {
        let (queue, takes) = scope.queue("outbox", 1, DropPolicy::Oldest);
        for item in 0..3 {
            queue.push(item).unwrap();
        }
        let served = (server(&scope).await, supervised(&scope).await);
        kept.push((busy(&scope).await, session(&scope).await, takes, served));
        telemetry.flush();
        provider.force_flush().unwrap();
        let own = last(&receiver, "shop");
        compare(&own, &last(&receiver, "bridged"));
        let in_memory = memory.get_finished_metrics().unwrap();
        compare(&own, &series(&ExportMetricsServiceRequest::from(in_memory.last().unwrap())));
        if round == 0 {
            let told: Vec<_> = own.iter().filter(|(_, point)| !point.is_empty_histogram()).collect();
            let is_told = |def: &&&MetricDef| told.iter().any(|(((name, ..), _), _)| name == def.name);
            let histograms = metric::ALL.iter().filter(|def| def.kind == MetricKind::Histogram);
            let untold: Vec<_> = histograms.filter(|def| !is_told(def)).map(|def| def.name).collect();
            assert_eq!(
                untold,
                [metric::CONNECTION_RTT.name, metric::SERVER_TLS_HANDSHAKE_DURATION.name],
                "all histograms that need neither the kernel nor TLS are compared"
            );
            assert!(own.len() > 150, "{}", own.len());
        }
    }

    // What is gone is gone in both; a histogram of the SDK stays.
    drop(kept);
    let is_gone = || {
        let seen = scope.snapshot();
        seen.health.is_empty()
            && seen.sessions.is_empty()
            && seen.servers.is_empty()
            && seen.tasks.is_empty()
            && seen.queues.is_empty()
            && seen.supervisors.is_empty()
    };
    // Their tasks end in threads of the runtime.
    wait_for("all of them to be gone", is_gone).await;
    telemetry.flush();
    provider.force_flush().unwrap();
    let is_gone = |((name, ..), _): &(Stream, Attributes)| {
        let gone = ["health.", "session.", "server.", "task.", "queue.", "supervisor."];
        name.strip_prefix("poolscope.").is_some_and(|name| gone.iter().any(|gone| name.starts_with(gone)))
    };
    assert!(!last(&receiver, "shop").keys().any(is_gone));
    let bridged = last(&receiver, "bridged");
    let left: Vec<_> = bridged.keys().filter(|key| is_gone(key)).map(|((name, ..), _)| name).collect();
    assert!(
        !left.is_empty() && left.iter().all(|name| metric::find(name).unwrap().kind == MetricKind::Histogram),
        "{left:?}"
    );
    drop(bridge);
    telemetry.shutdown();
    provider.shutdown().unwrap();
}

#[tokio::test]
async fn what_was_there_before_the_bridge_goes_through_it_from_then_on() {
    let scope = Scope::new();
    let sessions = scope.sessions("chat").build().unwrap();
    let tasks = scope.tasks("jobs");
    let memory = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(memory.clone()).with_interval(NEVER).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let bridge = meter::register(&scope, &provider).unwrap();
    sessions.begin("room").unwrap().complete();
    tasks.spawn("task", async {}).await.unwrap();
    provider.force_flush().unwrap();
    let exports = memory.get_finished_metrics().unwrap();
    let told = series(&ExportMetricsServiceRequest::from(exports.last().unwrap()));
    for def in [&metric::SESSION_DURATION, &metric::TASK_RUN_TIME] {
        assert!(told.keys().any(|((name, ..), _)| name == def.name), "{} is not told", def.name);
    }
    drop(bridge);
    provider.shutdown().unwrap();
}
