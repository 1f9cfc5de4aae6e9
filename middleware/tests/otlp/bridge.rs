//! The bridge into a `MeterProvider`: its beginning, its end, and what must not end it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use poolscope::hyper::{ConnectLayer, RequestLayer};
use poolscope::{BreakerSnapshot, BreakerSource, Scope, meter};
use poolscope_semconv::metric::{self, MetricKind};
use poolscope_semconv::value::BreakerState;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

use crate::receiver::any_port;
use crate::traffic::Asked;

/// A provider that exports only when told to, and what it has exported.
fn provider() -> (SdkMeterProvider, InMemoryMetricExporter) {
    let memory = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(memory.clone()).with_interval(Duration::from_secs(3600)).build();
    (SdkMeterProvider::builder().with_reader(reader).build(), memory)
}

/// Answers of one request through a client of this name.
async fn request(scope: &Scope, name: &str) {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = Router::new().route("/", axum::routing::get(|| async { "here" }));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let client = scope.client(name);
    let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
    let service = RequestLayer::new(&client).layer(Client::builder(TokioExecutor::new()).build(connector));
    let request = http::Request::get(format!("http://{addr}/")).body(Empty::<Bytes>::new()).unwrap();
    service.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    server.abort();
}

/// What a provider exports now.
fn collected(provider: &SdkMeterProvider, memory: &InMemoryMetricExporter) -> Vec<ResourceMetrics> {
    memory.reset();
    provider.force_flush().unwrap();
    memory.get_finished_metrics().unwrap()
}

fn names(exports: &[ResourceMetrics]) -> Vec<String> {
    let scopes = exports.iter().flat_map(ResourceMetrics::scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics().map(|metric| metric.name().to_owned()));
    metrics.collect()
}

/// Number of requests in `http.client.request.duration`.
fn durations(exports: &[ResourceMetrics]) -> u64 {
    let scopes = exports.iter().flat_map(ResourceMetrics::scope_metrics);
    let of_metric = |data: &AggregatedMetrics| match data {
        AggregatedMetrics::F64(MetricData::Histogram(data)) => {
            data.data_points().map(HistogramDataPoint::count).sum()
        }
        _ => 0,
    };
    let metrics = scopes.flat_map(ScopeMetrics::metrics);
    let durations = metrics.filter(|metric| metric.name() == metric::HTTP_CLIENT_REQUEST_DURATION.name);
    durations.map(|metric| of_metric(metric.data())).sum()
}

#[tokio::test]
async fn a_second_bridge_is_refused_until_the_first_one_has_ended() {
    let scope = Scope::new();
    let (first, first_memory) = provider();
    let (second, second_memory) = provider();
    let bridge = meter::register(&scope, &first).unwrap();
    let refused = meter::register(&scope, &second).unwrap_err().to_string();
    assert!(refused.contains("has a bridge to a MeterProvider already"), "{refused}");
    request(&scope, "a").await;
    assert_eq!(durations(&collected(&first, &first_memory)), 1, "it is not harmed by the second one");

    drop(bridge);
    let _bridge = meter::register(&scope, &second).unwrap();
    // Of a pool that was there before and of one that was not.
    request(&scope, "a").await;
    request(&scope, "b").await;
    let told = collected(&second, &second_memory);
    assert_eq!(durations(&told), 2, "records from before the bridge can't be told");
    assert!(names(&told).iter().any(|name| name == metric::CONNECTION_ACQUIRES.name));
    assert_eq!(durations(&collected(&first, &first_memory)), 1, "the first one stays as it was");
}

#[tokio::test]
async fn after_its_end_nothing_is_observed_and_nothing_is_recorded() {
    let scope = Scope::new();
    let (provider, memory) = provider();
    let bridge = meter::register(&scope, &provider).unwrap();
    request(&scope, "a").await;
    let before = names(&collected(&provider, &memory));
    assert!(before.iter().any(|name| name == metric::HTTP_CLIENT_OPEN_CONNECTIONS.name));
    drop(bridge);
    request(&scope, "a").await;
    request(&scope, "b").await;
    let after = collected(&provider, &memory);
    assert_eq!(durations(&after), 1);
    for name in names(&after) {
        assert_eq!(metric::find(&name).map(|def| def.kind), Some(MetricKind::Histogram), "{name}");
    }
    // With the same provider again.
    let _bridge = meter::register(&scope, &provider).unwrap();
    request(&scope, "b").await;
    let again = collected(&provider, &memory);
    assert_eq!(durations(&again), 2);
    assert!(names(&again).iter().any(|name| name == metric::HTTP_CLIENT_OPEN_CONNECTIONS.name));
}

#[test]
fn neither_the_provider_nor_the_bridge_holds_the_scope() {
    let alive = Arc::new(AtomicBool::new(true));
    let (provider, memory) = provider();
    let scope = Scope::new();
    scope.show_breakers(Panics(Arc::clone(&alive)));
    let bridge = meter::register(&scope, &provider).unwrap();
    collected(&provider, &memory);
    drop(scope);
    assert_eq!(Arc::strong_count(&alive), 1, "the scope is gone, and its source with it");
    assert!(names(&collected(&provider, &memory)).is_empty());
    drop(bridge);
}

/// A breaker whose source panics as long as it is told to.
#[derive(Debug)]
struct Panics(Arc<AtomicBool>);

impl BreakerSource for Panics {
    fn breakers(&self) -> Vec<BreakerSnapshot> {
        assert!(!self.0.load(Relaxed), "on purpose");
        vec![BreakerSnapshot::new("pay", BreakerState::Open)]
    }
}

#[test]
fn a_source_that_panics_ends_neither_the_reader_nor_the_program_s_own_metrics() {
    let panics = Arc::new(AtomicBool::new(true));
    let (provider, memory) = provider();
    let own = provider.meter("shop").u64_counter("orders").build();
    let scope = Scope::new();
    scope.show_breakers(Panics(Arc::clone(&panics)));
    let _bridge = meter::register(&scope, &provider).unwrap();
    own.add(1, &[]);
    assert_eq!(names(&collected(&provider, &memory)), ["orders"]);
    panics.store(false, Relaxed);
    let names = names(&collected(&provider, &memory));
    assert!(names.iter().any(|name| name == "orders"));
    assert!(names.iter().any(|name| name == metric::BREAKER_STATE.name), "{names:?}");
}

#[test]
fn each_reader_takes_one_snapshot_where_telemetry_is_suppressed() {
    let asked = Asked::default();
    let readers: Vec<_> = (0..3).map(|_| InMemoryMetricExporter::default()).collect();
    let mut builder = SdkMeterProvider::builder();
    for memory in &readers {
        let reader = PeriodicReader::builder(memory.clone()).with_interval(Duration::from_secs(3600)).build();
        builder = builder.with_reader(reader);
    }
    let provider = builder.build();
    let scope = Scope::new();
    scope.show_breakers(asked.clone());
    let _bridge = meter::register(&scope, &provider).unwrap();
    for collections in 1..=4 {
        provider.force_flush().unwrap();
        assert_eq!((asked.suppressed.load(Relaxed), asked.observed.load(Relaxed)), (3 * collections, 0));
    }
    for memory in readers {
        let told = names(&memory.get_finished_metrics().unwrap());
        assert!(told.iter().any(|name| name == metric::BREAKER_STATE.name));
    }
}

#[tokio::test]
async fn the_requests_of_an_exporter_are_not_mirrored() {
    let scope = Scope::new();
    let (provider, memory) = provider();
    let _bridge = meter::register(&scope, &provider).unwrap();
    let suppressed = Context::current().with_telemetry_suppressed();
    use opentelemetry::context::FutureExt;
    request(&scope, "a").with_context(suppressed).await;
    assert_eq!(durations(&collected(&provider, &memory)), 0);
    request(&scope, "a").await;
    assert_eq!(durations(&collected(&provider, &memory)), 1);
}
