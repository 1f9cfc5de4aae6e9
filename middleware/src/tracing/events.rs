//! [`TracingEvents`]: each event as one of `tracing`.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::logs::{AnyValue, LogRecord, Severity};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context, Key, SpanId, TraceFlags, TraceId};
use poolscope_semconv::{attr, event as name};
use tracing::field::Value;

use super::TARGET;
use crate::event::{Event, Listener, record};

const TRACE_ID: &str = "trace_id";
const SPAN_ID: &str = "span_id";

/// Emits each event as one of `tracing`, inside of the span that is current where it happens; give it to
/// [`Scope::listen`](crate::Scope::listen).
///
/// The target is `poolscope`, name and fields are those of the OTLP events, the level is their severity, and the message says
/// it in words. What happens in a thread of the library has no span; a leak has the `trace_id` and `span_id` of its request,
/// the end of a session those that it was begun in, and both are in that trace also for layers that ask OpenTelemetry.
///
/// An event of level `ERROR` inside of a span makes `tracing-opentelemetry` mark that span as failed: the one in which a
/// breaker opens, or retries are exhausted.
///
/// # Once, not twice
///
/// The `otlp` export sends the events by itself. With a layer that turns events of `tracing` into OTLP logs as well
/// (`opentelemetry-appender-tracing`), they would arrive twice: take them out of that layer by a filter such as
/// `poolscope=off`, or do without this listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TracingEvents;

impl Listener for TracingEvents {
    fn on_event(&self, event: &Event) {
        if !tracing::enabled!(target: TARGET, tracing::Level::ERROR) {
            return;
        }
        let mut fields = Fields::default();
        record::fill(&mut fields, event, SystemTime::UNIX_EPOCH);
        let _trace = fields.trace.clone().map(|span| {
            let context = Context::current().with_remote_span_context(span);
            context.attach()
        });
        emit(event, &fields);
    }
}

/// Emits an event with its fields; the level is known only now, and each needs a call of its own.
macro_rules! emit {
    ($fields:ident, $name:path, $($key:path),*) => {
        match $fields.severity {
            Severity::Error => emit!(@ERROR, $fields, $name, $($key),*),
            Severity::Warn => emit!(@WARN, $fields, $name, $($key),*),
            Severity::Info => emit!(@INFO, $fields, $name, $($key),*),
            _ => emit!(@DEBUG, $fields, $name, $($key),*),
        }
    };
    (@$level:ident, $fields:ident, $name:path, $($key:path),*) => {
        tracing::event!(
            name: $name,
            target: TARGET,
            tracing::Level::$level,
            $({ $key } = $fields.get($key),)*
            "{}",
            $fields.body
        )
    };
}

fn emit(event: &Event, fields: &Fields) {
    use attr::*;
    match event {
        Event::ConnectionClosed(_) => emit!(
            fields,
            name::CONNECTION_CLOSED,
            CLIENT_NAME,
            URL_SCHEME,
            SERVER_ADDRESS,
            SERVER_PORT,
            CONNECTION_ID,
            CLOSE_REASON,
            CLOSE_CERTAINTY,
            CONNECTION_LIFETIME,
            CONNECTION_REQUESTS,
            CONNECTION_ACTIVE_TIME,
            CONNECTION_WASTED,
            CONNECTION_SENT,
            CONNECTION_RECEIVED,
            CONNECTION_RTT,
            CONNECTION_RETRANSMITS,
            NETWORK_PEER_ADDRESS,
            NETWORK_PEER_PORT
        ),
        Event::ConnectionFailed(_) => emit!(
            fields,
            name::CONNECTION_FAILED,
            CLIENT_NAME,
            URL_SCHEME,
            SERVER_ADDRESS,
            SERVER_PORT,
            ERROR_TYPE,
            CONNECT_PHASE
        ),
        Event::LeakSuspected(_) => emit!(
            fields,
            name::LEAK_SUSPECTED,
            CLIENT_NAME,
            URL_SCHEME,
            SERVER_ADDRESS,
            SERVER_PORT,
            CONNECTION_ID,
            HTTP_REQUEST_METHOD,
            LEAK_HELD,
            LEAK_ORIGIN,
            TRACE_ID,
            SPAN_ID
        ),
        Event::LeakReturned(_) => emit!(
            fields,
            name::LEAK_RETURNED,
            CLIENT_NAME,
            URL_SCHEME,
            SERVER_ADDRESS,
            SERVER_PORT,
            CONNECTION_ID,
            HTTP_REQUEST_METHOD,
            LEAK_HELD,
            LEAK_ORIGIN,
            TRACE_ID,
            SPAN_ID
        ),
        Event::BreakerTransition(_) => emit!(
            fields,
            name::BREAKER_TRANSITION,
            BREAKER_NAME,
            BREAKER_FROM,
            BREAKER_TO,
            BREAKER_REASON,
            BREAKER_WINDOW_CALLS,
            BREAKER_FAILURE_RATIO,
            BREAKER_SLOW_CALL_RATIO,
            BREAKER_CONNECT_FAILURE_RATIO,
            BREAKER_OPEN_FOR,
            BREAKER_FORCED_BY,
            BREAKER_FORCED_WHY,
            BREAKER_FORCED_FOR
        ),
        Event::TimeoutFired(_) => emit!(
            fields,
            name::TIMEOUT_FIRED,
            TIMEOUT_NAME,
            TIMEOUT_LIMIT,
            TIMEOUT_ELAPSED,
            CLIENT_NAME,
            URL_SCHEME,
            SERVER_ADDRESS,
            SERVER_PORT,
            POOL_OPEN,
            POOL_ACTIVE,
            POOL_IDLE,
            POOL_CONNECTING,
            POOL_WAITING,
            LIMIT_MAX,
            LIMIT_QUEUED
        ),
        Event::RetryExhausted(_) => emit!(
            fields,
            name::RETRY_EXHAUSTED,
            RETRY_NAME,
            RETRY_ATTEMPTS,
            RETRY_REASON,
            URL_SCHEME,
            SERVER_ADDRESS,
            SERVER_PORT
        ),
        Event::LimitExceeded(_) => emit!(
            fields,
            name::LIMIT_EXCEEDED,
            CLIENT_NAME,
            URL_SCHEME,
            SERVER_ADDRESS,
            SERVER_PORT,
            LIMIT_MAX,
            LIMIT_IN_USE,
            LIMIT_QUEUED,
            LIMIT_REFUSED
        ),
        Event::ResourceWarning(_) => {
            emit!(fields, name::RESOURCE_WARNING, GUARD_NAME, RESOURCE_NAME, RESOURCE_USAGE, RESOURCE_LIMIT);
        }
        Event::ResourceExhausted(_) => {
            emit!(
                fields,
                name::RESOURCE_EXHAUSTED,
                GUARD_NAME,
                RESOURCE_NAME,
                RESOURCE_USAGE,
                RESOURCE_LIMIT
            );
        }
        Event::ResourceRecovered(_) => {
            emit!(
                fields,
                name::RESOURCE_RECOVERED,
                GUARD_NAME,
                RESOURCE_NAME,
                RESOURCE_USAGE,
                RESOURCE_LIMIT
            );
        }
        Event::HealthChanged(_) => emit!(
            fields,
            name::HEALTH_CHANGED,
            HEALTH_NAME,
            HEALTH_FROM,
            HEALTH_STATE,
            HEALTH_REASON,
            URL_SCHEME,
            SERVER_ADDRESS,
            SERVER_PORT
        ),
        Event::SessionEnded(_) => emit!(
            fields,
            name::SESSION_ENDED,
            SESSION_NAME,
            SESSION_ID,
            SESSION_KEY,
            SESSION_END_REASON,
            SESSION_DURATION,
            SESSION_IDLE_TIME,
            SESSION_ENDING_TIME,
            SESSION_ERROR_MESSAGE,
            TRACE_ID,
            SPAN_ID
        ),
        Event::ServerConnectionClosed(_) => emit!(
            fields,
            name::SERVER_CONNECTION_CLOSED,
            SERVER_NAME,
            CONNECTION_ID,
            SERVER_CLOSE_REASON,
            CONNECTION_LIFETIME,
            CONNECTION_REQUESTS,
            CONNECTION_SENT,
            CONNECTION_RECEIVED,
            NETWORK_PEER_ADDRESS,
            NETWORK_PEER_PORT
        ),
        Event::ServerRejecting(_) => emit!(
            fields,
            name::SERVER_REJECTING,
            SERVER_NAME,
            SERVER_REJECT_REASON,
            SERVER_REJECTED,
            SERVER_CONNECTION_LIMIT
        ),
        Event::SessionOverdue(_) => emit!(
            fields,
            name::SESSION_OVERDUE,
            SESSION_NAME,
            SESSION_ID,
            SESSION_KEY,
            SESSION_END_REASON,
            SESSION_DURATION,
            SESSION_IDLE_TIME,
            SESSION_ENDING_TIME,
            SESSION_ERROR_MESSAGE,
            TRACE_ID,
            SPAN_ID
        ),
        Event::TaskPanicked(_) => {
            emit!(
                fields,
                name::TASK_PANICKED,
                TASK_GROUP,
                TASK_NAME,
                TASK_DURATION,
                TASK_PANIC_MESSAGE,
                SESSION_NAME,
                SESSION_ID,
                SESSION_KEY
            );
        }
        Event::TaskAborted(_) => emit!(
            fields,
            name::TASK_ABORTED,
            TASK_GROUP,
            TASK_NAME,
            TASK_DURATION,
            SESSION_NAME,
            SESSION_ID,
            SESSION_KEY
        ),
        Event::QueueDropping(_) => {
            emit!(fields, name::QUEUE_DROPPING, QUEUE_NAME, QUEUE_DROP_REASON, QUEUE_DROPPED, QUEUE_CAPACITY);
        }
        Event::SupervisorChanged(_) => emit!(
            fields,
            name::SUPERVISOR_TRANSITION,
            SUPERVISOR_NAME,
            SUPERVISOR_FROM,
            SUPERVISOR_STATE,
            SUPERVISOR_REASON,
            SUPERVISOR_ATTEMPT,
            SUPERVISOR_DELAY,
            SUPERVISOR_ERROR_MESSAGE
        ),
    }
}

/// An event as `tracing` takes it.
struct Fields {
    severity: Severity,
    body: String,
    values: Vec<(Key, Box<dyn Value>)>,
    trace: Option<SpanContext>,
}

impl Default for Fields {
    fn default() -> Self {
        Self { severity: Severity::Info, body: String::new(), values: Vec::new(), trace: None }
    }
}

impl Fields {
    /// The value of a field, if the event has it.
    fn get(&self, name: &str) -> Option<&dyn Value> {
        self.values.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| &**value)
    }
}

impl LogRecord for Fields {
    fn set_event_name(&mut self, _: &'static str) {}

    fn set_target<T: Into<Cow<'static, str>>>(&mut self, _: T) {}

    fn set_timestamp(&mut self, _: SystemTime) {}

    fn set_observed_timestamp(&mut self, _: SystemTime) {}

    fn set_severity_text(&mut self, _: &'static str) {}

    fn set_severity_number(&mut self, severity: Severity) {
        self.severity = severity;
    }

    fn set_body(&mut self, body: AnyValue) {
        if let AnyValue::String(body) = body {
            self.body = body.into();
        }
    }

    fn add_attributes<I, K, V>(&mut self, attributes: I)
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<Key>,
        V: Into<AnyValue>,
    {
        attributes.into_iter().for_each(|(key, value)| self.add_attribute(key, value));
    }

    fn add_attribute<K: Into<Key>, V: Into<AnyValue>>(&mut self, key: K, value: V) {
        let value: Box<dyn Value> = match value.into() {
            AnyValue::Int(value) => Box::new(value),
            AnyValue::Double(value) => Box::new(value),
            AnyValue::Boolean(value) => Box::new(value),
            AnyValue::String(value) => Box::new(String::from(value)),
            other => Box::new(format!("{other:?}")),
        };
        self.values.push((key.into(), value));
    }

    fn set_trace_context(&mut self, trace_id: TraceId, span_id: SpanId, flags: Option<TraceFlags>) {
        self.add_attribute(TRACE_ID, trace_id.to_string());
        self.add_attribute(SPAN_ID, span_id.to_string());
        let flags = flags.unwrap_or_default();
        self.trace = Some(SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE));
    }
}

#[cfg(all(test, feature = "otlp"))]
#[path = "events_tests.rs"]
mod tests;
