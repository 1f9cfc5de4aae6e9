//! Spans: the SDK's tracer provider, with a processor that puts them into a queue of ours.
//!
//! The SDK's own batch processor does not tell what it drops, which is why it is not used.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};

use super::queue::Queue;
use super::telemetry::Flush;

/// The provider of spans. Sampler and limits are those of the SDK, which reads `OTEL_TRACES_SAMPLER` and `OTEL_SPAN_*` by
/// itself.
pub(super) fn provider(resource: Resource, queue: Arc<Queue<SpanData>>, flush: Flush) -> SdkTracerProvider {
    let processor = Processor { queue, flush };
    SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build()
}

/// A provider whose spans are never recorded.
pub(super) fn off() -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build()
}

/// Makes a request of spans.
pub(super) fn encoder(resource: &Resource) -> impl Fn(Vec<SpanData>) -> ExportTraceServiceRequest + use<> {
    let resource = ResourceAttributesWithSchema::from(resource);
    move |spans| ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(spans, &resource),
    }
}

#[derive(Debug)]
struct Processor {
    queue: Arc<Queue<SpanData>>,
    flush: Flush,
}

impl SpanProcessor for Processor {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        // A span that is not sampled is recorded for others only.
        if span.span_context.is_sampled() {
            self.queue.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.flush.flush();
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.flush.flush_within(timeout);
        Ok(())
    }
}
