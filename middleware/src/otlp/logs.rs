//! Log records: the SDK's logger provider with a batch processor.

use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::LoggerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter, SdkLogger, SdkLoggerProvider,
};
use poolscope_semconv::value::Signal;
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME};

use super::config::{Config, Target};
use super::dropped::Dropped;
use super::error::OtlpError;
use super::transport::{self, Transport};

/// The provider of events. The sizes of the batches are those of the SDK, which reads `OTEL_BLRP_*` by itself.
pub(super) fn provider(
    config: &Config,
    resource: Resource,
    dropped: &Dropped,
) -> Result<SdkLoggerProvider, OtlpError> {
    let exporter = Counting { inner: exporter(&config.events)?, dropped: dropped.clone() };
    let batches = BatchConfigBuilder::default().with_scheduled_delay(config.event_delay).build();
    let processor = BatchLogProcessor::builder(exporter).with_batch_config(batches).build();
    Ok(SdkLoggerProvider::builder().with_resource(resource).with_log_processor(processor).build())
}

/// The logger that all events go through.
pub(super) fn logger(provider: &SdkLoggerProvider) -> SdkLogger {
    provider.logger_with_scope(
        InstrumentationScope::builder(SCOPE_NAME)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build(),
    )
}

fn exporter(target: &Target) -> Result<opentelemetry_otlp::LogExporter, OtlpError> {
    let builder = opentelemetry_otlp::LogExporter::builder();
    match Transport::new(target)? {
        Transport::Grpc { channel, headers } => {
            transport::over_grpc(builder.with_tonic(), target, channel, headers).build()
        }
        Transport::Http(sender) => transport::over_http(builder.with_http(), target, sender).build(),
    }
    .map_err(|error| target.refused(&error))
}

/// Counts the events of the batches that could not be sent.
#[derive(Debug)]
struct Counting<E> {
    inner: E,
    dropped: Dropped,
}

impl<E: LogExporter> LogExporter for Counting<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let events = batch.iter().count();
        let result = self.inner.export(batch).await;
        if result.is_err() {
            self.dropped.add(Signal::Events, events);
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
