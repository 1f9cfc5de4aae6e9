//! The span of a request in a build without the `trace` feature: nothing.

use http::{HeaderMap, Method, StatusCode, Version};
use poolscope_semconv::value::ErrorType;

use crate::Scope;
use crate::event::PoolName;
use crate::request::Acquired;

/// Stands where a span would stand, and does nothing.
#[derive(Debug)]
pub(crate) struct RequestSpan;

impl RequestSpan {
    pub(crate) fn start(
        _: &Scope,
        _: &PoolName,
        _: &Method,
        _: &mut HeaderMap,
        _: impl FnOnce() -> String,
    ) -> Self {
        Self
    }

    pub(crate) fn response(&mut self, _: StatusCode, _: Version) {}

    pub(crate) fn acquired(&mut self, _: &Acquired) {}

    pub(crate) fn error(&mut self, _: ErrorType, _: impl FnOnce() -> String) {}

    pub(crate) fn end(&mut self) {}
}

/// No telemetry is made in this build that could be suppressed.
pub(crate) fn is_suppressed() -> bool {
    false
}
