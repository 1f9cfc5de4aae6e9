//! Points of breakers.

use poolscope_semconv::attr;
use poolscope_semconv::metric::{self, MetricDef};

use super::attributes::{Attribute, Attributes as _};
use crate::model::{BreakerFigure, BreakerReading, Judged, Reading};

/// The metrics of breakers.
pub(super) const METRICS: &[(&MetricDef, BreakerFigure)] = &[
    (&metric::BREAKER_STATE, BreakerFigure::State),
    (&metric::BREAKER_TRANSITIONS, BreakerFigure::Transitions),
    (&metric::BREAKER_CALLS, BreakerFigure::Calls),
    (&metric::BREAKER_FAILURE_RATIO, BreakerFigure::Ratio(Judged::Failed)),
    (&metric::BREAKER_FAILURE_RATIO_LIMIT, BreakerFigure::Limit(Judged::Failed)),
    (&metric::BREAKER_SLOW_CALL_RATIO, BreakerFigure::Ratio(Judged::Slow)),
    (&metric::BREAKER_SLOW_CALL_RATIO_LIMIT, BreakerFigure::Limit(Judged::Slow)),
    (&metric::BREAKER_CONNECT_FAILURE_RATIO, BreakerFigure::Ratio(Judged::Unconnected)),
    (&metric::BREAKER_CONNECT_FAILURE_RATIO_LIMIT, BreakerFigure::Limit(Judged::Unconnected)),
    (&metric::BREAKER_WINDOW_CALLS, BreakerFigure::WindowCalls),
    (&metric::BREAKER_OPEN_REMAINING, BreakerFigure::OpenRemaining),
];

/// A point of a breaker; `None` if it names none.
pub(super) fn reading<'a>(
    figure: BreakerFigure,
    attributes: &[Attribute<'a>],
    reading: Reading<'a>,
) -> Option<BreakerReading<'a>> {
    let name = attributes.text(attr::BREAKER_NAME).filter(|name| !name.is_empty())?;
    let label = match figure {
        BreakerFigure::State => attributes.text(attr::BREAKER_STATE),
        BreakerFigure::Transitions => attributes.text(attr::BREAKER_REASON),
        BreakerFigure::Calls => attributes.text(attr::BREAKER_OUTCOME),
        _ => None,
    };
    Some(BreakerReading { name, figure, label: label.unwrap_or_default(), reading })
}
