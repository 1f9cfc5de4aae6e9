//! Events as log records.

use std::sync::Weak;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{Logger, LoggerProvider};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME};

use crate::event::{Event, Listener, record};

/// Turns events into log records. The scope keeps it for as long as it lives; the logger ends with the telemetry.
#[derive(Debug)]
pub(crate) struct EventLog(pub(crate) Weak<SdkLogger>);

impl Listener for EventLog {
    fn on_event(&self, event: &Event) {
        let Some(logger) = self.0.upgrade() else { return };
        let mut record = logger.create_log_record();
        record::fill(&mut record, event, SystemTime::now());
        // The SDK adds the trace context of the span that is current here.
        logger.emit(record);
    }
}

/// The logger that all events go through.
pub(crate) fn logger(provider: &SdkLoggerProvider) -> SdkLogger {
    provider.logger_with_scope(
        InstrumentationScope::builder(SCOPE_NAME)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build(),
    )
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
