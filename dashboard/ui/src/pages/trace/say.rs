//! What is said of a trace and of its spans. Pure.

use poolscope_wire::{Call, ClockShift, Span, SpanKind, TraceDetail};

use crate::components::phases;
use crate::pages::traces::say;
use crate::{format, words};

/// One sentence for all of it.
#[must_use]
pub fn verdict(detail: &TraceDetail) -> String {
    let took = format!("took {}", format::duration(say::took_s(&detail.summary)));
    let what = if detail.is_set_up { "setting up the connection" } else { "it" };
    let sentence = say::sentence(&detail.summary);
    match sentence.as_str() {
        "" => format!("{what} {took}"),
        _ if detail.is_set_up => format!("{what} {took} \u{b7} {sentence}"),
        _ => format!("{took} \u{b7} {sentence}"),
    }
}

/// True if a span is drawn as a part of the one above it.
#[must_use]
pub fn is_drawn_above(span: &Span, spans: &[Span]) -> bool {
    let above = || spans.iter().find(|above| Some(&above.span_id) == span.parent.as_ref());
    span.part.is_some() && above().is_some_and(|above| !above.phases.is_empty())
}

/// How many spans there are, and how many of them have no row of their own.
#[must_use]
pub fn counted(detail: &TraceDetail) -> String {
    let all = format::counted(detail.summary.spans, "span", "spans");
    match detail.spans.iter().filter(|span| is_drawn_above(span, &detail.spans)).count() {
        0 => all,
        within => format!("{all}, {} of them drawn as a part of another", format::count(within as u64)),
    }
}

/// When a span began, and how long it took; a request with its wait under a limit.
#[must_use]
pub fn whole(span: &Span) -> (f64, f64) {
    phases::whole(&span.phases, span.start_s, span.duration_s)
}

/// What must be known to read the picture rightly.
#[must_use]
pub fn notices(detail: &TraceDetail) -> Vec<String> {
    let mut notices = Vec::new();
    if detail.root_missing {
        notices.push(
            "The span that this trace begins with is not here: it has not ended yet, is sent elsewhere, or is not sampled."
                .to_owned(),
        );
    }
    let orphans = detail.spans.iter().filter(|span| span.parent_missing).count() as u64;
    if orphans > 0 && !detail.root_missing {
        let spans = format::counted(orphans, "span stands", "spans stand");
        notices.push(format!("{spans} alone, because what is above has not come (yet)."));
    }
    if detail.dropped_spans > 0 {
        let spans = format::counted(detail.dropped_spans, "span", "spans");
        notices.push(format!(
            "There was no room for {spans} more; a trace keeps more with --max-trace-spans and --max-trace-bytes."
        ));
    }
    if detail.evicted_before {
        notices.push("Earlier spans of it have made room for other traces.".to_owned());
    }
    notices.extend(detail.clocks.iter().map(clock));
    if let Some(off_s) = detail.clock_off_s {
        let way = if off_s > 0.0 { "ahead of" } else { "behind" };
        let off = format::duration(off_s.abs());
        notices.push(format!(
            "The clock of its sender is {off} {way} the server's; it is listed at the time at which it came."
        ));
    }
    notices
}

fn clock(shift: &ClockShift) -> String {
    let way = if shift.shift_s > 0.0 { "behind" } else { "ahead of" };
    let off = format::duration(shift.shift_s.abs());
    format!(
        "The clock of {} {} is about {off} {way} that of its caller; its spans are shifted so that they fit.",
        shift.service, shift.instance
    )
}

/// Why a span failed; `None` if it did not.
#[must_use]
pub fn failure(span: &Span) -> Option<String> {
    if !span.failed {
        return None;
    }
    let error = say::failure(span.error.as_deref().unwrap_or_default());
    let text = span.error_text.as_deref().filter(|text| Some(*text) != span.error.as_deref());
    Some(text.map_or_else(|| error.clone(), |text| format!("{error} ({text})")))
}

/// What stands beside the name of a span.
#[must_use]
pub fn beside(span: &Span) -> String {
    let mut parts = Vec::new();
    if let Some(call) = &span.call {
        if call.attempt > 1 {
            parts.push(format!("attempt {}", call.attempt));
        }
        if let Some(code) = call.status_code {
            parts.push(format!("status {code}"));
        }
    }
    parts.extend(failure(span).filter(|_| !tells_status(span)));
    if span.call.is_none() {
        parts.extend(match span.kind {
            SpanKind::Internal => None,
            SpanKind::Server => Some("answers".to_owned()),
            SpanKind::Client => Some("calls".to_owned()),
            SpanKind::Producer => Some("sends".to_owned()),
            SpanKind::Consumer => Some("takes".to_owned()),
        });
    }
    parts.join(" \u{b7} ")
}

/// True if the failure of a span is its status code, and nothing more is said of it.
fn tells_status(span: &Span) -> bool {
    let code = span.call.as_ref().and_then(|call| call.status_code).map(|code| code.to_string());
    code.is_some() && code == span.error && span.error_text.is_none()
}

/// How a request got its connection, before and after the links to that and to its set-up.
#[must_use]
pub fn served(call: &Call) -> Option<(String, String)> {
    call.connection?;
    let set_up = call.set_up.as_ref();
    let parts = set_up.map(|set_up| phases::sentence(&set_up.phases)).filter(|parts| !parts.is_empty());
    let took = |parts: Option<String>, seconds: f64| parts.unwrap_or_else(|| format::duration(seconds));
    let after = match set_up {
        Some(set_up) if set_up.waited_for => {
            format!("opened for it ({})", took(parts, set_up.duration_s))
        }
        Some(set_up) => {
            let idle = call.idle_s.map(|idle| format!(", idle for {}", format::duration(idle)));
            format!("opened {} before{}", format::duration(set_up.opened_before_s), idle.unwrap_or_default())
        }
        None => {
            let how = call.acquire.as_deref().map(words::acquire_outcome).unwrap_or_default();
            let idle = call.idle_s.map(|idle| format!(", idle for {}", format::duration(idle)));
            format!("{how}{}; its set-up is not kept", idle.unwrap_or_default())
        }
    };
    let before = if call.stale { "given a connection that the peer had closed:" } else { "served by" };
    Some((before.to_owned(), after))
}

/// Fractions of the extent at which the axis has its ticks, with their words.
#[must_use]
pub fn ticks(extent_s: f64) -> [(f64, String); 5] {
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, format::duration(extent_s * share)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_wire::{ConnectionSetUp, Phase, PhaseKind};

    #[test]
    fn an_attempt_says_which_it_is_and_how_it_ended() {
        let call = Call { attempt: 2, status_code: Some(503), ..Call::default() };
        let mut span = Span { failed: true, error: Some("503".into()), call: Some(call), ..Span::default() };
        assert_eq!(beside(&span), "attempt 2 \u{b7} status 503");
        span.error = Some("timeout".into());
        span.error_text = Some("deadline of 1 s".into());
        assert_eq!(beside(&span), "attempt 2 \u{b7} status 503 \u{b7} failed: timeout (deadline of 1 s)");
        assert_eq!(failure(&Span::default()), None);
    }

    #[test]
    fn the_connection_tells_whether_its_set_up_was_waited_for() {
        let phases = vec![Phase { kind: PhaseKind::Dns, start_s: 0.0, duration_s: 0.025 }];
        let set_up = ConnectionSetUp { waited_for: true, phases, ..ConnectionSetUp::default() };
        let mut call = Call { connection: Some(812), set_up: Some(set_up), ..Call::default() };
        let after = |call: &Call| served(call).unwrap().1;
        assert_eq!(after(&call), "opened for it (dns 25 ms)");
        call.idle_s = Some(2.0);
        if let Some(set_up) = &mut call.set_up {
            set_up.waited_for = false;
            set_up.opened_before_s = 240.0;
        }
        assert_eq!(after(&call), "opened 4 min before, idle for 2 s");
        call.set_up = None;
        call.acquire = Some("reused".into());
        assert_eq!(after(&call), "idle connection reused, idle for 2 s; its set-up is not kept");
        assert_eq!(served(&Call::default()), None);
    }

    #[test]
    fn what_is_missing_or_shifted_is_told() {
        let shift = ClockShift { service: "pay".into(), instance: "one".into(), shift_s: -3.2 };
        let detail = TraceDetail {
            root_missing: true,
            dropped_spans: 1,
            clocks: vec![shift],
            clock_off_s: Some(3_600.0),
            ..TraceDetail::default()
        };
        let notices = notices(&detail);
        assert_eq!(notices.len(), 4);
        assert!(notices[1].contains("no room for 1 span more"), "{notices:?}");
        assert!(notices[2].contains("pay one is about 3.2 s ahead of that of its caller"), "{notices:?}");
        assert!(notices[3].contains("1 h ahead of the server's"), "{notices:?}");
    }

    #[test]
    fn a_part_has_a_row_of_its_own_only_where_it_is_not_drawn_above() {
        let part = Span { parent: Some("a".into()), part: Some(PhaseKind::Wait), ..Span::default() };
        let phases = vec![Phase { kind: PhaseKind::Wait, start_s: 0.0, duration_s: 1.0 }];
        let request = Span { span_id: "a".into(), phases, ..Span::default() };
        assert!(is_drawn_above(&part, std::slice::from_ref(&request)));
        assert!(!is_drawn_above(&part, &[]));
        assert!(!is_drawn_above(&part, &[Span { phases: Vec::new(), ..request.clone() }]));
        assert!(!is_drawn_above(&request, &[]));
    }

    #[test]
    fn spans_without_a_row_of_their_own_are_told() {
        let phases = vec![Phase { kind: PhaseKind::Wait, start_s: 0.0, duration_s: 1.0 }];
        let request = Span { span_id: "a".into(), phases, ..Span::default() };
        let part = Span { parent: Some("a".into()), part: Some(PhaseKind::Wait), ..Span::default() };
        let mut detail =
            TraceDetail { spans: vec![Span::default(), request, part], ..TraceDetail::default() };
        detail.summary.spans = 3;
        assert_eq!(counted(&detail), "3 spans, 1 of them drawn as a part of another");
        detail.spans.pop();
        detail.summary.spans = 2;
        assert_eq!(counted(&detail), "2 spans");
    }

    #[test]
    fn what_is_said_of_a_request_is_as_long_as_its_bar() {
        let limit = Phase { kind: PhaseKind::Limit, start_s: 0.0, duration_s: 0.335 };
        let rest = Phase { kind: PhaseKind::Exchange, start_s: 0.335, duration_s: 0.431 };
        let request =
            Span { start_s: 0.335, duration_s: 0.431, phases: vec![limit, rest], ..Span::default() };
        let (start_s, took_s) = whole(&request);
        assert_eq!((start_s, format::duration(took_s).as_str()), (0.0, "766 ms"));
        let mut detail = TraceDetail::default();
        detail.summary.duration_s = 0.431;
        detail.summary.phases =
            [limit, rest].map(|phase| Phase { start_s: phase.start_s - 0.335, ..phase }).into();
        assert!(verdict(&detail).starts_with("took 766 ms"), "{}", verdict(&detail));
    }
}
