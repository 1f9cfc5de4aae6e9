//! Who moved a breaker from a dashboard, as an event says it.

use poolscope_semconv::attr;
use poolscope_wire::ForcedBy;

use crate::model::EventRecord;
use crate::words::cut_text;

/// `None` if nobody did.
pub(super) fn by(record: &EventRecord<'_>, at_ms: u64, max_text: usize) -> Option<ForcedBy> {
    let text = |key| record.get(key).map(|text| cut_text(text, max_text).into_string());
    let until = |seconds: f64| at_ms.saturating_add((seconds.clamp(0.0, 1e9) * 1e3) as u64);
    Some(ForcedBy {
        by: text(attr::BREAKER_FORCED_BY)?,
        why: text(attr::BREAKER_FORCED_WHY).unwrap_or_default(),
        until_ms: record.number(attr::BREAKER_FORCED_FOR).map(until),
    })
}
