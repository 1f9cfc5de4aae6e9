//! What is said of a connection. Pure.

use poolscope_wire::{ConnectionLane, LaneLeak, LaneState};

use super::geometry::stretch_at;
use crate::{format, words};

/// A connection that was told before this many intervals is not known any more.
const MISSED: u64 = 4;

/// How much somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing to do.
    #[default]
    Fine,
    /// Worth a look.
    Warn,
    /// Requests may suffer.
    Bad,
}

/// A row in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowText {
    /// Its identity.
    pub name: String,
    /// The other end.
    pub peer: String,
    /// How old it is or was.
    pub age: String,
    /// Requests that it served.
    pub requests: String,
    /// Share of the time in which it was in use.
    pub share: String,
    /// What it does, or how it ended.
    pub what: String,
    /// How much somebody should look.
    pub tone: Tone,
}

fn seconds(from_ms: u64, to_ms: u64) -> String {
    format::duration(to_ms.saturating_sub(from_ms) as f64 / 1e3)
}

/// Whole seconds, so that a figure that moves on does not flicker.
fn about(from_ms: u64, to_ms: u64) -> String {
    let ms = to_ms.saturating_sub(from_ms);
    if ms >= 10_000 { format::span(ms / 1_000) } else { seconds(from_ms, to_ms / 100 * 100) }
}

impl RowText {
    /// What is said of a connection at the end of the time in view; `interval_ms` is how often it is told.
    #[must_use]
    pub fn new(lane: &ConnectionLane, to_ms: u64, interval_ms: u64) -> Self {
        let end_ms = lane.closed.as_ref().map_or(lane.seen_ms, |closed| closed.at_ms);
        let end_ms = if is_later(end_ms, to_ms, interval_ms) { to_ms } else { end_ms };
        let (what, tone) = what(lane, to_ms, interval_ms);
        Self {
            name: format!("#{}", lane.id),
            peer: if lane.peer.is_empty() { format::UNKNOWN.to_owned() } else { lane.peer.clone() },
            age: about(lane.opened_ms, end_ms),
            requests: format::count(lane.requests),
            share: format::percent_or_unknown(lane.share),
            what,
            tone,
        }
    }

    /// Everything in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { name, peer, age, requests, share, what, .. } = self;
        format!(
            "Connection {name} to {peer}: {what}. {age} old, {requests} requests in all, in use {share} of this time."
        )
    }
}

/// True if something was after the time in view, and not only told a little later than the newest chart.
fn is_later(at_ms: u64, to_ms: u64, interval_ms: u64) -> bool {
    at_ms > to_ms + MISSED * interval_ms.max(1_000)
}

/// What a connection does, or how it ended; of a time that has passed, what it did at the end of that.
fn what(lane: &ConnectionLane, to_ms: u64, interval_ms: u64) -> (String, Tone) {
    let end_ms = lane.closed.as_ref().map_or(lane.seen_ms, |closed| closed.at_ms);
    if is_later(end_ms, to_ms, interval_ms) {
        return (format!("then {}", at(lane, to_ms)), Tone::Fine);
    }
    if let Some(leak) = lane.leaks.iter().find(|leak| leak.until_ms.is_none()) {
        return (
            format!("held {}: body not read", about(leak.since_ms, lane.seen_ms.max(leak.since_ms))),
            Tone::Bad,
        );
    }
    if let Some(closed) = &lane.closed {
        let tilde = if closed.inferred { "~" } else { "" };
        let reason = words::close_reason(&closed.reason);
        return match lane.wasted {
            true => (format!("never used; {tilde}{reason}"), Tone::Warn),
            false => (
                format!("{tilde}{reason}"),
                if words::close_failed(&closed.reason) { Tone::Bad } else { Tone::Fine },
            ),
        };
    }
    if lane.seen_ms + MISSED * interval_ms.max(1_000) < to_ms {
        return (format!("not told for {}", about(lane.seen_ms, to_ms)), Tone::Warn);
    }
    let since = about(lane.since_ms, lane.seen_ms);
    let text = match lane.state {
        LaneState::Upgraded => format!("upgraded, for {since}"),
        LaneState::Draining if lane.in_flight > 0 => format!("in use for {since}, then it closes"),
        LaneState::Draining => "about to close".to_owned(),
        LaneState::Active if lane.in_flight > 1 => format!("{} requests, for {since}", lane.in_flight),
        LaneState::Active => format!("in use for {since}"),
        LaneState::Idle | LaneState::Closed => format!("idle for {since}"),
    };
    (text, Tone::Fine)
}

/// What a connection did at a moment, with the time for which that holds.
#[must_use]
pub fn at(lane: &ConnectionLane, at_ms: u64) -> String {
    if let Some(closed) = lane.closed.as_ref().filter(|closed| at_ms >= closed.at_ms) {
        return format!(
            "closed at {}: {}",
            format::clock_time(closed.at_ms),
            words::close_reason(&closed.reason)
        );
    }
    let Some((begin_ms, stretch)) = stretch_at(lane, at_ms) else {
        return if at_ms < lane.opened_ms { "not open yet".to_owned() } else { "not told".to_owned() };
    };
    let did = match stretch.state {
        LaneState::Upgraded => "upgraded, no longer HTTP".to_owned(),
        _ if stretch.active_ms == 0 && stretch.requests == 0 => "idle".to_owned(),
        LaneState::Draining => format!("draining, in use {}", format::percent(stretch.share())),
        _ if stretch.share() >= 1.0 => "in use all of the time".to_owned(),
        _ => format!("in use {} of the time", format::percent(stretch.share())),
    };
    let requests = match stretch.requests {
        0 => String::new(),
        requests => format!(", {}", format::counted(requests, "request", "requests")),
    };
    let leak = lane
        .leaks
        .iter()
        .any(|leak| leak.since_ms <= at_ms && leak.until_ms.is_none_or(|until| until > at_ms));
    let leak = if leak { "; held, body not read" } else { "" };
    let end_ms = begin_ms + stretch.length_ms;
    format!(
        "{} \u{2013} {} ({}): {did}{requests}{leak}",
        format::clock_time(begin_ms),
        format::clock_time(end_ms),
        format::duration(stretch.length_ms as f64 / 1e3)
    )
}

/// A leak in words, without its trace.
#[must_use]
pub fn leak(leak: &LaneLeak, seen_ms: u64) -> String {
    let method = if leak.method.is_empty() { "a request" } else { &leak.method };
    let by = if leak.origin.is_empty() { String::new() } else { format!(", taken by {}", leak.origin) };
    let until_ms = leak.until_ms.unwrap_or(seen_ms.max(leak.since_ms));
    let (is, end) = if leak.until_ms.is_some() { ("was", "; it came back") } else { ("is", "") };
    format!(
        "The response to {method} {is} held since {} ({}) and not read{by}{end}",
        format::clock_time(leak.since_ms),
        about(leak.since_ms, until_ms)
    )
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{LaneClose, LaneSegment};

    use super::*;

    fn lane(state: LaneState) -> ConnectionLane {
        ConnectionLane {
            id: 812,
            peer: "10.0.0.7:443".to_owned(),
            opened_ms: 1_000,
            state,
            since_ms: 252_500,
            seen_ms: 253_000,
            requests: 1_381,
            share: Some(0.384),
            start_ms: 1_000,
            segments: vec![
                LaneSegment { length_ms: 251_000, ..LaneSegment::default() },
                LaneSegment { length_ms: 1_000, state: LaneState::Active, active_ms: 384, requests: 4 },
            ],
            ..ConnectionLane::default()
        }
    }

    #[test]
    fn of_a_time_that_has_passed_it_says_what_was_then() {
        let lane = lane(LaneState::Active);
        let (to_ms, interval_ms) = (lane.seen_ms - 60_000, 1_000);
        let (then, _) = what(&lane, to_ms, interval_ms);
        assert!(then.starts_with("then "), "{then}");
        let closed = LaneClose { at_ms: lane.seen_ms, ..Default::default() };
        let closed = ConnectionLane { closed: Some(closed), ..lane };
        assert!(what(&closed, to_ms, interval_ms).0.starts_with("then "), "it closed after that");
        assert_eq!(RowText::new(&closed, to_ms, interval_ms).age, about(closed.opened_ms, to_ms));
    }

    fn what_of(lane: &ConnectionLane) -> (String, Tone) {
        what(lane, 253_500, 1_000)
    }

    #[test]
    fn a_row_says_what_the_connection_does() {
        let text = RowText::new(&lane(LaneState::Idle), 253_500, 1_000);
        assert_eq!(
            text.sentence(),
            "Connection #812 to 10.0.0.7:443: idle for 500 ms. 4 min 12 s old, 1,381 requests in all, in use 38.4 % of this time."
        );
        let active = ConnectionLane { in_flight: 1, since_ms: 219_000, ..lane(LaneState::Active) };
        assert_eq!(what_of(&active), ("in use for 34 s".to_owned(), Tone::Fine));
        assert_eq!(what_of(&ConnectionLane { in_flight: 12, ..active.clone() }).0, "12 requests, for 34 s");
        assert_eq!(what(&active, 300_000, 1_000), ("not told for 47 s".to_owned(), Tone::Warn));
        assert_eq!(what_of(&lane(LaneState::Draining)).0, "about to close");
    }

    #[test]
    fn an_end_tells_its_reason_and_a_leak_comes_before_everything() {
        let closed = |reason: &str, wasted, inferred| ConnectionLane {
            closed: Some(LaneClose { at_ms: 253_000, reason: reason.to_owned(), inferred }),
            wasted,
            ..lane(LaneState::Closed)
        };
        assert_eq!(
            what_of(&closed("peer_closed_idle", false, false)),
            ("peer closed it while idle".to_owned(), Tone::Fine)
        );
        assert_eq!(what_of(&closed("reset", false, true)), ("~peer reset it".to_owned(), Tone::Bad));
        assert_eq!(
            what_of(&closed("idle_timeout", true, false)),
            ("never used; idle for too long".to_owned(), Tone::Warn)
        );
        let held = LaneLeak {
            since_ms: 219_000,
            method: "GET".to_owned(),
            origin: "src/orders.rs:88".to_owned(),
            ..LaneLeak::default()
        };
        let leaked = ConnectionLane { leaks: vec![held.clone()], ..lane(LaneState::Active) };
        assert_eq!(what_of(&leaked), ("held 34 s: body not read".to_owned(), Tone::Bad));
        assert_eq!(
            leak(&held, 253_000),
            "The response to GET is held since 00:03:39 (34 s) and not read, taken by src/orders.rs:88"
        );
        assert!(leak(&LaneLeak { until_ms: Some(220_000), ..held }, 253_000).ends_with("; it came back"));
    }

    #[test]
    fn a_moment_is_told_with_the_time_for_which_it_holds() {
        let lane = lane(LaneState::Idle);
        assert_eq!(at(&lane, 500), "not open yet");
        assert_eq!(at(&lane, 2_000), "00:00:01 \u{2013} 00:04:12 (4 min 11 s): idle");
        assert_eq!(
            at(&lane, 252_500),
            "00:04:12 \u{2013} 00:04:13 (1 s): in use 38.4 % of the time, 4 requests"
        );
        assert_eq!(at(&lane, 254_000), "not told");
        let closed = LaneClose { at_ms: 253_000, reason: "goaway".to_owned(), inferred: false };
        let closed = ConnectionLane { closed: Some(closed), ..lane };
        assert_eq!(at(&closed, 254_000), "closed at 00:04:13: peer takes no more streams");
    }
}
