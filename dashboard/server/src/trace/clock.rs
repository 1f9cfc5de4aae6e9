//! Spans in the order in which a waterfall shows them, and services whose clocks are off.
//!
//! A span that begins before the call that caused it, in another service, was dated by another clock. All spans of that
//! service are then shifted by as much as puts it into the middle of its caller, as Jaeger does.

use std::collections::HashMap;

use poolscope_wire::SpanKind;

use super::kept::{Span, Trace};

/// Clocks that agree to this are good enough: most are kept by NTP.
const TOLERANCE_NS: u64 = 1_000_000;

/// Where a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Of the span in its trace.
    pub(super) index: usize,
    pub(super) depth: u64,
    /// It names a span above that is not here.
    pub(super) parent_missing: bool,
}

/// Every span below the one above it, those beside each other in the order of time.
pub(super) fn tree(trace: &Trace) -> Vec<Place> {
    let spans = &trace.spans;
    let by_id: HashMap<u64, usize> = spans.iter().enumerate().map(|(index, span)| (span.id, index)).collect();
    let mut below: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut tops = Vec::new();
    for (index, span) in spans.iter().enumerate() {
        match by_id.get(&span.parent).filter(|parent| **parent != index) {
            Some(parent) => below.entry(*parent).or_default().push(index),
            None => tops.push(index),
        }
    }
    let late_first =
        |list: &mut Vec<usize>| list.sort_by_key(|index| std::cmp::Reverse((spans[*index].start_ns, *index)));
    let mut seen = vec![false; spans.len()];
    let mut places = Vec::with_capacity(spans.len());
    late_first(&mut tops);
    let mut stack: Vec<(usize, u64)> = tops.into_iter().map(|index| (index, 0)).collect();
    loop {
        while let Some((index, depth)) = stack.pop() {
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            let parent = spans[index].parent;
            let parent_missing = parent != 0 && (depth == 0 || !by_id.contains_key(&parent));
            places.push(Place { index, depth, parent_missing });
            if let Some(mut list) = below.remove(&index) {
                late_first(&mut list);
                stack.extend(list.into_iter().map(|index| (index, depth + 1)));
            }
        }
        // Spans that are above each other have no top; one of them has to be it.
        match seen.iter().position(|seen| !seen) {
            Some(index) => stack.push((index, 0)),
            None => return places,
        }
    }
}

/// Nanoseconds by which the spans of each sender are shifted.
pub(super) fn shifts(trace: &Trace, tree: &[Place]) -> Vec<i64> {
    let mut shifts: Vec<Option<i64>> = vec![None; trace.senders.len()];
    for place in tree {
        let span = &trace.spans[place.index];
        if shifts[span.sender].is_some() {
            continue;
        }
        let parent = trace.span(span.parent).filter(|parent| parent.sender != span.sender);
        let known = parent.and_then(|parent| Some((parent, shifts[parent.sender]?)));
        shifts[span.sender] = Some(known.map_or(0, |(parent, shift)| shift_into(span, parent, shift)));
    }
    shifts.into_iter().map(Option::unwrap_or_default).collect()
}

fn shift_into(span: &Span, parent: &Span, shift: i64) -> i64 {
    let begin = parent.start_ns.saturating_add_signed(shift);
    let end = parent.end_ns.saturating_add_signed(shift);
    let is_early = span.start_ns.saturating_add(TOLERANCE_NS) < begin;
    // Who takes a message may do so after it was sent; an answer has begun before it ends.
    let answers = span.kind == SpanKind::Server && parent.kind == SpanKind::Client;
    let is_late = answers && span.start_ns > end.saturating_add(TOLERANCE_NS);
    if !is_early && !is_late {
        return 0;
    }
    let room = parent.duration_ns().saturating_sub(span.duration_ns());
    let target = begin.saturating_add(room / 2);
    // Both are times of this age, which fit.
    target.cast_signed().saturating_sub(span.start_ns.cast_signed())
}
