//! Writes events down by the contract, for OTLP and for `tracing`.

use std::time::SystemTime;

use opentelemetry::logs::{AnyValue, LogRecord, Severity};
use opentelemetry::{SpanId, TraceId};
use poolscope_semconv::value::{
    BreakerState, CloseReason, HealthState, SessionEnd, SupervisorReason, SupervisorState,
};
use poolscope_semconv::{attr, event as name};

use super::{DroppedItems, EndOfSession, EndOfTask, Event, Leak, PoolName, ResourceUse, servers};
use crate::registry::PoolState;
use crate::said::Said;

/// Writes an event down by the contract.
pub(crate) fn fill<R: LogRecord>(record: &mut R, event: &Event, now: SystemTime) {
    record.set_timestamp(now);
    record.set_observed_timestamp(now);
    let (name, severity, body) = match event {
        Event::ConnectionClosed(closed) => {
            add_pool(record, &closed.pool);
            record.add_attribute(attr::CONNECTION_ID, integer(closed.connection));
            record.add_attribute(attr::CLOSE_REASON, closed.reason.as_str());
            record.add_attribute(attr::CLOSE_CERTAINTY, closed.certainty.as_str());
            record.add_attribute(attr::CONNECTION_LIFETIME, closed.lifetime.as_secs_f64());
            record.add_attribute(attr::CONNECTION_REQUESTS, integer(closed.requests));
            let active = closed.active_time.map(|time| (attr::CONNECTION_ACTIVE_TIME, time.as_secs_f64()));
            record.add_attributes(active);
            record.add_attributes(closed.is_wasted.then_some((attr::CONNECTION_WASTED, true)));
            if let Some((sent, received)) = closed.bytes {
                record.add_attribute(attr::CONNECTION_SENT, integer(sent));
                record.add_attribute(attr::CONNECTION_RECEIVED, integer(received));
            }
            record.add_attributes(closed.rtt.map(|rtt| (attr::CONNECTION_RTT, rtt.as_secs_f64())));
            record.add_attributes(closed.retransmits.map(|n| (attr::CONNECTION_RETRANSMITS, integer(n))));
            if let Some(peer) = closed.peer {
                record.add_attribute(attr::NETWORK_PEER_ADDRESS, peer.ip().to_string());
                record.add_attribute(attr::NETWORK_PEER_PORT, i64::from(peer.port()));
            }
            let body = format!(
                "connection {} to {} was closed after {} and {} requests: {}",
                closed.connection,
                place(&closed.pool),
                Said(closed.lifetime),
                closed.requests,
                closed.reason,
            );
            (name::CONNECTION_CLOSED, severity_of(closed.reason), body)
        }
        Event::ConnectionFailed(failed) => {
            add_pool(record, &failed.pool);
            record.add_attribute(attr::ERROR_TYPE, failed.error_type.as_str());
            record.add_attributes(failed.phase.map(|phase| (attr::CONNECT_PHASE, phase.as_str())));
            // The attributes say what failed and the name that it did; only the error is left to be told.
            let body = failed.error.clone();
            (name::CONNECTION_FAILED, Severity::Warn, body)
        }
        Event::LeakSuspected(leak) => {
            add_leak(record, leak);
            let body = format!(
                "{} has been left alone for {}, neither read nor dropped{}",
                held(leak),
                Said(leak.held),
                taken_by(leak)
            );
            (name::LEAK_SUSPECTED, Severity::Warn, body)
        }
        Event::LeakReturned(leak) => {
            add_leak(record, leak);
            let body =
                format!("{} is no longer leaked, after {}{}", held(leak), Said(leak.held), taken_by(leak));
            (name::LEAK_RETURNED, Severity::Info, body)
        }
        Event::BreakerTransition(change) => {
            record.add_attribute(attr::BREAKER_NAME, change.name.to_string());
            record.add_attribute(attr::BREAKER_FROM, change.from.as_str());
            record.add_attribute(attr::BREAKER_TO, change.to.as_str());
            record.add_attribute(attr::BREAKER_REASON, change.reason.as_str());
            if change.window_calls > 0 {
                record.add_attribute(attr::BREAKER_WINDOW_CALLS, integer(change.window_calls));
            }
            let ratios = [
                (attr::BREAKER_FAILURE_RATIO, change.failure_ratio),
                (attr::BREAKER_SLOW_CALL_RATIO, change.slow_call_ratio),
                (attr::BREAKER_CONNECT_FAILURE_RATIO, change.connect_failure_ratio),
            ];
            for (name, ratio) in ratios {
                if let Some(ratio) = ratio {
                    record.add_attribute(name, ratio);
                }
            }
            if let Some(open_for) = change.open_for {
                record.add_attribute(attr::BREAKER_OPEN_FOR, open_for.as_secs_f64());
            }
            if let Some(forced) = &change.forced {
                record.add_attribute(attr::BREAKER_FORCED_BY, forced.by.to_string());
                record.add_attribute(attr::BREAKER_FORCED_WHY, forced.why.to_string());
                let lasts = forced.lasts.map(|lasts| (attr::BREAKER_FORCED_FOR, lasts.as_secs_f64()));
                record.add_attributes(lasts);
            }
            let severity = match change.to {
                BreakerState::Open | BreakerState::ForcedOpen => Severity::Error,
                _ => Severity::Info,
            };
            let body = format!(
                "breaker {} went from {} to {}: {}",
                change.name, change.from, change.to, change.reason
            );
            (name::BREAKER_TRANSITION, severity, body)
        }
        Event::TimeoutFired(fired) => {
            record.add_attribute(attr::TIMEOUT_NAME, fired.name.to_string());
            record.add_attribute(attr::TIMEOUT_LIMIT, fired.limit.as_secs_f64());
            record.add_attribute(attr::TIMEOUT_ELAPSED, fired.elapsed.as_secs_f64());
            add_destination(record, fired.destination.as_deref());
            if let Some(pool) = &fired.pool {
                add_state(record, pool);
            }
            (name::TIMEOUT_FIRED, Severity::Warn, fired.to_string())
        }
        Event::RetryExhausted(exhausted) => {
            record.add_attribute(attr::RETRY_NAME, exhausted.name.to_string());
            record.add_attribute(attr::RETRY_ATTEMPTS, i64::from(exhausted.attempts));
            record.add_attribute(attr::RETRY_REASON, exhausted.reason.clone());
            add_destination(record, exhausted.destination.as_deref());
            let body = format!(
                "retry {} gave up after {} attempts{}: {}",
                exhausted.name,
                exhausted.attempts,
                calling(exhausted.destination.as_deref()),
                exhausted.reason
            );
            (name::RETRY_EXHAUSTED, Severity::Error, body)
        }
        Event::LimitExceeded(exceeded) => {
            add_pool(record, &exceeded.pool);
            record.add_attribute(attr::LIMIT_MAX, i64::from(exceeded.max));
            record.add_attribute(attr::LIMIT_IN_USE, integer(exceeded.in_use));
            record.add_attribute(attr::LIMIT_QUEUED, integer(exceeded.queued));
            record.add_attribute(attr::LIMIT_REFUSED, integer(exceeded.refused));
            let body = format!(
                "the limit of {} refused {} requests: {} of {} are in flight, {} wait",
                place(&exceeded.pool),
                exceeded.refused,
                exceeded.in_use,
                exceeded.max,
                exceeded.queued
            );
            (name::LIMIT_EXCEEDED, Severity::Warn, body)
        }
        Event::ResourceWarning(seen) => {
            add_resource(record, seen, seen.soft_limit);
            let body = format!("{}, above its soft limit of {}", used(seen), seen.soft_limit);
            (name::RESOURCE_WARNING, Severity::Warn, body)
        }
        Event::ResourceExhausted(seen) => {
            add_resource(record, seen, seen.hard_limit);
            let body = format!("{} of at most {}: requests are refused", used(seen), seen.hard_limit);
            (name::RESOURCE_EXHAUSTED, Severity::Error, body)
        }
        Event::ResourceRecovered(seen) => {
            add_resource(record, seen, seen.soft_limit);
            let body = format!("{}, below its soft limit of {} again", used(seen), seen.soft_limit);
            (name::RESOURCE_RECOVERED, Severity::Info, body)
        }
        Event::HealthChanged(changed) => {
            record.add_attribute(attr::HEALTH_NAME, changed.name.to_string());
            record.add_attribute(attr::HEALTH_FROM, changed.from.as_str());
            record.add_attribute(attr::HEALTH_STATE, changed.to.as_str());
            record.add_attribute(attr::HEALTH_REASON, changed.reason.clone());
            add_destination(record, changed.destination.as_deref());
            let severity = match changed.to {
                HealthState::Failing => Severity::Error,
                HealthState::Degraded => Severity::Warn,
                HealthState::Healthy | HealthState::Unknown => Severity::Info,
            };
            let body = format!("{} is {}: {}", changed.name, changed.to, changed.reason);
            (name::HEALTH_CHANGED, severity, body)
        }
        Event::SessionEnded(end) => {
            add_session(record, end);
            let severity = match end.reason {
                SessionEnd::Completed | SessionEnd::Shutdown => Severity::Debug,
                SessionEnd::IdleTimeout | SessionEnd::MaxDuration | SessionEnd::Dropped => Severity::Info,
                SessionEnd::Error | SessionEnd::Unresponsive | SessionEnd::Evicted | SessionEnd::Panicked => {
                    Severity::Warn
                }
            };
            let error = end.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            let body = format!("{} ended after {}: {}{error}", session(end), Said(end.duration), end.reason);
            (name::SESSION_ENDED, severity, body)
        }
        Event::SessionOverdue(end) => {
            add_session(record, end);
            let body = format!(
                "{} was told to end {} ago ({}) and is still there",
                session(end),
                Said(end.ending),
                end.reason
            );
            (name::SESSION_OVERDUE, Severity::Warn, body)
        }
        Event::ServerConnectionClosed(closed) => {
            let (severity, body) = servers::closed(record, closed);
            (name::SERVER_CONNECTION_CLOSED, severity, body)
        }
        Event::ServerRejecting(rejecting) => {
            (name::SERVER_REJECTING, Severity::Warn, servers::rejecting(record, rejecting))
        }
        Event::TaskPanicked(end) => {
            add_task(record, end);
            let message = end.panic.as_deref().unwrap_or_default();
            record.add_attribute(attr::TASK_PANIC_MESSAGE, message.to_owned());
            let body = format!("{} panicked after {}: {message}", task(end), Said(end.duration));
            (name::TASK_PANICKED, Severity::Error, body)
        }
        Event::TaskAborted(end) => {
            add_task(record, end);
            let body = format!(
                "{} did not end in time when it was told to, and was cut after {}",
                task(end),
                Said(end.duration)
            );
            (name::TASK_ABORTED, Severity::Warn, body)
        }
        Event::QueueDropping(dropping) => {
            let DroppedItems { queue, reason, dropped, capacity } = dropping;
            record.add_attribute(attr::QUEUE_NAME, queue.to_string());
            record.add_attribute(attr::QUEUE_DROP_REASON, reason.as_str());
            record.add_attribute(attr::QUEUE_DROPPED, integer(*dropped));
            record.add_attribute(attr::QUEUE_CAPACITY, integer(*capacity));
            let body =
                format!("queue {queue} dropped {dropped} items, of which it may hold {capacity}: {reason}");
            (name::QUEUE_DROPPING, Severity::Warn, body)
        }
        Event::SupervisorChanged(change) => {
            record.add_attribute(attr::SUPERVISOR_NAME, change.name.to_string());
            record.add_attribute(attr::SUPERVISOR_FROM, change.from.as_str());
            record.add_attribute(attr::SUPERVISOR_STATE, change.to.as_str());
            record.add_attribute(attr::SUPERVISOR_REASON, change.reason.as_str());
            record.add_attribute(attr::SUPERVISOR_ATTEMPT, i64::from(change.attempt));
            record.add_attributes(change.delay.map(|delay| (attr::SUPERVISOR_DELAY, delay.as_secs_f64())));
            record.add_attributes(change.error.clone().map(|error| (attr::SUPERVISOR_ERROR_MESSAGE, error)));
            let severity = match (change.to, change.reason) {
                (_, SupervisorReason::AttemptsExhausted) => Severity::Error,
                (SupervisorState::Waiting | SupervisorState::BreakerOpen, _) => Severity::Warn,
                (SupervisorState::Connected | SupervisorState::Stopped, _) => Severity::Info,
                (SupervisorState::Connecting | SupervisorState::Closing, _) => Severity::Debug,
            };
            let error = change.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            let body = format!(
                "connection of {} went from {} to {} ({}){error}",
                change.name, change.from, change.to, change.reason
            );
            (name::SUPERVISOR_TRANSITION, severity, body)
        }
    };
    record.set_event_name(name);
    record.set_severity_number(severity);
    record.set_severity_text(severity.name());
    record.set_body(AnyValue::from(body));
}

fn add_pool<R: LogRecord>(record: &mut R, pool: &PoolName) {
    record.add_attribute(attr::CLIENT_NAME, pool.client.to_string());
    record.add_attribute(attr::URL_SCHEME, pool.scheme);
    record.add_attribute(attr::SERVER_ADDRESS, pool.host.to_string());
    record.add_attribute(attr::SERVER_PORT, i64::from(pool.port));
}

/// A pool as it was at the moment of the event.
fn add_state<R: LogRecord>(record: &mut R, pool: &PoolState) {
    record.add_attribute(attr::CLIENT_NAME, pool.name.client.to_string());
    let counts = [
        (attr::POOL_OPEN, pool.open),
        (attr::POOL_ACTIVE, pool.active),
        (attr::POOL_IDLE, pool.idle),
        (attr::POOL_CONNECTING, pool.connecting),
        (attr::POOL_WAITING, pool.waiting),
    ];
    record.add_attributes(counts.map(|(key, count)| (key, integer(count))));
    if let Some(limit) = pool.limit {
        record.add_attribute(attr::LIMIT_MAX, i64::from(limit));
        record.add_attribute(attr::LIMIT_QUEUED, integer(pool.queued));
    }
}

fn add_leak<R: LogRecord>(record: &mut R, leak: &Leak) {
    add_pool(record, &leak.pool);
    record.add_attribute(attr::HTTP_REQUEST_METHOD, leak.method);
    record.add_attribute(attr::LEAK_HELD, leak.held.as_secs_f64());
    record.add_attributes(leak.connection.map(|id| (attr::CONNECTION_ID, integer(id))));
    record.add_attributes(leak.origin.map(|origin| (attr::LEAK_ORIGIN, origin.to_string())));
    add_trace(record, leak.trace_id, leak.span_id);
}

/// The event may happen in a thread of ours; it belongs to the trace of the request all the same.
fn add_trace<R: LogRecord>(record: &mut R, trace_id: Option<u128>, span_id: Option<u64>) {
    if let (Some(trace_id), Some(span_id)) = (trace_id, span_id) {
        let trace_id = TraceId::from_bytes(trace_id.to_be_bytes());
        record.set_trace_context(trace_id, SpanId::from_bytes(span_id.to_be_bytes()), None);
    }
}

fn held(leak: &Leak) -> String {
    format!("the response to a {} from {}", leak.method, place(&leak.pool))
}

fn taken_by(leak: &Leak) -> String {
    leak.origin.map(|origin| format!("; taken by {origin}")).unwrap_or_default()
}

fn add_resource<R: LogRecord>(record: &mut R, seen: &ResourceUse, limit: u64) {
    record.add_attribute(attr::GUARD_NAME, seen.guard.to_string());
    record.add_attribute(attr::RESOURCE_NAME, seen.resource.to_string());
    record.add_attribute(attr::RESOURCE_USAGE, integer(seen.current));
    record.add_attribute(attr::RESOURCE_LIMIT, integer(limit));
}

fn used(seen: &ResourceUse) -> String {
    format!("resource {} is at {}", seen.resource, seen.current)
}

fn add_session<R: LogRecord>(record: &mut R, end: &EndOfSession) {
    record.add_attribute(attr::SESSION_NAME, end.name.to_string());
    record.add_attribute(attr::SESSION_ID, integer(end.id));
    record.add_attribute(attr::SESSION_KEY, end.key.to_string());
    record.add_attribute(attr::SESSION_END_REASON, end.reason.as_str());
    record.add_attribute(attr::SESSION_DURATION, end.duration.as_secs_f64());
    record.add_attribute(attr::SESSION_IDLE_TIME, end.idle.as_secs_f64());
    record.add_attribute(attr::SESSION_ENDING_TIME, end.ending.as_secs_f64());
    record.add_attributes(end.error.clone().map(|error| (attr::SESSION_ERROR_MESSAGE, error)));
    add_trace(record, end.trace_id, end.span_id);
}

fn session(end: &EndOfSession) -> String {
    format!("session {} ({}) of {}", end.id, end.key, end.name)
}

fn add_task<R: LogRecord>(record: &mut R, end: &EndOfTask) {
    record.add_attribute(attr::TASK_GROUP, end.group.to_string());
    record.add_attribute(attr::TASK_NAME, end.name.to_string());
    record.add_attribute(attr::TASK_DURATION, end.duration.as_secs_f64());
    if let Some(owner) = &end.owner {
        record.add_attribute(attr::SESSION_NAME, owner.name.to_string());
        record.add_attribute(attr::SESSION_ID, integer(owner.id));
        record.add_attribute(attr::SESSION_KEY, owner.key.to_string());
    }
}

fn task(end: &EndOfTask) -> String {
    match &end.owner {
        Some(owner) => format!("task {} of {owner}", end.name),
        None => format!("task {} of {}", end.name, end.group),
    }
}

/// Where a call went, which layers above the pools know as a URL only.
fn add_destination<R: LogRecord>(record: &mut R, destination: Option<&str>) {
    let Some(uri) = destination.and_then(|text| text.parse::<http::Uri>().ok()) else { return };
    if let Some(host) = uri.host() {
        record.add_attribute(attr::SERVER_ADDRESS, host.to_owned());
        record.add_attributes(uri.scheme_str().map(|scheme| (attr::URL_SCHEME, scheme.to_owned())));
        record.add_attributes(uri.port_u16().map(|port| (attr::SERVER_PORT, i64::from(port))));
    }
}

fn place(pool: &PoolName) -> String {
    format!("{}://{}:{} of client {}", pool.scheme, pool.host, pool.port, pool.client)
}

fn calling(destination: Option<&str>) -> String {
    destination.map(|destination| format!(" calling {destination}")).unwrap_or_default()
}

pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// How much a close matters. What pools do all day is for those who look for it.
fn severity_of(reason: CloseReason) -> Severity {
    match reason {
        CloseReason::IdleTimeout
        | CloseReason::PeerClosedIdle
        | CloseReason::ConnectionClose
        | CloseReason::UpgradeEnded
        | CloseReason::Goaway
        | CloseReason::MaxAge
        | CloseReason::Requested
        | CloseReason::Redundant
        | CloseReason::ClientDropped
        | CloseReason::RuntimeShutdown
        | CloseReason::ClientClosed => Severity::Debug,
        CloseReason::RequestDropped
        | CloseReason::BodyDropped
        | CloseReason::Poisoned
        | CloseReason::Evicted => Severity::Info,
        CloseReason::PeerClosedActive
        | CloseReason::Reset
        | CloseReason::Error
        | CloseReason::ProtocolError => Severity::Warn,
    }
}

#[cfg(all(test, feature = "otlp"))]
#[path = "record_tests.rs"]
pub(crate) mod tests;
