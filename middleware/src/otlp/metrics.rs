//! A snapshot as OTLP metrics, by the contract. Pure.

use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use poolscope_semconv::value::{
    AcquireOutcome, BreakerState, Certainty, CloseReason, ConnectionState, ErrorType, IoDirection,
    Observation, Signal,
};
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME, attr, metric};

use poolscope_semconv::value::{HealthState, LimitKind};

use super::dropped::Dropped;
use super::points::{Attributes, Points, text};
use crate::registry::{
    BreakerSnapshot, HealthSnapshot, HistogramSnapshot, LimitSnapshot, PoolSnapshot, ResourceSnapshot,
    ResultSnapshot, RetrySnapshot, ScopeSnapshot, SessionsSnapshot, TimeoutSnapshot, TotalLimitSnapshot,
};

/// Points after which a further request is begun. gRPC receivers take 4 MiB by default, and a point has a few hundred
/// bytes, so there is room for long names.
const MAX_POINTS: usize = 4_000;

/// Everything that a snapshot says, in as many requests as it takes. All points have the time of the snapshot, and all
/// that count since the start have the start of the scope.
pub(super) fn requests(
    snapshot: &ScopeSnapshot,
    dropped: &Dropped,
    resource: &Resource,
) -> Vec<ExportMetricsServiceRequest> {
    let empty = || Points::new(nanos(snapshot.since), nanos(snapshot.at));
    let mut requests = Vec::new();
    let mut points = empty();
    for pool in &snapshot.pools {
        if points.len() >= MAX_POINTS {
            requests.push(request(std::mem::replace(&mut points, empty()), resource));
        }
        self::pool(&mut points, pool);
    }
    for breaker in &snapshot.breakers {
        self::breaker(&mut points, breaker);
    }
    for retry in &snapshot.retries {
        self::retry(&mut points, retry);
    }
    for timeout in &snapshot.timeouts {
        self::timeout(&mut points, timeout);
    }
    for limit in &snapshot.limits {
        total_limit(&mut points, limit);
    }
    for resource in &snapshot.resources {
        self::resource(&mut points, resource);
    }
    for health in &snapshot.health {
        self::health(&mut points, health);
    }
    for sessions in &snapshot.sessions {
        self::sessions(&mut points, sessions);
    }
    for signal in Signal::ALL {
        let attributes = vec![text(attr::TELEMETRY_SIGNAL, signal.as_str())];
        points.integer(&metric::TELEMETRY_DROPPED, attributes, dropped.get(*signal));
    }
    if snapshot.pools.iter().any(|pool| pool.observation == Observation::Kernel) {
        points.integer(&metric::KERNEL_OVERFLOWS, Attributes::default(), snapshot.kernel_overflows);
    }
    for (client, overflowed) in &snapshot.overflowed {
        points.integer(&metric::POOL_OVERFLOW, vec![text(attr::CLIENT_NAME, client)], *overflowed);
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

fn nanos(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

fn pool(points: &mut Points, pool: &PoolSnapshot) {
    let mut key = vec![
        text(attr::CLIENT_NAME, &pool.client),
        text(attr::URL_SCHEME, pool.scheme),
        text(attr::SERVER_ADDRESS, &pool.host),
        super::points::integer(attr::SERVER_PORT, i64::from(pool.port)),
    ];
    if pool.observation != Observation::Exact {
        key.push(text(attr::OBSERVATION, pool.observation.as_str()));
    }
    let with = |attribute| {
        let mut attributes = key.clone();
        attributes.push(attribute);
        attributes
    };

    for outcome in AcquireOutcome::ALL {
        let attributes = with(text(attr::ACQUIRE_OUTCOME, outcome.as_str()));
        points.integer(&metric::CONNECTION_ACQUIRES, attributes, pool.outcome(*outcome));
    }
    points.integer(&metric::CONNECTION_PENDING_REQUESTS, key.clone(), pool.pending());
    points.integer(&metric::HTTP_CLIENT_ACTIVE_REQUESTS, key.clone(), pool.pending() + pool.in_flight());
    points.integer(&metric::STREAM_ACTIVE, key.clone(), pool.streams);
    points.integer(&metric::CONNECTION_OPENED, key.clone(), pool.opened);
    points.integer(&metric::CONNECTION_CONNECTING, key.clone(), pool.connecting);
    points.integer(&metric::CONNECTION_ABANDONED, key.clone(), pool.connect_abandoned);
    points.integer(&metric::CONNECTION_WASTED, key.clone(), pool.wasted);
    points.integer(&metric::CONNECTION_STALE_REUSE, key.clone(), pool.stale_reuse);
    points.integer(&metric::LEAK_SUSPECTED, key.clone(), pool.leaks_suspected);
    points.integer(&metric::LEAK_ACTIVE, key.clone(), pool.leaks_active);
    connect_failures(points, pool, &key);
    if let Some((sent, received)) = pool.bytes {
        for (direction, bytes) in [(IoDirection::Transmit, sent), (IoDirection::Receive, received)] {
            let attributes = with(text(attr::NETWORK_IO_DIRECTION, direction.as_str()));
            points.integer(&metric::CONNECTION_IO, attributes, bytes);
        }
    }
    for (reason, certainty, count) in closes(pool) {
        let mut attributes = with(text(attr::CLOSE_REASON, reason.as_str()));
        attributes.push(text(attr::CLOSE_CERTAINTY, certainty.as_str()));
        points.integer(&metric::CONNECTION_CLOSED, attributes, count);
    }
    points.histogram(&metric::CONNECTION_WAIT_TIME, key.clone(), &pool.wait);
    points.histogram(&metric::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE, key.clone(), &pool.queued);
    points.histogram(&metric::CONNECTION_USE_TIME, key.clone(), &pool.usage);
    points.histogram(&metric::CONNECTION_IDLE_TIME, key.clone(), &pool.idle);
    points.histogram(&metric::CONNECTION_REQUESTS, key.clone(), &pool.requests);
    points.histogram(&metric::CONNECTION_CREATE_TIME, key.clone(), &pool.create);
    for (phase, times) in &pool.phases {
        let attributes = with(text(attr::CONNECT_PHASE, phase.as_str()));
        points.histogram(&metric::CONNECTION_PHASE_TIME, attributes, times);
    }
    if let Some(retransmits) = pool.retransmits {
        points.integer(&metric::CONNECTION_RETRANSMITS, key.clone(), retransmits);
        points.histogram(&metric::CONNECTION_RTT, key.clone(), &pool.rtt);
    }
    connections(points, pool, &key);
    if let Some(limit) = &pool.limit {
        self::limit(points, limit, &key);
    }
    for result in &pool.results {
        points.histogram(&metric::HTTP_CLIENT_REQUEST_DURATION, with_result(&key, result), &result.duration);
    }
}

fn limit(points: &mut Points, limit: &LimitSnapshot, key: &Attributes) {
    // The destinations beyond the most pools have none of their own.
    if limit.max < u32::MAX {
        points.integer(&metric::LIMIT_MAX, key.clone(), u64::from(limit.max));
    }
    points.integer(&metric::LIMIT_IN_USE, key.clone(), limit.in_use);
    points.integer(&metric::LIMIT_QUEUED, key.clone(), limit.queued);
    points.integer(&metric::LIMIT_QUEUE_MAX, key.clone(), u64::from(limit.queue_max));
    let oldest = limit.oldest_wait.unwrap_or_default();
    points.float(&metric::LIMIT_OLDEST_WAIT, key.clone(), oldest.as_secs_f64());
    for (outcome, calls) in &limit.calls {
        let mut attributes = key.clone();
        attributes.push(text(attr::LIMIT_OUTCOME, outcome.as_str()));
        points.integer(&metric::LIMIT_CALLS, attributes, *calls);
    }
    points.histogram(&metric::LIMIT_WAIT_TIME, key.clone(), &limit.wait);
}

/// The limit of all pools of a client, which names no destination.
fn total_limit(points: &mut Points, limit: &TotalLimitSnapshot) {
    let key = vec![text(attr::CLIENT_NAME, &limit.client)];
    points.integer(&metric::LIMIT_MAX, key.clone(), u64::from(limit.max));
    points.integer(&metric::LIMIT_IN_USE, key.clone(), limit.in_use);
    points.integer(&metric::LIMIT_QUEUED, key.clone(), limit.queued);
    points.integer(&metric::LIMIT_QUEUE_MAX, key, u64::from(limit.queue_max));
}

/// Connects that failed, and a zero while none has, so that the first one shows as a rise.
fn connect_failures(points: &mut Points, pool: &PoolSnapshot, key: &Attributes) {
    let mut usual = key.clone();
    usual.push(text(attr::ERROR_TYPE, ErrorType::Connect.as_str()));
    if pool.connect_failures.is_empty() {
        points.integer(&metric::CONNECTION_FAILED, usual, 0);
    }
    for row in &pool.connect_failures {
        let mut attributes = key.clone();
        attributes.push(text(attr::ERROR_TYPE, row.error_type.as_str()));
        attributes.extend(row.phase.map(|phase| text(attr::CONNECT_PHASE, phase.as_str())));
        points.integer(&metric::CONNECTION_FAILED, attributes, row.count);
    }
}

/// Open connections and the lives of closed ones, by protocol. While no protocol was seen, the zeros have none.
fn connections(points: &mut Points, pool: &PoolSnapshot, key: &Attributes) {
    let none = HistogramSnapshot::default();
    let seen = pool.connections.iter().map(|(protocol, counts)| (Some(*protocol), *counts));
    let unseen = pool.connections.is_empty().then(Default::default);
    for (protocol, counts) in seen.chain(unseen) {
        let mut attributes = key.clone();
        attributes.extend(protocol.map(|protocol| text(attr::NETWORK_PROTOCOL_VERSION, protocol.version())));
        for state in ConnectionState::ALL {
            let mut attributes = attributes.clone();
            attributes.push(text(attr::HTTP_CONNECTION_STATE, state.as_str()));
            points.integer(&metric::HTTP_CLIENT_OPEN_CONNECTIONS, attributes, counts.in_state(*state));
        }
        let lifetime = pool.lifetime.iter().find(|(of, _)| Some(*of) == protocol);
        let lifetime = lifetime.map_or(&none, |(_, lifetime)| lifetime);
        points.histogram(&metric::HTTP_CLIENT_CONNECTION_DURATION, attributes, lifetime);
    }
}

/// The closes that happened, and a zero for each reason that did not, so that its first one shows as a rise.
fn closes(pool: &PoolSnapshot) -> Vec<(CloseReason, Certainty, u64)> {
    let mut closes = pool.closed.clone();
    for reason in CloseReason::ALL {
        let usual = usual_certainty(*reason, pool.observation);
        if !closes.iter().any(|(of, certainty, _)| (of, certainty) == (reason, &usual)) {
            closes.push((*reason, usual, 0));
        }
    }
    closes
}

/// The certainty with which a reason usually comes.
fn usual_certainty(reason: CloseReason, observation: Observation) -> Certainty {
    match reason {
        CloseReason::IdleTimeout
        | CloseReason::RequestDropped
        | CloseReason::BodyDropped
        | CloseReason::Redundant
        | CloseReason::RuntimeShutdown
        | CloseReason::ClientClosed => Certainty::Inferred,
        _ if observation != Observation::Exact => Certainty::Inferred,
        _ => Certainty::Known,
    }
}

fn with_result(key: &Attributes, result: &ResultSnapshot) -> Attributes {
    let mut attributes = key.clone();
    attributes.push(text(attr::HTTP_REQUEST_METHOD, result.method));
    if let Some(status) = result.status {
        attributes.push(super::points::integer(attr::HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        if status >= 400 {
            attributes.push(text(attr::ERROR_TYPE, &status.to_string()));
        }
    }
    if let Some(error_type) = result.error_type {
        attributes.push(text(attr::ERROR_TYPE, error_type.as_str()));
    }
    if let Some(protocol) = result.protocol {
        attributes.push(text(attr::NETWORK_PROTOCOL_VERSION, protocol));
    }
    if result.overflow {
        attributes.push(super::points::truth(attr::OTEL_METRIC_OVERFLOW));
    }
    attributes
}

fn breaker(points: &mut Points, breaker: &BreakerSnapshot) {
    let key = vec![text(attr::BREAKER_NAME, &breaker.name)];
    let with = |attribute| vec![text(attr::BREAKER_NAME, &breaker.name), attribute];
    for state in BreakerState::ALL {
        let attributes = with(text(attr::BREAKER_STATE, state.as_str()));
        points.integer(&metric::BREAKER_STATE, attributes, u64::from(*state == breaker.state));
    }
    for (from, to, reason, count) in &breaker.transitions {
        let mut attributes = with(text(attr::BREAKER_FROM, from.as_str()));
        attributes.push(text(attr::BREAKER_TO, to.as_str()));
        attributes.push(text(attr::BREAKER_REASON, reason.as_str()));
        points.integer(&metric::BREAKER_TRANSITIONS, attributes, *count);
    }
    for (outcome, calls) in &breaker.calls {
        let attributes = with(text(attr::BREAKER_OUTCOME, outcome.as_str()));
        points.integer(&metric::BREAKER_CALLS, attributes, *calls);
    }
    let ratios = [
        (&metric::BREAKER_FAILURE_RATIO, breaker.failure_ratio),
        (&metric::BREAKER_FAILURE_RATIO_LIMIT, breaker.failure_ratio_limit),
        (&metric::BREAKER_SLOW_CALL_RATIO, breaker.slow_call_ratio),
        (&metric::BREAKER_SLOW_CALL_RATIO_LIMIT, breaker.slow_call_ratio_limit),
        (&metric::BREAKER_CONNECT_FAILURE_RATIO, breaker.connect_failure_ratio),
        (&metric::BREAKER_CONNECT_FAILURE_RATIO_LIMIT, breaker.connect_failure_ratio_limit),
    ];
    for (metric, ratio) in ratios {
        if let Some(ratio) = ratio {
            points.float(metric, key.clone(), ratio);
        }
    }
    points.integer(&metric::BREAKER_WINDOW_CALLS, key.clone(), breaker.window_calls);
    points.float(&metric::BREAKER_OPEN_REMAINING, key, breaker.open_remaining.as_secs_f64());
}

fn retry(points: &mut Points, retry: &RetrySnapshot) {
    let key = vec![text(attr::RETRY_NAME, &retry.name)];
    for (outcome, calls) in &retry.calls {
        let mut attributes = key.clone();
        attributes.push(text(attr::RETRY_OUTCOME, outcome.as_str()));
        points.integer(&metric::RETRY_CALLS, attributes, *calls);
    }
    for (reason, attempts) in &retry.attempts {
        let mut attributes = key.clone();
        attributes.push(text(attr::RETRY_REASON, reason));
        points.integer(&metric::RETRY_ATTEMPTS, attributes, *attempts);
    }
    for row in &retry.results {
        let status = row
            .status
            .map(|status| super::points::integer(attr::HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        let error = row.error_type.map(|error_type| text(attr::ERROR_TYPE, error_type.as_str()));
        let attributes = key.iter().cloned().chain(status).chain(error).collect();
        points.integer(&metric::RETRY_RESULTS, attributes, row.calls);
    }
    points.histogram(&metric::RETRY_DELAY, key, &retry.delay);
}

fn timeout(points: &mut Points, timeout: &TimeoutSnapshot) {
    let key = vec![text(attr::TIMEOUT_NAME, &timeout.name)];
    for (outcome, calls) in &timeout.calls {
        let mut attributes = key.clone();
        attributes.push(text(attr::TIMEOUT_OUTCOME, outcome.as_str()));
        points.integer(&metric::TIMEOUT_CALLS, attributes, *calls);
    }
    points.histogram(&metric::TIMEOUT_BUDGET_USED, key.clone(), &timeout.budget_used);
    for found in &timeout.destinations {
        let mut attributes = key.clone();
        attributes.extend(destination(&found.destination));
        points.float(&metric::TIMEOUT_LIMIT, attributes, found.limit.as_secs_f64());
    }
    if timeout.destinations.is_empty() {
        points.float(&metric::TIMEOUT_LIMIT, key, timeout.limit.as_secs_f64());
    }
}

/// The parts of a destination that is known as text.
fn destination(text: &str) -> Attributes {
    let Ok(uri) = text.parse::<http::Uri>() else { return Attributes::default() };
    let host = uri.host().map(|host| self::text(attr::SERVER_ADDRESS, host));
    let scheme = uri.scheme_str().map(|scheme| self::text(attr::URL_SCHEME, scheme));
    let port = uri.port_u16().map(|port| super::points::integer(attr::SERVER_PORT, i64::from(port)));
    [scheme, host, port].into_iter().flatten().collect()
}

fn resource(points: &mut Points, resource: &ResourceSnapshot) {
    let key = vec![text(attr::GUARD_NAME, &resource.guard), text(attr::RESOURCE_NAME, &resource.name)];
    if let Some(current) = resource.current {
        points.integer(&metric::RESOURCE_USAGE, key.clone(), current);
        points.integer(&metric::RESOURCE_PEAK, key.clone(), resource.peak);
    }
    let limits = [(LimitKind::Soft, resource.soft_limit), (LimitKind::Hard, resource.hard_limit)];
    for (kind, limit) in limits {
        if let Some(limit) = limit {
            let mut attributes = key.clone();
            attributes.push(text(attr::RESOURCE_LIMIT_KIND, kind.as_str()));
            points.integer(&metric::RESOURCE_LIMIT, attributes, limit);
        }
    }
    points.integer(&metric::RESOURCE_REFUSED, key, resource.refused);
}

fn health(points: &mut Points, health: &HealthSnapshot) {
    let with = |attribute| vec![text(attr::HEALTH_NAME, &health.name), attribute];
    for state in HealthState::ALL {
        let attributes = with(text(attr::HEALTH_STATE, state.as_str()));
        points.integer(&metric::HEALTH_STATE, attributes, u64::from(*state == health.state));
    }
    for (outcome, probes) in &health.probes {
        let attributes = with(text(attr::HEALTH_OUTCOME, outcome.as_str()));
        points.integer(&metric::HEALTH_PROBES, attributes, *probes);
    }
    let key = vec![text(attr::HEALTH_NAME, &health.name)];
    if let Some(age) = health.last_probe {
        points.float(&metric::HEALTH_PROBE_AGE, key.clone(), age.as_secs_f64());
    }
    points.histogram(&metric::HEALTH_PROBE_DURATION, key, &health.duration);
}

fn sessions(points: &mut Points, sessions: &SessionsSnapshot) {
    let key = vec![text(attr::SESSION_NAME, &sessions.name)];
    let counts = [
        (&metric::SESSION_ACTIVE, sessions.active),
        (&metric::SESSION_LIMIT, sessions.limit),
        (&metric::SESSION_STARTED, sessions.started),
        (&metric::SESSION_REFUSED, sessions.refused),
        (&metric::SESSION_OVERDUE, sessions.overdue),
        (&metric::SESSION_LATE_SWEEPS, sessions.late_sweeps),
    ];
    for (metric, count) in counts {
        points.integer(metric, key.clone(), count);
    }
    for (reason, count) in &sessions.ended {
        let mut attributes = key.clone();
        attributes.push(text(attr::SESSION_END_REASON, reason.as_str()));
        points.integer(&metric::SESSION_ENDED, attributes, *count);
    }
    let oldest = sessions.oldest.unwrap_or_default();
    points.float(&metric::SESSION_OLDEST_AGE, key.clone(), oldest.as_secs_f64());
    points.histogram(&metric::SESSION_DURATION, key.clone(), &sessions.duration);
    points.histogram(&metric::SESSION_SWEEP_DURATION, key, &sessions.sweeps);
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
