//! Spans of `tracing` behind the interface of OpenTelemetry's, so that one code describes both.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::SystemTime;

use opentelemetry::global::ObjectSafeSpan;
use opentelemetry::trace::{Span, SpanContext, SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue, Value};
use poolscope_semconv::{attr, span};

use crate::event::PoolName;
use crate::trace::{Started, Starts};

/// Fields that the bridge to OpenTelemetry takes for something else than attributes.
pub(super) const NAME: &str = "otel.name";
pub(super) const KIND: &str = "otel.kind";
pub(super) const STATUS: &str = "otel.status_code";
pub(super) const DESCRIPTION: &str = "otel.status_description";

/// Makes a span whose fields come later: those of an attempt and of a refusal, the same for both.
macro_rules! declare {
    ($name:expr, $($parent:ident: $of:expr,)? [$($key:path),* $(,)?]) => {
        ::tracing::info_span!(
            target: $crate::tracing::TARGET,
            $($parent: $of,)?
            $name,
            { $crate::tracing::span::NAME } = ::tracing::field::Empty,
            { $crate::tracing::span::KIND } = ::tracing::field::Empty,
            { $crate::tracing::span::STATUS } = ::tracing::field::Empty,
            { $crate::tracing::span::DESCRIPTION } = ::tracing::field::Empty,
            $({ $key } = ::tracing::field::Empty,)*
        )
    };
}
pub(super) use declare;

/// Makes spans of `tracing`.
#[derive(Debug)]
pub(crate) struct TracingSpans;

impl Starts for TracingSpans {
    fn start(
        &self,
        name: Cow<'static, str>,
        kind: SpanKind,
        describe: &mut dyn FnMut(&mut dyn ObjectSafeSpan),
    ) -> Started {
        if Context::is_current_telemetry_suppressed() {
            return Started::Suppressed;
        }
        let span = match kind {
            SpanKind::Client => attempt(),
            SpanKind::Server => served(),
            _ => refused(),
        };
        let Some(mut span) = TracingSpan::new(span) else {
            // Nobody will see it; the request goes on in the trace that it is in.
            return Started::Unsampled(current());
        };
        span.name(&name, &kind);
        describe(&mut span);
        let handle = Handle(span.span.clone());
        Started::Recorded(Context::current().with_span(span).with_value(handle))
    }
}

/// The span itself, in the context that has its description.
#[derive(Debug)]
pub(crate) struct Handle(pub(crate) tracing::Span);

fn attempt() -> tracing::Span {
    use attr::*;
    declare!(
        span::HTTP_OTHER,
        [
            HTTP_REQUEST_METHOD,
            HTTP_REQUEST_METHOD_ORIGINAL,
            SERVER_ADDRESS,
            SERVER_PORT,
            URL_FULL,
            URL_SCHEME,
            URL_TEMPLATE,
            CLIENT_NAME,
            HTTP_REQUEST_RESEND_COUNT,
            HTTP_RESPONSE_STATUS_CODE,
            NETWORK_PROTOCOL_VERSION,
            ACQUIRE_OUTCOME,
            ACQUIRE_WAIT,
            CONNECTION_ID,
            LIMIT_WAIT,
            RESPONSE_HEADERS_TIME,
            NETWORK_PEER_ADDRESS,
            NETWORK_PEER_PORT,
            CONNECTION_IDLE_TIME,
            CONNECTION_STALE,
            ERROR_TYPE
        ]
    )
}

fn served() -> tracing::Span {
    use attr::*;
    declare!(
        span::HTTP_OTHER,
        [
            HTTP_REQUEST_METHOD,
            HTTP_REQUEST_METHOD_ORIGINAL,
            HTTP_ROUTE,
            URL_PATH,
            URL_QUERY,
            URL_SCHEME,
            SERVER_NAME,
            SERVER_ADDRESS,
            SERVER_PORT,
            CLIENT_ADDRESS,
            NETWORK_PEER_ADDRESS,
            NETWORK_PEER_PORT,
            USER_AGENT_ORIGINAL,
            CONNECTION_ID,
            HTTP_RESPONSE_STATUS_CODE,
            NETWORK_PROTOCOL_VERSION,
            RESPONSE_HEADERS_TIME,
            SERVER_DISCONNECT_PHASE,
            ERROR_TYPE
        ]
    )
}

fn refused() -> tracing::Span {
    use attr::*;
    declare!(
        "refused",
        [
            ERROR_TYPE,
            BREAKER_NAME,
            BREAKER_STATE,
            LIMIT_OUTCOME,
            CLIENT_NAME,
            SERVER_ADDRESS,
            GUARD_NAME,
            RESOURCE_NAME
        ]
    )
}

/// Begins the span over a wait for a connection, below the one of the request.
pub(crate) fn wait(request: &tracing::Span, pool: &PoolName) -> Option<TracingSpan> {
    let span = declare!(span::WAIT_FOR_CONNECTION, parent: request, [attr::ERROR_TYPE]);
    let mut wait = TracingSpan::new(span)?;
    let name = format!("{} {}:{}", span::WAIT_FOR_CONNECTION, pool.host, pool.port);
    wait.name(&name, &SpanKind::Internal);
    Some(wait)
}

/// A span of `tracing` that is not disabled.
#[derive(Debug)]
pub(crate) struct TracingSpan {
    span: tracing::Span,
    identity: OnceLock<Identity>,
}

#[derive(Debug)]
struct Identity {
    context: SpanContext,
    /// False if nothing gives the span an identity in OpenTelemetry, so that it is the one of what is around it.
    is_own: bool,
}

impl TracingSpan {
    pub(super) fn new(span: tracing::Span) -> Option<Self> {
        (!span.is_disabled()).then(|| Self { span, identity: OnceLock::new() })
    }

    pub(super) fn span(&self) -> &tracing::Span {
        &self.span
    }

    pub(super) fn name(&mut self, name: &str, kind: &SpanKind) {
        self.span.record(NAME, name);
        let kind = match kind {
            SpanKind::Client => "client",
            SpanKind::Server => "server",
            _ => "internal",
        };
        self.span.record(KIND, kind);
    }

    /// Asked only when the span is described, since the sampler is asked with it. The bridge makes the span's context current
    /// as it is entered, whatever version of it that is.
    fn identity(&self) -> &Identity {
        self.identity.get_or_init(|| {
            let outer = current();
            let context = self.span.in_scope(current);
            Identity { is_own: context.span_id() != outer.span_id(), context }
        })
    }

    /// Its identity in OpenTelemetry, if it has one of its own.
    pub(super) fn own_context(&self) -> Option<&SpanContext> {
        let identity = self.identity();
        identity.is_own.then_some(&identity.context)
    }
}

/// Identity of the span that is current.
fn current() -> SpanContext {
    Context::map_current(|context| context.span().span_context().clone())
}

impl Span for TracingSpan {
    /// Nothing here adds any.
    fn add_event_with_timestamp<T>(&mut self, _: T, _: SystemTime, _: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
    }

    fn span_context(&self) -> &SpanContext {
        &self.identity().context
    }

    fn is_recording(&self) -> bool {
        true
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        let key = attribute.key.as_str();
        debug_assert!(self.span.has_field(key), "{key} is not declared");
        match &attribute.value {
            Value::Bool(value) => self.span.record(key, value),
            Value::I64(value) => self.span.record(key, value),
            Value::F64(value) => self.span.record(key, value),
            other => self.span.record(key, &*other.as_str()),
        };
    }

    fn set_status(&mut self, status: Status) {
        if let Status::Error { description } = status {
            self.span.record(STATUS, "ERROR");
            if !description.is_empty() {
                self.span.record(DESCRIPTION, &*description);
            }
        }
    }

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, new_name: T) {
        let name = new_name.into();
        self.span.record(NAME, &*name);
        if self.own_context().is_some() {
            // The bridge takes a name only before the span has begun.
            self.span.in_scope(Context::current).span().update_name(name);
        }
    }

    fn add_link(&mut self, link: SpanContext, attributes: Vec<KeyValue>) {
        if self.own_context().is_some() {
            let context = self.span.in_scope(Context::current);
            context.span().add_link(link, attributes);
        }
    }

    /// The bridge takes the last exit for the end of a span that was entered, so this is one; it closes with its last handle.
    fn end_with_timestamp(&mut self, _: SystemTime) {
        self.span.in_scope(|| ());
    }
}
