//! Who turned a call away, as the span tells it that stands for the call.

use poolscope_semconv::{attr, span};
use poolscope_wire::{Refusal, Refuser};

use super::kept::{Span, Trace};

/// The first call of a trace that was turned away.
pub(super) fn first(trace: &Trace) -> Option<Refusal> {
    let refused = trace.spans.iter().filter(|span| span.is_refusal);
    refused.min_by_key(|span| span.start_ns).map(of)
}

fn of(refused: &Span) -> Refusal {
    let get = |key: &str| {
        let found = refused.attributes.iter().find(|(name, _)| **name == *key);
        found.map(|(_, value)| value.to_string()).unwrap_or_default()
    };
    let (by, name) = match &*refused.name {
        span::LIMIT_REFUSED => (Refuser::Limit, attr::CLIENT_NAME),
        span::GUARD_REFUSED => (Refuser::Guard, attr::GUARD_NAME),
        _ => (Refuser::Breaker, attr::BREAKER_NAME),
    };
    Refusal {
        by,
        name: get(name),
        destination: get(attr::SERVER_ADDRESS),
        resource: get(attr::RESOURCE_NAME),
        breaker: refused.breaker.map(|id| id.to_string()),
    }
}
