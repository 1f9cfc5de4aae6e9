//! Whatever numbers come in: what is taken of them, a browser can read.

use std::fmt::Debug;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Text};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point::Value as Number,
};
use poolscope_semconv::accepted::attr as theirs;
use poolscope_semconv::metric::MetricKind;
use poolscope_semconv::value::{ConnectPhase, ConnectionState, LimitKind, SupervisorState};
use poolscope_wire::{ServerMessage, Status};
use proptest::prelude::*;
use prost::Message as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::otlp::decode::{self, KnownMetric, known_metrics};

/// How a sender may tell a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Cumulative,
    Delta,
    Exponential,
}

fn kv(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Text::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// What any of the metrics needs to find its place; a limit is of a pool or, without a destination, of a client.
fn attributes(of_pool: bool) -> Vec<KeyValue> {
    let named = [
        (attr::CLIENT_NAME, "billing"),
        (attr::BREAKER_NAME, "pay:443"),
        (attr::BREAKER_STATE, Word::Open.as_str()),
        (attr::RETRY_NAME, "r"),
        (attr::TIMEOUT_NAME, "t"),
        (attr::HEALTH_NAME, "h"),
        (attr::RESOURCE_NAME, "memory"),
        (attr::RESOURCE_LIMIT_KIND, LimitKind::Soft.as_str()),
        (attr::SESSION_NAME, "ws"),
        (attr::SERVER_NAME, "api"),
        (attr::TASK_GROUP, "ws"),
        (attr::QUEUE_NAME, "q"),
        (attr::SUPERVISOR_NAME, "prices"),
        (attr::SUPERVISOR_STATE, SupervisorState::Waiting.as_str()),
        (attr::HTTP_CONNECTION_STATE, ConnectionState::Idle.as_str()),
        (attr::CONNECT_PHASE, ConnectPhase::Tls.as_str()),
        (theirs::DB_STATE, "idle"),
    ];
    let destination = [(attr::SERVER_ADDRESS, "pay"), (attr::URL_SCHEME, "https")];
    let destination = destination.into_iter().filter(|_| of_pool);
    named.into_iter().chain(destination).map(|(key, value)| kv(key, value)).collect()
}

fn data(known: &KnownMetric, way: Way, value: f64, of_pool: bool, at_ms: u64) -> Data {
    let attributes = attributes(of_pool);
    let time_unix_nano = at_ms * 1_000_000;
    let temporality =
        if way == Way::Delta { AggregationTemporality::Delta } else { AggregationTemporality::Cumulative };
    let aggregation_temporality = temporality as i32;
    // Counts rise from one report to the next.
    let count = (at_ms - T0).max(1);
    match (known.kind, way) {
        (MetricKind::Histogram, Way::Exponential) => {
            let buckets = Buckets { offset: value as i32, bucket_counts: vec![0, count] };
            let point = ExponentialHistogramDataPoint {
                attributes,
                time_unix_nano,
                count,
                scale: (value / 1e3) as i32,
                positive: Some(buckets),
                ..ExponentialHistogramDataPoint::default()
            };
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![point],
                aggregation_temporality,
            })
        }
        (MetricKind::Histogram, _) => {
            let mut explicit_bounds = vec![value / 2.0, value];
            explicit_bounds.sort_by(f64::total_cmp);
            let point = HistogramDataPoint {
                attributes,
                time_unix_nano,
                count: 3 * count,
                explicit_bounds,
                bucket_counts: vec![count; 3],
                ..HistogramDataPoint::default()
            };
            Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality })
        }
        (kind, way) => {
            let value = Some(Number::AsDouble(value));
            let data_points =
                vec![NumberDataPoint { attributes, time_unix_nano, value, ..NumberDataPoint::default() }];
            if kind == MetricKind::Gauge && way == Way::Cumulative {
                Data::Gauge(Gauge { data_points })
            } else {
                Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true })
            }
        }
    }
}

/// Every metric that is known here, with these numbers in turn.
fn request(numbers: &[f64], way: Way, at_ms: u64) -> ExportMetricsServiceRequest {
    let of = |of_pool: bool| {
        let all = known_metrics().zip(numbers.iter().cycle());
        all.map(move |(known, value)| Metric {
            name: known.name.to_owned(),
            unit: known.unit.to_owned(),
            data: Some(data(&known, way, *value, of_pool, at_ms)),
            ..Metric::default()
        })
    };
    let scope = ScopeMetrics { metrics: of(true).chain(of(false)).collect(), ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }
}

fn reads_back<T: Serialize + DeserializeOwned + Debug>(told: &T) {
    let text = serde_json::to_string(told).unwrap();
    serde_json::from_str::<T>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    // Where a number may be missing, one that is none would come back as that.
    let told = format!("{told:?}");
    for none in ["inf", "-inf", "NaN"] {
        let places = [format!("({none})"), format!(": {none},"), format!(": {none} }}")];
        assert!(!places.iter().any(|place| told.contains(place)), "{none} in {told}");
    }
}

fn check(numbers: &[f64], way: Way) {
    let mut store = store();
    for second in 0..3 {
        let at_ms = T0 + second * 1_000;
        let request = request(numbers, way, at_ms);
        store.take_metrics(&decode::metrics(&request.encode_to_vec()).unwrap().reports, at_ms);
        let mut change = transition(Word::Open, at_ms);
        change.attributes.retain(|(key, _)| *key != attr::BREAKER_FAILURE_RATIO);
        change.attributes.push((attr::BREAKER_FAILURE_RATIO, Cow::Owned(numbers[0].to_string())));
        store.take_events(&[change], at_ms);
        reads_back(&ServerMessage::Update(store.update(at_ms)));
    }
    reads_back(&ServerMessage::Full(store.full(Status::default(), false)));
    for pool in store.pools() {
        reads_back(&detail_of(&store, Id::parse(&pool.id).unwrap()).unwrap());
    }
}

fn hostile() -> impl Strategy<Value = f64> {
    let known = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, -0.0, -1.0, 1e39];
    let known = known.into_iter().chain([u64::MAX as f64, f64::from(f32::MAX), 1e300, -1e39, 1e9, 1e7, 0.1]);
    prop_oneof![prop::sample::select(known.collect::<Vec<_>>()), any::<f64>()]
}

fn way() -> impl Strategy<Value = Way> {
    prop::sample::select(vec![Way::Cumulative, Way::Delta, Way::Exponential])
}

#[test]
fn a_number_beyond_what_browsers_can_read_is_in_no_picture() {
    for way in [Way::Cumulative, Way::Delta, Way::Exponential] {
        for number in [1e39, -1e39, f64::MAX, f64::NAN, f64::INFINITY, -1.0, u64::MAX as f64] {
            check(&[number], way);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_taken_can_be_read(numbers in prop::collection::vec(hostile(), 1..8), way in way()) {
        check(&numbers, way);
    }
}
