//! A snapshot as series, by the contract. Pure.

use poolscope_semconv::value::{
    AcquireOutcome, BreakerState, Certainty, CloseReason, ConnectionState, ErrorType, HealthState,
    IoDirection, LimitKind, Observation, SupervisorState,
};
use poolscope_semconv::{attr, metric};

use super::{Labels, Sink, integer, servers, text};
use crate::registry::{
    BreakerSnapshot, HealthSnapshot, HistogramSnapshot, LimitSnapshot, PoolSnapshot, QueueSnapshot,
    ResourceSnapshot, RetrySnapshot, ScopeSnapshot, SessionsSnapshot, SupervisorSnapshot, TasksSnapshot,
    TimeoutSnapshot, TotalLimitSnapshot,
};

/// Everything that a snapshot says but for its pools.
pub(crate) fn others(sink: &mut dyn Sink, snapshot: &ScopeSnapshot) {
    for breaker in &snapshot.breakers {
        self::breaker(sink, breaker);
    }
    for retry in &snapshot.retries {
        self::retry(sink, retry);
    }
    for timeout in &snapshot.timeouts {
        self::timeout(sink, timeout);
    }
    for limit in &snapshot.limits {
        total_limit(sink, limit);
    }
    for resource in &snapshot.resources {
        self::resource(sink, resource);
    }
    for health in &snapshot.health {
        self::health(sink, health);
    }
    for sessions in &snapshot.sessions {
        self::sessions(sink, sessions);
    }
    for server in &snapshot.servers {
        servers::server(sink, server);
    }
    snapshot.tasks.iter().for_each(|tasks| self::tasks(sink, tasks));
    snapshot.queues.iter().for_each(|queue| self::queue(sink, queue));
    for supervisor in &snapshot.supervisors {
        self::supervisor(sink, supervisor);
    }
    if snapshot.pools.iter().any(|pool| pool.observation == Observation::Kernel) {
        sink.integer(&metric::KERNEL_OVERFLOWS, Labels::default(), snapshot.kernel_overflows);
    }
    for (client, overflowed) in &snapshot.overflowed {
        sink.integer(&metric::POOL_OVERFLOW, vec![text(attr::CLIENT_NAME, client)], *overflowed);
    }
}

/// One pool.
pub(crate) fn pool(sink: &mut dyn Sink, pool: &PoolSnapshot) {
    let key = super::pool_key(&pool.client, pool.scheme, &pool.host, pool.port, pool.observation);
    let with = |attribute| {
        let mut attributes = key.clone();
        attributes.push(attribute);
        attributes
    };

    for outcome in AcquireOutcome::ALL {
        let attributes = with(text(attr::ACQUIRE_OUTCOME, outcome.as_str()));
        sink.integer(&metric::CONNECTION_ACQUIRES, attributes, pool.outcome(*outcome));
    }
    sink.integer(&metric::CONNECTION_PENDING_REQUESTS, key.clone(), pool.pending());
    sink.integer(&metric::HTTP_CLIENT_ACTIVE_REQUESTS, key.clone(), pool.pending() + pool.in_flight());
    sink.integer(&metric::STREAM_ACTIVE, key.clone(), pool.streams);
    sink.integer(&metric::CONNECTION_OPENED, key.clone(), pool.opened);
    sink.integer(&metric::CONNECTION_CONNECTING, key.clone(), pool.connecting);
    sink.integer(&metric::CONNECTION_ABANDONED, key.clone(), pool.connect_abandoned);
    sink.integer(&metric::CONNECTION_WASTED, key.clone(), pool.wasted);
    sink.integer(&metric::CONNECTION_STALE_REUSE, key.clone(), pool.stale_reuse);
    sink.integer(&metric::LEAK_SUSPECTED, key.clone(), pool.leaks_suspected);
    sink.integer(&metric::LEAK_ACTIVE, key.clone(), pool.leaks_active);
    connect_failures(sink, pool, &key);
    if let Some((sent, received)) = pool.bytes {
        for (direction, bytes) in [(IoDirection::Transmit, sent), (IoDirection::Receive, received)] {
            let attributes = with(text(attr::NETWORK_IO_DIRECTION, direction.as_str()));
            sink.integer(&metric::CONNECTION_IO, attributes, bytes);
        }
    }
    for (reason, certainty, count) in closes(pool) {
        let mut attributes = with(text(attr::CLOSE_REASON, reason.as_str()));
        attributes.push(text(attr::CLOSE_CERTAINTY, certainty.as_str()));
        sink.integer(&metric::CONNECTION_CLOSED, attributes, count);
    }
    sink.histogram(&metric::CONNECTION_WAIT_TIME, key.clone(), &pool.wait);
    sink.histogram(&metric::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE, key.clone(), &pool.queued);
    sink.histogram(&metric::CONNECTION_USE_TIME, key.clone(), &pool.usage);
    sink.histogram(&metric::CONNECTION_IDLE_TIME, key.clone(), &pool.idle);
    sink.histogram(&metric::CONNECTION_REQUESTS, key.clone(), &pool.requests);
    sink.histogram(&metric::CONNECTION_CREATE_TIME, key.clone(), &pool.create);
    for (phase, times) in &pool.phases {
        let attributes = with(text(attr::CONNECT_PHASE, phase.as_str()));
        sink.histogram(&metric::CONNECTION_PHASE_TIME, attributes, times);
    }
    for lookup in &pool.lookups {
        let labels = super::with_lookup(&key, &lookup.question, lookup.error_type);
        sink.histogram(&metric::DNS_LOOKUP_DURATION, labels, &lookup.duration);
    }
    if let Some(retransmits) = pool.retransmits {
        sink.integer(&metric::CONNECTION_RETRANSMITS, key.clone(), retransmits);
        sink.histogram(&metric::CONNECTION_RTT, key.clone(), &pool.rtt);
    }
    connections(sink, pool, &key);
    if let Some(limit) = &pool.limit {
        self::limit(sink, limit, &key);
    }
    for result in &pool.results {
        sink.histogram(
            &metric::HTTP_CLIENT_REQUEST_DURATION,
            super::with_result(&key, result),
            &result.duration,
        );
    }
}

fn limit(sink: &mut dyn Sink, limit: &LimitSnapshot, key: &Labels<'_>) {
    // The destinations beyond the most pools have none of their own.
    if limit.max < u32::MAX {
        sink.integer(&metric::LIMIT_MAX, key.clone(), u64::from(limit.max));
    }
    sink.integer(&metric::LIMIT_IN_USE, key.clone(), limit.in_use);
    sink.integer(&metric::LIMIT_QUEUED, key.clone(), limit.queued);
    sink.integer(&metric::LIMIT_QUEUE_MAX, key.clone(), u64::from(limit.queue_max));
    let oldest = limit.oldest_wait.unwrap_or_default();
    sink.float(&metric::LIMIT_OLDEST_WAIT, key.clone(), oldest.as_secs_f64());
    for (outcome, calls) in &limit.calls {
        let mut attributes = key.clone();
        attributes.push(text(attr::LIMIT_OUTCOME, outcome.as_str()));
        sink.integer(&metric::LIMIT_CALLS, attributes, *calls);
    }
    sink.histogram(&metric::LIMIT_WAIT_TIME, key.clone(), &limit.wait);
}

/// The limit of all pools of a client, which names no destination.
fn total_limit(sink: &mut dyn Sink, limit: &TotalLimitSnapshot) {
    let key = vec![text(attr::CLIENT_NAME, &limit.client)];
    sink.integer(&metric::LIMIT_MAX, key.clone(), u64::from(limit.max));
    sink.integer(&metric::LIMIT_IN_USE, key.clone(), limit.in_use);
    sink.integer(&metric::LIMIT_QUEUED, key.clone(), limit.queued);
    sink.integer(&metric::LIMIT_QUEUE_MAX, key, u64::from(limit.queue_max));
}

/// Connects that failed, and a zero while none has, so that the first one shows as a rise.
fn connect_failures(sink: &mut dyn Sink, pool: &PoolSnapshot, key: &Labels<'_>) {
    let mut usual = key.clone();
    usual.push(text(attr::ERROR_TYPE, ErrorType::Connect.as_str()));
    if pool.connect_failures.is_empty() {
        sink.integer(&metric::CONNECTION_FAILED, usual, 0);
    }
    for row in &pool.connect_failures {
        let mut attributes = key.clone();
        attributes.push(text(attr::ERROR_TYPE, row.error_type.as_str()));
        attributes.extend(row.phase.map(|phase| text(attr::CONNECT_PHASE, phase.as_str())));
        sink.integer(&metric::CONNECTION_FAILED, attributes, row.count);
    }
}

/// Open connections and the lives of closed ones, by protocol. While no protocol was seen, the zeros have none.
fn connections(sink: &mut dyn Sink, pool: &PoolSnapshot, key: &Labels<'_>) {
    let none = HistogramSnapshot::default();
    let seen = pool.connections.iter().map(|(protocol, counts)| (Some(*protocol), *counts));
    let unseen = pool.connections.is_empty().then(Default::default);
    for (protocol, counts) in seen.chain(unseen) {
        let mut attributes = key.clone();
        attributes.extend(protocol.map(|protocol| text(attr::NETWORK_PROTOCOL_VERSION, protocol.version())));
        for state in ConnectionState::ALL {
            let mut attributes = attributes.clone();
            attributes.push(text(attr::HTTP_CONNECTION_STATE, state.as_str()));
            sink.integer(&metric::HTTP_CLIENT_OPEN_CONNECTIONS, attributes, counts.in_state(*state));
        }
        let lifetime = pool.lifetime.iter().find(|(of, _)| Some(*of) == protocol);
        let lifetime = lifetime.map_or(&none, |(_, lifetime)| lifetime);
        sink.histogram(&metric::HTTP_CLIENT_CONNECTION_DURATION, attributes, lifetime);
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

fn breaker(sink: &mut dyn Sink, breaker: &BreakerSnapshot) {
    let key = vec![text(attr::BREAKER_NAME, &breaker.name)];
    let with = |attribute| vec![text(attr::BREAKER_NAME, &breaker.name), attribute];
    for state in BreakerState::ALL {
        let attributes = with(text(attr::BREAKER_STATE, state.as_str()));
        sink.integer(&metric::BREAKER_STATE, attributes, u64::from(*state == breaker.state));
    }
    for (from, to, reason, count) in &breaker.transitions {
        let mut attributes = with(text(attr::BREAKER_FROM, from.as_str()));
        attributes.push(text(attr::BREAKER_TO, to.as_str()));
        attributes.push(text(attr::BREAKER_REASON, reason.as_str()));
        sink.integer(&metric::BREAKER_TRANSITIONS, attributes, *count);
    }
    for (outcome, calls) in &breaker.calls {
        let attributes = with(text(attr::BREAKER_OUTCOME, outcome.as_str()));
        sink.integer(&metric::BREAKER_CALLS, attributes, *calls);
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
            sink.float(metric, key.clone(), ratio);
        }
    }
    sink.integer(&metric::BREAKER_WINDOW_CALLS, key.clone(), breaker.window_calls);
    sink.float(&metric::BREAKER_OPEN_REMAINING, key, breaker.open_remaining.as_secs_f64());
}

fn retry(sink: &mut dyn Sink, retry: &RetrySnapshot) {
    let key = vec![text(attr::RETRY_NAME, &retry.name)];
    for (outcome, calls) in &retry.calls {
        let mut attributes = key.clone();
        attributes.push(text(attr::RETRY_OUTCOME, outcome.as_str()));
        sink.integer(&metric::RETRY_CALLS, attributes, *calls);
    }
    for (reason, attempts) in &retry.attempts {
        let mut attributes = key.clone();
        attributes.push(text(attr::RETRY_REASON, reason));
        sink.integer(&metric::RETRY_ATTEMPTS, attributes, *attempts);
    }
    for row in &retry.results {
        let status = row.status.map(|status| integer(attr::HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        let error = row.error_type.map(|error_type| text(attr::ERROR_TYPE, error_type.as_str()));
        let attributes = key.iter().cloned().chain(status).chain(error).collect();
        sink.integer(&metric::RETRY_RESULTS, attributes, row.calls);
    }
    sink.histogram(&metric::RETRY_DELAY, key, &retry.delay);
}

fn timeout(sink: &mut dyn Sink, timeout: &TimeoutSnapshot) {
    let key = vec![text(attr::TIMEOUT_NAME, &timeout.name)];
    for (outcome, calls) in &timeout.calls {
        let mut attributes = key.clone();
        attributes.push(text(attr::TIMEOUT_OUTCOME, outcome.as_str()));
        sink.integer(&metric::TIMEOUT_CALLS, attributes, *calls);
    }
    sink.histogram(&metric::TIMEOUT_BUDGET_USED, key.clone(), &timeout.budget_used);
    for found in &timeout.destinations {
        let mut attributes = key.clone();
        attributes.extend(destination(&found.destination));
        sink.float(&metric::TIMEOUT_LIMIT, attributes, found.limit.as_secs_f64());
    }
    if timeout.destinations.is_empty() {
        sink.float(&metric::TIMEOUT_LIMIT, key, timeout.limit.as_secs_f64());
    }
}

/// The parts of a destination that is known as text.
fn destination(text: &str) -> Labels<'static> {
    let Ok(uri) = text.parse::<http::Uri>() else { return Labels::default() };
    let host = uri.host().map(|host| self::text(attr::SERVER_ADDRESS, host.to_owned()));
    let scheme = uri.scheme_str().map(|scheme| self::text(attr::URL_SCHEME, scheme.to_owned()));
    let port = uri.port_u16().map(|port| integer(attr::SERVER_PORT, i64::from(port)));
    [scheme, host, port].into_iter().flatten().collect()
}

fn resource(sink: &mut dyn Sink, resource: &ResourceSnapshot) {
    let key = vec![text(attr::GUARD_NAME, &resource.guard), text(attr::RESOURCE_NAME, &resource.name)];
    if let Some(current) = resource.current {
        sink.integer(&metric::RESOURCE_USAGE, key.clone(), current);
        sink.integer(&metric::RESOURCE_PEAK, key.clone(), resource.peak);
    }
    let limits = [(LimitKind::Soft, resource.soft_limit), (LimitKind::Hard, resource.hard_limit)];
    for (kind, limit) in limits {
        if let Some(limit) = limit {
            let mut attributes = key.clone();
            attributes.push(text(attr::RESOURCE_LIMIT_KIND, kind.as_str()));
            sink.integer(&metric::RESOURCE_LIMIT, attributes, limit);
        }
    }
    sink.integer(&metric::RESOURCE_REFUSED, key, resource.refused);
}

fn health(sink: &mut dyn Sink, health: &HealthSnapshot) {
    let with = |attribute| vec![text(attr::HEALTH_NAME, &health.name), attribute];
    for state in HealthState::ALL {
        let attributes = with(text(attr::HEALTH_STATE, state.as_str()));
        sink.integer(&metric::HEALTH_STATE, attributes, u64::from(*state == health.state));
    }
    for (outcome, probes) in &health.probes {
        let attributes = with(text(attr::HEALTH_OUTCOME, outcome.as_str()));
        sink.integer(&metric::HEALTH_PROBES, attributes, *probes);
    }
    let key = vec![text(attr::HEALTH_NAME, &health.name)];
    if let Some(age) = health.last_probe {
        sink.float(&metric::HEALTH_PROBE_AGE, key.clone(), age.as_secs_f64());
    }
    sink.histogram(&metric::HEALTH_PROBE_DURATION, key, &health.duration);
}

fn sessions(sink: &mut dyn Sink, sessions: &SessionsSnapshot) {
    let key = vec![text(attr::SESSION_NAME, &sessions.name)];
    let counts = [
        (&metric::SESSION_ACTIVE, sessions.active),
        (&metric::SESSION_LIMIT, sessions.limit),
        (&metric::SESSION_STARTED, sessions.started),
        (&metric::SESSION_REFUSED, sessions.refused),
        (&metric::SESSION_OVERDUE, sessions.overdue),
        (&metric::SESSION_LATE_SWEEPS, sessions.late_sweeps),
        (&metric::SESSION_HANDLERS_CUT, sessions.handlers_cut),
    ];
    for (metric, count) in counts {
        sink.integer(metric, key.clone(), count);
    }
    for (reason, count) in &sessions.ended {
        let mut attributes = key.clone();
        attributes.push(text(attr::SESSION_END_REASON, reason.as_str()));
        sink.integer(&metric::SESSION_ENDED, attributes, *count);
    }
    let oldest = sessions.oldest.unwrap_or_default();
    sink.float(&metric::SESSION_OLDEST_AGE, key.clone(), oldest.as_secs_f64());
    sink.histogram(&metric::SESSION_DURATION, key.clone(), &sessions.duration);
    sink.histogram(&metric::SESSION_SWEEP_DURATION, key.clone(), &sessions.sweeps);
    let traffic = &sessions.traffic;
    let directions = [
        (IoDirection::Transmit, traffic.messages_sent, traffic.bytes_sent),
        (IoDirection::Receive, traffic.messages_received, traffic.bytes_received),
    ];
    for (direction, messages, bytes) in directions {
        let mut attributes = key.clone();
        attributes.push(text(attr::NETWORK_IO_DIRECTION, direction.as_str()));
        sink.integer(&metric::SESSION_MESSAGES, attributes.clone(), messages);
        sink.integer(&metric::SESSION_IO, attributes, bytes);
    }
    sink.integer(&metric::SESSION_ERRORS, key.clone(), traffic.errors);
    for (outcome, pings) in &sessions.pings {
        let mut attributes = key.clone();
        attributes.push(text(attr::PING_OUTCOME, outcome.as_str()));
        sink.integer(&metric::SESSION_PINGS, attributes, *pings);
    }
    sink.histogram(&metric::SESSION_PING_TIME, key, &sessions.ping_time);
}

fn tasks(sink: &mut dyn Sink, tasks: &TasksSnapshot) {
    let key = vec![text(attr::TASK_GROUP, &tasks.name)];
    sink.integer(&metric::TASK_ACTIVE, key.clone(), tasks.active);
    sink.integer(&metric::TASK_STARTED, key.clone(), tasks.started);
    for (outcome, count) in &tasks.ended {
        let mut attributes = key.clone();
        attributes.push(text(attr::TASK_OUTCOME, outcome.as_str()));
        sink.integer(&metric::TASK_ENDED, attributes, *count);
    }
    sink.histogram(&metric::TASK_RUN_TIME, key, &tasks.duration);
}

fn queue(sink: &mut dyn Sink, queue: &QueueSnapshot) {
    let key = vec![text(attr::QUEUE_NAME, &queue.name)];
    sink.integer(&metric::QUEUE_LENGTH, key.clone(), queue.length);
    sink.integer(&metric::QUEUE_LIMIT, key.clone(), queue.capacity);
    sink.integer(&metric::QUEUE_HIGH_WATER, key.clone(), queue.high_water);
    for (reason, count) in &queue.dropped {
        let mut attributes = key.clone();
        attributes.push(text(attr::QUEUE_DROP_REASON, reason.as_str()));
        sink.integer(&metric::QUEUE_DROPS, attributes, *count);
    }
    sink.integer(&metric::QUEUE_PUSHED, key, queue.pushed);
}

fn supervisor(sink: &mut dyn Sink, supervisor: &SupervisorSnapshot) {
    let key = vec![text(attr::SUPERVISOR_NAME, &supervisor.name)];
    let with = |attribute| vec![text(attr::SUPERVISOR_NAME, &supervisor.name), attribute];
    for state in SupervisorState::ALL {
        let attributes = with(text(attr::SUPERVISOR_STATE, state.as_str()));
        sink.integer(&metric::SUPERVISOR_STATE, attributes, u64::from(*state == supervisor.state));
    }
    for (to, reason, count) in &supervisor.changes {
        let mut attributes = with(text(attr::SUPERVISOR_STATE, to.as_str()));
        attributes.push(text(attr::SUPERVISOR_REASON, reason.as_str()));
        sink.integer(&metric::SUPERVISOR_TRANSITIONS, attributes, *count);
    }
    sink.integer(&metric::SUPERVISOR_CONNECTS, key.clone(), supervisor.connects);
    sink.integer(&metric::SUPERVISOR_LOST, key.clone(), supervisor.lost);
    sink.histogram(&metric::SUPERVISOR_CONNECT_TIME, key.clone(), &supervisor.connect_time);
    sink.histogram(&metric::SUPERVISOR_CONNECTION_DURATION, key.clone(), &supervisor.duration);
    sink.histogram(&metric::SUPERVISOR_DELAY, key, &supervisor.delay);
}
