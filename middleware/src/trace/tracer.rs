//! [`Tracing`]: the tracer of a scope.

use std::borrow::Cow;
use std::sync::OnceLock;

use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanKind, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope};
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME};

/// The tracer of a scope; without one no span is made and no context is injected.
#[derive(Default)]
pub(crate) struct Tracing {
    tracers: OnceLock<Tracers>,
}

struct Tracers {
    /// `None` if spans are those of the crate `tracing`.
    any: Option<BoxedTracer>,
    requests: Box<dyn Starts>,
}

impl Tracing {
    /// Takes the tracer of a provider; false if there is one already.
    pub(crate) fn set<P>(&self, provider: &P) -> bool
    where
        P: TracerProvider,
        P::Tracer: Tracer<Span: Send + Sync> + Send + Sync + 'static,
    {
        let scope = InstrumentationScope::builder(SCOPE_NAME)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build();
        let any = BoxedTracer::new(Box::new(provider.tracer_with_scope(scope.clone())));
        let requests = Box::new(provider.tracer_with_scope(scope));
        self.tracers.set(Tracers { any: Some(any), requests }).is_ok()
    }

    /// Makes spans of the crate `tracing`; false if there is a tracer already.
    #[cfg(feature = "tracing")]
    pub(crate) fn set_spans_of_tracing(&self) -> bool {
        let requests = Box::new(crate::tracing::TracingSpans);
        self.tracers.set(Tracers { any: None, requests }).is_ok()
    }

    /// True if spans are those of the crate `tracing`, which begin when they are made.
    pub(super) fn is_by_tracing(&self) -> bool {
        self.tracers.get().is_some_and(|tracers| tracers.any.is_none())
    }

    /// Makes spans of what is over, as `tracing` can't.
    pub(super) fn tracer(&self) -> Option<&BoxedTracer> {
        self.tracers.get().and_then(|tracers| tracers.any.as_ref())
    }

    /// Makes spans of what begins now.
    #[inline]
    pub(super) fn starts(&self) -> Option<&dyn Starts> {
        self.tracers.get().map(|tracers| &*tracers.requests)
    }
}

impl std::fmt::Debug for Tracing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracing").field("has_tracer", &self.tracers.get().is_some()).finish()
    }
}

/// Starts the spans of requests. OpenTelemetry's boxed tracer boxes each span, sampled or not; here one that is not sampled
/// is neither boxed nor moved.
pub(crate) trait Starts: Send + Sync {
    /// Starts a span below the current context, and has it described if it is recorded.
    fn start(
        &self,
        name: Cow<'static, str>,
        kind: SpanKind,
        describe: &mut dyn FnMut(&mut dyn global::ObjectSafeSpan),
    ) -> Started;
}

/// What became of a span that was started.
pub(crate) enum Started {
    /// Telemetry's own work has none.
    Suppressed,
    /// Nobody will see it; what it would have been is passed on.
    Unsampled(SpanContext),
    /// The current context, with the span.
    Recorded(Context),
}

impl<T> Starts for T
where
    T: Tracer<Span: Send + Sync + 'static> + Send + Sync,
{
    fn start(
        &self,
        name: Cow<'static, str>,
        kind: SpanKind,
        describe: &mut dyn FnMut(&mut dyn global::ObjectSafeSpan),
    ) -> Started {
        Context::map_current(|parent| {
            if parent.is_telemetry_suppressed() {
                return Started::Suppressed;
            }
            let builder = SpanBuilder::from_name(name).with_kind(kind);
            let mut span = self.build_with_context(builder, parent);
            if span.is_recording() {
                describe(&mut span);
                Started::Recorded(parent.with_span(span))
            } else {
                Started::Unsampled(span.span_context().clone())
            }
        })
    }
}
