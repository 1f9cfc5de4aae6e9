//! What points say about registries of sessions.

use super::Reading;

/// What a point of a registry of sessions measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SessionFigure {
    Active,
    Limit,
    Started,
    Refused,
    /// The label is the reason.
    Ended,
    Duration,
    Overdue,
    OldestAge,
    HandlersCut,
    LateSweeps,
    /// The label is the direction.
    Messages,
    Errors,
    /// The label is the outcome.
    Pings,
}

impl SessionFigure {
    /// True if it is counted, and does not hold at a moment.
    pub(crate) fn is_counted(self) -> bool {
        matches!(
            self,
            Self::Started
                | Self::Refused
                | Self::Ended
                | Self::HandlersCut
                | Self::LateSweeps
                | Self::Messages
                | Self::Errors
                | Self::Pings
        )
    }
}

/// One point of a registry of sessions.
#[derive(Debug)]
pub(crate) struct SessionReading<'a> {
    pub(crate) name: &'a str,
    pub(crate) figure: SessionFigure,
    pub(crate) label: &'a str,
    pub(crate) reading: Reading<'a>,
}
