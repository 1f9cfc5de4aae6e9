//! Exemplars: points of histograms name the span of a request that stands for others.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, HistogramDataPoint, exemplar::Value, metric::Data as MetricData,
};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use poolscope::Scope;
use poolscope::hyper::{ConnectLayer, RequestLayer};
use poolscope::server::RouteLayer;
use poolscope_semconv::value::ErrorType;
use poolscope_semconv::{attr, metric};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

use crate::arrival::text;
use crate::export;
use crate::receiver::{Manner, Receiver, any_port};
use crate::traffic::free_addr;

const SLOW: Duration = Duration::from_millis(150);

/// Exports nothing by itself; a filter of exemplars, if one is set.
fn start(scope: &Scope, receiver: &Receiver, filter: Option<&'static str>) -> poolscope::otlp::Telemetry {
    let filter =
        move |name: &str| filter.filter(|_| name == "OTEL_METRICS_EXEMPLAR_FILTER").map(str::to_owned);
    let export = export(scope, &receiver.url()).environment(filter);
    let telemetry = export.metrics_interval(Duration::from_secs(3600)).start().unwrap();
    // What is sent at the start has nothing of what the test does then.
    telemetry.flush();
    telemetry
}

/// Quick requests, a slow one between them, and one to a port where nobody listens.
async fn requests(scope: &Scope) {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let slow = || async {
        tokio::time::sleep(SLOW).await;
        "slow"
    };
    let app = Router::new()
        .route("/quick", axum::routing::get(|| async { "quick" }))
        .route("/slow", axum::routing::get(slow));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let client = scope.client("payments");
    let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
    let service = RequestLayer::new(&client).layer(Client::builder(TokioExecutor::new()).build(connector));
    let get = |url: String| http::Request::get(url).body(Empty::<Bytes>::new()).unwrap();
    for path in ["quick", "quick", "slow", "quick"] {
        let answer = service.clone().oneshot(get(format!("http://{addr}/{path}"))).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    service.oneshot(get(format!("http://{}/", free_addr()))).await.unwrap_err();
    server.abort();
}

/// Points of the last export, by metric.
fn last(receiver: &Receiver) -> Vec<(String, HistogramDataPoint)> {
    let received = receiver.received();
    let (_, request) = received.metrics.last().unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let points = metrics.iter().flat_map(|metric| match metric.data.as_ref().unwrap() {
        MetricData::Histogram(data) => {
            data.data_points.iter().map(|point| (metric.name.clone(), point.clone())).collect()
        }
        _ => Vec::new(),
    });
    points.collect()
}

fn exemplars(points: &[(String, HistogramDataPoint)]) -> Vec<&Exemplar> {
    points.iter().flat_map(|(_, point)| &point.exemplars).collect()
}

fn value(exemplar: &Exemplar) -> f64 {
    match exemplar.value {
        Some(Value::AsDouble(value)) => value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn slow_and_failed_requests_are_named_by_the_spans_that_the_receiver_gets_too() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = start(&scope, &receiver, None);
    requests(&scope).await;
    telemetry.flush();

    let points = last(&receiver);
    let spans: BTreeMap<(Vec<u8>, Vec<u8>), Span> = {
        let received = receiver.received();
        let spans = received.traces.iter().flat_map(|request| &request.resource_spans);
        let spans = spans.flat_map(|spans| &spans.scope_spans).flat_map(|scope| &scope.spans);
        let requests = spans.filter(|span| span.kind == SpanKind::Client as i32);
        requests.map(|span| ((span.trace_id.clone(), span.span_id.clone()), span.clone())).collect()
    };
    assert_eq!(spans.len(), 5);
    let span = |exemplar: &Exemplar| &spans[&(exemplar.trace_id.clone(), exemplar.span_id.clone())];

    let mut named = BTreeMap::<&str, usize>::new();
    for (name, point) in &points {
        let mut buckets = Vec::new();
        for exemplar in &point.exemplars {
            let took = value(exemplar);
            let bucket = point.explicit_bounds.partition_point(|bound| *bound < took);
            assert!(!buckets.contains(&bucket) && point.bucket_counts[bucket] > 0, "{name}: {point:?}");
            buckets.push(bucket);
            let told = point.start_time_unix_nano..=point.time_unix_nano;
            assert!(told.contains(&exemplar.time_unix_nano), "{name}: {point:?}");
            assert!(exemplar.filtered_attributes.is_empty());
            // Panics for a span that did not come.
            let span = span(exemplar);
            let end = span.end_time_unix_nano + 1_000_000_000;
            assert!((span.start_time_unix_nano..end).contains(&exemplar.time_unix_nano));
            *named.entry(name).or_default() += 1;
        }
    }
    assert_eq!(
        named.keys().copied().collect::<Vec<_>>(),
        [
            metric::HTTP_CLIENT_REQUEST_DURATION.name,
            metric::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE.name,
            metric::CONNECTION_USE_TIME.name,
            metric::CONNECTION_WAIT_TIME.name,
        ]
    );
    for name in [metric::HTTP_CLIENT_REQUEST_DURATION.name, metric::CONNECTION_USE_TIME.name] {
        let slow = points.iter().filter(|(of, _)| of == name).flat_map(|(_, point)| &point.exemplars);
        let slow: Vec<_> = slow.filter(|exemplar| value(exemplar) >= SLOW.as_secs_f64()).collect();
        assert_eq!(slow.len(), 1, "{name}");
        assert!(text(&span(slow[0]).attributes, attr::URL_FULL).unwrap().ends_with("/slow"));
    }
    let is_failed = |point: &HistogramDataPoint| {
        text(&point.attributes, attr::ERROR_TYPE).as_deref() == Some(ErrorType::Connect.as_str())
    };
    let (_, failed) = points.iter().find(|(_, point)| is_failed(point)).unwrap();
    let error = text(&span(&failed.exemplars[0]).attributes, attr::ERROR_TYPE);
    assert_eq!(error.as_deref(), Some(ErrorType::Connect.as_str()));

    telemetry.flush();
    assert!(exemplars(&last(&receiver)).is_empty(), "each is sent once");
    requests(&scope).await;
    telemetry.flush();
    assert!(!exemplars(&last(&receiver)).is_empty());
    telemetry.shutdown();
}

#[tokio::test]
async fn the_filter_says_which_requests_may_be_exemplars() {
    let unsampled = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    let sampled = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).build();
    let cases = [
        (&unsampled, None, false),
        (&unsampled, Some("trace_based"), false),
        (&unsampled, Some("always_on"), true),
        (&sampled, Some("always_on"), true),
        (&sampled, Some("always_off"), false),
        (&sampled, Some("trace_based"), true),
    ];
    for (provider, filter, has_some) in cases {
        let receiver = Receiver::grpc(Manner::default());
        let scope = Scope::new();
        assert!(scope.set_tracer_provider(provider));
        let telemetry = start(&scope, &receiver, filter);
        requests(&scope).await;
        telemetry.flush();
        let points = last(&receiver);
        assert_eq!(!exemplars(&points).is_empty(), has_some, "{filter:?}");
        let ids = |exemplar: &Exemplar| (exemplar.trace_id.len(), exemplar.span_id.len());
        assert!(exemplars(&points).into_iter().all(|exemplar| ids(exemplar) == (16, 8)));
        telemetry.shutdown();
    }
}

#[tokio::test]
async fn without_a_span_only_what_is_asked_for_is_told_and_names_none() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    // A request that begins before the export, and so without a tracer.
    requests(&scope).await;
    let telemetry = start(&scope, &receiver, None);
    telemetry.flush();
    assert!(exemplars(&last(&receiver)).is_empty());
    telemetry.shutdown();
}

#[test]
fn a_filter_that_does_not_exist_is_refused_by_its_name() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let wrong = |name: &str| (name == "OTEL_METRICS_EXEMPLAR_FILTER").then(|| "some".to_owned());
    let error = export(&scope, &receiver.url()).environment(wrong).start().unwrap_err().to_string();
    assert!(error.contains("OTEL_METRICS_EXEMPLAR_FILTER") && error.contains("trace_based"), "{error}");
}

#[tokio::test]
async fn slow_requests_of_a_server_are_named_too() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = start(&scope, &receiver, None);
    let slow = || async {
        tokio::time::sleep(SLOW).await;
        "slow"
    };
    let app = Router::new().route("/slow", axum::routing::get(slow)).layer(RouteLayer);
    let server = scope.server("api").build().unwrap();
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(server.serve(server.listen(listener), app));
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(HttpConnector::new());
    for path in ["slow", "none", "none"] {
        let answer = client.get(format!("http://{addr}/{path}").parse().unwrap()).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    drop(client);
    server.close();
    serving.await.unwrap();
    telemetry.flush();

    let points = last(&receiver);
    let of_server = points.iter().filter(|(name, _)| *name == metric::HTTP_SERVER_REQUEST_DURATION.name);
    let named: Vec<_> = of_server.flat_map(|(_, point)| &point.exemplars).collect();
    let slow: Vec<_> = named.iter().filter(|exemplar| value(exemplar) >= SLOW.as_secs_f64()).collect();
    assert_eq!((slow.len(), named.len()), (1, 2), "{points:?}");
    let received = receiver.received();
    let spans = received.traces.iter().flat_map(|request| &request.resource_spans);
    let mut spans = spans.flat_map(|spans| &spans.scope_spans).flat_map(|scope| &scope.spans);
    let span = spans.find(|span| (&span.trace_id, &span.span_id) == (&slow[0].trace_id, &slow[0].span_id));
    let span = span.unwrap();
    assert_eq!((span.kind, span.name.as_str()), (SpanKind::Server as i32, "GET /slow"));
    drop(received);
    telemetry.shutdown();
}
