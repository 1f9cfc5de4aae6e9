//! Points of sessions, and of what a sender lost before it could be sent.

use poolscope_semconv::attr;
use poolscope_semconv::metric::{self, MetricDef};

use super::attributes::{Attribute, Attributes as _};
use crate::model::{DroppedReading, Reading, SessionFigure, SessionReading};

/// The metrics of sessions.
pub(super) const METRICS: &[(&MetricDef, SessionFigure)] = &[
    (&metric::SESSION_ACTIVE, SessionFigure::Active),
    (&metric::SESSION_LIMIT, SessionFigure::Limit),
    (&metric::SESSION_STARTED, SessionFigure::Started),
    (&metric::SESSION_REFUSED, SessionFigure::Refused),
    (&metric::SESSION_ENDED, SessionFigure::Ended),
    (&metric::SESSION_DURATION, SessionFigure::Duration),
    (&metric::SESSION_OVERDUE, SessionFigure::Overdue),
    (&metric::SESSION_OLDEST_AGE, SessionFigure::OldestAge),
    (&metric::SESSION_HANDLERS_CUT, SessionFigure::HandlersCut),
    (&metric::SESSION_LATE_SWEEPS, SessionFigure::LateSweeps),
    (&metric::SESSION_MESSAGES, SessionFigure::Messages),
    (&metric::SESSION_ERRORS, SessionFigure::Errors),
    (&metric::SESSION_PINGS, SessionFigure::Pings),
];

/// A point of a registry of sessions; `None` if it names none.
pub(super) fn reading<'a>(
    figure: SessionFigure,
    attributes: &[Attribute<'a>],
    reading: Reading<'a>,
) -> Option<SessionReading<'a>> {
    let name = attributes.text(attr::SESSION_NAME).filter(|name| !name.is_empty())?;
    let label = match figure {
        SessionFigure::Ended => attributes.text(attr::SESSION_END_REASON).unwrap_or_default(),
        SessionFigure::Messages => attributes.text(attr::NETWORK_IO_DIRECTION).unwrap_or_default(),
        SessionFigure::Pings => attributes.text(attr::PING_OUTCOME).unwrap_or_default(),
        _ => "",
    };
    Some(SessionReading { name, figure, label, reading })
}

/// A point of what was lost.
pub(super) fn dropped<'a>(attributes: &[Attribute<'a>], reading: Reading<'a>) -> DroppedReading<'a> {
    DroppedReading { signal: attributes.text(attr::TELEMETRY_SIGNAL).unwrap_or("items"), reading }
}
