//! The parts of a request: what it waited for, and when the answer came.

use poolscope_wire::{Phase, PhaseKind};

use super::kept::{Call, Span, Trace};

/// Shorter parts are left out: nobody could see them.
const LEAST_NS: u64 = 1_000;

/// A part, in nanoseconds of its sender's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    kind: PhaseKind,
    begin: u64,
    end: u64,
}

/// Places nanoseconds of a clock in a trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// Where the trace begins.
    pub(super) origin_ns: u64,
    /// By how much the spans of the sender are shifted.
    pub(super) shift_ns: i64,
}

impl Axis {
    pub(super) fn seconds(self, at_ns: u64) -> f64 {
        let at = i128::from(at_ns) + i128::from(self.shift_ns) - i128::from(self.origin_ns);
        at as f64 / 1e9
    }

    fn phase(self, part: Part) -> Phase {
        let duration_s = (part.end - part.begin) as f64 / 1e9;
        Phase { kind: part.kind, start_s: self.seconds(part.begin), duration_s }
    }
}

/// The parts of a span, in the order of time: of a request, with the set-up of its connection if that is kept; or of a
/// set-up. Other spans have none.
pub(super) fn of(trace: &Trace, span: &Span, setup: Option<(&Trace, &Span)>, axis: Axis) -> Vec<Phase> {
    let parts = match &span.call {
        Some(call) => of_call(trace, span, call, setup),
        None if span.is_setup => connecting(trace, span).collect(),
        None => Vec::new(),
    };
    let mut parts: Vec<_> = parts.into_iter().filter(|part| part.end - part.begin >= LEAST_NS).collect();
    parts.sort_by_key(|part| part.begin);
    parts.into_iter().map(|part| axis.phase(part)).collect()
}

/// True if a request waited for the set-up of its connection.
pub(super) fn waited_for(span: &Span, setup: &Span) -> bool {
    setup.end_ns > span.start_ns && setup.start_ns < acquired(span).unwrap_or(span.end_ns)
}

/// When a request had its connection, if that is told.
fn acquired(span: &Span) -> Option<u64> {
    let wait = span.call.as_ref()?.wait_ns?;
    Some(span.start_ns.saturating_add(wait).min(span.end_ns))
}

/// The parts of establishing a connection that stand below a span.
fn connecting<'a>(trace: &'a Trace, span: &'a Span) -> impl Iterator<Item = Part> + 'a {
    use PhaseKind::{Dns, Tcp, TcpTls, Tls};
    let below = trace.below(span.id);
    below.filter_map(|part| {
        let kind = part.part.filter(|kind| matches!(kind, Dns | Tcp | Tls | TcpTls))?;
        Some(Part { kind, begin: part.start_ns, end: part.end_ns })
    })
}

fn of_call(trace: &Trace, span: &Span, call: &Call, setup: Option<(&Trace, &Span)>) -> Vec<Part> {
    let mut parts = Vec::new();
    if call.limit_ns > 0 {
        let begin = span.start_ns.saturating_sub(call.limit_ns);
        parts.push(Part { kind: PhaseKind::Limit, begin, end: span.start_ns });
    }
    let child = |kind| trace.below(span.id).find(move |below| below.part == Some(kind));
    let wait = child(PhaseKind::Wait);
    // Without an answer and a connection, it waited until the wait ended.
    let got = acquired(span).or_else(|| wait.map(|wait| wait.end_ns));
    let set_up = setup.filter(|(_, setup)| waited_for(span, setup));
    let of_setup = set_up.into_iter().flat_map(|(trace, setup)| connecting(trace, setup));
    let connecting: Vec<Part> = connecting(trace, span).chain(of_setup).collect();
    // Where a connect failed, or its sender does not tell of waits, it had none before the last part of that ended.
    let connected = || connecting.iter().map(|part| part.end).max();
    let got = got.or_else(connected).unwrap_or(span.start_ns).clamp(span.start_ns, span.end_ns);
    waiting(&mut parts, span.start_ns, got, connecting);
    let head = call.headers_ns.map(|after| span.start_ns.saturating_add(after));
    let head = head.or_else(|| child(PhaseKind::Body).map(|body| body.start_ns));
    match head.map(|head| head.clamp(got, span.end_ns)) {
        Some(head) => {
            parts.push(Part { kind: PhaseKind::Headers, begin: got, end: head });
            parts.push(Part { kind: PhaseKind::Body, begin: head, end: span.end_ns });
        }
        None => parts.push(Part { kind: PhaseKind::Exchange, begin: got, end: span.end_ns }),
    }
    parts
}

/// The time from `begin` to `end`, in which a request had no connection: the parts of connects that lie in it, and
/// between them the wait.
fn waiting(parts: &mut Vec<Part>, begin: u64, end: u64, mut connecting: Vec<Part>) {
    connecting.sort_by_key(|part| part.begin);
    let mut at = begin;
    for part in connecting {
        let (from, to) = (part.begin.clamp(at, end), part.end.clamp(at, end));
        if to > from {
            parts.push(Part { kind: PhaseKind::Wait, begin: at, end: from });
            parts.push(Part { kind: part.kind, begin: from, end: to });
            at = to;
        }
    }
    parts.push(Part { kind: PhaseKind::Wait, begin: at, end });
}
