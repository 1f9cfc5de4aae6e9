//! Spans: the SDK's tracer provider with a batch processor.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use poolscope_semconv::value::Signal;

use super::config::{Config, Target};
use super::dropped::Dropped;
use super::error::OtlpError;
use super::transport::{self, Transport};

/// The provider of spans. The sampler and the sizes of the batches are those of the SDK, which reads `OTEL_TRACES_SAMPLER`
/// and `OTEL_BSP_*` by itself.
pub(super) fn provider(
    config: &Config,
    resource: Resource,
    dropped: &Dropped,
) -> Result<SdkTracerProvider, OtlpError> {
    let exporter = Counting { inner: exporter(&config.spans)?, dropped: dropped.clone() };
    let batches = BatchConfigBuilder::default().with_scheduled_delay(config.span_delay).build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build())
}

/// A provider whose spans are never recorded.
pub(super) fn off() -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build()
}

fn exporter(target: &Target) -> Result<opentelemetry_otlp::SpanExporter, OtlpError> {
    let builder = opentelemetry_otlp::SpanExporter::builder();
    match Transport::new(target)? {
        Transport::Grpc { channel, headers } => {
            transport::over_grpc(builder.with_tonic(), target, channel, headers).build()
        }
        Transport::Http(sender) => transport::over_http(builder.with_http(), target, sender).build(),
    }
    .map_err(|error| target.refused(&error))
}

/// Counts the spans of the batches that could not be sent.
#[derive(Debug)]
struct Counting<E> {
    inner: E,
    dropped: Dropped,
}

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        if result.is_err() {
            self.dropped.add(Signal::Spans, spans);
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
