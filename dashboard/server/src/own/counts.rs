//! Counters that only rise. Each stands for itself, so no order between them is promised.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use poolscope_wire::Received;

/// What a request of OTLP carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SignalKind {
    Metrics,
    Traces,
    Logs,
}

impl SignalKind {
    pub(crate) const ALL: [Self; 3] = [Self::Metrics, Self::Traces, Self::Logs];

    /// As a label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }
}

/// Why a request of OTLP was refused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    Malformed,
    TooLarge,
    Type,
    Key,
    Host,
    Busy,
    Slow,
    Other,
}

impl Reason {
    pub(crate) const ALL: [Self; 8] = [
        Self::Malformed,
        Self::TooLarge,
        Self::Type,
        Self::Key,
        Self::Host,
        Self::Busy,
        Self::Slow,
        Self::Other,
    ];

    /// As a label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Type => "unsupported_type",
            Self::Key => "no_key",
            Self::Host => "unknown_host",
            Self::Busy => "busy",
            Self::Slow => "slow",
            Self::Other => "other",
        }
    }

    /// As a person would say it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Malformed => "not OTLP",
            Self::TooLarge => "too large",
            Self::Type => "of a type or compression that is not taken",
            Self::Key => "without a key that is taken",
            Self::Host => "to a host name that is not allowed",
            Self::Busy => "while too many others were read",
            Self::Slow => "too slow",
            Self::Other => "for other reasons",
        }
    }
}

const REASONS: usize = Reason::ALL.len();

/// Why a request was turned away at the door, before anything looked at what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AtDoor {
    Host,
    Site,
}

impl AtDoor {
    pub(crate) const ALL: [Self; 2] = [Self::Host, Self::Site];

    /// As a label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Host => "unknown_host",
            Self::Site => "other_site",
        }
    }

    /// As a person would say it. What names the host is the asker's, so it is not told.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Host => "to a host name that is not allowed; --allowed-host adds one",
            Self::Site => "from a page of another site",
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    signals: [OfSignal; SignalKind::ALL.len()],
    at_door: [AtomicU64; AtDoor::ALL.len()],
    refused_streams: AtomicU64,
    large_heads: AtomicU64,
    large_bodies: AtomicU64,
    wide_histograms: AtomicU64,
}

#[derive(Debug, Default)]
struct OfSignal {
    requests: AtomicU64,
    items: AtomicU64,
    rejected: AtomicU64,
    refused: [AtomicU64; REASONS],
}

/// What is known of one signal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignalCounts {
    pub(crate) kind: SignalKind,
    pub(crate) requests: u64,
    pub(crate) items: u64,
    pub(crate) rejected: u64,
    pub(crate) refused: [u64; REASONS],
}

impl Counts {
    /// A request was taken with so many items, and so many others of its items were rejected.
    pub(crate) fn taken(&self, kind: SignalKind, items: u64, rejected: u64) {
        let of = &self.signals[kind as usize];
        of.requests.fetch_add(1, Relaxed);
        of.items.fetch_add(items, Relaxed);
        of.rejected.fetch_add(rejected, Relaxed);
    }

    /// A request was refused as a whole.
    pub(crate) fn refused(&self, kind: SignalKind, why: Reason) {
        self.signals[kind as usize].refused[why as usize].fetch_add(1, Relaxed);
    }

    /// A request was turned away that is none of OTLP.
    pub(crate) fn turned_away(&self, why: AtDoor) {
        self.at_door[why as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn all_turned_away(&self, why: AtDoor) -> u64 {
        self.at_door[why as usize].load(Relaxed)
    }

    /// A listener of the live stream was turned away.
    pub(crate) fn refused_stream(&self) {
        self.refused_streams.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused_streams(&self) -> u64 {
        self.refused_streams.load(Relaxed)
    }

    /// The head of a request was too large.
    pub(crate) fn large_head(&self) {
        self.large_heads.fetch_add(1, Relaxed);
    }

    pub(crate) fn large_heads(&self) -> u64 {
        self.large_heads.load(Relaxed)
    }

    /// The body of a request over HTTP was too large as it travels.
    pub(crate) fn large_body(&self) {
        self.large_bodies.fetch_add(1, Relaxed);
    }

    pub(crate) fn large_bodies(&self) -> u64 {
        self.large_bodies.load(Relaxed)
    }

    /// Requests whose body was small enough as it travels and then was too large, or held too much.
    pub(crate) fn large_inflated_bodies(&self) -> u64 {
        self.refused_for(Reason::TooLarge).saturating_sub(self.large_bodies())
    }

    /// So many histograms had too many buckets.
    pub(crate) fn wide_histograms(&self, count: u64) {
        self.wide_histograms.fetch_add(count, Relaxed);
    }

    pub(crate) fn all_wide_histograms(&self) -> u64 {
        self.wide_histograms.load(Relaxed)
    }

    pub(crate) fn signals(&self) -> [SignalCounts; 3] {
        SignalKind::ALL.map(|kind| {
            let of = &self.signals[kind as usize];
            SignalCounts {
                kind,
                requests: of.requests.load(Relaxed),
                items: of.items.load(Relaxed),
                rejected: of.rejected.load(Relaxed),
                refused: Reason::ALL.map(|why| of.refused[why as usize].load(Relaxed)),
            }
        })
    }

    /// Requests that were refused for a reason, of all signals.
    pub(crate) fn refused_for(&self, why: Reason) -> u64 {
        self.signals.iter().map(|of| of.refused[why as usize].load(Relaxed)).sum()
    }

    pub(crate) fn received(&self) -> Received {
        let signals = self.signals();
        let [metrics, traces, logs] = &signals;
        Received {
            requests: signals.iter().map(|of| of.requests).sum(),
            refused_requests: signals.iter().flat_map(|of| of.refused).sum(),
            metric_points: metrics.items,
            spans: traces.items,
            log_records: logs.items,
            rejected_items: signals.iter().map(|of| of.rejected).sum(),
        }
    }
}
