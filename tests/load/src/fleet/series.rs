//! The series of a pool.

use std::sync::LazyLock;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum, metric::Data,
};
use poolscope_semconv::attr;
use poolscope_semconv::metric::{self as contract, MetricDef, MetricKind};
use poolscope_semconv::value::{
    AcquireOutcome, Certainty, CloseReason, ConnectPhase, ConnectionState, ErrorType, IoDirection,
};

use super::{Pool, integer, text};

/// What a series tells.
#[derive(Debug, Clone, Copy)]
enum Course {
    /// Connections in a state.
    Open(ConnectionState),
    /// Requests that wait.
    Pending,
    /// Requests in flight, those that wait too.
    InFlight,
    /// Nothing has ever happened.
    Nothing,
    /// So many each second, more or less.
    Each(u64),
}

/// One series of every pool.
#[derive(Debug)]
struct Series {
    def: &'static MetricDef,
    /// What it has beside what names the pool.
    more: Vec<KeyValue>,
    course: Course,
}

/// Requests of a pool in a second.
const REQUESTS: u64 = 40;

/// Those of a metric follow each other.
static ALL: LazyLock<Vec<Series>> = LazyLock::new(|| {
    let one = |def, more, course| Series { def, more, course };
    let mut all = Vec::new();
    for outcome in AcquireOutcome::ALL {
        let course = match outcome {
            AcquireOutcome::Reused => Course::Each(REQUESTS),
            AcquireOutcome::New => Course::Each(2),
            _ => Course::Nothing,
        };
        all.push(one(
            &contract::CONNECTION_ACQUIRES,
            vec![text(attr::ACQUIRE_OUTCOME, outcome.as_str())],
            course,
        ));
    }
    for (def, course) in [
        (&contract::CONNECTION_PENDING_REQUESTS, Course::Pending),
        (&contract::HTTP_CLIENT_ACTIVE_REQUESTS, Course::InFlight),
        (&contract::CONNECTION_OPENED, Course::Each(2)),
        (&contract::CONNECTION_CONNECTING, Course::Nothing),
        (&contract::CONNECTION_ABANDONED, Course::Nothing),
        (&contract::CONNECTION_WASTED, Course::Nothing),
        (&contract::CONNECTION_STALE_REUSE, Course::Nothing),
        (&contract::LEAK_SUSPECTED, Course::Nothing),
        (&contract::LEAK_ACTIVE, Course::Nothing),
    ] {
        all.push(one(def, Vec::new(), course));
    }
    let failed = vec![text(attr::ERROR_TYPE, ErrorType::Connect.as_str())];
    all.push(one(&contract::CONNECTION_FAILED, failed, Course::Nothing));
    for direction in [IoDirection::Transmit, IoDirection::Receive] {
        let more = vec![text(attr::NETWORK_IO_DIRECTION, direction.as_str())];
        all.push(one(&contract::CONNECTION_IO, more, Course::Each(REQUESTS * 700)));
    }
    for reason in CloseReason::ALL {
        let more = vec![
            text(attr::CLOSE_REASON, reason.as_str()),
            text(attr::CLOSE_CERTAINTY, Certainty::Known.as_str()),
        ];
        let course = if *reason == CloseReason::IdleTimeout { Course::Each(2) } else { Course::Nothing };
        all.push(one(&contract::CONNECTION_CLOSED, more, course));
    }
    for (def, each) in [
        (&contract::CONNECTION_WAIT_TIME, REQUESTS),
        (&contract::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE, REQUESTS),
        (&contract::CONNECTION_USE_TIME, REQUESTS),
        (&contract::CONNECTION_IDLE_TIME, REQUESTS),
        (&contract::CONNECTION_REQUESTS, 2),
        (&contract::CONNECTION_CREATE_TIME, 2),
    ] {
        all.push(one(def, Vec::new(), Course::Each(each)));
    }
    for phase in [ConnectPhase::Dns, ConnectPhase::Tcp, ConnectPhase::Tls] {
        let more = vec![text(attr::CONNECT_PHASE, phase.as_str())];
        all.push(one(&contract::CONNECTION_PHASE_TIME, more, Course::Each(2)));
    }
    let version = || text(attr::NETWORK_PROTOCOL_VERSION, "1.1");
    for state in ConnectionState::ALL {
        let more = vec![version(), text(attr::HTTP_CONNECTION_STATE, state.as_str())];
        all.push(one(&contract::HTTP_CLIENT_OPEN_CONNECTIONS, more, Course::Open(*state)));
    }
    all.push(one(&contract::HTTP_CLIENT_CONNECTION_DURATION, vec![version()], Course::Each(2)));
    for (status, each) in [(200, REQUESTS), (404, 1)] {
        let more =
            vec![integer(attr::HTTP_RESPONSE_STATUS_CODE, status), text(attr::HTTP_REQUEST_METHOD, "GET")];
        all.push(one(&contract::HTTP_CLIENT_REQUEST_DURATION, more, Course::Each(each)));
    }
    all
});

/// Series of a pool.
#[must_use]
pub fn per_pool() -> usize {
    ALL.len()
}

/// Metrics with the points of all pools, which have no values yet.
pub(super) fn metrics(pools: &[Pool]) -> Vec<Metric> {
    ALL.chunk_by(|one, next| one.def.name == next.def.name).map(|series| metric(series, pools)).collect()
}

fn metric(series: &[Series], pools: &[Pool]) -> Metric {
    let def = series[0].def;
    let attributes = pools.iter().flat_map(|pool| {
        let with = |one: &Series| [pool.key(), one.more.clone()].concat();
        series.iter().map(with)
    });
    let number = |attributes| NumberDataPoint { attributes, ..NumberDataPoint::default() };
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match def.kind {
        MetricKind::Histogram => {
            let point = |attributes| HistogramDataPoint {
                attributes,
                bucket_counts: vec![0; def.bounds.len() + 1],
                explicit_bounds: def.bounds.to_vec(),
                ..HistogramDataPoint::default()
            };
            Data::Histogram(Histogram {
                data_points: attributes.map(point).collect(),
                aggregation_temporality,
            })
        }
        MetricKind::Gauge => Data::Gauge(Gauge { data_points: attributes.map(number).collect() }),
        MetricKind::Counter | MetricKind::UpDownCounter => Data::Sum(Sum {
            data_points: attributes.map(number).collect(),
            aggregation_temporality,
            is_monotonic: def.kind == MetricKind::Counter,
        }),
    };
    Metric {
        name: def.name.to_owned(),
        description: def.description.to_owned(),
        unit: def.unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// Gives every point its value at a step.
pub(super) fn advance<'a>(pools: &[Pool], metrics: impl Iterator<Item = &'a mut Metric>, step: u64, at: u64) {
    // A second before the first.
    let since = at.saturating_sub((step + 1) * 1_000_000_000);
    let by_metric = ALL.chunk_by(|one, next| one.def.name == next.def.name);
    for (series, metric) in by_metric.zip(metrics) {
        let each = pools.iter().flat_map(|pool| series.iter().map(move |one| (pool, one)));
        match &mut metric.data {
            Some(Data::Gauge(Gauge { data_points }) | Data::Sum(Sum { data_points, .. })) => {
                for ((pool, one), point) in each.zip(data_points) {
                    (point.start_time_unix_nano, point.time_unix_nano) = (since, at);
                    point.value = Some(Value::AsInt(one.course.value(pool, step).cast_signed()));
                }
            }
            Some(Data::Histogram(Histogram { data_points, .. })) => {
                for ((pool, one), point) in each.zip(data_points) {
                    (point.start_time_unix_nano, point.time_unix_nano) = (since, at);
                    one.course.fill(pool, step, point);
                }
            }
            _ => {}
        }
    }
}

impl Course {
    fn value(self, pool: &Pool, step: u64) -> u64 {
        match self {
            Self::Open(ConnectionState::Active) => pool.active(step),
            Self::Open(ConnectionState::Idle) => pool.connections - pool.active(step),
            Self::Open(ConnectionState::Upgraded) | Self::Nothing => 0,
            Self::Pending => pool.pending(step),
            Self::InFlight => pool.pending(step) + pool.active(step),
            // What chance adds is less than what comes until the next step, so that it never falls.
            Self::Each(each) => (step + 1) * each + pool.chance(step, each),
        }
    }

    /// Most cases in two buckets, of which chance says how many are in the slower.
    fn fill(self, pool: &Pool, step: u64, point: &mut HistogramDataPoint) {
        let usual = if pool.is_sick { 8 } else { 3 } + (pool.number % 3) as usize;
        let all = self.value(pool, step);
        // Half of a count that never falls by more than what it rises.
        let slow = self.value(pool, step) / 4;
        let last = point.bucket_counts.len() - 1;
        point.bucket_counts.fill(0);
        point.bucket_counts[usual.min(last)] += all - slow;
        point.bucket_counts[(usual + 2).min(last)] += slow;
        point.count = all;
        point.sum = Some(all as f64 * 0.02);
    }
}
