//! One CLIENT span for each attempt, after the HTTP semantic conventions.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{StatusCode, Version};
use opentelemetry::trace::{Span, SpanContext, SpanKind, SpanRef, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, ContextGuard, KeyValue, StringValue, Value};
use poolscope_semconv::value::{AcquireOutcome, ErrorType, METHOD_OTHER, protocol_version};
use poolscope_semconv::{attr, span};

use super::Outgoing;
use super::inject::inject;
use super::setup::SetupSpan;
use super::tracer::{Started, Starts};
use super::url::redact;
use crate::Scope;
use crate::current;
use crate::event::PoolName;
use crate::registry::{Acquired, KnownMethod, TraceRef};

/// The span of an attempt, which ends with the attempt's body. What is not recorded has nothing but the identity that its
/// caller was given.
#[derive(Debug)]
pub(crate) struct RequestSpan {
    recorded: Option<Box<Recorded>>,
}

#[derive(Debug)]
struct Recorded {
    scope: Scope,
    pool: Arc<PoolName>,
    started: SystemTime,
    context: Context,
    /// True once the span says why it failed: the SDK would keep a second reason beside the first.
    has_failed: bool,
}

impl RequestSpan {
    /// Starts the span below the current context and injects its context into the headers. Attributes are built only
    /// when the span is recorded.
    ///
    /// Beside it comes the identity of the span, or of the one that it would be below, for those who look for the request
    /// in a trace.
    #[inline]
    pub(crate) fn start(
        scope: &Scope,
        pool: &Arc<PoolName>,
        request: &mut impl Outgoing,
    ) -> (Self, Option<TraceRef>) {
        match scope.tracing().starts() {
            Some(starts) => Self::start_with(starts, scope, pool, request),
            None => (Self { recorded: None }, outer_trace()),
        }
    }

    fn start_with(
        starts: &dyn Starts,
        scope: &Scope,
        pool: &Arc<PoolName>,
        request: &mut dyn Outgoing,
    ) -> (Self, Option<TraceRef>) {
        let method = request.method();
        let known = KnownMethod::of(method).name();
        let name = known.unwrap_or(span::HTTP_OTHER);
        let template = request.template();
        let name = template.map_or(name.into(), |template| format!("{name} {}", template.as_str()).into());
        let started = starts.start(name, SpanKind::Client, &mut |span| {
            span.set_attribute(KeyValue::new(attr::HTTP_REQUEST_METHOD, known.unwrap_or(METHOD_OTHER)));
            if known.is_none() {
                let method = method.as_str().to_owned();
                span.set_attribute(KeyValue::new(attr::HTTP_REQUEST_METHOD_ORIGINAL, method));
            }
            span.set_attribute(KeyValue::new(attr::SERVER_ADDRESS, StringValue::from(pool.host.clone())));
            span.set_attribute(KeyValue::new(attr::SERVER_PORT, i64::from(pool.port)));
            span.set_attribute(KeyValue::new(attr::URL_FULL, redact(&request.url())));
            span.set_attribute(KeyValue::new(attr::URL_SCHEME, pool.scheme));
            if let Some(template) = template {
                span.set_attribute(KeyValue::new(attr::URL_TEMPLATE, template.as_str().to_owned()));
            }
            span.set_attribute(KeyValue::new(attr::CLIENT_NAME, StringValue::from(pool.client.clone())));
            let resends = current::resends();
            if resends > 0 {
                span.set_attribute(KeyValue::new(attr::HTTP_REQUEST_RESEND_COUNT, i64::from(resends)));
            }
        });
        let context = match started {
            Started::Suppressed => return (Self { recorded: None }, None),
            Started::Unsampled(identity) => {
                let context = || Context::current().with_remote_span_context(identity.clone());
                inject(&identity, context, request.headers_mut());
                return (Self { recorded: None }, trace_ref(&identity));
            }
            Started::Recorded(context) => context,
        };
        inject(context.span().span_context(), || context.clone(), request.headers_mut());
        let trace = trace_ref(context.span().span_context());
        let (scope, pool) = (scope.clone(), Arc::clone(pool));
        let recorded = Recorded { scope, pool, started: SystemTime::now(), context, has_failed: false };
        (Self { recorded: Some(Box::new(recorded)) }, trace)
    }

    /// Makes it current until what comes back is dropped, so that spans of what runs inside are below it.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let recorded = self.recorded.as_ref()?;
        #[cfg(feature = "tracing")]
        if let Some(span) = recorded.of_tracing() {
            // Its bridge to OpenTelemetry, if there is one, makes the context current.
            return Some(Inside::Span(span.enter()));
        }
        Some(Inside::Context(recorded.context.clone().attach(), PhantomData))
    }

    /// The span over its wait for a connection, where that has to be there from its begin.
    #[cfg(feature = "tracing")]
    pub(crate) fn wait(&self) -> Option<crate::tracing::TracingSpan> {
        let recorded = self.recorded.as_ref()?;
        crate::tracing::wait(recorded.of_tracing()?, &recorded.pool)
    }

    /// True if somebody will see it.
    #[inline]
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    fn recorded(&self) -> Option<SpanRef<'_>> {
        self.recorded.as_ref().map(|recorded| recorded.context.span())
    }

    /// Why it failed; only the first reason counts.
    fn fail(&mut self, error_type: impl Into<Value>, description: impl FnOnce() -> String) {
        let Some(recorded) = &mut self.recorded else { return };
        if !std::mem::replace(&mut recorded.has_failed, true) {
            let span = recorded.context.span();
            span.set_attribute(KeyValue::new(attr::ERROR_TYPE, error_type));
            span.set_status(Status::error(description()));
        }
    }

    /// The head of the answer is there; `after` tells how long that took.
    #[inline]
    pub(crate) fn response(
        &mut self,
        status: StatusCode,
        version: Version,
        after: impl FnOnce() -> Duration,
    ) {
        let Some(span) = self.recorded() else { return };
        span.set_attribute(KeyValue::new(attr::RESPONSE_HEADERS_TIME, after().as_secs_f64()));
        span.set_attribute(KeyValue::new(attr::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
        span.set_attribute(KeyValue::new(
            attr::NETWORK_PROTOCOL_VERSION,
            match version {
                Version::HTTP_10 => protocol_version::HTTP_1_0,
                Version::HTTP_2 => protocol_version::HTTP_2,
                Version::HTTP_3 => protocol_version::HTTP_3,
                _ => protocol_version::HTTP_1_1,
            },
        ));
        if status.is_client_error() || status.is_server_error() {
            // The conventions want no description where the status code says it all.
            self.fail(status.as_str().to_owned(), String::new);
        }
    }

    /// The request had a connection; the span links to the set-up of it.
    pub(crate) fn acquired(&mut self, acquired: &Acquired, setup: Option<&SetupSpan>) {
        let Some(recorded) = &self.recorded else { return };
        let span = recorded.context.span();
        span.set_attribute(KeyValue::new(attr::ACQUIRE_OUTCOME, acquired.outcome.as_str()));
        span.set_attribute(KeyValue::new(attr::ACQUIRE_WAIT, acquired.wait.as_secs_f64()));
        span.set_attribute(KeyValue::new(
            attr::CONNECTION_ID,
            i64::try_from(acquired.connection).unwrap_or(i64::MAX),
        ));
        if !acquired.limited.is_zero() {
            span.set_attribute(KeyValue::new(attr::LIMIT_WAIT, acquired.limited.as_secs_f64()));
        }
        span.set_attributes(acquired.peer.into_iter().flat_map(super::peer));
        if acquired.outcome != AcquireOutcome::New {
            span.set_attribute(KeyValue::new(attr::CONNECTION_IDLE_TIME, acquired.idle_for.as_secs_f64()));
        }
        if let Some(setup) = setup.and_then(SetupSpan::context) {
            span.add_link(setup.clone(), Vec::new());
        }
        if acquired.was_queued {
            recorded.wait_span(recorded.started + acquired.wait, None);
        }
    }

    /// The request waited for a connection until now and got none. A span that is there since it began to wait is ended by who
    /// has it.
    pub(crate) fn waited_in_vain(&mut self, error: ErrorType) {
        if let Some(recorded) = &self.recorded {
            recorded.wait_span(SystemTime::now(), Some(error));
        }
    }

    /// The peer had closed the connection before the request came.
    pub(crate) fn stale(&mut self) {
        if let Some(span) = self.recorded() {
            span.set_attribute(KeyValue::new(attr::CONNECTION_STALE, true));
        }
    }

    pub(crate) fn error(&mut self, class: ErrorType, text: impl FnOnce() -> String) {
        self.fail(class.as_str(), text);
    }

    #[inline]
    pub(crate) fn end(&mut self) {
        if let Some(recorded) = self.recorded.take() {
            recorded.context.span().end();
        }
    }
}

/// What is current while the client works for a request.
#[derive(Debug)]
#[expect(dead_code, reason = "all that they do is to end")]
pub(crate) enum Inside<'a> {
    /// The context of its span.
    Context(ContextGuard, PhantomData<&'a ()>),
    /// Its span of the crate `tracing`.
    #[cfg(feature = "tracing")]
    Span(tracing::span::Entered<'a>),
}

impl Recorded {
    /// The span itself, if it is one of the crate `tracing`.
    #[cfg(feature = "tracing")]
    fn of_tracing(&self) -> Option<&tracing::Span> {
        self.context.get::<crate::tracing::Handle>().map(|handle| &handle.0)
    }

    /// A child over the wait for a connection, made once it is over: most requests wait for none.
    fn wait_span(&self, end: SystemTime, error: Option<ErrorType>) {
        let Some(tracer) = self.scope.tracing().tracer() else { return };
        let builder = tracer
            .span_builder(format!("{} {}:{}", span::WAIT_FOR_CONNECTION, self.pool.host, self.pool.port))
            .with_kind(SpanKind::Internal)
            .with_start_time(self.started);
        let mut wait = tracer.build_with_context(builder, &self.context);
        if let Some(error) = error {
            wait.set_attribute(KeyValue::new(attr::ERROR_TYPE, error.as_str()));
            wait.set_status(Status::error(""));
        }
        wait.end_with_timestamp(end);
    }
}

/// Identity of the span that is current.
#[inline]
pub(crate) fn outer_trace() -> Option<TraceRef> {
    Context::map_current(|context| {
        if context.has_active_span() { trace_ref(context.span().span_context()) } else { None }
    })
}

/// Identity of a span, if it has one.
pub(super) fn trace_ref(span: &SpanContext) -> Option<TraceRef> {
    span.is_valid().then(|| TraceRef {
        trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(span.span_id().to_bytes()),
        is_sampled: span.is_sampled(),
    })
}

/// What was current where a connect began. The connect may go on in the background, when its request has found another
/// connection, and what it does there belongs to the same trace.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Option<Context>);

impl Caller {
    pub(crate) fn current() -> Self {
        Self(Context::map_current(|context| context.has_active_span().then(|| context.clone())))
    }

    /// Makes it current again until what comes back is dropped.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        self.0.clone().map(|context| Inside::Context(context.attach(), PhantomData))
    }
}

/// True inside of work that telemetry itself does, such as an exporter's requests.
#[inline]
pub(crate) fn is_suppressed() -> bool {
    Context::is_current_telemetry_suppressed()
}
