//! What points say about breakers and whatever else protects calls.

use std::borrow::Cow;

use super::Reading;

/// What a point of a breaker measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BreakerFigure {
    /// 0 or 1; the label is the state.
    State,
    /// The label is the reason.
    Transitions,
    /// The label is the outcome.
    Calls,
    /// The share of such calls in the window.
    Ratio(Judged),
    /// The share of such calls at which it opens.
    Limit(Judged),
    WindowCalls,
    OpenRemaining,
}

/// Calls that a breaker judges the share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Judged {
    Failed,
    Slow,
    /// Nothing could be connected for them.
    Unconnected,
}

impl Judged {
    pub(crate) const COUNT: usize = 3;
}

/// One point of a breaker.
#[derive(Debug)]
pub(crate) struct BreakerReading<'a> {
    pub(crate) name: &'a str,
    pub(crate) figure: BreakerFigure,
    pub(crate) label: &'a str,
    pub(crate) reading: Reading<'a>,
}

/// What protects calls beside breakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ProtectionKind {
    Retry,
    Timeout,
    /// The limit of all requests of a client.
    Limit,
    Probe,
    Resource,
}

/// What a point of something that protects measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ProtectionFigure {
    /// The label is the outcome.
    RetryCalls,
    /// The label is the cause.
    RetryAttempts,
    /// The label is the status code or `error.type` that calls ended with.
    RetryResults,
    RetryDelay,
    /// The label is the outcome.
    TimeoutCalls,
    /// The label is the destination; empty if there is one for all.
    TimeoutLimit,
    TimeoutUsed,
    LimitMax,
    LimitInUse,
    LimitQueued,
    LimitQueueMax,
    /// 0 or 1; the label is the state.
    ProbeState,
    /// The label is the outcome.
    Probes,
    ProbeDuration,
    ResourceUsage,
    ResourcePeak,
    /// The label is the kind of the limit.
    ResourceLimit,
    ResourceRefused,
}

impl ProtectionFigure {
    pub(crate) fn kind(self) -> ProtectionKind {
        match self {
            Self::RetryCalls | Self::RetryAttempts | Self::RetryResults | Self::RetryDelay => {
                ProtectionKind::Retry
            }
            Self::TimeoutCalls | Self::TimeoutLimit | Self::TimeoutUsed => ProtectionKind::Timeout,
            Self::LimitMax | Self::LimitInUse | Self::LimitQueued | Self::LimitQueueMax => {
                ProtectionKind::Limit
            }
            Self::ProbeState | Self::Probes | Self::ProbeDuration => ProtectionKind::Probe,
            Self::ResourceUsage | Self::ResourcePeak | Self::ResourceLimit | Self::ResourceRefused => {
                ProtectionKind::Resource
            }
        }
    }

    /// True if it is counted, and does not hold at a moment.
    pub(crate) fn is_counted(self) -> bool {
        matches!(
            self,
            Self::RetryCalls
                | Self::RetryAttempts
                | Self::RetryResults
                | Self::TimeoutCalls
                | Self::Probes
                | Self::ResourceRefused
        )
    }
}

/// One point of something that protects.
#[derive(Debug)]
pub(crate) struct ProtectionReading<'a> {
    /// Of the policy, timeout, client, probe or resource.
    pub(crate) name: &'a str,
    /// The guard of a resource; empty for everything else.
    pub(crate) guard: &'a str,
    pub(crate) figure: ProtectionFigure,
    pub(crate) label: Cow<'a, str>,
    pub(crate) reading: Reading<'a>,
}
