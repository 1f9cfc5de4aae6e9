//! The span of a request that is served, in a build without the `trace` feature: nothing.

use std::time::Duration;

use http::{StatusCode, Version};
use poolscope_semconv::value::{DisconnectPhase, ErrorType};

use super::Incoming;
use crate::Scope;
use crate::registry::{KnownMethod, TraceRef};

/// Stands where a span would stand, and does nothing.
#[derive(Debug)]
pub(crate) struct ServedSpan;

impl ServedSpan {
    pub(crate) fn start(_: &Scope, _: &Incoming<'_>) -> Self {
        Self
    }

    pub(crate) fn enter(&self) -> Option<ServedInside<'_>> {
        None
    }

    pub(crate) fn trace(&self) -> Option<TraceRef> {
        None
    }

    pub(crate) fn routed(&self, _: KnownMethod, _: &str) {}

    pub(crate) fn answered(&mut self, _: StatusCode, _: Version, _: impl FnOnce() -> Duration) {}

    pub(crate) fn error(&mut self, _: ErrorType) {}

    pub(crate) fn disconnected(&self, _: DisconnectPhase) {}

    pub(crate) fn end(&mut self) {}
}

pub(crate) use super::Inside as ServedInside;
