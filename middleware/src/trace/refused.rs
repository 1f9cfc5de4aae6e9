//! The span of a call that a layer did not let through, so that no request was made that would have had one.

use std::fmt::Display;
use std::sync::Arc;

use opentelemetry::trace::{Span, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use poolscope_semconv::attr;
use poolscope_semconv::value::ErrorType;

use crate::Scope;

/// Makes a short span below the current one: which layer it was, what it is called and how it was. What it tells is made only
/// if there is a tracer.
#[cold]
pub(crate) fn refused<const N: usize>(
    scope: &Scope,
    name: &'static str,
    error: ErrorType,
    reason: &dyn Display,
    attributes: impl FnOnce() -> [(&'static str, Arc<str>); N],
) {
    let Some(tracer) = scope.tracing().tracer() else { return };
    if Context::is_current_telemetry_suppressed() {
        return;
    }
    let builder = tracer.span_builder(name).with_kind(SpanKind::Internal);
    let mut span = Context::map_current(|parent| tracer.build_with_context(builder, parent));
    if span.is_recording() {
        span.set_attribute(KeyValue::new(attr::ERROR_TYPE, error.as_str()));
        for (key, value) in attributes() {
            span.set_attribute(KeyValue::new(key, value));
        }
        span.set_status(Status::error(reason.to_string()));
    }
    span.end();
}
