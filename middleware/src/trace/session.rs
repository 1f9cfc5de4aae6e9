//! One INTERNAL span for each session, made when it has ended: it may last for hours, in which nobody would see it, and what
//! exports it would have to hold it.

use std::time::SystemTime;

use opentelemetry::trace::{Span, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, StringValue};
use poolscope_semconv::value::{ErrorType, SessionEnd};
use poolscope_semconv::{attr, span};

use crate::Scope;
use crate::event::EndOfSession;
use crate::registry::SessionTraffic;

/// What has to be kept of a session until its span is made: nothing, if it will have none.
#[derive(Debug)]
pub(crate) struct SessionSpan(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    at: SystemTime,
    /// Of the span that was current, if one was: its identity, since the span itself may hold much and ends long before.
    parent: Option<SpanContext>,
}

impl SessionSpan {
    /// A session begins here. What is below a span that nobody sees has none, and neither has it where spans are those of the
    /// crate `tracing`, which keep what is above them open.
    pub(crate) fn begin(scope: &Scope) -> Self {
        if scope.tracing().tracer().is_none() {
            return Self(None);
        }
        Self(Context::map_current(|context| {
            let parent = context.has_active_span().then(|| context.span().span_context().clone());
            let parent = parent.filter(SpanContext::is_valid);
            let is_seen =
                !context.is_telemetry_suppressed() && parent.as_ref().is_none_or(SpanContext::is_sampled);
            is_seen.then(|| Box::new(Begun { at: SystemTime::now(), parent }))
        }))
    }

    /// The session is gone.
    pub(crate) fn end(
        &mut self,
        scope: &Scope,
        end: &EndOfSession,
        traffic: SessionTraffic,
        missed_pings: u64,
    ) {
        let Some(begun) = self.0.take() else { return };
        let Some(tracer) = scope.tracing().tracer() else { return };
        let parent = match begun.parent {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        let builder = tracer
            .span_builder(format!("{} {}", span::SESSION, end.name))
            .with_kind(SpanKind::Internal)
            .with_start_time(begun.at);
        let mut span = tracer.build_with_context(builder, &parent);
        if span.is_recording() {
            describe(&mut span, end, traffic, missed_pings);
        }
        // By the clock that measures, so that it is as long as the session was, whatever became of the time of day.
        span.end_with_timestamp(begun.at + end.duration);
    }
}

fn describe(span: &mut impl Span, end: &EndOfSession, traffic: SessionTraffic, missed_pings: u64) {
    span.set_attribute(KeyValue::new(attr::SESSION_NAME, StringValue::from(end.name.clone())));
    span.set_attribute(KeyValue::new(attr::SESSION_ID, integer(end.id)));
    span.set_attribute(KeyValue::new(attr::SESSION_KEY, StringValue::from(end.key.clone())));
    span.set_attribute(KeyValue::new(attr::SESSION_END_REASON, end.reason.as_str()));
    let counts = [
        (attr::SESSION_MESSAGES_SENT, traffic.messages_sent),
        (attr::SESSION_MESSAGES_RECEIVED, traffic.messages_received),
        (attr::SESSION_SENT, traffic.bytes_sent),
        (attr::SESSION_RECEIVED, traffic.bytes_received),
        (attr::SESSION_MISSED_PINGS, missed_pings),
    ];
    for (key, count) in counts {
        span.set_attribute(KeyValue::new(key, integer(count)));
    }
    if let Some(error) = failure(end.reason) {
        span.set_attribute(KeyValue::new(attr::ERROR_TYPE, error.as_str()));
        span.set_status(Status::error(end.error.clone().unwrap_or_default()));
    }
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What went wrong, of a session that did not end as sessions do.
fn failure(reason: SessionEnd) -> Option<ErrorType> {
    match reason {
        SessionEnd::Error => Some(ErrorType::Other),
        SessionEnd::Unresponsive => Some(ErrorType::Timeout),
        SessionEnd::Panicked => Some(ErrorType::Panic),
        SessionEnd::Completed
        | SessionEnd::IdleTimeout
        | SessionEnd::MaxDuration
        | SessionEnd::Evicted
        | SessionEnd::Shutdown
        | SessionEnd::Dropped => None,
    }
}
