//! A fleet of instances with pools, and what it reports: the series and the events of the contract, as the exporter of
//! `poolscope` sends them.
//!
//! What is told of a moment follows from its number alone, so that a fleet can report as fast as it is asked to.

mod events;
mod series;

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME, attr};
use prost::Message as _;

pub use self::series::per_pool;

/// How large a fleet is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Instances, each of a service of its own, so that each pool is a row of its own.
    pub instances: usize,
    /// Pools of an instance.
    pub pools: usize,
    /// Open connections of a pool.
    pub connections: u64,
}

/// One instance of a fleet, with the requests that it sends.
#[derive(Debug)]
pub struct Instance {
    pools: Vec<Pool>,
    metrics: ExportMetricsServiceRequest,
    events: ExportLogsServiceRequest,
}

/// One pool.
#[derive(Debug)]
struct Pool {
    /// Its number in the fleet, from which its figures follow.
    number: u64,
    client: String,
    connections: u64,
    /// Requests wait for it.
    is_sick: bool,
}

/// Where all pools lead to.
const HOST: &str = "10.0.0.7";
const PORT: i64 = 443;
/// Of so many pools one is sick.
const SICK: u64 = 50;

impl Instance {
    /// All instances of a fleet.
    #[must_use]
    pub fn all(size: Size) -> Vec<Self> {
        (0..size.instances).map(|instance| Self::new(instance, size)).collect()
    }

    fn new(instance: usize, size: Size) -> Self {
        let pool = |index: usize| {
            let number = (instance * size.pools + index) as u64;
            let is_sick = number % SICK == SICK - 1;
            Pool { number, client: format!("client-{index:03}"), connections: size.connections, is_sick }
        };
        let pools: Vec<_> = (0..size.pools).map(pool).collect();
        let attributes = vec![
            text(attr::SERVICE_NAME, format!("service-{instance:02}")),
            text(attr::SERVICE_INSTANCE_ID, format!("host-{instance:02}")),
            text(attr::TELEMETRY_SDK_LANGUAGE, "rust"),
        ];
        let resource = Resource { attributes, ..Resource::default() };
        let scope = InstrumentationScope {
            name: SCOPE_NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let metrics = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(resource.clone()),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope.clone()),
                    metrics: series::metrics(&pools),
                    schema_url: SCHEMA_URL.to_owned(),
                }],
                schema_url: String::new(),
            }],
        };
        let events = events::request(resource, scope);
        Self { pools, metrics, events }
    }

    /// Points of one report.
    #[must_use]
    pub fn points(&self) -> usize {
        self.pools.len() * per_pool()
    }

    /// What it reports at a step, as OTLP metrics, encoded. Steps count from 0 and are a second apart for what is counted;
    /// `at` dates the report.
    #[must_use]
    pub fn report(&mut self, step: u64, at: SystemTime) -> Vec<u8> {
        let metrics = self.metrics.resource_metrics.iter_mut().flat_map(|one| &mut one.scope_metrics);
        series::advance(&self.pools, metrics.flat_map(|one| &mut one.metrics), step, nanos(at));
        self.metrics.encode_to_vec()
    }

    /// What its connections did, as OTLP logs, encoded.
    #[must_use]
    pub fn told(&mut self, step: u64, at: SystemTime) -> Vec<u8> {
        let logs = self.events.resource_logs.iter_mut().flat_map(|one| &mut one.scope_logs);
        logs.for_each(|one| one.log_records = events::records(&self.pools, step, nanos(at)));
        self.events.encode_to_vec()
    }
}

impl Pool {
    /// Names the pool in each of its points and events.
    fn key(&self) -> Vec<KeyValue> {
        vec![
            text(attr::CLIENT_NAME, self.client.clone()),
            text(attr::URL_SCHEME, "https"),
            text(attr::SERVER_ADDRESS, HOST),
            integer(attr::SERVER_PORT, PORT),
        ]
    }

    /// A number below `below` that looks like chance and is another at each step.
    fn chance(&self, step: u64, below: u64) -> u64 {
        let mixed = (self.number << 32 ^ step).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % below.max(1)
    }

    /// Connections in use.
    fn active(&self, step: u64) -> u64 {
        if self.is_sick { self.connections } else { 1 + self.chance(step, self.connections) }
    }

    /// Requests that wait.
    fn pending(&self, step: u64) -> u64 {
        if self.is_sick { 5 + self.chance(step, 10) } else { 0 }
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

fn integer(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

    use super::*;

    const SIZE: Size = Size { instances: 2, pools: 60, connections: 10 };

    fn decoded(step: u64) -> ExportMetricsServiceRequest {
        let at = UNIX_EPOCH + Duration::from_secs(step);
        let bytes = Instance::all(SIZE)[0].report(step, at);
        ExportMetricsServiceRequest::decode(&*bytes).unwrap()
    }

    #[test]
    fn a_report_has_every_series_once_and_each_count_rises() {
        let (mut names, mut points) = (BTreeSet::new(), 0);
        let (before, after) = (decoded(7), decoded(8));
        let metrics = |request: &ExportMetricsServiceRequest| {
            request.resource_metrics[0].scope_metrics[0].metrics.clone()
        };
        for (before, after) in metrics(&before).into_iter().zip(metrics(&after)) {
            assert!(names.insert(before.name.clone()), "{} comes twice", before.name);
            match (before.data.unwrap(), after.data.unwrap()) {
                (Data::Gauge(one), Data::Gauge(_)) => points += one.data_points.len(),
                (Data::Sum(one), Data::Sum(next)) => {
                    points += one.data_points.len();
                    let value = |value: Option<Value>| match value {
                        Some(Value::AsInt(value)) => value,
                        other => panic!("{other:?}"),
                    };
                    for (one_point, next_point) in one.data_points.iter().zip(&next.data_points) {
                        let (one_value, next_value) = (value(one_point.value), value(next_point.value));
                        assert!(!one.is_monotonic || one_value <= next_value, "{}", after.name);
                        assert!(one_point.time_unix_nano < next_point.time_unix_nano);
                    }
                }
                (Data::Histogram(one), Data::Histogram(next)) => {
                    points += one.data_points.len();
                    for (one, next) in one.data_points.iter().zip(&next.data_points) {
                        assert_eq!(next.bucket_counts.iter().sum::<u64>(), next.count);
                        assert_eq!(next.bucket_counts.len(), next.explicit_bounds.len() + 1);
                        let mut buckets = one.bucket_counts.iter().zip(&next.bucket_counts);
                        assert!(buckets.all(|(before, after)| before <= after), "{}", after.name);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(points, SIZE.pools * per_pool());
        assert_eq!(points, Instance::all(SIZE)[0].points());
    }

    #[test]
    fn the_open_connections_are_as_many_as_were_asked_for_and_are_told_one_by_one() {
        let mut instance = Instance::all(SIZE).pop().unwrap();
        for step in [0, 1, 250] {
            let logs = ExportLogsServiceRequest::decode(&*instance.told(step, UNIX_EPOCH)).unwrap();
            let records = &logs.resource_logs[0].scope_logs[0].log_records;
            let rows = records.iter().flat_map(|record| &record.attributes).filter_map(|one| {
                match one.value.as_ref()?.value.as_ref()? {
                    any_value::Value::ArrayValue(rows) => Some(rows.values.len() as u64),
                    _ => None,
                }
            });
            assert_eq!(rows.sum::<u64>(), SIZE.pools as u64 * SIZE.connections);
        }
    }
}
