//! The spans of a set-up that goes on, in a build without the `tracing` feature: none.

use poolscope_semconv::value::ConnectPhase;

/// Stands where they would stand.
#[derive(Debug, Default)]
pub(crate) struct OpenSetup {}

impl OpenSetup {
    #[cfg(feature = "trace")]
    pub(crate) fn begin(_: &std::sync::Arc<crate::event::PoolName>) -> Self {
        Self {}
    }

    pub(crate) fn begin_part(&self, _: ConnectPhase, _: Option<&str>) {}

    pub(crate) fn end_part(&self, _: ConnectPhase) {}

    #[cfg(feature = "trace")]
    pub(crate) fn end(&self, _: &crate::registry::Report<'_>) -> Option<opentelemetry::trace::SpanContext> {
        None
    }
}
