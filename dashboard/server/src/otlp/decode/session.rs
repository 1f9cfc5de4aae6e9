//! Points of sessions, and of what a sender lost before it could be sent.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use poolscope_semconv::attr;
use poolscope_semconv::metric::{self, MetricDef};

use super::attributes::text;
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
    (&metric::SESSION_LATE_SWEEPS, SessionFigure::LateSweeps),
];

/// A point of a registry of sessions; `None` if it names none.
pub(super) fn reading<'a>(
    figure: SessionFigure,
    attributes: &'a [KeyValue],
    reading: Reading<'a>,
) -> Option<SessionReading<'a>> {
    let name = text(attributes, attr::SESSION_NAME).filter(|name| !name.is_empty())?;
    let label = match figure {
        SessionFigure::Ended => text(attributes, attr::SESSION_END_REASON).unwrap_or_default(),
        _ => "",
    };
    Some(SessionReading { name, figure, label, reading })
}

/// A point of what was lost.
pub(super) fn dropped<'a>(attributes: &'a [KeyValue], reading: Reading<'a>) -> DroppedReading<'a> {
    DroppedReading { signal: text(attributes, attr::TELEMETRY_SIGNAL).unwrap_or("items"), reading }
}
