//! Which traces are wanted, and in which order.

use poolscope_wire::{TraceDetail, TraceList, TraceStatus, TraceSummary};

use super::class::Class;
use super::kept::{Span, Trace};
use super::url::TraceUrl;
use super::{Traces, view};
use crate::store::Id;
use crate::words::contains;

/// Requests that the page of a set-up lists.
const MAX_SERVED: usize = 20;

/// Which traces are wanted by how they went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wanted {
    /// Failed or slow; where a breaker is asked for, also what it turned away.
    #[default]
    Notable,
    Failed,
    Slow,
    Rejected,
    All,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    #[default]
    Newest,
    Slowest,
}

/// Which traces are wanted; what is `None` or empty does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct TraceFilter<'a> {
    pub(crate) wanted: Wanted,
    pub(crate) service: Option<&'a str>,
    pub(crate) pool: Option<Id>,
    /// The breaker, and the pools that it guards.
    pub(crate) breaker: Option<(Id, Vec<Id>)>,
    pub(crate) connection: Option<u64>,
    /// A text that a name, an address, an error or an attribute has.
    pub(crate) text: &'a str,
    pub(crate) min_ms: u64,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: Option<u64>,
    pub(crate) sort: Sort,
}

impl TraceFilter<'_> {
    /// Everything but the text, which takes longest to look for.
    fn wants(&self, trace: &Trace, status: TraceStatus, at_ms: u64) -> bool {
        let by_status = match self.wanted {
            Wanted::All => true,
            Wanted::Notable => match status {
                TraceStatus::Failed | TraceStatus::Slow => true,
                TraceStatus::Rejected => self.breaker.is_some(),
                TraceStatus::Good => false,
            },
            Wanted::Rejected => status == TraceStatus::Rejected,
            Wanted::Failed => status == TraceStatus::Failed,
            Wanted::Slow => status == TraceStatus::Slow,
        };
        let is_in_range = |duration_ms: u64| {
            at_ms.saturating_add(duration_ms) >= self.from_ms && self.to_ms.is_none_or(|to_ms| at_ms <= to_ms)
        };
        let duration_ms = trace.duration_ns() / 1_000_000;
        by_status
            && duration_ms >= self.min_ms
            && is_in_range(duration_ms)
            && self.service.is_none_or(|name| trace.senders.iter().any(|(service, _)| **service == *name))
            && self.pool.is_none_or(|pool| trace.pools.contains(&pool))
            && self.breaker.as_ref().is_none_or(|(breaker, pools)| {
                trace.breakers.contains(breaker) || pools.iter().any(|pool| trace.pools.contains(pool))
            })
            && self.connection.is_none_or(|connection| {
                let served = |span: &Span| {
                    let is_of_pool = self.pool.is_none() || span.pool == self.pool;
                    is_of_pool && span.call.as_ref().is_some_and(|call| call.connection == Some(connection))
                };
                trace.spans.iter().any(served)
            })
    }

    fn has_text(&self, trace: &Trace) -> bool {
        let found = |text: &str| contains(text, self.text);
        self.text.is_empty()
            || trace.spans.iter().any(|span| {
                found(&span.name)
                    || found(&span.error_text)
                    || span.error.as_deref().is_some_and(found)
                    || span.call.as_ref().is_some_and(|call| found(&call.url))
                    || span.attributes.iter().any(|(_, value)| found(value))
            })
            || trace.senders.iter().any(|(service, instance)| found(service) || found(instance))
            || found(&view::trace_id(trace.id))
    }
}

impl Traces {
    /// The traces that are wanted, so many at most. Set-ups of connections are not among them: requests lead to them.
    pub(crate) fn list(&self, filter: &TraceFilter<'_>, limit: usize) -> TraceList {
        let ordinary = || self.traces.values().filter(|trace| !trace.class.is_setup());
        let mut found: Vec<(&Trace, u64)> = ordinary()
            .map(|trace| (trace, self.at_ms(trace).0))
            .filter(|(trace, at_ms)| {
                filter.wants(trace, trace.status(self.slow_ns), *at_ms) && filter.has_text(trace)
            })
            .collect();
        match filter.sort {
            Sort::Newest => found.sort_by_key(|(trace, at_ms)| std::cmp::Reverse((*at_ms, trace.order))),
            Sort::Slowest => {
                found.sort_by_key(|(trace, at_ms)| {
                    std::cmp::Reverse((trace.duration_ns(), *at_ms, trace.order))
                });
            }
        }
        let matching = found.len() as u64;
        let traces = found.into_iter().take(limit).map(|(trace, _)| self.summary(trace));
        // Some of them are kept because an event names them.
        let since_ms = |class: Class| {
            let since_ms = [class, Class::Named].map(|class| self.whole_since_ms[class as usize]);
            since_ms.into_iter().max().filter(|since_ms| *since_ms > 0)
        };
        TraceList {
            traces: traces.collect(),
            matching,
            kept: ordinary().count() as u64,
            slow_s: self.slow_ns as f64 / 1e9,
            any_spans: self.any_spans,
            failed_since_ms: since_ms(Class::Failed),
            slow_since_ms: since_ms(Class::Slow),
            rejected_since_ms: since_ms(Class::Rejected),
        }
    }

    /// One trace.
    pub(crate) fn detail(&self, id: u128, elsewhere: Option<&TraceUrl>) -> Option<TraceDetail> {
        let trace = self.traces.get(&id)?;
        let mut detail = view::detail(self, trace);
        detail.elsewhere = elsewhere.map(|template| template.of(id));
        if detail.is_set_up {
            detail.served = self.served(id);
        }
        Some(detail)
    }

    /// The newest traces whose requests link to a set-up.
    fn served(&self, setup: u128) -> Vec<TraceSummary> {
        let links = |trace: &&Trace| {
            trace.spans.iter().any(|span| span.links.iter().any(|(linked, _)| *linked == setup))
        };
        let mut served: Vec<_> = self.traces.values().filter(links).collect();
        served.sort_by_key(|trace| std::cmp::Reverse(self.at_ms(trace).0));
        served.into_iter().take(MAX_SERVED).map(|trace| self.summary(trace)).collect()
    }

    /// A trace and the span of it that a link leads to, if they are kept.
    pub(super) fn linked(&self, link: (u128, u64)) -> Option<(&Trace, &Span)> {
        let trace = self.traces.get(&link.0)?;
        Some((trace, trace.span(link.1)?))
    }

    /// When a trace began, and by how many seconds its clock is off if that is not to be believed: from the future, or
    /// from before anything is kept, it is placed at its arrival.
    pub(super) fn at_ms(&self, trace: &Trace) -> (u64, Option<f64>) {
        const AHEAD_MS: u64 = 5_000;
        let duration_ms = trace.duration_ns() / 1_000_000;
        let start_ms = trace.top().map_or(0, |top| top.start_ns / 1_000_000);
        let arrived_ms = trace.first_seen_ms;
        let is_ahead = start_ms > arrived_ms.saturating_add(AHEAD_MS);
        let is_behind = start_ms.saturating_add(duration_ms).saturating_add(self.retention_ms) < arrived_ms;
        if is_ahead || is_behind {
            let off_ms = start_ms.cast_signed().saturating_sub(arrived_ms.cast_signed());
            return (arrived_ms.saturating_sub(duration_ms), Some(off_ms as f64 / 1e3));
        }
        (start_ms, None)
    }
}

/// Reads the id of a trace as it stands in addresses.
pub(crate) fn parse_trace_id(text: &str) -> Option<u128> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(text, 16).ok().filter(|id| is_hex && *id != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_any_case_and_nothing_is_found_in_nothing() {
        assert!(contains("GET https://Pay.example", "pay.EX"));
        assert!(!contains("pay", "payments"));
        assert!(!contains("", "a"));
        assert!(contains("gr\u{fc}n", "\u{fc}"));
    }

    #[test]
    fn a_trace_id_is_32_digits() {
        assert_eq!(parse_trace_id("000000000000000000000000000000ff"), Some(255));
        for text in
            ["", "ff", "00000000000000000000000000000000", "+00000000000000000000000000000ff", "\u{fc}"]
        {
            assert_eq!(parse_trace_id(text), None, "{text}");
        }
    }
}
