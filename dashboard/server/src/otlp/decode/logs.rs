//! Logs: the records that are events.

use std::borrow::Cow;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use poolscope_semconv::{attr, event};

use super::{attributes, resource};
use crate::model::{EventRecord, Sender};

/// Length of a trace id.
const TRACE_ID_BYTES: usize = 16;

/// What a logs request says.
#[derive(Debug, Default)]
pub(crate) struct Logs<'a> {
    pub(crate) events: Vec<EventRecord<'a>>,
    /// Records that were taken; those without an event name are ordinary logs, which are not shown.
    pub(crate) taken: u64,
}

/// Decodes a logs request, keeping so many attributes of each event.
pub(crate) fn logs(request: &ExportLogsServiceRequest, max_attributes: usize) -> Logs<'_> {
    let mut all = Logs::default();
    for resource_logs in &request.resource_logs {
        let sender = resource::sender(resource_logs.resource.as_ref());
        for record in resource_logs.scope_logs.iter().flat_map(|scope| &scope.log_records) {
            all.taken += 1;
            if !record.event_name.is_empty() {
                all.events.push(event_of(record, sender, max_attributes));
            }
        }
    }
    all
}

fn event_of<'a>(record: &'a LogRecord, sender: Sender<'a>, max_attributes: usize) -> EventRecord<'a> {
    let time_ns =
        if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
    let is_rows =
        |kv: &&KeyValue| record.event_name == event::POOL_SNAPSHOT && kv.key == attr::POOL_CONNECTIONS;
    let rows = record.attributes.iter().find(is_rows).map(|kv| attributes::texts(kv)).unwrap_or_default();
    let kept = record.attributes.iter().filter(|kv| !is_rows(kv)).take(max_attributes);
    let attributes = kept.map(|kv| {
        let value = kv.value.as_ref().and_then(|any| any.value.as_ref());
        (kv.key.as_str(), value.map_or(Cow::Borrowed(""), attributes::any_text))
    });
    EventRecord {
        sender,
        name: &record.event_name,
        time_ns,
        severity: record.severity_number,
        body: record.body.as_ref().and_then(attributes::body_text),
        attributes: attributes.collect(),
        rows,
        dropped_attributes: record.attributes.len().saturating_sub(max_attributes),
        trace_id: if record.trace_id.len() == TRACE_ID_BYTES { &record.trace_id } else { &[] },
    }
}
