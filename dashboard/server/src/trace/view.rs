//! Traces in the browser's types.

use poolscope_wire as wire;

use super::Traces;
use super::clock::{self, Place};
use super::kept::{Call, Note, Pair, Span, Trace};
use super::phases::{self, Axis};
use super::refusal;

/// Parts of requests in one line of the list: more would not be told apart.
const MAX_PHASES: usize = 64;

pub(super) fn trace_id(id: u128) -> String {
    format!("{id:032x}")
}

fn span_id(id: u64) -> String {
    format!("{id:016x}")
}

fn pairs(pairs: &[Pair]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

impl Traces {
    /// One line of the list.
    pub(super) fn summary(&self, trace: &Trace) -> wire::TraceSummary {
        let calls = || trace.spans.iter().filter_map(|span| Some((span, span.call.as_deref()?)));
        let told = calls().max_by_key(|(span, _)| (span.failed, span.duration_ns()));
        let first_failed = trace
            .spans
            .iter()
            .filter(|span| span.failed)
            .min_by_key(|span| (span.call.is_none(), span.start_ns));
        let top = trace.top();
        let sender = top.map(|top| &trace.senders[top.sender]);
        let axis = Axis { origin_ns: top.map_or(0, |top| top.start_ns), shift_ns: 0 };
        let mut phases: Vec<_> =
            calls().flat_map(|(span, _)| phases::of(trace, span, self.setup_of(span), axis)).collect();
        phases.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        phases.truncate(MAX_PHASES);
        wire::TraceSummary {
            trace_id: trace_id(trace.id),
            at_ms: self.at_ms(trace).0,
            duration_s: trace.duration_ns() as f64 / 1e9,
            status: trace.status(self.slow_ns),
            service: sender.map(|(service, _)| service.to_string()).unwrap_or_default(),
            name: top.map(|top| top.name.to_string()).unwrap_or_default(),
            request: told.map(|(_, call)| format!("{} {}", call.method, call.url)),
            error: first_failed.map(|span| failure(span).unwrap_or_default()),
            refusal: refusal::first(trace),
            phases,
            requests: calls().count() as u64,
            recovered: has_recovered(trace),
            resends: calls().filter(|(span, call)| attempt(trace, span, call) > 1).count() as u64,
            spans: trace.spans.len() as u64,
            pools: trace.pools.iter().map(ToString::to_string).collect(),
            incomplete: is_incomplete(trace),
        }
    }

    /// The set-up of the connection that served a request, if it is kept.
    fn setup_of(&self, span: &Span) -> Option<(&Trace, &Span)> {
        let linked = span.links.iter().filter_map(|link| self.linked(*link));
        linked.into_iter().find(|(_, linked)| linked.is_setup)
    }
}

/// Why a span failed: its class, else what it says.
fn failure(span: &Span) -> Option<String> {
    let text = Some(&*span.error_text).filter(|text| !text.is_empty());
    span.error.as_deref().or(text).map(str::to_owned)
}

fn is_incomplete(trace: &Trace) -> bool {
    let is_orphan = |span: &Span| span.parent != 0 && trace.span(span.parent).is_none();
    trace.dropped_spans > 0
        || trace.evicted_before
        || trace.root().is_none()
        || trace.spans.iter().any(is_orphan)
}

/// All of a trace.
pub(super) fn detail(traces: &Traces, trace: &Trace) -> wire::TraceDetail {
    let tree = clock::tree(trace);
    let shifts = clock::shifts(trace, &tree);
    let begin = |span: &Span| span.start_ns.saturating_add_signed(shifts[span.sender]);
    let limit = |span: &Span| span.call.as_ref().map_or(0, |call| call.limit_ns);
    // A request may have waited under a limit before its span began.
    let first = trace.spans.iter().map(|span| begin(span).saturating_sub(limit(span))).min();
    let origin_ns = first.unwrap_or(0);
    let last = trace.spans.iter().map(|span| begin(span).saturating_add(span.duration_ns())).max();
    let spans = tree.iter().map(|place| {
        let span = &trace.spans[place.index];
        one_span(traces, trace, *place, Axis { origin_ns, shift_ns: shifts[span.sender] })
    });
    let clocks = trace.senders.iter().zip(&shifts).filter(|(_, shift)| **shift != 0);
    wire::TraceDetail {
        summary: traces.summary(trace),
        extent_s: last.unwrap_or(0).saturating_sub(origin_ns) as f64 / 1e9,
        spans: spans.collect(),
        root_missing: trace.root().is_none(),
        dropped_spans: trace.dropped_spans,
        evicted_before: trace.evicted_before,
        clock_off_s: traces.at_ms(trace).1,
        clocks: clocks
            .map(|((service, instance), shift)| wire::ClockShift {
                service: service.to_string(),
                instance: instance.to_string(),
                shift_s: *shift as f64 / 1e9,
            })
            .collect(),
        is_set_up: trace.is_setup(),
        served: Vec::new(),
        elsewhere: None,
    }
}

fn one_span(traces: &Traces, trace: &Trace, place: Place, axis: Axis) -> wire::Span {
    let span = &trace.spans[place.index];
    let setup = traces.setup_of(span);
    let (service, instance) = &trace.senders[span.sender];
    let note = |note: &Note| wire::SpanNote {
        name: note.name.to_string(),
        at_s: axis.seconds(note.time_ns),
        attributes: pairs(&note.attributes),
    };
    let link = |link: &(u128, u64)| {
        let found = traces.linked(*link);
        wire::SpanLink {
            trace_id: trace_id(link.0),
            span_id: span_id(link.1),
            kept: found.is_some(),
            set_up: found.is_some_and(|(_, linked)| linked.is_setup),
        }
    };
    wire::Span {
        span_id: span_id(span.id),
        parent: (span.parent != 0).then(|| span_id(span.parent)),
        parent_missing: place.parent_missing,
        depth: place.depth,
        name: span.name.to_string(),
        service: service.to_string(),
        instance: instance.to_string(),
        kind: span.kind,
        start_s: axis.seconds(span.start_ns),
        duration_s: span.duration_ns() as f64 / 1e9,
        failed: span.failed,
        error: span.error.as_deref().map(str::to_owned),
        error_text: Some(&*span.error_text).filter(|text| !text.is_empty()).map(str::to_owned),
        part: span.part,
        call: call(trace, span, setup),
        breaker: span.breaker.map(|id| id.to_string()),
        phases: phases::of(trace, span, setup, axis),
        attributes: pairs(&span.attributes),
        dropped: span.dropped as u64,
        notes: span.notes.iter().map(note).collect(),
        links: span.links.iter().map(link).collect(),
    }
}

/// True if a span failed, and neither the first span nor the request that ended last did.
fn has_recovered(trace: &Trace) -> bool {
    let last = trace.spans.iter().filter(|span| span.call.is_some()).max_by_key(|span| span.end_ns);
    trace.spans.iter().any(|span| span.failed)
        && trace.root().is_some_and(|root| !root.failed)
        && last.is_some_and(|last| !last.failed)
}

/// Which attempt a request is. Without a count of its own it is one more than those before it that failed, below the same
/// span and to the same address.
fn attempt(trace: &Trace, span: &Span, call: &Call) -> u64 {
    let earlier = || {
        let same = |other: &&Span| {
            let is_same = |other: &Call| other.url == call.url && other.method == call.method;
            other.start_ns < span.start_ns && other.failed && other.call.as_deref().is_some_and(is_same)
        };
        if span.parent == 0 { 0 } else { trace.below(span.parent).filter(same).count() as u64 }
    };
    1 + match u64::from(call.resends) {
        0 => earlier(),
        resends => resends,
    }
}

fn call(trace: &Trace, span: &Span, setup: Option<(&Trace, &Span)>) -> Option<wire::Call> {
    let call = span.call.as_deref()?;
    Some(wire::Call {
        method: call.method.to_string(),
        url: call.url.to_string(),
        status_code: call.status_code,
        attempt: attempt(trace, span, call),
        pool: span.pool.map(|id| id.to_string()),
        connection: call.connection,
        acquire: call.acquire.as_deref().map(str::to_owned),
        idle_s: call.idle_s,
        stale: call.stale,
        set_up: setup.map(|(trace, setup)| wire::ConnectionSetUp {
            trace_id: trace_id(trace.id),
            waited_for: phases::waited_for(span, setup),
            opened_before_s: span.start_ns.saturating_sub(setup.end_ns) as f64 / 1e9,
            duration_s: setup.duration_ns() as f64 / 1e9,
            phases: phases::of(trace, setup, None, Axis { origin_ns: setup.start_ns, shift_ns: 0 }),
            peer: setup.peer.as_deref().map(str::to_owned),
        }),
    })
}
