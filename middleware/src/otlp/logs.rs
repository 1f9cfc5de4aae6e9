//! Log records: events by the SDK's logger provider, with a processor that puts them into a queue of ours.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogProcessor, SdkLogRecord, SdkLoggerProvider};

use super::queue::Queue;

/// A record that waits.
pub(super) type Record = Box<(SdkLogRecord, InstrumentationScope)>;

/// The provider of events.
pub(super) fn provider(resource: Resource, queue: Arc<Queue<Record>>) -> SdkLoggerProvider {
    SdkLoggerProvider::builder().with_resource(resource).with_log_processor(Processor { queue }).build()
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
