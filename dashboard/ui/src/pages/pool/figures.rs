//! The figures in the head of the page of a pool.

use poolscope_wire::{Connections, PoolDetail, PoolSummary};

use crate::format;

/// A figure of a pool, read from what tells it; one that is not told has no place.
#[derive(Debug)]
pub struct Figure<T> {
    /// What tests find it by.
    pub testid: &'static str,
    /// Its name.
    pub label: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its value; `None` if it has no place.
    pub read: fn(&T) -> Option<String>,
}

/// What holds now.
pub const NOW: [Figure<PoolSummary>; 12] = [
    Figure {
        testid: "pool-active",
        label: "in use",
        about: "Connections with at least one request",
        read: |pool| Some(format::count_or_unknown(pool.now.active)),
    },
    Figure {
        testid: "pool-idle",
        label: "idle",
        about: "Connections without a request",
        read: |pool| {
            Some(
                pool.now
                    .idle
                    .map_or_else(|| format::UNKNOWN.to_owned(), |idle| format!("{}{idle}", tilde(pool))),
            )
        },
    },
    Figure {
        testid: "pool-upgraded",
        label: "upgraded",
        about: "Connections that left HTTP, such as WebSockets",
        read: |pool| pool.now.upgraded.filter(|n| *n > 0).map(|n| format::count(u64::from(n))),
    },
    Figure {
        testid: "pool-connecting",
        label: "connecting",
        about: "Connections that are being established",
        read: |pool| pool.now.connecting.map(|count| format::count(u64::from(count))),
    },
    Figure {
        testid: "pool-pending",
        label: "waiting",
        about: "Requests that wait for a connection",
        read: |pool| Some(format::count_or_unknown(pool.now.pending)),
    },
    Figure {
        testid: "pool-max-open",
        label: "most connections",
        about: "Most connections that the pool opens",
        read: |pool| pool.now.max_open.map(|max| format::count(u64::from(max))),
    },
    Figure {
        testid: "pool-idle-kept",
        label: "idle kept",
        about: "Fewest and most idle connections that the pool keeps",
        read: |pool| kept(pool),
    },
    Figure {
        testid: "pool-limit",
        label: "in flight, of the limit",
        about: "Requests in flight, and the most that the limit lets be",
        read: |pool| pool.now.limit.map(|limit| format!("{} of {}", limit.in_use, limit.max)),
    },
    Figure {
        testid: "pool-leaked",
        label: "leaked",
        about: "Responses that somebody has held for long and does not read, so that their connections serve nobody",
        read: |pool| pool.now.leaked.map(|count| format::count(u64::from(count))),
    },
    Figure {
        testid: "pool-reuse",
        label: "reused, last minute",
        about: "Share of requests that were served by a connection that was open already",
        read: |pool| Some(format::percent_or_unknown(pool.reuse)),
    },
    Figure {
        testid: "pool-wait-p50",
        label: "wait p50",
        about: "Half of the requests of the last minute had a connection within this time",
        read: |pool| Some(format::duration_or_unknown(pool.wait_p50_s)),
    },
    Figure {
        testid: "pool-wait-p99",
        label: "wait p99",
        about: "99 of 100 requests of the last minute had a connection within this time",
        read: |pool| Some(format::duration_or_unknown(pool.wait_p99_s)),
    },
];

/// What was counted since the pool is known: all of it from one answer of the server.
pub const TOTALS: [Figure<PoolDetail>; 13] = [
    Figure {
        testid: "pool-requests-total",
        label: "requests",
        about: "Requests that ended",
        read: |detail| Some(format::total_or_unknown(detail.summary.requests_total)),
    },
    Figure {
        testid: "pool-opened-total",
        label: "opened",
        about: "Connections that were established",
        read: |detail| Some(format::total_or_unknown(detail.summary.opened_total)),
    },
    Figure {
        testid: "pool-closed-total",
        label: "closed",
        about: "Connections that were closed",
        read: |detail| {
            let pool = &detail.summary;
            let total = pool.closed_total.map(|total| format!("{}{}", tilde(pool), format::count(total)));
            Some(total.unwrap_or_else(|| format::UNKNOWN.to_owned()))
        },
    },
    Figure {
        testid: "pool-wasted-total",
        label: "never used",
        about: "Connections that were closed without having served a request: they were set up for nothing",
        read: |detail| total(detail, |connections| connections.wasted),
    },
    Figure {
        testid: "pool-failed-total",
        label: "connects failed",
        about: "Connections that could not be established",
        read: |detail| Some(format::total_or_unknown(detail.summary.failed_total)),
    },
    Figure {
        testid: "pool-abandoned-total",
        label: "connects given up",
        about: "Connects that were given up, because the request that they were made for was dropped",
        read: |detail| total(detail, |connections| connections.abandoned),
    },
    Figure {
        testid: "pool-stale-total",
        label: "hit a stale connection",
        about: "Requests that failed before any answer, because the peer had closed the idle connection that the pool gave them",
        read: |detail| total(detail, |connections| connections.stale_reuse),
    },
    Figure {
        testid: "pool-leaks-total",
        label: "reported as leaked",
        about: "Responses that were held for long and not read, those included that came back",
        read: |detail| total(detail, |connections| connections.leaks),
    },
    Figure {
        testid: "pool-refused-total",
        label: "refused by the limit",
        about: "Requests that found no room under the limit, not even to wait, or not in time",
        read: |detail| total(detail, |connections| connections.refused),
    },
    Figure {
        testid: "pool-timeouts-total",
        label: "waits given up",
        about: "Requests that got no connection in time",
        read: |detail| total(detail, |connections| connections.timeouts),
    },
    Figure {
        testid: "pool-retransmits-total",
        label: "segments resent",
        about: "TCP segments that the kernel sent again, over the connections that are closed",
        read: |detail| total(detail, |connections| connections.retransmits),
    },
    Figure {
        testid: "pool-sent",
        label: "sent",
        about: "Bytes sent over its connections",
        read: |detail| detail.bytes_sent.map(format::bytes),
    },
    Figure {
        testid: "pool-received",
        label: "received",
        about: "Bytes received over its connections",
        read: |detail| detail.bytes_received.map(format::bytes),
    },
];

/// Idle connections that a pool keeps, by what of it is told.
fn kept(pool: &PoolSummary) -> Option<String> {
    match (pool.now.idle_min, pool.now.idle_max) {
        (None, None) => None,
        (Some(min), None) => Some(format!("at least {min}")),
        (None, Some(max)) => Some(format!("at most {max}")),
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
    }
}

fn total(detail: &PoolDetail, read: fn(&Connections) -> Option<u64>) -> Option<String> {
    read(&detail.connections).map(format::count)
}

fn tilde(pool: &PoolSummary) -> &'static str {
    if pool.is_estimated() { "~" } else { "" }
}
