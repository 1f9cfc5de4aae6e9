//! The span of a call that a layer did not let through, so that no request was made that would have had one.

use std::fmt::Display;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt};
use poolscope_semconv::attr;
use poolscope_semconv::value::ErrorType;

use super::tracer::Started;
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
    let Some(starts) = scope.tracing().starts() else { return };
    let mut attributes = Some(attributes);
    let started = starts.start(name.into(), SpanKind::Internal, &mut |span| {
        span.set_attribute(KeyValue::new(attr::ERROR_TYPE, error.as_str()));
        for (key, value) in attributes.take().into_iter().flat_map(|attributes| attributes()) {
            span.set_attribute(KeyValue::new(key, value));
        }
        span.set_status(Status::error(reason.to_string()));
    });
    if let Started::Recorded(context) = started {
        context.span().end();
    }
}
