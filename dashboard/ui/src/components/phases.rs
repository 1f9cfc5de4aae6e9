//! Parts of a request: their words, and how they are drawn.

use leptos::prelude::*;
use poolscope_wire::{Phase, PhaseKind};

use crate::format;

/// Parts that are at least this share of what is drawn have room for their words.
const ROOM_FOR_WORDS: f64 = 0.09;

/// Below this share a narrow screen has no room for them.
const TIGHT: f64 = 0.34;

/// What is no further apart follows one on the other: the times are sums of fractions.
const NEXT_S: f64 = 1e-6;

/// Every part, in the order in which they come.
pub const KINDS: [PhaseKind; 9] = [
    PhaseKind::Limit,
    PhaseKind::Wait,
    PhaseKind::Dns,
    PhaseKind::Tcp,
    PhaseKind::Tls,
    PhaseKind::TcpTls,
    PhaseKind::Headers,
    PhaseKind::Body,
    PhaseKind::Exchange,
];

/// The word of a part, which goes with its colour.
#[must_use]
pub fn word(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Limit => "limit",
        PhaseKind::Wait => "wait",
        PhaseKind::Dns => "dns",
        PhaseKind::Tcp => "tcp",
        PhaseKind::Tls => "tls",
        PhaseKind::TcpTls => "tcp and tls",
        PhaseKind::Headers => "headers",
        PhaseKind::Body => "body",
        PhaseKind::Exchange => "answer",
    }
}

/// What happens in a part.
#[must_use]
pub fn meaning(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Limit => "waiting for its turn under the limit",
        PhaseKind::Wait => "waiting for a connection",
        PhaseKind::Dns => "looking up the name",
        PhaseKind::Tcp => "connecting the transport",
        PhaseKind::Tls => "in the TLS handshake",
        PhaseKind::TcpTls => "connecting transport and TLS",
        PhaseKind::Headers => "waiting for the head of the answer",
        PhaseKind::Body => "reading the body of the answer",
        PhaseKind::Exchange => "waiting for the answer and reading it",
    }
}

/// The class that gives a part its colour and pattern.
#[must_use]
pub fn class(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Limit => "ph-limit",
        PhaseKind::Wait => "ph-wait",
        PhaseKind::Dns => "ph-dns",
        PhaseKind::Tcp => "ph-tcp",
        PhaseKind::Tls | PhaseKind::TcpTls => "ph-tls",
        PhaseKind::Headers => "ph-headers",
        PhaseKind::Body => "ph-body",
        PhaseKind::Exchange => "ph-exchange",
    }
}

/// When something with parts began, and how long it took in all: the wait for its turn under a limit comes before the span of
/// a request.
#[must_use]
pub fn whole(phases: &[Phase], start_s: f64, duration_s: f64) -> (f64, f64) {
    let is_before = |phase: &&Phase| {
        let is_next = (phase.start_s + phase.duration_s - start_s).abs() < NEXT_S;
        phase.kind == PhaseKind::Limit && is_next
    };
    let before_s = phases.iter().filter(is_before).map(|phase| phase.duration_s).fold(0.0, f64::max);
    (start_s - before_s, duration_s + before_s)
}

/// How long each part took altogether, in the order in which they come; parts that are not there are left out.
#[must_use]
pub fn totals(phases: &[Phase]) -> Vec<(PhaseKind, f64)> {
    let total = |kind: PhaseKind| {
        let of_kind = phases.iter().filter(|phase| phase.kind == kind);
        of_kind.map(|phase| phase.duration_s).sum::<f64>()
    };
    KINDS.into_iter().map(|kind| (kind, total(kind))).filter(|(_, seconds)| *seconds > 0.0).collect()
}

/// The part that took most of the time, if one took at least two fifths of it.
#[must_use]
pub fn longest(phases: &[Phase]) -> Option<(PhaseKind, f64)> {
    let totals = totals(phases);
    let all: f64 = totals.iter().map(|(_, seconds)| seconds).sum();
    let longest = totals.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (longest.1 >= all * 0.4).then_some(longest)
}

/// All parts in words, such as `wait 1.2 s, headers 20 ms`.
#[must_use]
pub fn sentence(phases: &[Phase]) -> String {
    let part = |(kind, seconds)| format!("{} {}", word(kind), format::duration(seconds));
    totals(phases).into_iter().map(part).collect::<Vec<_>>().join(", ")
}

/// A share of what is drawn, as the browser wants it.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.3}%", share.clamp(0.0, 1.0) * 100.0)
}

/// The parts beside each other, each where it was between `from_s` and `from_s + extent_s`.
pub fn segments(phases: &[Phase], from_s: f64, extent_s: f64) -> AnyView {
    let extent_s = extent_s.max(1e-9);
    let segment = |phase: &Phase| {
        let share = phase.duration_s / extent_s;
        let text = format!("{} {}", word(phase.kind), format::duration(phase.duration_s));
        let title = format!("{}: {}", meaning(phase.kind), format::duration(phase.duration_s));
        let words = (share >= ROOM_FOR_WORDS).then_some(text);
        let tight = if share < TIGHT { " tight" } else { "" };
        let left = percent((phase.start_s - from_s) / extent_s);
        view! {
            <i class=format!("segment {}{tight}", class(phase.kind)) title=title style:left=left style:width=percent(share)>{words}</i>
        }
    };
    phases.iter().map(segment).collect_view().into_any()
}

/// Which colour is which part, and how long each took altogether.
pub fn legend(phases: &[Phase]) -> AnyView {
    let item = |(kind, seconds): (PhaseKind, f64)| {
        view! {
            <li title=meaning(kind)>
                <i class=format!("swatch {}", class(kind)) aria-hidden="true"></i>
                {word(kind)} " " <b>{format::duration(seconds)}</b>
            </li>
        }
    };
    view! { <ul class="legend" aria-label="Parts of its requests">{totals(phases).into_iter().map(item).collect_view()}</ul> }
        .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(kind: PhaseKind, duration_s: f64) -> Phase {
        Phase { kind, start_s: 0.0, duration_s }
    }

    #[test]
    fn parts_are_summed_and_told_in_the_order_in_which_they_come() {
        let phases = [
            phase(PhaseKind::Headers, 0.02),
            phase(PhaseKind::Wait, 1.0),
            phase(PhaseKind::Dns, 0.0),
            phase(PhaseKind::Wait, 0.2),
        ];
        assert_eq!(sentence(&phases), "wait 1.2 s, headers 20 ms");
        assert_eq!(longest(&phases).map(|(kind, _)| kind), Some(PhaseKind::Wait));
    }

    #[test]
    fn the_wait_under_a_limit_is_a_part_of_the_whole() {
        let limit = Phase { kind: PhaseKind::Limit, start_s: -0.335, duration_s: 0.335 };
        let rest = Phase { kind: PhaseKind::Exchange, start_s: 0.0, duration_s: 0.431 };
        let (from_s, took_s) = whole(&[limit, rest], 0.0, 0.431);
        assert_eq!((from_s, format::duration(took_s).as_str()), (-0.335, "766 ms"));
        let all: f64 = [limit, rest].iter().map(|phase| phase.duration_s).sum();
        assert!((took_s - all).abs() < 1e-9, "its parts are as long as it");
        assert_eq!(whole(&[rest], 0.0, 0.431), (0.0, 0.431));
        let within = Phase { start_s: 0.1, ..limit };
        assert_eq!(whole(&[within], 0.0, 0.8), (0.0, 0.8), "that of a request below it");
        let elsewhere = Phase { start_s: -3_600.0, ..limit };
        assert_eq!(whole(&[elsewhere], 0.0, 0.8), (0.0, 0.8), "another clock");
    }

    #[test]
    fn no_part_is_the_longest_where_all_are_alike() {
        let thirds = [PhaseKind::Wait, PhaseKind::Headers, PhaseKind::Body].map(|kind| phase(kind, 1.0));
        assert_eq!(longest(&thirds), None);
        assert_eq!(longest(&[]), None);
    }

    #[test]
    fn what_lies_outside_is_drawn_at_the_edge() {
        assert_eq!(percent(-3.0), "0.000%");
        assert_eq!(percent(f64::INFINITY), "100.000%");
    }
}
