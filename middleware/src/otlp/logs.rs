//! Log records: events by the SDK's logger provider, with a processor that puts them into a queue of ours.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{Logger, LoggerProvider};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider};
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME};

use super::queue::Queue;
use crate::event::{Event, Listener, record};

/// Turns events into log records. The scope keeps it for as long as it lives; the logger ends with the telemetry.
#[derive(Debug)]
pub(super) struct EventLog(pub(super) Weak<SdkLogger>);

impl Listener for EventLog {
    fn on_event(&self, event: &Event) {
        let Some(logger) = self.0.upgrade() else { return };
        let mut record = logger.create_log_record();
        record::fill(&mut record, event, SystemTime::now());
        // The SDK adds the trace context of the span that is current here.
        logger.emit(record);
    }
}

/// A record that waits.
pub(super) type Record = Box<(SdkLogRecord, InstrumentationScope)>;

/// The provider of events.
pub(super) fn provider(resource: Resource, queue: Arc<Queue<Record>>) -> SdkLoggerProvider {
    SdkLoggerProvider::builder().with_resource(resource).with_log_processor(Processor { queue }).build()
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

/// Makes a request of records.
pub(super) fn encoder(resource: &Resource) -> impl Fn(Vec<Record>) -> ExportLogsServiceRequest + use<> {
    let resource = ResourceAttributesWithSchema::from(resource);
    move |records| {
        let records: Vec<_> = records.iter().map(|record| (&record.0, &record.1)).collect();
        let resource_logs = group_logs_by_resource_and_scope(&LogBatch::new(&records), &resource);
        ExportLogsServiceRequest { resource_logs }
    }
}

/// The provider is ours alone, so nobody flushes through it.
#[derive(Debug)]
struct Processor {
    queue: Arc<Queue<Record>>,
}

impl LogProcessor for Processor {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.queue.push(Box::new((record.clone(), scope.clone())));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_whose_telemetry_has_ended_does_nothing() {
        for event in record::tests::every_event() {
            EventLog(Weak::new()).on_event(&event);
        }
    }
}
