//! What the connections of a pool have been like, as rows. Pure.

use poolscope_wire::{CountByReason, PoolDetail};

use crate::{
    components::{
        counts::{self, CountRow},
        spreads::SpreadRow,
    },
    format, words,
};

/// Connects that failed, by error and part.
pub fn failures(detail: &PoolDetail) -> Vec<CountRow> {
    let rows: Vec<_> = detail
        .failures
        .iter()
        .map(|failed| CountByReason {
            reason: words::failed_connects(failed),
            count: failed.count,
            inferred: false,
        })
        .collect();
    counts::rows(&rows, str::to_owned, |_| true)
}

/// The time that it takes to establish one, by parts.
pub fn set_up(detail: &PoolDetail) -> Vec<SpreadRow> {
    let connections = &detail.connections;
    let parts = connections.phases_s.iter().map(|(phase, spread)| (words::connect_phase(phase), *spread));
    let all: Vec<_> =
        parts.chain(connections.create_s.map(|whole| ("all together".to_owned(), whole))).collect();
    let greatest = all.iter().map(|(_, spread)| spread.p95).fold(0.0, f32::max);
    all.into_iter()
        .map(|(label, spread)| {
            let about = "How long this took for each connection; the mark is the 95th percentile.";
            SpreadRow::new(label, about, spread, format::duration).beside(spread, greatest)
        })
        .collect()
}

/// What they served, how long they rested, and how far away the other side is.
pub fn life(detail: &PoolDetail) -> Vec<SpreadRow> {
    let connections = &detail.connections;
    let rows = [
        (
            "requests until closed",
            "Requests that a connection served until it closed.",
            connections.requests,
            format::number as fn(f64) -> String,
        ),
        (
            "idle before reuse",
            "How long a connection had been idle before it was used again.",
            connections.idle_s,
            format::duration,
        ),
        (
            "round trip",
            "Round trip time of a connection by the kernel, at its close.",
            connections.rtt_s,
            format::duration,
        ),
    ];
    rows.into_iter()
        .filter_map(|(label, about, spread, text)| {
            Some(SpreadRow::new(label.to_owned(), about, spread?, text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Connections, FailedConnects, Spread};

    use super::*;

    #[test]
    fn what_is_not_told_has_no_row() {
        let none = PoolDetail::default();
        assert_eq!((failures(&none).len(), set_up(&none).len(), life(&none).len()), (0, 0, 0));
    }

    #[test]
    fn parts_of_a_connect_are_beside_the_whole() {
        let spread = |p50, p95| Spread { p50, p95, count: 4 };
        let connections = Connections {
            create_s: Some(spread(0.03, 0.04)),
            phases_s: vec![("dns".to_owned(), spread(0.02, 0.03)), ("tcp".to_owned(), spread(0.01, 0.01))],
            rtt_s: Some(spread(0.000_05, 0.000_1)),
            requests: Some(spread(12.0, 40.0)),
            ..Connections::default()
        };
        let failures = vec![FailedConnects { error: "dns".to_owned(), phase: None, count: 3 }];
        let detail = PoolDetail { connections, failures, ..PoolDetail::default() };
        let rows = set_up(&detail);
        let labels: Vec<_> = rows.iter().map(|row| (row.label.as_str(), row.p95.as_str())).collect();
        assert_eq!(labels, [("name look-up", "30 ms"), ("TCP connect", "10 ms"), ("all together", "40 ms")]);
        assert_eq!(rows[2].shares, Some((0.75, 1.0)));
        let life: Vec<_> = life(&detail).into_iter().map(|row| (row.label, row.p50)).collect();
        let expected = [("requests until closed", "12"), ("round trip", "50 \u{b5}s")];
        assert_eq!(life, expected.map(|(label, text)| (label.to_owned(), text.to_owned())));
        let failed = super::failures(&detail);
        assert_eq!(
            (failed[0].label.as_str(), failed[0].count, failed[0].failed),
            ("name not resolved", 3, true)
        );
    }
}
