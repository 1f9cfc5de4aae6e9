//! The span of a request in a build without the `trace` feature: nothing.

use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Version};
use poolscope_semconv::value::ErrorType;

use super::OpenSetup;
use crate::Scope;
use crate::event::PoolName;
use crate::registry::{Acquired, Pool, Report, TraceRef};

/// Stands where a span would stand, and does nothing.
#[derive(Debug)]
pub(crate) struct RequestSpan;

impl RequestSpan {
    pub(crate) fn start<R>(_: &Scope, _: &Arc<PoolName>, _: &mut R) -> (Self, Option<TraceRef>) {
        (Self, None)
    }

    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        None
    }

    pub(crate) fn is_recorded(&self) -> bool {
        false
    }

    pub(crate) fn response(&mut self, _: StatusCode, _: Version, _: impl FnOnce() -> Duration) {}

    pub(crate) fn acquired(&mut self, _: &Acquired, _: Option<&SetupSpan>) {}

    pub(crate) fn waited_in_vain(&mut self, _: ErrorType) {}

    pub(crate) fn stale(&mut self) {}

    pub(crate) fn error(&mut self, _: ErrorType, _: impl FnOnce() -> String) {}

    pub(crate) fn end(&mut self) {}
}

/// No span is current here.
#[cfg(feature = "session")]
pub(crate) fn outer_trace() -> Option<TraceRef> {
    None
}

/// Stands where what is kept for the span of a session would stand.
#[cfg(feature = "session")]
#[derive(Debug)]
pub(crate) struct SessionSpan;

#[cfg(feature = "session")]
impl SessionSpan {
    pub(crate) fn begin(_: &Scope) -> Self {
        Self
    }

    pub(crate) fn end(
        &mut self,
        _: &Scope,
        _: &crate::event::EndOfSession,
        _: crate::registry::SessionTraffic,
        _: u64,
    ) {
    }
}

/// Stands where the span over the set-up of a connection would stand.
#[derive(Debug, Default)]
pub(crate) struct SetupSpan {}

pub(crate) fn open_setup(_: &Scope, _: &Pool) -> OpenSetup {
    OpenSetup {}
}

pub(crate) fn setup_span(_: &Scope, _: &OpenSetup, _: &Report<'_>) -> SetupSpan {
    SetupSpan {}
}

/// No span tells of a call that was not let through.
#[cfg(any(feature = "breaker", feature = "guard", feature = "limit"))]
pub(crate) fn refused<const N: usize>(
    _: &Scope,
    _: &'static str,
    _: ErrorType,
    _: &dyn std::fmt::Display,
    _: impl FnOnce() -> [(&'static str, Arc<str>); N],
) {
}

/// Stands where the context of a connect would stand.
#[derive(Debug, Clone)]
pub(crate) struct Caller;

impl Caller {
    pub(crate) fn current() -> Self {
        Self
    }

    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        None
    }
}

/// Nothing is current that would end.
#[derive(Debug)]
pub(crate) enum Inside<'a> {
    #[expect(dead_code, reason = "it has the lifetime of the others")]
    Never(std::convert::Infallible, std::marker::PhantomData<&'a ()>),
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {}
}

/// No telemetry is made in this build that could be suppressed.
pub(crate) fn is_suppressed() -> bool {
    false
}
