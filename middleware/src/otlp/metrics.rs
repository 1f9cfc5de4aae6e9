//! A snapshot as OTLP metrics, by the contract. Pure.

use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use poolscope_semconv::value::Signal;
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME, attr, metric};

use super::dropped::Dropped;
use super::points::Points;
use crate::registry::ScopeSnapshot;
use crate::series::{self, Sink, text};

/// Points after which a further request is begun. gRPC receivers take 4 MiB by default, and a point has a few hundred
/// bytes, so there is room for long names.
const MAX_POINTS: usize = 4_000;

/// Everything that a snapshot says, in as many requests as it takes. All points have the time of the snapshot, and all
/// that count since the start have the start of the scope. Exemplars are told that were recorded after `exemplars_after`, in
/// nanoseconds since the Unix epoch.
pub(super) fn requests(
    snapshot: &ScopeSnapshot,
    dropped: &Dropped,
    resource: &Resource,
    exemplars_after: u64,
) -> Vec<ExportMetricsServiceRequest> {
    let empty = || Points::new(nanos(snapshot.since), nanos(snapshot.at), exemplars_after);
    let mut requests = Vec::new();
    let mut points = empty();
    for pool in &snapshot.pools {
        if points.len() >= MAX_POINTS {
            requests.push(request(std::mem::replace(&mut points, empty()), resource));
        }
        series::pool(&mut points, pool);
    }
    series::others(&mut points, snapshot);
    for signal in Signal::ALL {
        let attributes = vec![text(attr::TELEMETRY_SIGNAL, signal.as_str())];
        points.integer(&metric::TELEMETRY_DROPPED, attributes, dropped.get(*signal));
    }
    requests.push(request(points, resource));
    requests
}

fn request(points: Points, resource: &Resource) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: SCOPE_NAME.to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics: points.into_metrics(),
                schema_url: SCHEMA_URL.to_owned(),
            }],
            schema_url: String::new(),
        }],
    }
}

pub(super) fn nanos(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
