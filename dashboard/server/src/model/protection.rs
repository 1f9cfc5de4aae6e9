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

/// What protects calls beside breakers, and what serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ProtectionKind {
    Retry,
    Timeout,
    /// The limit of all requests of a client.
    Limit,
    Probe,
    Resource,
    Server,
    Tasks,
    Queue,
    Supervisor,
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
    /// The label is the status code or `error.type` that requests ended with.
    ServerRequests,
    ServerInFlight,
    /// The label is how far the request was.
    ServerDisconnected,
    /// The label is the state.
    ServerOpen,
    ServerQueued,
    ServerMax,
    ServerAccepted,
    /// The label is the reason.
    ServerRejected,
    ServerAcceptErrors,
    /// The label is the reason.
    ServerClosed,
    TaskActive,
    TaskStarted,
    /// The label is the outcome.
    TaskEnded,
    TaskLife,
    QueueLength,
    QueueLimit,
    QueueHighWater,
    QueuePushed,
    /// The label is the reason.
    QueueDropped,
    /// 0 or 1; the label is the state.
    SupervisorState,
    SupervisorConnects,
    SupervisorLost,
    /// The label is the reason.
    SupervisorChanges,
    SupervisorLife,
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
            Self::ServerRequests
            | Self::ServerInFlight
            | Self::ServerDisconnected
            | Self::ServerOpen
            | Self::ServerQueued
            | Self::ServerMax
            | Self::ServerAccepted
            | Self::ServerRejected
            | Self::ServerAcceptErrors
            | Self::ServerClosed => ProtectionKind::Server,
            Self::TaskActive | Self::TaskStarted | Self::TaskEnded | Self::TaskLife => ProtectionKind::Tasks,
            Self::QueueLength
            | Self::QueueLimit
            | Self::QueueHighWater
            | Self::QueuePushed
            | Self::QueueDropped => ProtectionKind::Queue,
            Self::SupervisorState
            | Self::SupervisorConnects
            | Self::SupervisorLost
            | Self::SupervisorChanges
            | Self::SupervisorLife => ProtectionKind::Supervisor,
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
                | Self::ServerDisconnected
                | Self::ServerAccepted
                | Self::ServerRejected
                | Self::ServerAcceptErrors
                | Self::ServerClosed
                | Self::TaskStarted
                | Self::TaskEnded
                | Self::QueuePushed
                | Self::QueueDropped
                | Self::SupervisorConnects
                | Self::SupervisorLost
                | Self::SupervisorChanges
        )
    }
}

/// One point of something that protects, or serves.
#[derive(Debug)]
pub(crate) struct ProtectionReading<'a> {
    /// Of the policy, timeout, client, probe, resource, server, group, queue or supervisor.
    pub(crate) name: &'a str,
    /// The guard of a resource; empty for everything else.
    pub(crate) guard: &'a str,
    pub(crate) figure: ProtectionFigure,
    pub(crate) label: Cow<'a, str>,
    pub(crate) reading: Reading<'a>,
}
