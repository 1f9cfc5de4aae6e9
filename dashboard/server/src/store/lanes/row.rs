//! A row of `poolscope.pool.connections`, as the telemetry contract has it.

use poolscope_wire::LaneState;

/// Longer is no address.
const MAX_PEER_BYTES: usize = 64;
/// Three hundred years in seconds: no connection is older.
const MAX_SECONDS: f64 = 1e10;

/// What a sender tells of one connection at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) id: u64,
    pub(super) state: LaneState,
    pub(super) in_flight: u64,
    pub(super) age_ms: u64,
    /// Time in which it is idle or in use without a break.
    pub(super) for_ms: u64,
    pub(super) requests: u64,
    /// All time in which it was in use.
    pub(super) active_ms: u64,
    /// Empty if it is not known.
    pub(super) peer: &'a str,
}

impl<'a> Row<'a> {
    /// Reads a row. `None` if it is none; what a later version appends is left alone.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let id = words.next()?.parse().ok()?;
        let state = match words.next()? {
            "idle" => LaneState::Idle,
            "active" => LaneState::Active,
            "draining" => LaneState::Draining,
            "upgraded" => LaneState::Upgraded,
            _ => return None,
        };
        let in_flight = words.next()?.parse().ok()?;
        let age_ms = millis(words.next()?)?;
        let for_ms = millis(words.next()?)?;
        let requests = words.next()?.parse().ok()?;
        let active_ms = millis(words.next()?)?;
        let peer = words.next()?;
        let peer = if peer == "-" || peer.len() > MAX_PEER_BYTES { "" } else { peer };
        // Nothing was done for longer than there is.
        let (for_ms, active_ms) = (for_ms.min(age_ms), active_ms.min(age_ms));
        Some(Self { id, state, in_flight, age_ms, for_ms, requests, active_ms, peer })
    }
}

fn millis(seconds: &str) -> Option<u64> {
    let seconds: f64 = seconds.parse().ok()?;
    (0.0..=MAX_SECONDS).contains(&seconds).then_some((seconds * 1e3).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_the_contract_has_it() {
        let row = Row::parse("17 idle 0 72.400 2.500 40 31.200 10.0.0.7:443").unwrap();
        let expected = Row {
            id: 17,
            state: LaneState::Idle,
            in_flight: 0,
            age_ms: 72_400,
            for_ms: 2_500,
            requests: 40,
            active_ms: 31_200,
            peer: "10.0.0.7:443",
        };
        assert_eq!(row, expected);
        let later = Row::parse("17 draining 1 1 1 1 1 - and more").unwrap();
        assert_eq!((later.state, later.peer), (LaneState::Draining, ""));
    }

    #[test]
    fn what_is_no_row_is_none() {
        let long = "x".repeat(100_000);
        let odd = [
            "",
            "17",
            "17 idle 2.5 40",
            "-1 idle 0 1 1 1 1 -",
            "17 asleep 0 1 1 1 1 -",
            "17 idle 0 NaN 1 1 1 -",
            "17 idle 0 inf 1 1 1 -",
            "17 idle 0 -1 1 1 1 -",
            "17 idle 0 1e300 1 1 1 -",
            "99999999999999999999 idle 0 1 1 1 1 -",
            "17 idle 0 1 1 1 1",
            long.as_str(),
        ];
        for text in odd {
            assert_eq!(Row::parse(text), None, "{}", &text[..text.len().min(40)]);
        }
        let name = format!("17 idle 0 1 5 1 9 {long}");
        let row = Row::parse(&name).unwrap();
        assert_eq!((row.peer, row.for_ms, row.active_ms), ("", 1_000, 1_000));
    }
}
