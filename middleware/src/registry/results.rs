//! Requests of a pool by method, result and protocol: the series of `http.client.request.duration`.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use poolscope_semconv::metric::{self, MetricDef};
use poolscope_semconv::value::{ErrorType, METHOD_OTHER, protocol_version};

use super::exemplar::Traced;
use super::histogram::{Histogram, HistogramSnapshot};
use super::method::KnownMethod;
use super::mirror::{Mirroring, PoolMirrors};
use super::snapshot::ResultSnapshot;
use crate::series::{Labels, owned, with_result};

/// Series of one pool; what comes when all are taken is counted together.
const SLOTS: usize = 64;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Headers came, with this status.
    Status(http::StatusCode),
    /// Headers came that sent the client elsewhere; their status is not told.
    #[cfg(feature = "reqwest")]
    Redirect,
    /// No headers came.
    Error(ErrorType),
}

/// Method, outcome and version packed into one number that is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key(u32);

impl Key {
    const ERROR: u32 = 1 << 16;

    fn new(method: KnownMethod, outcome: Outcome, version: Option<http::Version>) -> Self {
        let outcome = match outcome {
            Outcome::Status(status) => u32::from(status.as_u16()),
            #[cfg(feature = "reqwest")]
            Outcome::Redirect => 0,
            Outcome::Error(error) => Self::ERROR | error.index() as u32,
        };
        let version = match version {
            None => 0,
            Some(http::Version::HTTP_10) => 1,
            Some(http::Version::HTTP_2) => 3,
            Some(http::Version::HTTP_3) => 4,
            Some(_) => 2,
        };
        Self(outcome | u32::from(method.bits()) << 17 | version << 22 | 1 << 31)
    }

    fn method(self) -> &'static str {
        KnownMethod::from_bits(((self.0 >> 17) & 0x1f) as u8).as_str()
    }

    fn status(self) -> Option<u16> {
        (self.0 & Self::ERROR == 0).then_some((self.0 & 0xffff) as u16).filter(|status| *status > 0)
    }

    fn error_type(self) -> Option<ErrorType> {
        (self.0 & Self::ERROR != 0).then(|| ErrorType::ALL[(self.0 & 0xffff) as usize])
    }

    fn protocol(self) -> Option<&'static str> {
        match (self.0 >> 22) & 0x7 {
            1 => Some(protocol_version::HTTP_1_0),
            2 => Some(protocol_version::HTTP_1_1),
            3 => Some(protocol_version::HTTP_2),
            4 => Some(protocol_version::HTTP_3),
            _ => None,
        }
    }

    fn row(self, duration: HistogramSnapshot) -> ResultSnapshot {
        ResultSnapshot {
            method: self.method(),
            status: self.status(),
            error_type: self.error_type(),
            protocol: self.protocol(),
            overflow: false,
            duration,
        }
    }
}

/// The row of all results that have no series of their own.
fn overflow_row(duration: HistogramSnapshot) -> ResultSnapshot {
    ResultSnapshot {
        method: METHOD_OTHER,
        status: None,
        error_type: None,
        protocol: None,
        overflow: true,
        duration,
    }
}

/// A key with one result.
type WithResult = for<'a> fn(&Labels<'a>, &ResultSnapshot) -> Labels<'a>;

#[derive(Debug)]
struct Series {
    key: Key,
    duration: Histogram,
}

impl Series {
    fn mirror(&self, mirrors: Mirroring<'_>, pool: &Labels<'_>, labels: WithResult) {
        self.duration.mirror(mirrors, || labels(pool, &self.key.row(HistogramSnapshot::default())));
    }
}

/// Open-addressed table of series that are set once and then only read: recording takes no lock and allocates only for a
/// result that was never seen before.
pub(crate) struct Results {
    def: &'static MetricDef,
    labels: WithResult,
    slots: Box<[OnceLock<Box<Series>>]>,
    overflow: Histogram,
    /// Read only for a result that was never seen before.
    mirrored: RwLock<PoolMirrors>,
}

impl Results {
    pub(crate) fn new() -> Self {
        Self::of(&metric::HTTP_CLIENT_REQUEST_DURATION, with_result)
    }

    /// The series of a metric, which has such labels.
    pub(super) fn of(def: &'static MetricDef, labels: WithResult) -> Self {
        Self {
            def,
            labels,
            slots: (0..SLOTS).map(|_| OnceLock::new()).collect(),
            overflow: Histogram::new(def),
            mirrored: RwLock::default(),
        }
    }

    /// All series, those that are made later too, go to mirrors besides from now on, or to none any more.
    pub(super) fn mirror(&self, mirrors: Mirroring<'_>, pool: &Labels<'_>) {
        let mirrored = mirrors.map(|mirrors| (Arc::clone(mirrors), owned(pool)));
        // Whoever makes a series holds the lock meanwhile: it is told now, or it is in its slot below.
        *self.mirrored.write().unwrap_or_else(PoisonError::into_inner) = mirrored;
        for series in self.slots.iter().filter_map(OnceLock::get) {
            series.mirror(mirrors, pool, self.labels);
        }
        let overflow = || (self.labels)(pool, &overflow_row(HistogramSnapshot::default()));
        self.overflow.mirror(mirrors, overflow);
    }

    #[inline]
    pub(crate) fn record(
        &self,
        method: KnownMethod,
        outcome: Outcome,
        version: Option<http::Version>,
        nanos: u64,
        traced: impl FnOnce() -> Option<Traced>,
    ) {
        self.series(Key::new(method, outcome, version)).record_traced(nanos, traced);
    }

    /// Counts a result together with all others that have no series of their own.
    #[cfg(feature = "server")]
    pub(super) fn record_overflow(&self, nanos: u64, traced: impl FnOnce() -> Option<Traced>) {
        self.overflow.record_traced(nanos, traced);
    }

    #[inline]
    fn series(&self, key: Key) -> &Histogram {
        // Multiplying by a large odd number spreads the few bits in which keys differ over the upper ones.
        let start = (key.0.wrapping_mul(0x9e37_79b1) >> 26) as usize;
        for step in 0..SLOTS {
            let slot = &self.slots[(start + step) % SLOTS];
            let series = match slot.get() {
                Some(series) => series,
                None => self.make(slot, key),
            };
            if series.key == key {
                return &series.duration;
            }
        }
        &self.overflow
    }

    #[cold]
    fn make<'a>(&self, slot: &'a OnceLock<Box<Series>>, key: Key) -> &'a Series {
        let mirrored = self.mirrored.read().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_init(|| {
            let series = Series { key, duration: Histogram::new(self.def) };
            if let Some((mirrors, pool)) = &*mirrored {
                series.mirror(Some(mirrors), pool, self.labels);
            }
            Box::new(series)
        })
    }

    pub(crate) fn snapshot(&self) -> Vec<ResultSnapshot> {
        let mut series: Vec<_> = self.slots.iter().filter_map(OnceLock::get).collect();
        series.sort_by_key(|series| series.key.0);
        let mut rows: Vec<_> =
            series.into_iter().map(|series| series.key.row(series.duration.snapshot())).collect();
        let overflow = self.overflow.snapshot();
        if overflow.count() > 0 {
            rows.push(overflow_row(overflow));
        }
        rows
    }
}

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.slots.iter().filter_map(OnceLock::get)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, StatusCode, Version};

    #[test]
    fn a_series_tells_what_it_was_made_for() {
        let results = Results::new();
        let status = Outcome::Status(StatusCode::SERVICE_UNAVAILABLE);
        results.record(KnownMethod::of(&Method::POST), status, Some(Version::HTTP_11), 3_000_000, || None);
        results.record(KnownMethod::of(&Method::POST), status, Some(Version::HTTP_11), 3_000_000, || None);
        let custom = Method::from_bytes(b"BREW").unwrap();
        results
            .record(KnownMethod::of(&custom), Outcome::Error(ErrorType::Connect), None, 3_000_000, || None);
        let rows = results.snapshot();
        assert_eq!(rows.len(), 2);
        let post = rows.iter().find(|row| row.method == "POST").unwrap();
        assert_eq!((post.status, post.protocol, post.duration.count()), (Some(503), Some("1.1"), 2));
        let other = rows.iter().find(|row| row.method == METHOD_OTHER).unwrap();
        assert_eq!((other.status, other.error_type), (None, Some(ErrorType::Connect)));
    }

    #[test]
    fn results_beyond_the_table_are_counted_together() {
        let results = Results::new();
        for code in 100..300 {
            let status = Outcome::Status(StatusCode::from_u16(code).unwrap());
            results.record(KnownMethod::of(&Method::GET), status, Some(Version::HTTP_2), 0, || None);
        }
        let rows = results.snapshot();
        assert_eq!(rows.len(), SLOTS + 1);
        assert_eq!(rows.iter().map(|row| row.duration.count()).sum::<u64>(), 200);
        assert_eq!(rows.iter().find(|row| row.overflow).unwrap().duration.count(), 200 - SLOTS as u64);
    }
}
