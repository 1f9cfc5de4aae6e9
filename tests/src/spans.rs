//! The spans of a scope, kept in memory.

use opentelemetry::trace::{SpanId, SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, ShouldSample, SpanData};
use poolscope::Scope;
use poolscope_semconv::span;

/// A scope and what it traces.
#[derive(Debug)]
pub struct Traced {
    /// The scope.
    pub scope: Scope,
    provider: SdkTracerProvider,
    spans: InMemorySpanExporter,
}

/// The span over the set-up of a connection, and its parts in the order of time.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The span.
    pub span: SpanData,
    /// Its children.
    pub parts: Vec<SpanData>,
}

impl Traced {
    /// A scope whose spans are all recorded.
    #[must_use]
    pub fn new() -> Self {
        Self::sampled(Sampler::AlwaysOn)
    }

    /// A scope with a sampler.
    #[must_use]
    pub fn sampled(sampler: impl ShouldSample + 'static) -> Self {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let spans = InMemorySpanExporter::default();
        let provider =
            SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(spans.clone()).build();
        let scope = Scope::new();
        assert!(scope.set_tracer_provider(&provider), "a new scope has no provider");
        Self { scope, provider, spans }
    }

    /// A span of a caller, as the context of a call.
    #[must_use]
    pub fn caller(&self) -> Context {
        Context::new().with_span(self.provider.tracer("test").start("the caller"))
    }

    /// Every span that has ended, in the order of the ends.
    #[must_use]
    pub fn all(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().expect("the memory of spans is not shut down")
    }

    /// The spans of requests.
    #[must_use]
    pub fn requests(&self) -> Vec<SpanData> {
        self.all().into_iter().filter(|span| span.span_kind == SpanKind::Client).collect()
    }

    /// The spans over waits for a connection.
    #[must_use]
    pub fn waits(&self) -> Vec<SpanData> {
        self.named(span::WAIT_FOR_CONNECTION)
    }

    /// The spans over the set-up of connections.
    #[must_use]
    pub fn setups(&self) -> Vec<Setup> {
        let children = |parent: SpanId| {
            let is_child = |span: &SpanData| span.parent_span_id == parent;
            let mut parts: Vec<_> = self.all().into_iter().filter(is_child).collect();
            parts.sort_by_key(|part| (part.start_time, part.end_time));
            parts
        };
        let setups = self.named(span::CONNECTION_SETUP).into_iter();
        setups.map(|span| Setup { parts: children(span.span_context.span_id()), span }).collect()
    }

    fn named(&self, start: &str) -> Vec<SpanData> {
        self.all().into_iter().filter(|span| span.name.starts_with(start)).collect()
    }
}

impl Default for Traced {
    fn default() -> Self {
        Self::new()
    }
}

/// The value of an attribute.
///
/// # Panics
/// If the span has it twice, which would be told to its readers as two answers to one question.
#[must_use]
pub fn attribute<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    let mut found = span.attributes.iter().filter(|attribute| attribute.key.as_str() == key);
    let value = found.next().map(|attribute| &attribute.value);
    assert!(found.next().is_none(), "{key} twice: {span:#?}");
    value
}

/// The text of an attribute; empty if there is none.
///
/// # Panics
/// As [`attribute`].
#[must_use]
pub fn text(span: &SpanData, key: &str) -> String {
    attribute(span, key).map_or_else(String::new, |value| value.as_str().into_owned())
}
